"""The words of the exchange core: markets, orders, fills and what it reports.

Prices and sizes are integer ticks and lots; balances and fees are ``Decimal``.
What only perpetuals have is in ``contracts``; ``api`` gives out both.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import msgspec

from obiterm.core.values import MarketKind, Side
from obiterm.exchange.contracts import Cause, Origin, PositionSide, TriggerBy

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
    REDUCE_ONLY = "nothing to reduce"
    POSITION_SIDE = "position side does not fit the position mode"
    LEVERAGE = "leverage out of range"
    POSITION_MODE = "orders or positions are open"
    UNCHANGED = "nothing to change"
    NOT_SUPPORTED = "not supported by this market"


class Refusal(Exception):
    """The core refused a request. ``detail`` is e.g. the filter's name (``LOT_SIZE``)."""

    def __init__(self, why: Why, detail: str = "") -> None:
        super().__init__(f"{why.value} {detail}".strip())
        self.why = why
        self.detail = detail


class MarketSpec(msgspec.Struct, frozen=True):
    """A market and its filters; names follow the Binance filter list (binance.md §6.1).

    ``symbol`` is unique inside one core. Where a venue gives a spot market and a
    perpetual the same name, the perpetual's symbol here ends in ``.P`` and
    ``wire_symbol`` holds the venue's own name.
    """

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
    kind: MarketKind = MarketKind.SPOT
    wire_symbol: str = ""
    """The venue's name where it differs from ``symbol``."""
    locks_on_trigger: bool = False
    """A waiting stop holds no funds (spot; a perpetual's never does)."""
    settle: str = ""
    """Asset of margin, fees, funding and P&L of a perpetual."""
    max_leverage: Decimal = Decimal(1)
    default_leverage: Decimal = Decimal(1)
    maintenance_margin: Decimal = Decimal(0)
    """Fraction of the notional at mark below which the house closes."""
    liquidation_fee: Decimal = Decimal(0)
    """Fraction of the notional that a liquidation costs beside the taker fee."""
    funding_interval_s: int = 8 * 3600
    """Seconds between payments, on a grid from the Unix epoch."""
    funding_cap: Decimal = Decimal("0.003")
    """Most that one payment may be, as a fraction of the notional."""
    mark_band: Decimal = Decimal("0.05")
    """How far above (buys) or below (sells) the mark an order may be priced, or trade."""

    @property
    def venue_symbol(self) -> str:
        """The name on the wire."""
        return self.wire_symbol or self.symbol

    @property
    def is_perpetual(self) -> bool:
        """True for a perpetual future."""
        return self.kind is MarketKind.PERP


class NewOrder(msgspec.Struct, frozen=True):
    """A request to trade. Exactly one of ``lots``, ``quote_qty``, ``close_fraction`` is set."""

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
    trigger_by: TriggerBy = TriggerBy.LAST
    reduce_only: bool = False
    """It never opens or turns a position; more than can be closed is cut off."""
    close_fraction: Decimal | None = None
    """Waiting orders only: the share of the position to close when it fires (1 = all)."""
    dies_with_position: bool = False
    """A waiting order that ends when the position does."""
    position_side: PositionSide = PositionSide.BOTH

    @property
    def reduces(self) -> bool:
        """True when it may only shrink its position."""
        return only_reduces(self)


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
    triggered_ns: int = -1
    expiry_reason: str = ""
    trigger_by: TriggerBy = TriggerBy.LAST
    reduce_only: bool = False
    close_fraction: Decimal | None = None
    dies_with_position: bool = False
    position_side: PositionSide = PositionSide.BOTH
    origin: Origin = Origin.USER

    @property
    def reduces(self) -> bool:
        """True when it may only shrink its position."""
        return only_reduces(self)


def only_reduces(order: NewOrder | Order) -> bool:
    """Tell whether an order may only shrink its position.

    By request, by closing a share of it, or by its side of a hedge.
    """
    if order.position_side is PositionSide.BOTH:
        return order.reduce_only or order.close_fraction is not None
    return (order.position_side is PositionSide.LONG) == (order.side is Side.SELL)


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
    realised: Decimal = Decimal(0)
    """P&L that it settled, before the fee; 0 on spot."""
    position_side: PositionSide = PositionSide.BOTH
    closed_lots: int = 0
    """How much of it closed a position."""


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
    """An order changed.

    ``execution``: NEW (also when a waiting order fires), TRADE, CANCELED, EXPIRED,
    TRADE_PREVENTION, REJECTED, AMENDMENT (changed by its owner, or cut with the position).
    """

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
    cause: Cause = Cause.TRADE


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
