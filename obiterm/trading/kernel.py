"""One step decides: an event in, effects out, nothing else (ARCHITECTURE §3).

``Kernel.step`` is synchronous and deterministic: no I/O, no clock, no randomness.
The same function runs live, on paper, in the simulated exchange and in back-tests;
stepping a fresh kernel through a journal's events gives the same effects byte for byte.
"""

from __future__ import annotations

from obiterm.core.effects import Effect, Latch, Note, Reconcile, Resync, Verb
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
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
    Ticked,
    TopChanged,
    Traded,
)
from obiterm.core.values import NS_PER_S, OrderState, Symbol, TradingState
from obiterm.market.book import Applied
from obiterm.market.state import MarketState
from obiterm.trading.booking import book_fill
from obiterm.trading.desk import Desk
from obiterm.trading.gatekeeper import Gatekeeper
from obiterm.trading.manual import ManualDesk
from obiterm.trading.runner import Runner
from obiterm.trading.setup import AccountSetup

_RESYNC_AGAIN_NS = 2 * NS_PER_S
"""A snapshot that did not come is asked for again after this time."""
_RECONCILE_EVERY_NS = 30 * NS_PER_S
"""The venue's word is fetched at least this often (binance.md §16)."""


class Kernel:
    """The deciding core of one account."""

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
        self.last_result: tuple[bool, str] = (True, "")
        """Outcome of the last ``Commanded`` event, for whoever asked."""
        self._runners_of: dict[Symbol, list[Runner]] = {symbol: [] for symbol in self.markets}
        for runner in self.runners:
            self._runners_of[runner.symbol].append(runner)
        self._resync_ns: dict[Symbol, int] = {}
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
            case Traded() | CandleClosed():
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
                self._reconciled_ns = now_ns
                for asset, free, locked in event.balances:
                    self.gate.balances[asset] = (free, locked)
                return self.desk.reconciled(event, now_ns) + self._decide_all(now_ns)
            case _:
                return self._on_order_event(event, now_ns)

    # -- market -------------------------------------------------------------------------

    def _on_depth(self, event: DepthChanged | DepthSnapshotted, now_ns: int) -> list[Effect]:
        market = self.markets[event.symbol]
        outcome = market.apply(event)
        if outcome is Applied.GAP:
            return self._ask_snapshot(event.symbol, "gap in update ids", now_ns)
        if outcome is Applied.BUFFERED:
            if now_ns - self._resync_ns.get(event.symbol, -_RESYNC_AGAIN_NS) >= _RESYNC_AGAIN_NS:
                return self._ask_snapshot(event.symbol, "no snapshot yet", now_ns)
            return []
        if outcome is Applied.IGNORED:
            return []
        return self._decide(event.symbol, now_ns)

    def _ask_snapshot(self, symbol: Symbol, reason: str, now_ns: int) -> list[Effect]:
        self._resync_ns[symbol] = now_ns
        return [
            Note(verb=Verb.GAP, symbol=symbol, text=f"book: {reason}", at_ns=now_ns),
            Resync(symbol=symbol, reason=reason),
            *self._decide(symbol, now_ns),
        ]

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
        effects: list[Effect] = [
            Note(
                verb=Verb.INFO if event.up else Verb.GAP, symbol=Symbol(""), text=text, at_ns=now_ns
            )
        ]
        if event.stream == "market":
            for symbol, market in self.markets.items():
                market.book.reset()
                if event.up:
                    self._resync_ns[symbol] = now_ns
                    effects.append(Resync(symbol=symbol, reason="connected"))
        elif event.up:
            effects.append(Reconcile(reason="account stream connected"))
        return effects + self._decide_all(now_ns)

    # -- orders -------------------------------------------------------------------------

    def _on_order_event(self, event: Event, now_ns: int) -> list[Effect]:
        match event:
            case OrderReported():
                effects = self.desk.reported(event, now_ns)
                effects += self._tell_runner(event, now_ns)
            case Filled():
                effects = book_fill(event, self.gate, now_ns)
                effects += self._check_day_loss(now_ns)
            case OrderRefused():
                effects = self.desk.refused(event, now_ns)
                effects += self._tell_runner(event, now_ns)
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

    def _tell_runner(self, event: OrderReported | OrderRefused, now_ns: int) -> list[Effect]:
        order = self.desk.get(event.client_id)
        if order is None:
            return []
        for runner in self._runners_of.get(order.intent.symbol, ()):
            if runner.name == order.intent.owner:
                if order.state is OrderState.REJECTED or (
                    order.state is OrderState.EXPIRED and not order.filled_lots
                ):
                    return runner.venue_refused(order, now_ns)
                if order.state in (OrderState.OPEN, OrderState.PARTIAL, OrderState.FILLED):
                    runner.venue_accepted(order)
        return []

    def _check_day_loss(self, now_ns: int) -> list[Effect]:
        limit = self.setup.limits.max_daily_loss
        result = self.gate.day_result_quote(now_ns)
        if result > -limit or self.gate.state is not TradingState.ACTIVE:
            return []
        self.gate.enter(TradingState.REDUCING)
        reason = f"max_daily_loss {limit:f}: result today {result:.2f}"
        return [
            Latch(state=TradingState.REDUCING, reason=reason),
            Note(verb=Verb.RISK, symbol=Symbol(""), text=reason, at_ns=now_ns),
        ]

    # -- time ---------------------------------------------------------------------------

    def _on_tick(self, now_ns: int) -> list[Effect]:
        effects: list[Effect] = self.desk.overdue(now_ns)
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
        return effects + self._decide_all(now_ns)

    # -- deciding -----------------------------------------------------------------------

    def _decide_all(self, now_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        for symbol in self.markets:
            effects += self._decide(symbol, now_ns)
        return effects

    def _decide(self, symbol: Symbol, now_ns: int) -> list[Effect]:
        runners = self._runners_of.get(symbol)
        if not runners or self.gate.state is TradingState.HALTED or self.manual.is_closing(symbol):
            return []
        market = self.markets[symbol]
        tradable = self.gate.tradable(symbol, now_ns)
        self._tradable[symbol] = self._tradable[symbol] or tradable
        available = self.gate.free(self.setup.instruments[symbol].quote)
        effects: list[Effect] = []
        for runner in runners:
            if self.desk.fills_owed(symbol, runner.name):
                continue
            view = runner.view(market, available, tradable, now_ns)
            effects += runner.step(view, self.gate, now_ns)
        return effects
