"""Everything that can happen to an account, as past-tense facts.

Events are the only input of ``kernel.step``. They are frozen structs, so that a
journal row decodes to the same event byte for byte. ``event_ns`` is the venue's
time, ``received_ns`` ours; both Unix nanoseconds. Levels are ``(ticks, lots)``
pairs, best price first on snapshots, in any order on changes; 0 lots removes.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.commands import AnyCommand
from obiterm.core.orders import LiveOrder
from obiterm.core.values import (
    ClientOrderId,
    OrderKind,
    OrderState,
    RefusalKind,
    Side,
    Symbol,
    VenueOrderId,
)

Level = tuple[int, int]
"""``(price in ticks, size in lots)``."""


class DepthSnapshotted(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A whole book arrived (REST or stream)."""

    symbol: Symbol
    last_id: int
    bids: list[Level]
    asks: list[Level]
    event_ns: int
    received_ns: int
    max_levels: int = 0
    """Levels a side beyond which the stream tells no more of this book; 0 = it tells all."""


class DepthChanged(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Levels of a book were set to new absolute sizes."""

    symbol: Symbol
    first_id: int
    last_id: int
    bids: list[Level]
    asks: list[Level]
    event_ns: int
    received_ns: int
    previous_id: int = -1
    """Last id of the message before, where the venue tells it; else -1."""


class TopChanged(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Best bid and ask changed (book ticker)."""

    symbol: Symbol
    update_id: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    received_ns: int


class Traded(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Somebody traded. ``aggressor`` is the side that took."""

    symbol: Symbol
    trade_id: int
    price_ticks: int
    lots: int
    aggressor: Side
    event_ns: int
    received_ns: int


class CandleClosed(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A candle is complete and will not change."""

    symbol: Symbol
    timeframe_s: int
    open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int
    received_ns: int


class OrderReported(msgspec.Struct, frozen=True, tag=True):
    """The venue told the state of one order (stream, reply or query)."""

    symbol: Symbol
    client_id: ClientOrderId
    venue_id: VenueOrderId
    state: OrderState
    side: Side
    kind: OrderKind
    lots: int
    filled_lots: int
    price_ticks: int
    trigger_ticks: int
    event_ns: int
    received_ns: int
    code: str = ""
    """The venue's code or reason for a refusal or an expiry."""
    text: str = ""
    """The venue's words."""
    refusal: RefusalKind = RefusalKind.ORDER
    """Why, when it was refused or expired unfilled."""


class Filled(msgspec.Struct, frozen=True, tag=True):
    """One execution of one of our orders. ``trade_id`` is unique per symbol at the venue."""

    symbol: Symbol
    client_id: ClientOrderId
    venue_id: VenueOrderId
    trade_id: int
    side: Side
    price_ticks: int
    lots: int
    fee: Decimal
    fee_asset: str
    is_maker: bool
    event_ns: int
    received_ns: int


class OrderRefused(msgspec.Struct, frozen=True, tag=True):
    """The venue refused a new order: it does not exist there."""

    symbol: Symbol
    client_id: ClientOrderId
    code: str
    """The venue's code; empty when we kept the order back ourselves."""
    text: str
    received_ns: int
    refusal: RefusalKind = RefusalKind.ORDER


class OrderOutcomeLost(msgspec.Struct, frozen=True, tag=True):
    """No usable answer to a send (timeout, 5xx, cut socket): the outcome is unknown."""

    symbol: Symbol
    client_id: ClientOrderId
    text: str
    received_ns: int


class OrderNotFound(msgspec.Struct, frozen=True, tag=True):
    """A query found no such order at the venue."""

    symbol: Symbol
    client_id: ClientOrderId
    received_ns: int


class CancelRefused(msgspec.Struct, frozen=True, tag=True):
    """The venue refused a cancel: the order is probably final; ask."""

    symbol: Symbol
    client_id: ClientOrderId
    code: str
    text: str
    received_ns: int


class PositionReported(msgspec.Struct, frozen=True, tag=True):
    """The venue's word on one perpetual position; it wins over our own sum of fills.

    ``leg`` is empty in one-way mode, ``LONG`` or ``SHORT`` in hedge mode (T12 T31 T39).
    """

    symbol: Symbol
    lots: int
    """Signed: negative short; 0 when there is none."""
    entry_price: Decimal
    mark_price: Decimal
    liquidation_price: Decimal
    """0 where the venue tells none."""
    unrealised_quote: Decimal
    event_ns: int
    received_ns: int
    leg: str = ""


class FundingChanged(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Mark price and funding of a perpetual."""

    symbol: Symbol
    mark_ticks: int
    """Mark price on the tick grid, rounded half up."""
    rate: Decimal
    """Fraction of the notional for the coming interval; positive: longs pay. NaN if unknown."""
    next_funding_ns: int
    """0 if unknown."""
    event_ns: int
    received_ns: int


class FundingPaid(msgspec.Struct, frozen=True, tag=True):
    """A funding payment was booked. It is no fill (T35)."""

    symbol: Symbol
    payment_id: str
    """The venue's id, or symbol and time where it has none."""
    amount: Decimal
    """In ``asset``; positive was received."""
    asset: str
    event_ns: int
    received_ns: int


class BalanceChanged(msgspec.Struct, frozen=True, tag=True):
    """The venue's balance of one asset."""

    asset: str
    free: Decimal
    locked: Decimal
    event_ns: int
    received_ns: int


class AccountReconciled(msgspec.Struct, frozen=True, tag=True):
    """The venue's whole word on an account: it wins over what we believed."""

    balances: list[tuple[str, Decimal, Decimal]]
    """``(asset, free, locked)``."""
    open_orders: list[LiveOrder]
    received_ns: int
    positions: list[PositionReported] = []
    """Perpetual positions; a symbol that is missing has none."""


class FeedChanged(msgspec.Struct, frozen=True, tag=True):
    """A socket came up or went down. ``stream`` is ``market`` or ``account``."""

    stream: str
    up: bool
    text: str
    received_ns: int
    symbols: list[Symbol] = []
    """The markets of a market socket, where a venue needs several; empty = all of them."""


class ClockMeasured(msgspec.Struct, frozen=True, tag=True):
    """The machine's clock against the venue's: positive means the venue is ahead.

    Requests are signed with the venue's time whatever this says (R14); entries wait while
    the machine's clock is farther off than the account's limit.
    """

    offset_ns: int
    round_trip_ns: int
    received_ns: int


class Ticked(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Time passed (ten times a second)."""

    received_ns: int


class Commanded(msgspec.Struct, frozen=True, tag=True):
    """A human (or the panic path) asked for something."""

    command: AnyCommand
    who: str
    """Screen, shell, signal or rule that asked."""
    received_ns: int


MarketEvent = DepthSnapshotted | DepthChanged | TopChanged | Traded | CandleClosed | FundingChanged
AccountEvent = (
    OrderReported
    | Filled
    | OrderRefused
    | OrderOutcomeLost
    | OrderNotFound
    | CancelRefused
    | BalanceChanged
    | PositionReported
    | FundingPaid
    | AccountReconciled
)
Event = MarketEvent | AccountEvent | FeedChanged | ClockMeasured | Ticked | Commanded
