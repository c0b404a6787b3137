"""The face of the exchange core that wire dialects speak to.

The core (``exchange/venue.py``) is synchronous, deterministic and knows no wire
format: time comes in as ``now_ns``, outputs leave by ``drain()``. A dialect turns
requests into calls and outputs into the venue's own messages. Prices and sizes
are integer ticks and lots; balances and fees are ``Decimal``.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Protocol

import msgspec

from obiterm.core.values import Side

NO_ID = -1


class Kind(Enum):
    """Order types that the core matches."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_MARKET = "STOP_MARKET"
    STOP_LIMIT = "STOP_LIMIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


class Tif(Enum):
    """Time in force."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Stp(Enum):
    """Self-trade prevention of the taker."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class Status(Enum):
    """Order status, venue neutral."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    REJECTED = "REJECTED"


class Why(Enum):
    """Reason of a refusal; the dialect owns code and text."""

    INSUFFICIENT_BALANCE = "insufficient balance"
    WOULD_TAKE = "post-only would take"
    WOULD_TRIGGER = "stop would trigger immediately"
    DUPLICATE_CLIENT_ID = "duplicate client id"
    UNKNOWN_ORDER = "unknown order"
    UNKNOWN_SYMBOL = "unknown symbol"
    NOTHING_OPEN = "nothing open"
    FILTER = "filter"
    NO_LIQUIDITY = "no liquidity"
    LIST_PRICES = "order list prices"
    CANCEL_RESTRICTION = "cancel restriction"


class Refusal(Exception):
    """The core refused a request. ``detail`` is e.g. the filter's name (``LOT_SIZE``)."""

    def __init__(self, why: Why, detail: str = "") -> None:
        super().__init__(f"{why.value} {detail}".strip())
        self.why = why
        self.detail = detail


class MarketSpec(msgspec.Struct, frozen=True):
    """A market and its filters; names follow the Binance filter list (binance.md §6.1)."""

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    min_lots: int = 1
    max_lots: int = 900_000_000
    market_max_lots: int = 9_709_521
    min_price_ticks: int = 1
    max_price_ticks: int = 100_000_000
    min_notional: Decimal = Decimal(5)
    max_notional: Decimal = Decimal(9_000_000)
    multiplier_up: Decimal = Decimal(5)
    multiplier_down: Decimal = Decimal("0.2")
    max_open_orders: int = 200
    max_algo_orders: int = 5
    max_position: Decimal | None = None
    maker_fee: Decimal = Decimal("0.001")
    taker_fee: Decimal = Decimal("0.001")


class NewOrder(msgspec.Struct, frozen=True):
    """A request to trade. Exactly one of ``lots`` and ``quote_qty`` is set."""

    symbol: str
    side: Side
    kind: Kind
    client_id: str
    lots: int = 0
    quote_qty: Decimal | None = None
    price_ticks: int = 0
    trigger_ticks: int = 0
    tif: Tif = Tif.GTC
    stp: Stp = Stp.EXPIRE_MAKER
    list_id: int = NO_ID


class Order(msgspec.Struct):
    """The core's own record of an order. Mutable; dialects only read it."""

    order_id: int
    account: str
    symbol: str
    side: Side
    kind: Kind
    client_id: str
    lots: int
    price_ticks: int
    trigger_ticks: int
    tif: Tif
    stp: Stp
    created_ns: int
    updated_ns: int
    working_ns: int
    """When it entered the book; -1 while a stop waits."""
    status: Status = Status.NEW
    filled_lots: int = 0
    filled_quote: Decimal = Decimal(0)
    quote_qty: Decimal = Decimal(0)
    list_id: int = NO_ID
    triggered: bool = False
    expiry_reason: str = ""


class Fill(msgspec.Struct, frozen=True):
    """One execution of one account's order."""

    trade_id: int
    order_id: int
    account: str
    symbol: str
    side: Side
    client_id: str
    price_ticks: int
    lots: int
    quote: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    time_ns: int


class PublicTrade(msgspec.Struct, frozen=True):
    """A print of the tape."""

    symbol: str
    trade_id: int
    price_ticks: int
    lots: int
    aggressor: Side
    time_ns: int
    buyer_order_id: int
    seller_order_id: int


class Candle(msgspec.Struct):
    """OHLCV of one interval."""

    symbol: str
    interval_ms: int
    open_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int
    quote: Decimal
    trades: int
    taker_buy_lots: int
    taker_buy_quote: Decimal
    first_trade_id: int
    last_trade_id: int


class OrderList(msgspec.Struct):
    """A one-cancels-the-other pair."""

    list_id: int
    account: str
    symbol: str
    client_id: str
    order_ids: list[int]
    done: bool = False


# -- outputs of the core, in the order they happened ---------------------------


