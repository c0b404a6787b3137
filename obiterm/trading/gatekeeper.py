"""The account as the risk gate sees it: state, money, markets, orders, positions."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.orders import ApprovedOrder, OrderIntent, RefusedOrder
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderRole,
    OrderState,
    Side,
    Symbol,
    TradingState,
)
from obiterm.market.state import MarketState
from obiterm.trading.desk import MANUAL, Desk
from obiterm.trading.ids import make_client_id
from obiterm.trading.positions import Position
from obiterm.trading.risk import OpenOrder, RiskContext, RiskGate
from obiterm.trading.setup import AccountSetup

_DAY_NS = 86_400 * 1_000_000_000
_UNSEEN = frozenset({OrderState.INTENDED, OrderState.SENT, OrderState.UNKNOWN})
"""Orders of which the venue's balances do not know yet."""


class Gatekeeper:
    """Everything that decides whether an order may leave.

    Attributes:
        holding: REDUCING because a human holds fire: entries that rest are left alone.
        killed_ns: when the last kill came; what left before it must not rest.
        stale_after_ns: age of a book from which entries are withdrawn: a tick of the watch
            and a cancel's way to the venue fit into the rest of ``max_book_age_ms``.
    """

    def __init__(self, setup: AccountSetup, desk: Desk, markets: dict[Symbol, MarketState]) -> None:
        self.setup = setup
        self.desk = desk
        self.markets = markets
        self.state = setup.start_state
        self.holding = False
        self.killed_ns = 0
        self.armed = setup.armed
        self.balances = dict(setup.balances)
        self.positions: dict[tuple[str, Symbol], Position] = {}
        self.clock_offset_ns = 0
        self.refusals = 0
        self.stale_after_ns = setup.limits.max_book_age_ms * NS_PER_MS * 9 // 10
        self._gate = RiskGate(setup.limits)
        self._number = setup.first_order_number
        self._day = -1
        self._day_start_quote = -setup.result_before_quote

    # -- money ------------------------------------------------------------------------

    def position(self, owner: str, symbol: Symbol) -> Position:
        """Return the position of one owner, made on first use."""
        key = (owner, symbol)
        found = self.positions.get(key)
        if found is None:
            found = self.positions[key] = Position(self.setup.instruments[symbol])
        return found

    def free(self, asset: str) -> Decimal:
        """Return the free balance of an asset; 0 when unknown."""
        return self.balances.get(asset, (Decimal(0), Decimal(0)))[0]

    def net_lots(self, symbol: Symbol) -> int:
        """Return the account's signed position on a symbol from its own fills."""
        return sum(p.lots for (_, s), p in self.positions.items() if s == symbol)

    def sellable_lots(self, symbol: Symbol) -> int:
        """Return what our own positions on a symbol can sell, net of fees taken in coin."""
        return sum(p.sellable_lots for (_, s), p in self.positions.items() if s == symbol)

    def result_quote(self) -> Decimal:
        """Return realised + unrealised - fees of this run from own fills only (T2)."""
        total = self.booked_quote()
        for (_, symbol), position in self.positions.items():
            mark = self.markets[symbol].mark_ticks
            if mark:
                total += position.unrealised(mark)
        return total

    def booked_quote(self) -> Decimal:
        """Return realised - fees of this run from own fills only."""
        positions = self.positions.values()
        return sum((p.realised_quote - p.fees_quote for p in positions), Decimal(0))

    def begin_day(self, now_ns: int) -> None:
        """Count the result from here when a new day (UTC) has begun."""
        day = now_ns // _DAY_NS
        if day == self._day:
            return
        if self._day >= 0:
            self._day_start_quote = self.result_quote()
        self._day = day

    @property
    def day_result_quote(self) -> Decimal:
        """Result since 00:00 UTC, earlier runs of the day included."""
        return self.result_quote() - self._day_start_quote

    @property
    def day_booked_quote(self) -> Decimal:
        """The part of it that no price can take back: without what open positions gain or lose."""
        return self.booked_quote() - self._day_start_quote

    def exposure_quote(self) -> Decimal:
        """Return the sum of |position| and open entries at their prices."""
        total = Decimal(0)
        for (_, symbol), position in self.positions.items():
            mark = self.markets[symbol].mark_ticks
            total += self.setup.instruments[symbol].notional(mark, abs(position.lots))
        for order in self.desk.live():
            if order.intent.role is OrderRole.ENTRY:
                instrument = self.setup.instruments[order.intent.symbol]
                left = order.intent.lots - order.filled_lots
                total += instrument.notional(order.intent.price_ticks, left)
        return total

    # -- orders -----------------------------------------------------------------------

    def next_id(self, role: OrderRole, owner: str, tag: str) -> ClientOrderId:
        """Return a new client order id."""
        number = self._number
        self._number += 1
        return make_client_id(self.setup.run, number, role, owner, tag)

    def tradable(self, symbol: Symbol, now_ns: int) -> bool:
        """Return whether the book of a symbol may be acted on.

        The ticker that is newer than the book must not be crossed either.
        """
        market = self.markets[symbol]
        bid, _, ask, _ = market.best()
        return 0 < bid < ask and market.tradable(now_ns, self.stale_after_ns)

    def check(self, intent: OrderIntent, now_ns: int) -> ApprovedOrder | RefusedOrder:
        """Pass an intent through the risk gate. Every order of the account comes this way."""
        outcome = self._gate.check(intent, self._context(intent, now_ns), now_ns)
        if isinstance(outcome, RefusedOrder):
            self.refusals += 1
        return outcome

    def _context(self, intent: OrderIntent, now_ns: int) -> RiskContext:
        symbol = intent.symbol
        market = self.markets[symbol]
        instrument = self.setup.instruments[symbol]
        bid_ticks, _, ask_ticks, _ = market.best()
        by_hand = intent.owner == MANUAL and intent.role is OrderRole.MANUAL
        if by_hand and intent.side is Side.SELL:
            sellable = instrument.lots_down(self.free(instrument.base)) - self._bound_lots(symbol)
        elif by_hand or intent.owner == MANUAL:
            sellable = self.sellable_lots(symbol)
        else:
            sellable = self.position(intent.owner, symbol).sellable_lots
        owner_lots = (
            self.net_lots(symbol)
            if intent.owner == MANUAL
            else self.position(intent.owner, symbol).lots
        )
        return RiskContext(
            instrument=instrument,
            trading_state=self.state,
            armed=self.armed,
            environment=self.setup.environment,
            bid_ticks=bid_ticks,
            ask_ticks=ask_ticks,
            last_ticks=market.last_ticks,
            book_tradable=self.tradable(symbol, now_ns),
            book_age_ns=now_ns - market.last_received_ns,
            position_lots=owner_lots,
            net_lots=self.net_lots(symbol),
            exposure_quote=self.exposure_quote(),
            open_orders=[
                OpenOrder(
                    symbol=order.intent.symbol,
                    owner=order.intent.owner,
                    side=order.intent.side,
                    kind=order.intent.kind,
                    role=order.intent.role,
                    price_ticks=order.intent.price_ticks,
                    lots_left=order.intent.lots - order.filled_lots,
                )
                for order in self.desk.live()
            ],
            available_quote=self.free(instrument.quote) - self._bound_quote(instrument.quote),
            sellable_lots=sellable,
            day_pnl_quote=self.day_result_quote,
            clock_offset_ns=self.clock_offset_ns,
        )

    def _bound_lots(self, symbol: Symbol) -> int:
        """Return what sells on their way will bind of the coins that still read as free."""
        return sum(
            order.lots_left
            for order in self.desk.live(symbol)
            if order.state in _UNSEEN and order.intent.side is Side.SELL
        )

    def _bound_quote(self, quote: str) -> Decimal:
        """Return what buys on their way will bind of the money that still reads as free."""
        total = Decimal(0)
        for order in self.desk.live():
            intent = order.intent
            instrument = self.setup.instruments[intent.symbol]
            if order.state in _UNSEEN and intent.side is Side.BUY and instrument.quote == quote:
                ticks = intent.price_ticks or self.markets[intent.symbol].best()[2]
                total += instrument.notional(ticks, order.lots_left)
        return total

    def enter(self, state: TradingState, *, holding: bool = False) -> None:
        """Take a trading state."""
        self.state = state
        self.holding = holding and state is TradingState.REDUCING
