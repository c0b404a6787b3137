"""What the risk gate is told about an account before it judges an order."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from obiterm.core.instruments import Instrument
from obiterm.core.values import Environment, OrderKind, OrderRole, Side, Symbol, TradingState


class OpenOrder(msgspec.Struct, frozen=True, gc=False):
    """One order of ours that is not final, of any owner and symbol."""

    symbol: Symbol
    owner: str
    side: Side
    kind: OrderKind
    role: OrderRole
    price_ticks: int
    """0 for market and stop orders."""
    lots_left: int


class RiskContext(msgspec.Struct, frozen=True):
    """The account and the market at the moment of an intent."""

    instrument: Instrument
    trading_state: TradingState
    armed: bool
    environment: Environment
    bid_ticks: int
    ask_ticks: int
    last_ticks: int
    """0 where unknown, as for bid and ask."""
    book_tradable: bool
    book_age_ns: int
    position_lots: int
    """Signed position of the intent's owner."""
    net_lots: int
    """Signed position of the account on this symbol."""
    exposure_quote: Decimal
    """Positions and open entries of all symbols."""
    open_orders: Sequence[OpenOrder]
    available_quote: Decimal
    """Free quote balance (Q12)."""
    sellable_lots: int
    """Spot: what the owner can sell. For orders by hand (role MANUAL) the venue's free coins;
    for all other roles what is held, from which the gate takes off what the owner's own
    open sells bind."""
    day_pnl_quote: Decimal
    """Realised + unrealised - fees since 00:00 UTC."""
    clock_offset_ns: int
