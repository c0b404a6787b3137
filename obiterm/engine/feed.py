"""Market data of one venue, shared by all accounts that trade there (SPEC §3).

A ``MarketSource`` is the venue's own part: its public sockets and requests. ``SharedFeed``
runs it while somebody listens, hands every event to the accounts that watch its symbol,
and asks for one snapshot where several accounts need the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator
from typing import Protocol

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError, RetryLater
from obiterm.core.events import ClockMeasured, DepthSnapshotted, Event, FeedChanged, MarketEvent
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, NS_PER_S, Symbol
from obiterm.engine.gateway import Emit
from obiterm.engine.reconciliation import asked_to_wait_s
from obiterm.net.backoff import Backoff

_CLOCK_EVERY_S = 15 * 60.0
_CLOCK_AGAIN_S = 2.0
_CLOCK_WATCHED_S = 10.0
"""How often a clock that is off is measured, so that trading goes on soon after its mending."""
_CLOCK_OFF_NS = 250 * NS_PER_MS
_CLOCK_SOONEST_S = 1.0
"""Refusals of our time come in bursts; a burst makes one measurement."""
_STEP_LOOK_S = 1.0
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_STEADY_AFTER_NS = 60 * NS_PER_S

_LOG = logging.getLogger("obiterm.engine")


class MarketSource(Protocol):
    """The public side of one venue in one environment.

    Attributes:
        offset_ns: the venue's clock minus ours, as last measured (R14).
    """

    offset_ns: int

    async def measure_clock(self) -> tuple[int, int]:
        """Measure and keep the venue's clock; return ``(offset, round trip)`` in ns."""
        ...

    async def listing(self, symbols: Iterable[Symbol]) -> dict[Symbol, Instrument]:
        """Return the instruments of ``symbols``, read once and kept.

        Raises ``UsageError`` naming the symbols that the venue does not have.
        """
        ...

    async def all_instruments(self) -> list[Instrument]:
        """Return every market of the venue, for the symbol picker."""
        ...

    def watch(self, symbols: Iterable[Symbol]) -> None:
        """Add listed symbols to those that ``run`` streams; already watched ones change nothing."""
        ...

    async def run(self, emit: Emit) -> None:
        """Keep the market sockets up until cancelled.

        Emits market events, and ``FeedChanged("market", ...)`` with the symbols of the
        socket when it comes up or goes down.
        """
        ...

    async def resync(self, symbol: Symbol) -> DepthSnapshotted | None:
        """Get a fresh book: return it, or ``None`` where it comes by the stream."""
        ...

    def sockets(self) -> dict[str, str]:
        """Return the name of each market socket with ``up``, ``stale`` or ``down``."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class Membership:
    """One account that listens.

    What its own handling raises ends only this membership: the others go on, and the
    account learns of it by ``failed``.
    """

    __slots__ = ("_emit", "_failure", "symbols")

    def __init__(self, symbols: frozenset[Symbol], emit: Emit) -> None:
        self.symbols = symbols
        self._emit = emit
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def emit(self, event: Event) -> None:
        """Hand an event over, unless an earlier one could not be taken."""
        if self._failure.done():
            return
        try:
            self._emit(event)
        except Exception as error:  # task boundary: raised in the account's own task
            self._failure.set_exception(error)

    async def failed(self) -> None:
        """Wait for ever; raise what the listener raised."""
        await asyncio.shield(self._failure)


class SharedFeed:
    """Hands one venue's market data to every account that joined.

    Attributes:
        source: the venue's own part.
        trouble: why it is being started anew; empty when all is well.
    """

    def __init__(self, source: MarketSource, clock: Clock) -> None:
        self.source = source
        self.trouble = ""
        self._clock = clock
        self._members: list[Membership] = []
        self._of_symbol: dict[Symbol, list[Membership]] = {}
        self._is_up: dict[Symbol, bool] = {}
        self._snapshots: dict[Symbol, asyncio.Task[DepthSnapshotted | None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._measured: ClockMeasured | None = None
        self._measure_now = asyncio.Event()

    @property
    def offset_ns(self) -> int:
        """The venue's clock minus ours."""
        return self.source.offset_ns

    @property
    def listeners(self) -> int:
        """Return how many accounts listen."""
        return len(self._members)

    @contextlib.contextmanager
    def joined(self, symbols: Iterable[Symbol], emit: Emit) -> Iterator[Membership]:
        """Receive the events of ``symbols`` while inside; the first one starts the sockets."""
        member = Membership(frozenset(symbols), emit)
        self.source.watch(member.symbols)
        self._members.append(member)
        self._index()
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(self._run()), loop.create_task(self._keep_clock())]
        self._greet(member)
        try:
            yield member
        finally:
            self._members.remove(member)
            self._index()
            if not self._members:
                self._stop()

    async def listing(self, symbols: Iterable[Symbol]) -> dict[Symbol, Instrument]:
        """Return instruments; the clock is measured first, so that requests can be signed."""
        if self._measured is None:
            await self._measure_clock()
        return await self.source.listing(symbols)

    async def resync(self, symbol: Symbol) -> DepthSnapshotted | None:
        """Get a fresh book; several askers at once share one request.

        Returns ``None`` where the book comes by the stream, to every listener.
        """
        task = self._snapshots.get(symbol)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._fresh_book(symbol))
            self._snapshots[symbol] = task
            task.add_done_callback(lambda _: self._snapshots.pop(symbol, None))
        return await asyncio.shield(task)

    async def _fresh_book(self, symbol: Symbol) -> DepthSnapshotted | None:
        """Get a book; it waits where the venue's limits allow none now (R42)."""
        while True:
            try:
                return await self.source.resync(symbol)
            except RetryLater as error:
                if not error.retry_after_ms:
                    raise
                await asyncio.sleep(asked_to_wait_s(error))

    def suspect_clock(self) -> None:
        """Measure the clock soon: a venue has refused our time."""
        self._measure_now.set()

    # -- inside -----------------------------------------------------------------------------

    def _index(self) -> None:
        self._of_symbol = {}
        for member in self._members:
            for symbol in member.symbols:
                self._of_symbol.setdefault(symbol, []).append(member)

    def _greet(self, member: Membership) -> None:
        """Tell a newcomer what is up already, and the clock."""
        up = sorted(symbol for symbol in member.symbols if self._is_up.get(symbol))
        now_ns = self._clock.wall_ns()
        if up:
            member.emit(FeedChanged("market", True, "joined", now_ns, up))
        if self._measured is not None:
            member.emit(self._measured)

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        self._is_up = {}

    async def _run(self) -> None:
        """Keep the source running; a defect of one venue's feed ends nothing else (R126)."""
        backoff = Backoff(first_s=_FIRST_WAIT_S, ceiling_s=_LONGEST_WAIT_S)
        while True:
            began_ns = self._clock.monotonic_ns()
            try:
                await self.source.run(self._emit)
                self.trouble = "the market feed ended by itself"
            except Exception as error:  # task boundary: told as a feed that is down
                self.trouble = f"market feed: {type(error).__name__}: {error}"
                _LOG.error("%s", self.trouble, exc_info=error)
            if self._clock.monotonic_ns() - began_ns > _STEADY_AFTER_NS:
                backoff.reset()
            every = sorted(self._of_symbol)
            self._emit(FeedChanged("market", False, self.trouble, self._clock.wall_ns(), every))
            await asyncio.sleep(backoff.next_s())
            self.trouble = ""

    async def _keep_clock(self) -> None:
        """Measure the venue's clock now and then, and whenever there is a reason to (R14 T47)."""
        while True:
            self._measure_now.clear()
            stepped_ns = self._stepped_ns()
            try:
                measured = await self._measure_clock()
                self._emit(measured)
            except ObitermError:
                wait_s = _CLOCK_AGAIN_S
            except Exception as error:  # task boundary: an unmeasured clock stops entries (T47)
                _LOG.error("measuring the venue's clock: %r", error, exc_info=error)
                wait_s = _CLOCK_AGAIN_S
            else:
                is_off = abs(measured.offset_ns) > _CLOCK_OFF_NS
                wait_s = _CLOCK_WATCHED_S if is_off else _CLOCK_EVERY_S
            await asyncio.sleep(_CLOCK_SOONEST_S)
            await self._until_reason(wait_s, stepped_ns)

    async def _until_reason(self, wait_s: float, stepped_ns: int) -> None:
        """Wait for the time to pass, a venue's doubt, or a new step of the machine's clock."""
        until_ns = self._clock.monotonic_ns() + int(wait_s * NS_PER_S)
        while self._clock.monotonic_ns() < until_ns and not self._measure_now.is_set():
            if abs(self._stepped_ns() - stepped_ns) > _CLOCK_OFF_NS:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(_STEP_LOOK_S, wait_s)):
                    await self._measure_now.wait()

    def _stepped_ns(self) -> int:
        """Return how far the machine's clock has been moved since our own began."""
        return self._clock.machine_ns() - self._clock.wall_ns()

    async def _measure_clock(self) -> ClockMeasured:
        offset_ns, trip_ns = await self.source.measure_clock()
        off_ns = offset_ns - self._stepped_ns()
        self._measured = ClockMeasured(off_ns, trip_ns, self._clock.wall_ns())
        return self._measured

    def _emit(self, event: Event) -> None:
        if isinstance(event, MarketEvent):  # first: the hot path
            for member in self._of_symbol.get(event.symbol, ()):
                member.emit(event)
        elif isinstance(event, FeedChanged):
            self._tell_change(event)
        elif isinstance(event, ClockMeasured):
            for member in self._members:
                member.emit(event)

    def _tell_change(self, event: FeedChanged) -> None:
        """Tell each listener of those of its symbols that the socket carries."""
        changed = frozenset(event.symbols or self._of_symbol)
        self._is_up.update(dict.fromkeys(changed, event.up))
        for member in self._members:
            mine = sorted(member.symbols & changed)
            if mine:
                told = FeedChanged(event.stream, event.up, event.text, event.received_ns, mine)
                member.emit(told)
