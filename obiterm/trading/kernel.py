"""One step decides: an event in, effects out, nothing else (ARCHITECTURE §3).

``Kernel.step`` is synchronous and deterministic: no I/O, no clock, no randomness.
The same function runs live, on paper, in the simulated exchange and in back-tests;
stepping a fresh kernel through a journal's events gives the same effects byte for byte.
"""

from __future__ import annotations

from obiterm.core.effects import Effect, Latch, Note, Reconcile, Verb
from obiterm.core.events import (
    AccountReconciled,
    BalanceChanged,
    CancelRefused,
    CandleClosed,
    ClockMeasured,
    Commanded,
    DepthChanged,
    DepthSnapshotted,
    Event,
    FeedChanged,
    Filled,
    FundingChanged,
    FundingPaid,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
    PositionReported,
    Ticked,
    TopChanged,
    Traded,
)
from obiterm.core.orders import RehearsedOrder
from obiterm.core.values import (
    NS_PER_S,
    OrderRole,
    OrderState,
    Symbol,
    TradingState,
)
from obiterm.market.book import Applied
from obiterm.market.state import MarketState
from obiterm.trading.book_sync import BookSync
from obiterm.trading.booking import book_fill
from obiterm.trading.day_loss import DayLoss
from obiterm.trading.desk import RESTING, Desk
from obiterm.trading.gatekeeper import Gatekeeper
from obiterm.trading.manual import ManualDesk
from obiterm.trading.order_states import TrackedOrder
from obiterm.trading.position_watch import PositionWatch
from obiterm.trading.runner import Runner
from obiterm.trading.setup import AccountSetup

_RECONCILE_EVERY_NS = 30 * NS_PER_S
"""The venue's word is fetched at least this often (binance.md §16)."""