class DepthDelta(msgspec.Struct, frozen=True):
    """Levels that changed since the last delta of the symbol; the dialect batches by 100 ms."""

    symbol: str
    first_id: int
    last_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    time_ns: int


class Top(msgspec.Struct, frozen=True):
    """Best bid and ask changed."""

    symbol: str
    update_id: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class OrderUpdate(msgspec.Struct, frozen=True):
    """An order changed: NEW, TRADE, CANCELED, EXPIRED, TRADE_PREVENTION or REJECTED."""

    order: Order
    """A copy, as it was at this moment."""
    execution: str
    execution_id: int
    fill: Fill | None = None
    cancel_client_id: str = ""


class BalanceUpdate(msgspec.Struct, frozen=True):
    """Balances of an account after a change: ``(asset, free, locked)``."""

    account: str
    balances: list[tuple[str, Decimal, Decimal]]
    time_ns: int


class ListUpdate(msgspec.Struct, frozen=True):
    """An order list started or ended."""

    order_list: OrderList
    legs: list[Order]
    time_ns: int


class Verbatim(msgspec.Struct, frozen=True):
    """A recorded stream message to pass on unchanged (capture replay).

    ``text`` is the ``data`` object as raw JSON, ``stream`` its stream name.
    """

    stream: str
    text: bytes
    time_ns: int


Output = DepthDelta | Top | PublicTrade | OrderUpdate | BalanceUpdate | ListUpdate | Verbatim


class VenueCore(Protocol):
    """What a dialect calls. All calls are synchronous; time never comes from a clock here."""

    markets: dict[str, MarketSpec]
    recorded_streams: set[str]
    """Streams that leave as ``Verbatim``: a dialect must not make them up as well."""

    def start(self) -> None:
        """Let a recorded market begin: the first depth subscription calls this.

        Playback then waits at the recorded snapshot until ``depth`` was asked once
        (that call returns the recorded snapshot). Does nothing for a flow model.
        """
        ...

    def advance(self, now_ns: int) -> None:
        """Move the market (flow model or capture) up to ``now_ns``; outputs queue up."""
        ...

    def next_event_ns(self) -> int | None:
        """Return when the market moves next; ``None`` when a capture has ended."""
        ...

    def drain(self) -> list[Output]:
        """Return and forget the queued outputs, in order."""
        ...

    def add_account(self, name: str, balances: dict[str, Decimal]) -> None:
        """Create a funded account."""
        ...

    def place(self, account: str, request: NewOrder, now_ns: int, *, test: bool = False) -> Order:
        """Check filters and funds, then match (not with ``test``). Raise ``Refusal``."""
        ...

    def place_oco(
        self, account: str, above: NewOrder, below: NewOrder, list_client_id: str, now_ns: int
    ) -> OrderList:
        """Place two orders of which one cancels the other. Raise ``Refusal``."""
        ...

    def cancel(
        self,
        account: str,
        symbol: str,
        now_ns: int,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        cancel_client_id: str = "",
        only_status: Status | None = None,
    ) -> Order:
        """Cancel one order (and its list). Raise ``Refusal`` (``UNKNOWN_ORDER``)."""
        ...

    def cancel_all(self, account: str, symbol: str, now_ns: int) -> list[Order]:
        """Cancel all open orders on a symbol. Raise ``Refusal`` (``NOTHING_OPEN``)."""
        ...

    def find_order(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
    ) -> Order:
        """Return the newest matching order, open or not. Raise ``Refusal``."""
        ...

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Return open orders, oldest first."""
        ...

    def all_orders(self, account: str, symbol: str) -> list[Order]:
        """Return every order of the account on a symbol, oldest first."""
        ...

    def order_list(self, account: str, list_id: int) -> OrderList:
        """Return an order list. Raise ``Refusal``."""
        ...

    def balances(self, account: str) -> dict[str, tuple[Decimal, Decimal]]:
        """Return ``asset -> (free, locked)``."""
        ...

    def fills(self, account: str, symbol: str | None = None) -> list[Fill]:
        """Return fills, oldest first."""
        ...

    def depth(
        self, symbol: str, limit: int
    ) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        """Return ``(last update id, bids best first, asks best first)``."""
        ...

    def top(self, symbol: str) -> Top:
        """Return best bid and ask (0 ticks, 0 lots for an empty side)."""
        ...

    def trades(self, symbol: str, limit: int) -> list[PublicTrade]:
        """Return the newest prints, oldest first."""
        ...

    def candles(self, symbol: str, interval_ms: int) -> list[Candle]:
        """Return the candles of an interval built from one-minute candles and prints, oldest first.

        The last one is still open.
        """
        ...

    def average_price(self, symbol: str) -> Decimal:
        """Return the five-minute volume-weighted price that filters use."""
        ...

    def self_trades(self) -> list[dict[str, object]]:
        """Return fills in which one owner met itself; stays empty when prevention works."""
        ...
