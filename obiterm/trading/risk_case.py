"""One intent with what the rules of the risk gate need to know of it."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.limits import RiskLimits
from obiterm.core.orders import OrderIntent
from obiterm.core.values import OrderKind, OrderRole, Side
from obiterm.trading.bounds import Bounds
from obiterm.trading.risk_context import OpenOrder, RiskContext

CLOSES = frozenset({OrderRole.EXIT, OrderRole.STOP, OrderRole.TAKE_PROFIT, OrderRole.PANIC})
"""Roles of orders that only shrink a position."""


class Case:
    """One intent with what the rules need to know of it."""

    __slots__ = (
        "bounds",
        "closing",
        "context",
        "intent",
        "limits",
        "orders_in_10s",
        "price_ticks",
        "reducing",
        "units",
    )

    def __init__(
        self,
        intent: OrderIntent,
        context: RiskContext,
        limits: RiskLimits,
        bounds: Bounds,
        orders_in_10s: int,
    ) -> None:
        self.intent = intent
        self.context = context
        self.limits = limits
        self.bounds = bounds
        self.orders_in_10s = orders_in_10s
        if intent.kind is OrderKind.LIMIT:
            self.price_ticks = intent.price_ticks
        elif intent.kind is OrderKind.STOP_MARKET:
            self.price_ticks = intent.trigger_ticks
        else:
            touch = context.ask_ticks if intent.side is Side.BUY else context.bid_ticks
            self.price_ticks = touch or context.last_ticks
        self.units = self.price_ticks * intent.lots
        """Value of the order in the instrument's unit (``Bounds``)."""
        self.reducing = 0 < intent.lots <= self.closable_lots()
        """True when it shrinks what is held, whatever it is called."""
        self.closing = self.reducing and (intent.role in CLOSES or intent.reduce_only)

    @property
    def notional(self) -> Decimal:
        """Value of the order in money."""
        return self.bounds.unit * self.units

    def closable_lots(self) -> int:
        """Return how much this order can take off what is held, and do no more than that.

        On a perpetual only a reduce-only order: anything else opens the other way when
        another order, a stop for one, has closed the position before it fills.
        """
        context, intent = self.context, self.intent
        if self.bounds.is_perpetual:
            return self.held_lots() if intent.reduce_only else 0
        if intent.side is Side.BUY:
            return 0
        if intent.role is OrderRole.MANUAL:
            return context.sellable_lots
        bound = sum(o.lots_left for o in self.own_orders(Side.SELL) if o.owner == intent.owner)
        return context.sellable_lots - bound

    def held_lots(self) -> int:
        """Return the lots of a perpetual that orders of this side take off."""
        return max(0, -self.context.position_lots * self.intent.side.sign)

    def own_orders(self, side: Side) -> list[OpenOrder]:
        """Return the open orders of the account on this symbol and side."""
        every = self.context.open_orders
        if not every:
            return []
        symbol = self.intent.symbol
        return [o for o in every if o.symbol == symbol and o.side is side]

    def money(self, value: Decimal) -> str:
        """Write an amount of quote."""
        return f"{value:.2f} {self.context.instrument.money}"

    def size(self, lots: int) -> str:
        """Write a size in base."""
        instrument = self.context.instrument
        return f"{instrument.quantity(lots).normalize():f} {instrument.base}"
