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
    reduce_only: bool = False


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
    """Signed lots of the intent's owner that an order could close; of the account's own for
    orders by hand. On perpetuals no more than the venue holds."""
    net_lots: int
    """Signed position of the account on this symbol, what is not ours included."""
    exposure_quote: Decimal
    """Positions and orders that may open one, of all symbols."""
    open_orders: Sequence[OpenOrder]
    available_quote: Decimal
    """Free balance of the money that the instrument is paid in (Q12)."""
    sellable_lots: int
    """Spot: what the owner can sell. For orders by hand (role MANUAL) the venue's free coins;
    for all other roles what is held, from which the gate takes off what the owner's own
    open sells bind."""
    day_pnl_quote: Decimal
    """Realised + unrealised - fees since 00:00 UTC."""
    clock_offset_ns: int
    others_lots: int = 0
    """Perpetuals: signed lots of this symbol that others hold on the account: strategies
    beside the intent's owner, other programs. For orders by hand only the latter."""
    equity_quote: Decimal = Decimal(0)
    """Perpetuals: what the account has of the settle asset, free and bound."""
    margined_quote: Decimal = Decimal(0)
    """The part of ``exposure_quote`` on perpetuals that settle in the same asset."""
    hedged: bool = False
    """The venue keeps long and short apart on this symbol."""
