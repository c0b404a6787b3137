"""The face of the exchange core that wire dialects speak to.

The core (``exchange/venue.py``) is synchronous, deterministic and knows no wire
format: time comes in as ``now_ns``, outputs leave by ``drain()``. A dialect turns
requests into calls and outputs into the venue's own messages. Prices and sizes
are integer ticks and lots; balances and fees are ``Decimal``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from obiterm.exchange.contracts import (
    Cause,
    Collateral,
    FundingPayment,
    FundingRate,
    MarkPrice,
    Origin,
    Position,
    PositionSide,
    PositionUpdate,
    TriggerBy,
)
from obiterm.exchange.words import (
    NO_ID,
    BalanceUpdate,
    Candle,
    DepthDelta,
    Fill,
    Kind,
    ListUpdate,
    MarketSpec,
    NewOrder,
    Order,
    OrderList,
    OrderUpdate,
    PublicTrade,
    Refusal,
    Status,
    Stp,
    Tif,
    Top,
    Verbatim,
    Why,
)

__all__ = [
    "NO_ID",
    "BalanceUpdate",
    "Candle",
    "Cause",
    "Collateral",
    "DepthDelta",
    "Fill",
    "FundingPayment",
    "FundingRate",
    "Kind",
    "ListUpdate",
    "MarkPrice",
    "MarketSpec",
    "NewOrder",
    "Order",
    "OrderList",
    "OrderUpdate",
    "Origin",
    "Output",
    "Position",
    "PositionSide",
    "PositionUpdate",
    "PublicTrade",
    "Refusal",
    "Status",
    "Stp",
    "Tif",
    "Top",
    "TriggerBy",
    "VenueCore",
    "Verbatim",
    "Why",
]

Output = (
    DepthDelta
    | Top
    | PublicTrade
    | OrderUpdate
    | BalanceUpdate
    | ListUpdate
    | Verbatim
    | PositionUpdate
    | FundingPayment
    | MarkPrice
)


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

    # -- changing orders --------------------------------------------------------

    def amend(
        self,
        account: str,
        symbol: str,
        now_ns: int,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        lots: int | None = None,
        price_ticks: int | None = None,
        trigger_ticks: int | None = None,
    ) -> Order:
        """Change an open order; fewer lots at the same price keep the place in the queue.

        ``lots`` is the new total. Raise ``Refusal`` (``UNKNOWN_ORDER``, ``UNCHANGED`` and
        those of ``place``); the order then stands as before.
        """
        ...

    # -- perpetuals; spot accounts hold none ------------------------------------

    def positions(self, account: str, symbol: str | None = None) -> list[Position]:
        """Return every position the account ever opened, flat ones too, at the present mark."""
        ...

    def position(
        self, account: str, symbol: str, side: PositionSide = PositionSide.BOTH
    ) -> Position:
        """Return one position, flat when there is none. Raise ``Refusal`` for a spot market."""
        ...

    def collateral(self, account: str, asset: str) -> Collateral:
        """Return what the account holds of a settle asset and what its positions ask of it."""
        ...

    def set_leverage(self, account: str, symbol: str, leverage: Decimal, now_ns: int) -> None:
        """Change the leverage of a market. Raise ``Refusal`` (``LEVERAGE``, funds)."""
        ...

    def leverage(self, account: str, symbol: str) -> Decimal:
        """Return the leverage of a market."""
        ...

    def hedge_mode(self, account: str) -> bool:
        """Tell whether the account keeps a long and a short leg beside each other."""
        ...

    def set_hedge_mode(self, account: str, *, hedged: bool) -> None:
        """Change the position mode. Raise ``Refusal`` (``POSITION_MODE``) unless all is flat."""
        ...

    def mark(self, symbol: str) -> MarkPrice:
        """Return mark, index and funding now. Raise ``Refusal`` for a spot market."""
        ...

    def index(self, symbol: str) -> Decimal:
        """Return what the base is worth beyond this venue, in quote."""
        ...

    def funding_rates(self, symbol: str) -> list[FundingRate]:
        """Return the rates of past intervals, oldest first."""
        ...

    def funding_payments(self, account: str, symbol: str | None = None) -> list[FundingPayment]:
        """Return funding received and paid, oldest first."""
        ...
