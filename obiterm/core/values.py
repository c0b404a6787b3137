"""Closed sets and identifiers that every room speaks in.

Enumerations are text so that a journal row can be read without this program.
"""

from __future__ import annotations

from enum import Enum
from typing import NewType

AccountId = NewType("AccountId", str)
"""Name of an account inside one profile, e.g. ``binance-main``."""

Symbol = NewType("Symbol", str)
"""The venue's own market name, e.g. ``BTCUSDT``."""

ClientOrderId = NewType("ClientOrderId", str)
"""Our id of an order, unique for ever, sent to the venue with it."""

VenueOrderId = NewType("VenueOrderId", str)
"""The venue's id of an order."""

RunId = NewType("RunId", str)
"""Short prefix of every client order id that one host run creates."""

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class ClosedSet(Enum):
    """An enumeration whose members are looked up in sets and dicts on the order path.

    Members are single objects, so they may be told apart by identity: the usual hash of an
    enumeration is computed in Python from the name, every time.
    """

    __hash__ = object.__hash__


class Side(ClosedSet):
    """Direction of an order, a fill or an aggressor."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderKind(ClosedSet):
    """What makes an order trade."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP_MARKET = "STOP_MARKET"
    """Rests at the venue as a trigger and becomes a market order."""


class TimeInForce(ClosedSet):
    """How long a limit order may rest."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderRole(ClosedSet):
    """Why an order exists; shown on the screen and used by the risk gate."""

    ENTRY = "entry"
    STOP = "stop"
    TAKE_PROFIT = "tp"
    EXIT = "exit"
    MANUAL = "manual"
    PANIC = "panic"


class OrderState(ClosedSet):
    """Where an order is in its life. The allowed changes: ``trading/order_states.py``."""

    INTENDED = "INTENDED"
    """Approved and journaled, not yet on the wire."""
    SENT = "SENT"
    """On the wire, no answer yet."""
    OPEN = "OPEN"
    """Confirmed by the venue, resting (for a stop: waiting for its trigger)."""
    PARTIAL = "PARTIAL"
    """Resting with a part filled."""
    CANCELLING = "CANCELLING"
    """A cancel is on the wire."""
    UNKNOWN = "UNKNOWN"
    """The outcome of a send is not known: ask the venue, never re-send."""
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    @property
    def is_final(self) -> bool:
        """True when the venue holds nothing of the order any more."""
        return self in _FINAL


_FINAL = frozenset(
    {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED}
)


class RefusalKind(ClosedSet):
    """What a refused order was refused for, as far as it matters for what to do next."""

    ORDER = "order"
    """Something about this order or this account; the words say what."""
    WOULD_TAKE = "would_take"
    """A post-only order whose price had gone: the next one needs another price."""
    TOO_SMALL = "too_small"
    """Size or value is outside of what the market takes."""
    LATER = "later"
    """Nothing is wrong with the order: the venue is busy, or our rate or clock is off."""
    SELF_TRADE = "self_trade"
    """It would have met an order of our own; it did not leave (R15)."""


class TradingState(ClosedSet):
    """What an account may do (SPEC §6). Latched on disk."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    """Only orders that shrink a position, and cancels."""
    HALTED = "HALTED"
    """Only cancels and reducing closes asked for by a human or the panic path."""


class Environment(ClosedSet):
    """Which world an account trades in; part of every stored key (Q26)."""

    SIM = "SIM"
    PAPER = "PAPER"
    DEMO = "DEMO"
    TESTNET = "TESTNET"
    LIVE = "LIVE"

    @property
    def is_real_money(self) -> bool:
        """True only for the venue's production environment."""
        return self is Environment.LIVE


class MarketKind(ClosedSet):
    """Kind of instrument (Q22)."""

    SPOT = "SPOT"
    PERP = "PERP"
