"""The contract of a strategy: look at a view, say what should rest at the venue.

A strategy never sends or cancels. It returns the orders that it *wants to have*
(``Wish``), each under a tag of its own; the kernel compares wishes with what
rests and sends, keeps or cancels. So a lost reply, a restart or a live edit of
parameters need no code here. Steps are pure: no I/O, no clock, no randomness
(R32 R45 R50); the same object runs live, on paper and in back-tests (R40).
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Protocol

import msgspec
from pydantic import BaseModel, ConfigDict

from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, OrderKind, OrderRole, Side, TimeInForce


class Parameters(BaseModel):
    """Base of typed strategy parameters: every field has a unit, bounds, default and help."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def check_kind(self, kind: MarketKind) -> None:
        """Raise ``ConfigError`` about the field that markets of this kind cannot do."""


class MarketView(msgspec.Struct, frozen=True):
    """The market as a strategy sees it. Sizes in lots, prices in ticks."""

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    last_ticks: int
    obi: float
    """Imbalance over the strategy's own number of levels (R106)."""
    micro_ticks: float
    flow: float
    """Trade-flow imbalance, -1 … 1."""
    atr_ticks: float
    """Average true range of closed candles; nan until known. A health gate only (Q20)."""
    tradable: bool
    """False while the book is stale, crossed, empty or not in sync."""
    depth_updates: int
    """Book messages applied so far: lets a guard count confirmations."""


class PositionView(msgspec.Struct, frozen=True):
    """The instance's own position, from its own fills."""

    lots: int
    """Signed: positive long."""
    average_ticks: float
    """Average entry price; 0 when flat."""
    opened_ns: int
    """When it last left flat; 0 when flat."""
    sellable_lots: int
    """What an order can close of it now, whatever its side: on spot net of fees taken in
    coin, on perpetuals no more than the venue holds."""
    realised_quote: Decimal
    round_trips: int


class View(msgspec.Struct, frozen=True):
    """Everything a decision may depend on."""

    now_ns: int
    instrument: Instrument
    market: MarketView
    position: PositionView
    available_quote: Decimal
    """Free quote balance of the account (Q12)."""


class Wish(msgspec.Struct, frozen=True):
    """One order that should rest at (or go to) the venue.

    The tag names it within the instance; a resting order with the same tag and
    the same terms is kept. ``exit`` orders wait until every other reducing order
    of the instance is gone, so that coins are free when they leave (T45).
    """

    tag: str
    side: Side
    kind: OrderKind
    lots: int
    role: OrderRole
    price_ticks: int = 0
    trigger_ticks: int = 0
    post_only: bool = False
    reduce_only: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC
    tolerance_ticks: int = 0
    """A resting order this near to ``price_ticks``/``trigger_ticks`` is kept as it is."""


class Decision(msgspec.Struct, frozen=True):
    """The wishes of one step, with the reason in words."""

    wishes: tuple[Wish, ...]
    reason: str
    signal: str = ""
    """Set on the step in which a signal fires (entry, exit, guard): one log line."""


class Report(msgspec.Struct, frozen=True):
    """What the strategy card shows."""

    signal: float
    enter_at: float
    exit_at: float
    position_share: float
    lines: tuple[tuple[str, str], ...] = ()


class Strategy(Protocol):
    """One running instance. It may keep state; the state changes only in ``decide``."""

    kind: ClassVar[str]
    obi_levels: int
    """Levels a side over which ``MarketView.obi`` is computed."""

    def decide(self, view: View) -> Decision:
        """Return what should rest at the venue now."""
        ...

    def report(self, view: View) -> Report:
        """Return the numbers for the card; must not change state."""
        ...