class Kernel:
    """The deciding core of one account.

    Strategies act only while the account is *in sight*: its stream is up and the venue's
    word on orders, fills and balances was taken since it came up. Otherwise a fill could
    go unseen, so entries are withdrawn and nothing else is touched; start-up is the same.

    Attributes:
        setup: what it was built from.
        markets: book, candles and flow by symbol.
        desk: our orders.
        gate: what decides whether an order may leave; holds state, balances, positions.
        runners: the strategy instances.
        feeds: stream name to whether it is up; ``market`` only when every market is.
        in_sight: whether strategies may act.
        last_result: outcome of the last ``Commanded`` event, for whoever asked.
    """

    def __init__(self, setup: AccountSetup) -> None:
        self.setup = setup
        levels = max((s.strategy.obi_levels for s in setup.strategies), default=20)
        self.markets: dict[Symbol, MarketState] = {
            symbol: MarketState(symbol, instrument, levels)
            for symbol, instrument in setup.instruments.items()
        }
        self.desk = Desk(setup.instruments, [s.name for s in setup.strategies])
        self.gate = Gatekeeper(setup, self.desk, self.markets)
        self.runners = [
            Runner(s, setup.instruments[s.symbol], self.gate.position(s.name, s.symbol))
            for s in setup.strategies
        ]
        self.manual = ManualDesk(self.gate, self.runners)
        self.feeds: dict[str, bool] = {}
        self.in_sight = False
        self.last_result: tuple[bool, str] = (True, "")
        self._day_loss = DayLoss(setup.limits.max_daily_loss)
        self._runners_of: dict[Symbol, list[Runner]] = {symbol: [] for symbol in self.markets}
        for runner in self.runners:
            self._runners_of[runner.symbol].append(runner)
        self._books = BookSync(self.markets)
        self._watch = PositionWatch(self.gate)
        self._perpetuals = [s for s, i in setup.instruments.items() if i.is_perpetual]
        self._tradable: dict[Symbol, bool] = dict.fromkeys(self.markets, False)
        self._reconciled_ns = 0

    @property
    def state(self) -> TradingState:
        """The account's trading state."""
        return self.gate.state

    # -- the step -----------------------------------------------------------------------

    def step(self, event: Event, now_ns: int) -> list[Effect]:
        """Take one event and return what has to be done about it, in order."""
        match event:
            case DepthChanged() | DepthSnapshotted():
                return self._on_depth(event, now_ns)
            case TopChanged():
                return self._on_top(event, now_ns)
            case Traded() | CandleClosed() | FundingChanged():
                self.markets[event.symbol].apply(event)
                return []
            case Ticked():
                return self._on_tick(now_ns)
            case Commanded():
                effects, self.last_result = self.manual.obey(event, now_ns)
                return effects + self._decide_all(now_ns)
            case BalanceChanged():
                self.gate.balances[event.asset] = (event.free, event.locked)
                return self._decide_all(now_ns)
            case ClockMeasured():
                self.gate.clock_offset_ns = event.offset_ns
                return []
            case FeedChanged():
                return self._on_feed(event, now_ns)
            case AccountReconciled():
                return self._on_reconciled(event, now_ns)
            case PositionReported():
                self.gate.venue.told(event, now_ns)
                self.gate.limit_positions(event.symbol)
                return self._decide(event.symbol, now_ns)
            case FundingPaid():
                return self._on_funding(event, now_ns)
            case _:
                return self._on_order_event(event, now_ns)

    # -- market -------------------------------------------------------------------------

    def _on_depth(self, event: DepthChanged | DepthSnapshotted, now_ns: int) -> list[Effect]:
        market = self.markets[event.symbol]
        outcome = market.apply(event)
        if outcome is Applied.APPLIED:
            return self._decide(event.symbol, now_ns)
        asked = self._books.judge(event, outcome, now_ns) if outcome is not None else []
        return asked + self._decide(event.symbol, now_ns) if asked else []

    def _on_top(self, event: TopChanged, now_ns: int) -> list[Effect]:
        market = self.markets[event.symbol]
        bid, _, ask, _ = market.best()
        market.apply(event)
        new_bid, _, new_ask, _ = market.best()
        if (bid, ask) == (new_bid, new_ask):
            return []
        return self._decide(event.symbol, now_ns)

    def _on_feed(self, event: FeedChanged, now_ns: int) -> list[Effect]:
        self.feeds[event.stream] = event.up
        text = f"{event.stream} {'up' if event.up else 'down'}: {event.text}".rstrip(": ")
        only = event.symbols[0] if len(event.symbols) == 1 < len(self.markets) else Symbol("")
        verb = Verb.INFO if event.up else Verb.GAP
        effects: list[Effect] = [Note(verb=verb, symbol=only, text=text, at_ns=now_ns)]
        if event.stream == "market":
            effects += self._books.reset(event, now_ns)
            self.feeds["market"] = self._books.all_up
        elif event.stream == "account":
            self.in_sight = False
            if event.up:
                effects.append(Reconcile(reason="account stream connected"))
        return effects + self._decide_all(now_ns)

    # -- orders -------------------------------------------------------------------------

    def _on_order_event(self, event: Event, now_ns: int) -> list[Effect]:
        match event:
            case OrderReported() | OrderRefused():
                effects = self._on_order_change(event, now_ns)
            case Filled():
                effects = book_fill(event, self.gate, now_ns)
                effects += self._check_day_loss(now_ns)
                filled = self.desk.get(event.client_id)
                if filled is not None and filled.state is OrderState.FILLED:
                    effects += self._tell_runner(filled, now_ns)
            case OrderOutcomeLost():
                effects = self.desk.outcome_lost(event, now_ns)
            case OrderNotFound():
                effects = self.desk.not_found(event, now_ns)
            case CancelRefused():
                effects = self.desk.cancel_refused(event, now_ns)
            case _:
                return []
        effects += self.manual.after_order_event(now_ns)
        return effects + self._decide(event.symbol, now_ns)

    def _on_order_change(self, event: OrderReported | OrderRefused, now_ns: int) -> list[Effect]:
        known = self.desk.get(event.client_id)
        before = known.state if known is not None else None
        if isinstance(event, OrderReported):
            effects = self.desk.reported(event, now_ns)
        else:
            effects = self.desk.refused(event, now_ns)
        order = self.desk.get(event.client_id)
        if order is None or order.state is before:
            return effects
        effects += self._tell_runner(order, now_ns)
        if self._must_go(order):
            effects.append(self.desk.cancel(order, now_ns))
        return effects

    def _tell_runner(self, order: TrackedOrder, now_ns: int) -> list[Effect]:
        for runner in self._runners_of.get(order.intent.symbol, ()):
            if runner.name == order.intent.owner:
                if order.state is OrderState.REJECTED or (
                    order.state is OrderState.EXPIRED and not order.filled_lots
                ):
                    return runner.venue_refused(order, now_ns)
                if order.state in (OrderState.OPEN, OrderState.PARTIAL, OrderState.FILLED):
                    runner.venue_accepted(order)
        return []

    def _must_go(self, order: TrackedOrder) -> bool:
        """Return whether an order rests that HALTED forbids (T4).

        That is: every order that was on its way when the kill came, and any entry. Of what
        a restart finds, stops stay: they protect a position that nobody else looks after.
        """
        if self.gate.state is not TradingState.HALTED or order.state not in RESTING:
            return False
        if order.intent.role is OrderRole.ENTRY:
            return True
        return 0 < order.sent_ns <= self.gate.killed_ns

    def _on_reconciled(self, event: AccountReconciled, now_ns: int) -> list[Effect]:
        self._reconciled_ns = now_ns
        self.in_sight = self.feeds.get("account", False)
        for asset, free, locked in event.balances:
            self.gate.balances[asset] = (free, locked)
        self.gate.venue.reconciled(event.positions, self._perpetuals, now_ns)
        for symbol in self._perpetuals:
            self.gate.limit_positions(symbol)
        effects = self.desk.reconciled(event, now_ns)
        effects += self._spare_unexplained_stops(now_ns)
        forbidden = [order for order in self.desk.live() if self._must_go(order)]
        effects += [self.desk.cancel(order, now_ns) for order in forbidden]
        effects += self.manual.after_order_event(now_ns)
        return effects + self._decide_all(now_ns)

    def _spare_unexplained_stops(self, now_ns: int) -> list[Effect]:
        """Keep hands off a stop of ours whose position is not known: the disk was lost.

        Its strategy would take it for a leftover and cancel what protects somebody's coins.
        """
        if self.setup.knows_past:
            return []
        effects: list[Effect] = []
        for order in self.desk.live():
            intent = order.intent
            if order.sent_ns or intent.role is not OrderRole.STOP:
                continue
            for runner in self._runners_of.get(intent.symbol, ()):
                if runner.name == intent.owner and runner.position.is_flat and runner.running:
                    text = "a stop was found without its position: close or cancel by hand"
                    runner.stop(text, hands_off=True)
                    effects.append(
                        Note(
                            verb=Verb.RISK,
                            symbol=intent.symbol,
                            text=text,
                            at_ns=now_ns,
                            owner=runner.name,
                        )
                    )
        return effects

    def _on_funding(self, event: FundingPaid, now_ns: int) -> list[Effect]:
        if not self.gate.book_funding(event, now_ns):
            return []
        text = f"funding {event.amount.normalize():+f} {event.asset}"
        note = Note(verb=Verb.INFO, symbol=event.symbol, text=text, at_ns=now_ns)
        return [note, *self._check_day_loss(now_ns)]

    def _check_day_loss(self, now_ns: int) -> list[Effect]:
        gate = self.gate
        gate.begin_day(now_ns)
        trusted = all(
            position.is_flat or gate.tradable(symbol, now_ns)
            for (_, symbol), position in gate.positions.items()
        )
        reason = self._day_loss.tripped(
            gate.day_booked_quote, gate.day_result_quote, trusted, now_ns
        )
        if not reason or gate.state is not TradingState.ACTIVE:
            return []
        gate.enter(TradingState.REDUCING)
        return [
            Latch(state=TradingState.REDUCING, reason=reason),
            Note(verb=Verb.RISK, symbol=Symbol(""), text=reason, at_ns=now_ns),
        ]

    def force(self, state: TradingState, now_ns: int) -> list[Effect]:
        """Take a state that the engine imposes, because it cannot write or cannot decide.

        HALTED withdraws entries and leaves stops: nobody decides about them any more.
        """
        self.gate.enter(state)
        if state is TradingState.HALTED:
            forbidden = [order for order in self.desk.live() if self._must_go(order)]
            return [self.desk.cancel(order, now_ns) for order in forbidden]
        return self._decide_all(now_ns)

    # -- time ---------------------------------------------------------------------------

    def _on_tick(self, now_ns: int) -> list[Effect]:
        effects: list[Effect] = self.desk.overdue(now_ns)
        effects += self._watch.check(now_ns)
        effects += self._check_day_loss(now_ns)
        effects += self.manual.after_order_event(now_ns)
        if now_ns - self._reconciled_ns > _RECONCILE_EVERY_NS and self.feeds.get("account"):
            self._reconciled_ns = now_ns
            effects.append(Reconcile(reason="regular"))
        for symbol in self.markets:
            tradable = self.gate.tradable(symbol, now_ns)
            if self._tradable[symbol] and not tradable:
                text = f"feed silent or book not in order for {symbol}: entries withdrawn"
                effects.append(Note(verb=Verb.GAP, symbol=symbol, text=text, at_ns=now_ns))
            self._tradable[symbol] = tradable
            effects += self._books.missing(symbol, now_ns)
        return effects + self._decide_all(now_ns)

    # -- deciding -----------------------------------------------------------------------

    def _decide_all(self, now_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        for symbol in self.markets:
            effects += self._decide(symbol, now_ns)
        return effects

    def _decide(self, symbol: Symbol, now_ns: int) -> list[Effect]:
        runners = self._runners_of.get(symbol)
        if not runners or self.manual.is_closing(symbol):
            return []
        if self.gate.state is TradingState.HALTED:
            for runner in runners:
                if runner.running:
                    runner.reason = "halted: it trades again when the account is armed"
            return []
        effects: list[Effect] = []
        if not self.in_sight:
            for runner in runners:
                if runner.running:
                    runner.reason = "waiting for the account's stream and the venue's word"
                effects += runner.withdraw(self.gate, now_ns)
            return effects
        market = self.markets[symbol]
        tradable = self.gate.tradable(symbol, now_ns)
        self._tradable[symbol] = self._tradable[symbol] or tradable
        available = self.gate.free(self.setup.instruments[symbol].money)
        for runner in runners:
            if self.desk.fills_owed(symbol, runner.name):
                effects += runner.withdraw(self.gate, now_ns)
                continue
            view = runner.view(market, available, tradable, now_ns)
            effects += runner.step(view, self.gate, now_ns)
        return effects

    # -- rehearsing ---------------------------------------------------------------------

    def rehearse(self, turn: int, now_ns: int) -> RehearsedOrder | None:
        """Walk an order through view, risk gate and log line that never leaves (decision 0014).

        Nothing changes: any number of calls between two steps leaves all later effects as they
        would have been. ``turn`` chooses among the instances. ``None`` while none of them could
        enter: halted, reducing, not armed, not in sight, stopped, without a fresh book.
        """
        gate = self.gate
        if gate.state is not TradingState.ACTIVE or not gate.armed or not self.in_sight:
            return None
        count = len(self.runners)
        for step in range(count):
            runner = self.runners[(turn + step) % count]
            symbol = runner.symbol
            tradable = runner.running and gate.tradable(symbol, now_ns)
            if tradable and not self.manual.is_closing(symbol):
                available = gate.free(runner.instrument.money)
                view = runner.view(self.markets[symbol], available, tradable, now_ns)
                return runner.rehearse(view, gate, now_ns)
        return None
