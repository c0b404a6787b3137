"""One account, asynchronous around a synchronous kernel (ARCHITECTURE §3).

Everything that happens enters by ``handle``; the kernel decides; effects are
journaled and performed in order. Nothing here waits while an event is handled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.commands import ALL_ACCOUNTS, AnyCommand, CancelOrder, EmergencyExit, Kill, Rearm
from obiterm.core.effects import (
    Cancel,
    CancelAll,
    Effect,
    Latch,
    Note,
    Panic,
    Query,
    Reconcile,
    Resync,
    Send,
    Verb,
)
from obiterm.core.errors import DataError, ObitermError
from obiterm.core.events import (
    Commanded,
    DepthChanged,
    DepthSnapshotted,
    Event,
    Ticked,
    TopChanged,
    Traded,
)
from obiterm.core.latency import LatencyWindow
from obiterm.core.values import Symbol, TradingState
from obiterm.engine.door import Door
from obiterm.engine.feed import SharedFeed
from obiterm.engine.gateway import Gateway
from obiterm.engine.guard import SelfTradeGuard
from obiterm.engine.latches import Latched, LatchStore, LatchWriter
from obiterm.engine.listeners import EventListener, Listeners, NoteListener
from obiterm.engine.panic import PanicPath
from obiterm.engine.reconciliation import Booked, Reconciler
from obiterm.engine.rehearsal import Rehearsal
from obiterm.engine.rows import AccountRows
from obiterm.engine.shared.tasks import TaskSet
from obiterm.journal.log import Journal
from obiterm.trading.kernel import Kernel
from obiterm.trading.order_states import TrackedOrder
from obiterm.trading.record import StartRecord, build_setup

_TICK_S = 0.1
_FAULTS_ALLOWED = 3
_FIRST = (Latch, Send, Cancel, CancelAll)
"""What is done before rows and log lines of the rest are written."""


class _Imposed(msgspec.Struct, frozen=True):
    """A state that the engine imposes on the kernel, in its turn between events."""

    state: TradingState
    reason: str


class AccountEngine:
    """Runs one account until cancelled.

    Attributes:
        kernel: the deciding core; read by the publisher, changed only here.
        trouble: why the account does not trade, for its chip; empty when all is well.
        door: where its orders leave, or are kept from meeting those of other accounts.
        faults: events that the kernel, and effects that the venue's side could not take.
        listeners: who is told of notes and events.
        rehearsal: walks the order path without an order.
    """

    def __init__(
        self,
        record: StartRecord,
        gateway: Gateway,
        feed: SharedFeed,
        journal: Journal,
        latches: LatchStore,
        clock: Clock,
        on_note: NoteListener,
        on_event: EventListener,
        guard: SelfTradeGuard,
    ) -> None:
        self.name = record.account
        self.record = record
        self.gateway = gateway
        self.feed = feed
        self.kernel = Kernel(build_setup(record))
        self.trouble = ""
        self.faults = 0
        self.listeners = Listeners(record.account, on_note, on_event, self._listener_failed)
        instruments = self.kernel.setup.instruments
        self.panic = PanicPath(gateway, instruments, record.run, clock, self)
        self._reconciler = Reconciler(gateway, instruments, clock, self.handle, self._tell)
        self._rows = AccountRows(journal, record.account, clock, self._journal_broken)
        self.door = Door(
            record.account,
            self.kernel,
            gateway,
            guard,
            clock,
            handle=self.handle,
            write=self._rows.write,
            tell=self._tell,
            leaving_lots=self._leaving_lots,
            fault=self._fault,
        )
        self.rehearsal = Rehearsal(self.kernel, self._rows, self.door, clock)
        self._latches = LatchWriter(latches, record.account, self._latch_failed)
        self._clock = clock
        self._inherited: list[Event] = []
        self._inbox: deque[Event | _Imposed] = deque()
        self._busy = False
        self._is_started = False
        self._journal_trouble = ""
        self._tasks = TaskSet(lambda e: self._tell(f"{type(e).__name__}: {e}", Verb.RISK))
        self._stepped_from_ns = 0

    @property
    def orders_sent(self) -> int:
        """Orders that left."""
        return self.door.orders_sent

    @property
    def decisions(self) -> LatencyWindow:
        """Our time from the arrival of a market message to the order leaving (Q19)."""
        return self.door.decisions

    def inherit(self, events: Iterable[Event], marks: Mapping[Symbol, int], booked: Booked) -> None:
        """Take what earlier runs and the preparation found; call before ``run``.

        ``events`` are what the kernel must know before anything else, e.g. carried fills; own
        fills up to ``marks``, and those that are ``booked``, need not be asked for.
        """
        self._inherited = list(events)
        for symbol, mark in marks.items():
            self._reconciler.start_from(symbol, mark, booked.get(symbol, frozenset()))

    # -- life -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Trade until cancelled. It may be run again after a failure."""
        if not self._is_started:
            self._is_started = True
            self._rows.write("start", self.record)
            for event in self._inherited:
                self.handle(event)
        try:
            with self.feed.joined(self.kernel.setup.instruments, self.handle) as member:
                async with asyncio.TaskGroup() as group:
                    group.create_task(member.failed())
                    group.create_task(self.gateway.run(self.handle))
                    group.create_task(self._tick())
        except asyncio.CancelledError:
            await self.panic.stop()  # a fault does not end a kill, the end of the host does
            raise
        finally:
            self.door.recall_all()
            await self._tasks.stop()
            await self._reconciler.stop()
            await self._latches.close()
            self.flush()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.handle(Ticked(received_ns=self._clock.wall_ns()))
            self.flush()

    def now_ns(self) -> int:
        """Return the engine's time."""
        return self._clock.wall_ns()

    def flush(self) -> None:
        """Write what the journal holds back. A journal that cannot write stops entries."""
        if self._rows.commit() and self._journal_trouble:
            if self.trouble == self._journal_trouble:
                self.trouble = ""
            self._journal_trouble = ""
            self._tell("the journal writes again; arm the account to let it enter")

    def sockets(self) -> dict[str, str]:
        """Return the state of every socket that the account needs, the venue's shared ones too."""
        return {**self.feed.source.sockets(), **self.gateway.health().sockets}

    # -- what the panic path asks ---------------------------------------------------------

    def exposure_lots(self, symbol: Symbol) -> int:
        """Return the signed lots that an order could close."""
        return self.kernel.gate.exposure_lots(symbol)

    def _leaving_lots(self, symbol: Symbol) -> int:
        """Return the signed lots that an emergency exit under way is closing."""
        progress = self.panic.progress
        is_leaving = self.panic.is_running and progress is not None and progress.flatten
        return self.exposure_lots(symbol) if is_leaving else 0

    def open_orders(self) -> int:
        """Return how many orders of ours are open as far as we know."""
        return self.kernel.desk.live_count

    def on_the_way(self) -> int:
        """Return how many orders may yet reach the venue unseen."""
        return self.kernel.desk.on_the_way(self._clock.wall_ns())

    async def refresh(self) -> None:
        """Book every fill that the venue knows."""
        await self._reconciler.read_fills()

    # -- events ---------------------------------------------------------------------------

    def command(self, command: AnyCommand, who: str) -> tuple[bool, str]:
        """Obey a command now; return whether it was taken and what to tell the asker."""
        is_panic = isinstance(command, Kill | EmergencyExit)
        if is_panic:
            self.panic.start(self.name, isinstance(command, EmergencyExit), who)
        elif isinstance(command, Rearm) and self.panic.is_running:
            return False, "the kill is still at work: wait until it is done"
        event = Commanded(command=command, who=who, received_ns=self._clock.wall_ns())
        self.handle(event)
        result = self.kernel.last_result
        if is_panic:
            self.door.recall_unsent()
            if command.account != ALL_ACCOUNTS:  # else every account cancels everything itself
                self.door.clear_way()
        return result

    def cancel_order(self, order: TrackedOrder) -> None:
        """Cancel one order on the host's own behalf (when it ends)."""
        intent = order.intent
        command = CancelOrder(account=self.name, symbol=intent.symbol, client_id=intent.client_id)
        self.handle(Commanded(command=command, who="host", received_ns=self._clock.wall_ns()))

    def handle(self, event: Event) -> None:
        """Take one event. Effects that cause further events are finished first, in order."""
        self._inbox.append(event)
        if not self._busy:
            self._work()

    def _work(self) -> None:
        self._busy = True
        try:
            while self._inbox:
                due = self._inbox.popleft()
                if isinstance(due, _Imposed):
                    self._impose_now(due)
                else:
                    self._one(due)
        finally:
            self._busy = False

    def _one(self, event: Event) -> None:
        now_ns = self._clock.wall_ns()
        if (latched := self._latches.look(now_ns)) is not None:
            self._obey(latched, event, now_ns)
            return
        is_market = isinstance(event, DepthChanged | TopChanged | Traded | DepthSnapshotted)
        self._stepped_from_ns = event.received_ns if is_market else 0
        if self.record.market_events or not (is_market or isinstance(event, Ticked)):
            self._rows.write("event", (now_ns, event))
        try:
            effects = self.kernel.step(event, now_ns)
        except Exception as error:  # task boundary: a fault in a decision stops this account alone
            self._fault(error, event, now_ns)
            return
        self.listeners.event(event)
        if effects:
            self._perform(effects, now_ns)
        if not is_market:
            self.door.look_around(event)

    def _obey(self, latched: Latched, event: Event, now_ns: int) -> None:
        """Do first what another process latched while we hung: nothing is opened again."""
        command = latched.command(self.name)
        if isinstance(command, Kill):
            self.panic.start(self.name, False, latched.reason)
        self._inbox.extendleft((event, Commanded(command, latched.reason, now_ns)))
        if isinstance(command, Kill):
            self.door.recall_unsent()

    def _fault(self, error: Exception, event: Event | None, now_ns: int) -> None:
        """Tell of what could not be taken; too many faults, or one in a kill, halt the account."""
        self.faults += 1
        text = f"internal fault {self.faults}: {type(error).__name__}: {error}"
        self._rows.write("fault", (now_ns, text))
        self._tell(text, Verb.RISK)
        is_kill = isinstance(event, Commanded) and isinstance(event.command, Kill | EmergencyExit)
        self.kernel.last_result = (is_kill, text)
        if is_kill or self.faults >= _FAULTS_ALLOWED:
            self.trouble = text
            self._impose(TradingState.HALTED, text)
        self._reconciler.ask()  # what the event said is read from the venue

    def _impose(self, state: TradingState, reason: str) -> None:
        """Bring the kernel into a state when the event at hand is done."""
        self._inbox.append(_Imposed(state, reason))
        if not self._busy:
            self._work()

    def _impose_now(self, imposed: _Imposed) -> None:
        current = self.kernel.state
        if current in (imposed.state, TradingState.HALTED):
            return
        now_ns = self._clock.wall_ns()
        self._rows.write("state", (now_ns, imposed.state))
        self._latch(Latch(state=imposed.state, reason=imposed.reason))
        self._perform(self.kernel.force(imposed.state, now_ns), now_ns)

    # -- effects --------------------------------------------------------------------------

    def _perform(self, effects: list[Effect], now_ns: int) -> None:
        """Journal the intents, act at the venue, then the rest: nothing else delays an order.

        The rows stand in the order of ``trading.record.journal_order``.
        """
        journaled = self._rows.intents(effects, now_ns)
        for effect in effects:
            if isinstance(effect, _FIRST):
                self._do_safely(effect, journaled, now_ns)
        self._rows.others(effects, now_ns)
        for effect in effects:
            if not isinstance(effect, _FIRST):
                self._do_safely(effect, journaled, now_ns)

    def _do_safely(self, effect: Effect, journaled: bool, now_ns: int) -> None:
        try:
            self._do(effect, journaled, now_ns)
        except Exception as error:  # task boundary: the effects behind it are done all the same
            self._fault(error, None, now_ns)

    def _do(self, effect: Effect, journaled: bool, now_ns: int) -> None:
        match effect:
            case Send():
                self.door.send(effect.order, journaled, now_ns, self._stepped_from_ns)
            case Cancel():
                if not self.door.recall(effect.symbol, effect.client_id):
                    self.gateway.cancel(effect.symbol, effect.client_id, effect.venue_id)
            case CancelAll():
                self.gateway.cancel_all_now(effect.symbol)
            case Note():
                self.listeners.note(effect)
            case Query():
                self.gateway.query(effect.symbol, effect.client_id)
            case Resync():
                self._tasks.spawn(self._resync(effect.symbol))
            case Reconcile():
                self._reconciler.ask()
            case Latch():
                self._latch(effect)
            case Panic():
                if self.panic.progress is None or self.panic.progress.done:
                    self.panic.start(self.name, effect.flatten, effect.who)

    def _latch(self, effect: Latch) -> None:
        self._latches.write(Latched(effect.state, effect.reason, self._clock.wall_ns()))

    def _latch_failed(self, error: DataError) -> None:
        self.trouble = error.message
        self._tell(error.message)

    async def _resync(self, symbol: Symbol) -> None:
        try:
            snapshot = await self.feed.resync(symbol)
        except ObitermError as error:
            self._tell(f"snapshot of {symbol}: {error}")
            return
        if snapshot is not None:
            self.handle(snapshot)

    # -- inside -----------------------------------------------------------------------------

    def _journal_broken(self, error: DataError) -> None:
        """Stop entries: what cannot be written before it leaves must not leave (T20)."""
        if self._journal_trouble != error.message:
            self._journal_trouble = self.trouble = error.message
            self._tell(f"entries stopped: {error.message}", Verb.RISK)
        if self.kernel.state is TradingState.ACTIVE:
            self._impose(TradingState.REDUCING, error.message)

    def _tell(self, text: str, verb: Verb = Verb.GAP) -> None:
        self.listeners.note(
            Note(verb=verb, symbol=Symbol(""), text=text, at_ns=self._clock.wall_ns())
        )

    def _listener_failed(self, text: str) -> None:
        self._rows.write("fault", (self._clock.wall_ns(), text))
        self.trouble = self.trouble or text
