"""The account as the risk gate sees it: state, money, markets, orders, positions."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.events import FundingPaid
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, OrderIntent, RefusedOrder, RehearsedOrder
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
from obiterm.trading.funding import FundingBook
from obiterm.trading.ids import make_client_id
from obiterm.trading.positions import Position
from obiterm.trading.risk import OpenOrder, RiskContext, RiskGate
from obiterm.trading.setup import AccountSetup
from obiterm.trading.venue_positions import VenuePositions

_DAY_NS = 86_400 * 1_000_000_000
_UNSEEN = frozenset({OrderState.INTENDED, OrderState.SENT, OrderState.UNKNOWN})
"""Orders of which the venue's balances do not know yet."""
_OPENS = frozenset({OrderRole.ENTRY, OrderRole.MANUAL})
_ZERO = Decimal(0)
_NOTHING = (_ZERO, _ZERO)


class Gatekeeper:
    """Everything that decides whether an order may leave.

    Attributes:
        holding: REDUCING because a human holds fire: entries that rest are left alone.
        killed_ns: when the last kill came; what left before it must not rest.
        venue: the venue's word on perpetual positions.
        funding: funding payments; ``funding.by_symbol`` is what each market received.
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
        self.venue = VenuePositions()
        self.funding = FundingBook(setup.instruments)
        self.clock_offset_ns = 0
        self.refusals = 0
        self.stale_after_ns = setup.limits.max_book_age_ms * NS_PER_MS * 9 // 10
        self._gate = RiskGate(setup.limits)
        self._leverage = setup.limits.max_leverage
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
        return self.balances.get(asset, _NOTHING)[0]

    def net_lots(self, symbol: Symbol) -> int:
        """Return the account's signed position on a symbol from its own fills."""
        lots = 0
        for (_, held), position in self.positions.items():
            if held == symbol:
                lots += position.lots
        return lots

    def whole_lots(self, symbol: Symbol) -> int:
        """Return what a venue that keeps positions must hold for our fills, dust included."""
        return sum(p.whole_lots for (_, s), p in self.positions.items() if s == symbol)

    def exposure_lots(self, symbol: Symbol) -> int:
        """Return the signed lots of ours that orders could close now.

        On spot net of fees taken in coin; on perpetuals no more than the venue holds.
        """
        if not self.setup.instruments[symbol].is_perpetual:
            return sum(p.sellable_lots for (_, s), p in self.positions.items() if s == symbol)
        net = self.net_lots(symbol)
        held = self.venue.lots_now(symbol)
        if held is None:
            return net
        return max(0, min(net, held)) if net > 0 else min(0, max(net, held))

    def limit_positions(self, symbol: Symbol) -> None:
        """Bound what may be closed by what the venue holds, while its word can be trusted."""
        held = self.venue.lots_now(symbol)
        for (_, name), position in self.positions.items():
            if name == symbol:
                position.venue_limit = None if held is None else _fitting(position.lots, held)

    def result_quote(self) -> Decimal:
        """Return realised + unrealised - fees + funding of this run from own fills only (T2)."""
        total = self.funding.total
        for (_, symbol), position in self.positions.items():
            total += position.booked_quote
            if position.quantity:
                mark = self.markets[symbol].mark_ticks
                if mark:
                    total += position.unrealised(mark)
        return total

    def booked_quote(self) -> Decimal:
        """Return realised - fees + funding of this run from own fills only."""
        total = self.funding.total
        for position in self.positions.values():
            total += position.booked_quote
        return total

    def book_funding(self, event: FundingPaid, now_ns: int) -> bool:
        """Book a funding payment; return False when it was known.

        One of an earlier day belongs to the result, and not to the day's.
        """
        self.begin_day(now_ns)
        amount = self.funding.book(event)
        if amount is None:
            return False
        if event.event_ns // _DAY_NS < self._day:
            self._day_start_quote += amount
        return True

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

    def exposure_quote(self, money: str = "") -> Decimal:
        """Return the sum of |position| and orders that may open one, at their prices.

        With ``money``, that of the perpetuals which settle in it. Where the venue holds more
        than our fills, what it holds counts.
        """
        total = _ZERO
        for symbol, lots in self._held_lots().items():
            instrument = self.setup.instruments[symbol]
            if not money or instrument.settle == money:
                ticks = self.markets[symbol].mark_ticks or self._paid_ticks(symbol)
                total += instrument.notional(ticks, lots)
        for order in self.desk.live():
            intent = order.intent
            if intent.role not in _OPENS or intent.reduce_only:
                continue
            instrument = self.setup.instruments[intent.symbol]
            if money and instrument.settle != money:
                continue
            if intent.role is OrderRole.ENTRY or intent.side is Side.BUY or instrument.settle:
                ticks = intent.price_ticks or self.markets[intent.symbol].best()[2]
                total += instrument.notional(ticks, order.lots_left)
        return total

    def _paid_ticks(self, symbol: Symbol) -> int:
        """Return what was paid for a position: its value while the market shows no price."""
        prices = [one.average_price for (_, held), one in self.positions.items() if held == symbol]
        return self.setup.instruments[symbol].ticks_up(max(prices, default=_ZERO))

    def _held_lots(self) -> dict[Symbol, int]:
        held: dict[Symbol, int] = {}
        for (_, symbol), position in self.positions.items():
            lots = position.lots
            if lots:
                held[symbol] = held.get(symbol, 0) + abs(lots)
        for symbol, foreign in self.venue.foreign.items():
            if foreign:
                held[symbol] = held.get(symbol, 0) + abs(foreign)
        return held

    # -- orders -----------------------------------------------------------------------

    def next_id(self, role: OrderRole, owner: str, tag: str) -> ClientOrderId:
        """Return a new client order id."""
        number = self._number
        self._number += 1
        return make_client_id(self.setup.run, number, role, owner, tag)

    def tradable(self, symbol: Symbol, now_ns: int) -> bool:
        """Return whether the book of a symbol may be acted on."""
        return self.markets[symbol].tradable(now_ns, self.stale_after_ns)

    def check(self, intent: OrderIntent, now_ns: int) -> ApprovedOrder | RefusedOrder:
        """Pass an intent through the risk gate. Every order of the account comes this way."""
        outcome = self._gate.check(intent, self._context(intent, now_ns), now_ns)
        if isinstance(outcome, RefusedOrder):
            self.refusals += 1
        return outcome

    def rehearse(self, intent: OrderIntent, now_ns: int) -> RehearsedOrder:
        """Judge an intent that never leaves as ``check`` would; nothing is counted.

        What the judgement says does not matter: nothing is approved by it.
        """
        self._gate.judge(intent, self._context(intent, now_ns), now_ns)
        return RehearsedOrder(intent=intent, approved_ns=now_ns)

    def rehearsal_id(self, owner: str) -> ClientOrderId:
        """Return the id of orders that never leave: number 0, which no order of a run has."""
        return make_client_id(self.setup.run, 0, OrderRole.ENTRY, owner, "dry")

    def _context(self, intent: OrderIntent, now_ns: int) -> RiskContext:
        symbol, owner = intent.symbol, intent.owner
        market, instrument = self.markets[symbol], self.setup.instruments[symbol]
        bid_ticks, _, ask_ticks, _ = market.best()
        net_lots = self.net_lots(symbol)
        foreign = self.venue.foreign.get(symbol, 0)
        if owner == MANUAL:
            held_lots, others_lots = self.exposure_lots(symbol), foreign
            sellable = self._sellable_by_hand(intent, instrument, held_lots)
        else:
            own = self.position(owner, symbol)
            held_lots, others_lots = own.closable_signed, foreign + net_lots - own.lots
            sellable = own.sellable_lots
        money = instrument.settle or instrument.quote
        free, locked = self.balances.get(money, _NOTHING)
        live = [
            OpenOrder(
                order.intent.symbol,
                order.intent.owner,
                order.intent.side,
                order.intent.kind,
                order.intent.role,
                order.intent.price_ticks,
                order.intent.lots - order.filled_lots,
                order.intent.reduce_only,
            )
            for order in self.desk.live()
        ]
        is_perpetual = instrument.is_perpetual
        return RiskContext(
            instrument=instrument,
            trading_state=self.state,
            armed=self.armed,
            environment=self.setup.environment,
            bid_ticks=bid_ticks,
            ask_ticks=ask_ticks,
            last_ticks=market.last_ticks,
            book_tradable=market.tradable(now_ns, self.stale_after_ns),
            book_age_ns=now_ns - market.last_received_ns,
            position_lots=held_lots,
            net_lots=net_lots + foreign,
            exposure_quote=self.exposure_quote(),
            open_orders=live,
            available_quote=free - self._bound_quote(money) if live else free,
            sellable_lots=sellable,
            day_pnl_quote=self.result_quote() - self._day_start_quote,
            clock_offset_ns=self.clock_offset_ns,
            others_lots=others_lots,
            equity_quote=free + locked if is_perpetual else _ZERO,
            margined_quote=self.exposure_quote(money) if is_perpetual else _ZERO,
            hedged=is_perpetual and self.venue.is_hedged(symbol),
        )

    def _sellable_by_hand(self, intent: OrderIntent, instrument: Instrument, held_lots: int) -> int:
        """Return what a human may sell on spot: any free coins, not only what was bought here."""
        if intent.role is not OrderRole.MANUAL or intent.side is Side.BUY:
            return held_lots
        free = instrument.lots_down(self.free(instrument.base))
        return free - self._bound_lots(intent.symbol)

    def _bound_lots(self, symbol: Symbol) -> int:
        """Return what sells on their way will bind of the coins that still read as free."""
        return sum(
            order.lots_left
            for order in self.desk.live(symbol)
            if order.state in _UNSEEN and order.intent.side is Side.SELL
        )

    def _bound_quote(self, money: str) -> Decimal:
        """Return what orders on their way will bind of the money that still reads as free."""
        total = _ZERO
        for order in self.desk.live():
            intent = order.intent
            instrument = self.setup.instruments[intent.symbol]
            if order.state not in _UNSEEN or instrument.money != money:
                continue
            if intent.reduce_only or not (instrument.is_perpetual or intent.side is Side.BUY):
                continue
            ticks = intent.price_ticks or self.markets[intent.symbol].best()[2]
            notional = instrument.notional(ticks, order.lots_left)
            total += notional / self._leverage if instrument.is_perpetual else notional
        return total

    def enter(self, state: TradingState, *, holding: bool = False) -> None:
        """Take a trading state."""
        self.state = state
        self.holding = holding and state is TradingState.REDUCING


def _fitting(own: int, held: int) -> int | None:
    """Return the venue's lots in the direction of ours when they are fewer, else ``None``."""
    there = max(0, held if own > 0 else -held)
    return there if there < abs(own) else None
