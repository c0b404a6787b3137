"""What a human or the panic path may ask of an account. Imperative, closed set.

The first word of a scope is always explicit: ``account`` is an account name, or
``"*"`` for every account of the host.
"""

from __future__ import annotations

import msgspec

from obiterm.core.values import ClientOrderId, Side, Symbol

ALL_ACCOUNTS = "*"


class PlaceOrder(msgspec.Struct, frozen=True, tag=True):
    """Place an order by hand. It passes the same risk gate as a strategy's."""

    account: str
    symbol: Symbol
    side: Side
    lots: int
    price_ticks: int = 0
    """0 = market."""
    post_only: bool = True
    join: bool = False
    """True: take the price of the own side's best level at the moment of sending."""


class CancelOrder(msgspec.Struct, frozen=True, tag=True):
    """Cancel one order by our id."""

    account: str
    symbol: Symbol
    client_id: ClientOrderId


class CancelSymbol(msgspec.Struct, frozen=True, tag=True):
    """Cancel every order of ours on one symbol; strategies there hold fire until resumed.

    What protects an open position (stop, take profit) is kept.
    """

    account: str
    symbol: Symbol


class RepriceOrder(msgspec.Struct, frozen=True, tag=True):
    """Move a resting limit order to another price (cancel, then place)."""

    account: str
    symbol: Symbol
    client_id: ClientOrderId
    price_ticks: int


class ClosePosition(msgspec.Struct, frozen=True, tag=True):
    """Close our position on one symbol at market, reduce-only."""

    account: str
    symbol: Symbol


class HoldFire(msgspec.Struct, frozen=True, tag=True):
    """Send no new entries; cancel nothing. First tap of F9."""

    account: str


class Kill(msgspec.Struct, frozen=True, tag=True):
    """Disarm, cancel every order, latch HALTED, verify at the venue (R102 R127)."""

    account: str


class EmergencyExit(msgspec.Struct, frozen=True, tag=True):
    """Kill, then close every position reduce-only (R102 R127)."""

    account: str


class Rearm(msgspec.Struct, frozen=True, tag=True):
    """Return to ACTIVE. ``typed`` must be the account's name, or ``all`` for ``"*"``."""

    account: str
    typed: str


class StartStrategy(msgspec.Struct, frozen=True, tag=True):
    """Let one strategy instance trade."""

    account: str
    name: str


class StopStrategy(msgspec.Struct, frozen=True, tag=True):
    """Stop one strategy instance; its entry orders are cancelled, its protection stays."""

    account: str
    name: str


AnyCommand = (
    PlaceOrder
    | CancelOrder
    | CancelSymbol
    | RepriceOrder
    | ClosePosition
    | HoldFire
    | Kill
    | EmergencyExit
    | Rearm
    | StartStrategy
    | StopStrategy
)
