"""The account as the risk gate sees it: state, money, markets, orders, positions."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.orders import ApprovedOrder, OrderIntent, RefusedOrder
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderRole,
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


class Gatekeeper:
    """Everything that decides whether an order may leave."""

    def __init__(self, setup: AccountSetup, desk: Desk, markets: dict[Symbol, MarketState]) -> None:
        self.setup = setup
        self.desk = desk
        self.markets = markets
        self.state = setup.start_state
        self.holding = False
        self.armed = setup.armed
        self.balances = dict(setup.balances)
        self.positions: dict[tuple[str, Symbol], Position] = {}
        self.clock_offset_ns = 0
        self.refusals = 0
        self.stale_after_ns = setup.limits.max_book_age_ms * NS_PER_MS
        self._gate = RiskGate(setup.limits)
        self._number = setup.first_order_number
        self._day = -1
        self._day_start_quote = Decimal(0)

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
        total = Decimal(0)
        for (_, symbol), position in self.positions.items():
            mark = self.markets[symbol].mark_ticks
            total += position.realised_quote - position.fees_quote
            if mark:
                total += position.unrealised(mark)
        return total

    def day_result_quote(self, now_ns: int) -> Decimal:
        """Return the result since 00:00 UTC."""
        day = now_ns // _DAY_NS
        if day != self._day:
            self._day = day
            self._day_start_quote = self.result_quote()
        return self.result_quote() - self._day_start_quote

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

    def next_id(self, owner: str, tag: str) -> ClientOrderId:
        """Return a new client order id."""
        number = self._number
        self._number += 1
        return make_client_id(self.setup.run, number, owner, tag)

    def tradable(self, symbol: Symbol, now_ns: int) -> bool:
        """Return whether the book of a symbol may be acted on."""
        return self.markets[symbol].tradable(now_ns, self.stale_after_ns)

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
            sellable = instrument.lots_down(self.free(instrument.base))
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
            available_quote=self.free(instrument.quote),
            sellable_lots=sellable,
            day_pnl_quote=self.day_result_quote(now_ns),
            clock_offset_ns=self.clock_offset_ns,
        )

    def enter(self, state: TradingState) -> None:
        """Take a trading state."""
        self.state = state
        if state is TradingState.ACTIVE:
            self.holding = False
