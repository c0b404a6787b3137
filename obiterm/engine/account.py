"""One account, asynchronous around a synchronous kernel (ARCHITECTURE §3).

Everything that happens enters by ``handle``; the kernel decides; effects are
journaled and performed in order. Nothing here waits while an event is handled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.commands import AnyCommand, EmergencyExit, Kill
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
    AccountReconciled,
    Commanded,
    DepthChanged,
    DepthSnapshotted,
    Event,
    Filled,
    OrderRefused,
    Ticked,
    TopChanged,
    Traded,
)
from obiterm.core.latency import LatencyWindow
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import OrderRole, Symbol, TradingState
from obiterm.engine.gateway import Gateway
from obiterm.engine.latches import Latched, LatchStore
from obiterm.engine.panic import PanicPath
from obiterm.journal.log import Journal
from obiterm.trading.kernel import Kernel
from obiterm.trading.order_states import TrackedOrder
from obiterm.trading.record import StartRecord, build_setup

_TICK_S = 0.1
_FAULTS_ALLOWED = 3
_ALWAYS_ALLOWED = frozenset({OrderRole.EXIT, OrderRole.STOP, OrderRole.PANIC})

_encode = msgspec.msgpack.Encoder()

NoteListener = Callable[[str, Note], None]
EventListener = Callable[[str, Event], None]


class AccountEngine:
    """Runs one account until cancelled.

    Attributes:
        kernel: the deciding core; read by the publisher, changed only here.
        trouble: why the account does not trade, for its chip; empty when all is well.
        carried: fills of earlier runs that make up the position it starts with.
        decisions: our time from the arrival of a market message to the order leaving (Q19).
    """

    def __init__(
        self,
        record: StartRecord,
        gateway: Gateway,
        journal: Journal,
        latches: LatchStore,
        clock: Clock,
        on_note: NoteListener,
        on_event: EventListener,
    ) -> None:
        self.name = record.account
        self.record = record
        self.gateway = gateway
        self.kernel = Kernel(build_setup(record))
        self.trouble = ""
        self.orders_sent = 0
        self.decisions = LatencyWindow()
        self.carried: list[Filled] = []
        self.panic = PanicPath(
            gateway,
            self.kernel.setup.instruments,
            record.run,
            clock,
            self._exposure,
        )
        self._journal = journal
        self._latches = latches
        self._clock = clock
        self._on_note = on_note
        self._on_event = on_event
        self._inbox: deque[Event] = deque()
        self._busy = False
        self.faults = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_trade: dict[Symbol, int] = {}
        self._reconciling = False
        self._stepped_from_ns = 0

    # -- life -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Trade until cancelled."""
        self._write("start", _encode.encode(self.record))
        for fill in self.carried:
            self.handle(fill)
        self.carried = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.gateway.run(self.handle))
                group.create_task(self._tick())
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.panic.stop()

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
        try:
            self._journal.commit()
        except DataError as error:
            self._journal_broken(error)

    # -- events ---------------------------------------------------------------------------

    def command(self, command: AnyCommand, who: str) -> tuple[bool, str]:
        """Obey a command now; return whether it was taken and what to tell the asker."""
        now_ns = self._clock.wall_ns()
        if isinstance(command, Kill | EmergencyExit):
            self.panic.start(self.name, isinstance(command, EmergencyExit), who)
        self.handle(Commanded(command=command, who=who, received_ns=now_ns))
        return self.kernel.last_result

    def cancel_order(self, order: TrackedOrder) -> None:
        """Cancel one order on the host's own behalf (when it ends)."""
        intent = order.intent
        self.kernel.desk.cancelling(order, self._clock.wall_ns())
        self.gateway.cancel(intent.symbol, intent.client_id, order.venue_id)

    def handle(self, event: Event) -> None:
        """Take one event. Effects that cause further events are finished first, in order."""
        self._inbox.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._inbox:
                self._one(self._inbox.popleft())
        finally:
            self._busy = False

    def _one(self, event: Event) -> None:
        now_ns = self._clock.wall_ns()
        is_market = isinstance(event, DepthChanged | TopChanged | Traded | DepthSnapshotted)
        self._stepped_from_ns = event.received_ns if is_market else 0
        if isinstance(event, Filled):
            self._last_trade[event.symbol] = max(
                event.trade_id, self._last_trade.get(event.symbol, -1)
            )
        if self.record.market_events or not (is_market or isinstance(event, Ticked)):
            self._write("event", _encode.encode((now_ns, event)))
        try:
            effects = self.kernel.step(event, now_ns)
        except Exception as error:  # task boundary: a fault in a decision stops this account alone
            self._fault(error, now_ns)
            return
        self._on_event(self.name, event)
        if effects:
            self._perform(effects, now_ns)

    def _fault(self, error: Exception, now_ns: int) -> None:
        self.faults += 1
        text = f"internal fault {self.faults}: {type(error).__name__}: {error}"
        self._note(Note(verb=Verb.RISK, symbol=Symbol(""), text=text, at_ns=now_ns))
        if self.faults >= _FAULTS_ALLOWED and self.kernel.state is not TradingState.HALTED:
            self.trouble = text
            self.kernel.gate.enter(TradingState.HALTED)
            self._latch(Latch(state=TradingState.HALTED, reason=text))

    # -- effects --------------------------------------------------------------------------

    def _perform(self, effects: list[Effect], now_ns: int) -> None:
        orders: list[ApprovedOrder] = []
        for effect in effects:
            if isinstance(effect, Send):
                self._write("intent", _encode.encode((now_ns, effect)))
                orders.append(effect.order)
            else:
                self._write("effect", _encode.encode((now_ns, effect)))
        journaled = True
        if orders:
            try:
                self._journal.commit()
            except DataError as error:
                journaled = False
                self._journal_broken(error)
        for effect in effects:
            self._do(effect, journaled, now_ns)

    def _do(self, effect: Effect, journaled: bool, now_ns: int) -> None:
        match effect:
            case Send():
                self._send(effect.order, journaled, now_ns)
            case Cancel():
                self.gateway.cancel(effect.symbol, effect.client_id, effect.venue_id)
            case CancelAll():
                self.gateway.cancel_all_now(effect.symbol)
            case Note():
                self._note(effect)
            case Query():
                self.gateway.query(effect.symbol, effect.client_id)
            case Resync():
                self._spawn(self._resync(effect.symbol))
            case Reconcile():
                self._spawn(self._reconcile())
            case Latch():
                self._latch(effect)
            case Panic():
                if self.panic.progress is None or self.panic.progress.done:
                    self.panic.start(self.name, effect.flatten, effect.who)

    def _send(self, order: ApprovedOrder, journaled: bool, now_ns: int) -> None:
        """Write one order to the wire; the last door where a halt stops it (T4)."""
        role = order.intent.role
        refusal = ""
        if self.kernel.state is TradingState.HALTED and role not in _ALWAYS_ALLOWED:
            refusal = "halted before it left"
        elif not journaled and role not in _ALWAYS_ALLOWED:
            refusal = "the journal cannot write"
        if refusal:
            self.handle(
                OrderRefused(
                    symbol=order.intent.symbol,
                    client_id=order.intent.client_id,
                    code="",
                    text=refusal,
                    received_ns=now_ns,
                )
            )
            return
        self.orders_sent += 1
        self.gateway.send(order)
        if self._stepped_from_ns:
            self.decisions.add(self._clock.wall_ns() - self._stepped_from_ns)

    def _latch(self, effect: Latch) -> None:
        self._spawn(self._store_latch(effect))

    async def _store_latch(self, effect: Latch) -> None:
        latched = Latched(effect.state, effect.reason, self._clock.wall_ns())
        try:
            await asyncio.to_thread(self._latches.write, self.name, latched)
        except DataError as error:
            self.trouble = error.message

    async def _resync(self, symbol: Symbol) -> None:
        try:
            self.handle(await self.gateway.snapshot(symbol))
        except ObitermError as error:
            self._tell(f"snapshot of {symbol}: {error}")

    async def _reconcile(self) -> None:
        if self._reconciling:
            return
        self._reconciling = True
        try:
            for symbol in self.kernel.setup.instruments:
                for fill in await self.gateway.fills_since(symbol, self._last_trade.get(symbol)):
                    self.handle(fill)
            orders = await self.gateway.open_orders()
            balances = await self.gateway.balances()
            self.handle(
                AccountReconciled(
                    balances=[(a, free, locked) for a, (free, locked) in balances.items()],
                    open_orders=orders,
                    received_ns=self._clock.wall_ns(),
                )
            )
        except ObitermError as error:
            self._tell(f"reconciliation: {error}")
        finally:
            self._reconciling = False

    # -- inside -----------------------------------------------------------------------------

    def _exposure(self, symbol: Symbol) -> int:
        net = self.kernel.gate.net_lots(symbol)
        return self.kernel.gate.sellable_lots(symbol) if net > 0 else net

    def _write(self, kind: str, payload: bytes) -> None:
        try:
            self._journal.append(self.name, kind, payload, self._clock.wall_ns())
        except DataError as error:
            self._journal_broken(error)

    def _journal_broken(self, error: DataError) -> None:
        if self.trouble != error.message:
            self.trouble = error.message
            self._note(
                Note(
                    verb=Verb.RISK,
                    symbol=Symbol(""),
                    text=f"entries stopped: {error.message}",
                    at_ns=self._clock.wall_ns(),
                )
            )
        if self.kernel.state is TradingState.ACTIVE:
            self.kernel.gate.enter(TradingState.REDUCING)

    def _tell(self, text: str) -> None:
        now_ns = self._clock.wall_ns()
        self._note(Note(verb=Verb.GAP, symbol=Symbol(""), text=text, at_ns=now_ns))

    def _note(self, note: Note) -> None:
        self._on_note(self.name, note)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
