"""``obiterm chaos``: trade on exchanges that misbehave by script, then check that all is right.

The host runs in this process on a home of its own that is thrown away; every exchange is a
process that plays a script of faults drawn from the seed. After that it is left alone, books
are compared, a kill and an exit are pressed, and books are compared again. Exit codes: 0
nothing was violated, 1 something was, 2 usage.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from obiterm.cli.audit import Journaled, audit_journal, compare_all
from obiterm.cli.host import run_loop
from obiterm.cli.progress import Progress
from obiterm.cli.stage import Books, PlayedFault, Stage, hasten, lend_keys, set_stage
from obiterm.cli.watching import Span, Watcher
from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.core.commands import ALL_ACCOUNTS, EmergencyExit, Kill
from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.host.run import RunningHost, run_host

CALM_S = 5.0
"""How long everything goes its normal way between the last fault and the kill."""
BARE_LIMIT_S = 2.0
"""Longest time without a stop while nothing is wrong: the alarm of the screen."""
BARE_LIMIT_FAULTY_S = 35.0
"""The same while exchanges misbehave. On spot a close needs the coins of its stop, and one that
is answered with a 5xx is unknown for the 6 s in which it may still arrive: five in a row."""
_EQUAL_WITHIN_S = 30.0
_SIGHT_WITHIN_S = 60.0
_PANIC_WITHIN_S = 20.0
_LOOK_S = 0.1
_LASTING = frozenset({"silence", "lag", "stall", "refuse"})


class Times(msgspec.Struct, frozen=True):
    """How often and how long, in milliseconds."""

    count: int
    p50: float
    p99: float
    longest: float

    @classmethod
    def of(cls, spans_ns: Sequence[int]) -> Times:
        """Return the figures of some durations in ns."""
        values = sorted(one / NS_PER_MS for one in spans_ns)
        if not values:
            return cls(0, 0.0, 0.0, 0.0)
        cuts = statistics.quantiles([values[0], *values], n=100, method="inclusive")
        return cls(len(values), round(cuts[49], 1), round(cuts[98], 1), round(values[-1], 1))


class ChaosReport(msgspec.Struct, kw_only=True):
    """What a run did and what was wrong."""

    seed: int
    minutes: float
    faults: dict[str, int]
    orders: int
    fills: int
    violations: list[str]
    blind_ms: Times
    """Times in which an account did not see its market or its orders."""
    recovery_ms: Times
    """From the end of the last fault (or the cut) until such an account saw again."""
    unknown_ms: Times
    """Times in which the outcome of an order was not known."""
    bare_ms: Times
    """Times in which a position was larger than its stops, by the exchanges' clocks."""
    kill_ms: float
    """From the kill until no order rested."""
    home: str = ""
    """Where journal and log are kept when something was wrong."""


def chaos(options: argparse.Namespace) -> int:
    """Run, report, return the exit code."""
    profile = load_profile(options.profile, user_dir=Paths.from_environment().profiles)
    home = Path(tempfile.mkdtemp(prefix="obiterm-chaos-"))
    logging.basicConfig(filename=home / "log", level=logging.INFO, force=True)
    report = run_loop(_Chaos(profile, options.seed, options.minutes, home).go())
    if report.violations:
        report.home = str(home)
    else:
        _remove(home)
    _print(report, as_json=options.json)
    return 1 if report.violations else 0


class _Chaos:
    """One run."""

    def __init__(self, profile: Profile, seed: int, minutes: float, home: Path) -> None:
        self._profile = hasten(profile)
        self._seed = seed
        self._minutes = minutes
        self._home = home
        self._books = Books()
        self._violations: list[str] = []
        self._played: dict[str, list[PlayedFault]] = {}
        self._kill_ms = 0.0

    async def go(self) -> ChaosReport:
        """Run it."""
        root = self._home
        paths = Paths(root / "config", root / "data", root / "state", root / "run")
        async with set_stage(self._profile, self._seed) as stage:
            lend_keys(stage)
            done: asyncio.Future[ChaosReport] = asyncio.get_running_loop().create_future()
            tasks: list[asyncio.Task[None]] = []

            def ready(running: RunningHost) -> None:
                tasks.append(asyncio.create_task(self._conduct(running, stage, done)))

            await run_host(stage.profile, paths, on_ready=ready)
            await asyncio.gather(*tasks)
            await self._books.close()
            return done.result()

    async def _conduct(
        self, running: RunningHost, stage: Stage, done: asyncio.Future[ChaosReport]
    ) -> None:
        watcher = Watcher(running.slots)
        watching = asyncio.create_task(watcher.run())
        try:
            await self._until_sight(running)
            await self._misbehave(running, stage)
            await self._until_sight(running)
            self._violations += await compare_all(
                running, stage.places, self._books, _EQUAL_WITHIN_S
            )
            calm_ns = time.time_ns()
            await asyncio.sleep(CALM_S)
            await self._kill(running, stage)
            await self._flatten(running, stage)
            done.set_result(await self._report(stage, watcher, running, calm_ns))
        finally:
            watching.cancel()
            running.service.ask_stop("end of chaos")

    async def _until_sight(self, running: RunningHost) -> None:
        deadline = time.monotonic() + _SIGHT_WITHIN_S
        blind: list[str] = []
        while time.monotonic() < deadline:
            blind = [
                slot.name
                for slot in running.slots
                if slot.engine is None or not slot.engine.kernel.in_sight
            ]
            if not blind:
                return
            await asyncio.sleep(_LOOK_S)
        self._violations += [f"{name} does not come back" for name in blind]

    async def _misbehave(self, running: RunningHost, stage: Stage) -> None:
        """Let every exchange play its script, then end all faults."""
        seconds = self._minutes * 60
        for number, place in enumerate(stage.places):
            await self._books.play(place, self._seed * 1_000 + number, seconds)
        progress = Progress("misbehaving", "s")
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            progress.show(int(passed), int(seconds))
            await asyncio.sleep(_LOOK_S)
        progress.end()
        for place in stage.places:
            self._played[place.account] = await self._books.calm(place)

    async def _kill(self, running: RunningHost, stage: Stage) -> None:
        began = time.monotonic()
        running.service.command_all(Kill(account=ALL_ACCOUNTS), "chaos")
        while left := await self._left(stage, held=False):
            if time.monotonic() - began > _PANIC_WITHIN_S:
                break
            await asyncio.sleep(0.01)
        self._kill_ms = round((time.monotonic() - began) * 1_000, 1)
        self._violations += [f"after the kill: {one}" for one in left]

    async def _flatten(self, running: RunningHost, stage: Stage) -> None:
        running.service.command_all(EmergencyExit(account=ALL_ACCOUNTS), "chaos")
        not_done = await running.service.panic_done(_PANIC_WITHIN_S)
        self._violations += [f"{name}: the exit is not confirmed" for name in not_done]
        self._violations += [f"after the exit: {one}" for one in await self._left(stage, held=True)]

    async def _left(self, stage: Stage, *, held: bool) -> list[str]:
        """Return orders that rest and, with ``held``, perpetual positions that are open."""
        found: list[str] = []
        for place in stage.places:
            ledger = await self._books.ledger(place)
            found += [f"{place.account} {o.client_id} rests" for o in ledger.open_orders]
            if held:
                found += [f"{place.account} holds {p.quantity:f}" for p in ledger.positions]
        return found

    async def _report(
        self, stage: Stage, watcher: Watcher, running: RunningHost, calm_ns: int
    ) -> ChaosReport:
        orders = fills = 0
        bare_ns: list[int] = []
        recovery_ns: list[int] = []
        running.journal.commit()
        for place in stage.places:
            ledger, every = await self._books.ledger(place), await self._books.orders(place)
            orders, fills = orders + len(every), fills + len(ledger.fills)
            engine = next(one.engine for one in running.slots if one.name == place.account)
            if engine is not None:
                journaled = Journaled(running.journal.path, place.account).read()
                instruments = engine.kernel.setup.instruments.values()
                found = audit_journal(place, instruments, journaled, ledger, every)
                self._violations += [f"at the end, {place.account}: {one}" for one in found]
            for span in await self._books.bare(place):
                took_ns = (span.to_ns or time.time_ns()) - span.from_ns
                bare_ns.append(took_ns)
                limit_s = BARE_LIMIT_S if span.from_ns > calm_ns else BARE_LIMIT_FAULTY_S
                if took_ns > limit_s * NS_PER_S:
                    text = f"{span.lots} lots without a stop for {took_ns / NS_PER_S:.1f} s"
                    self._violations.append(f"{place.account}: {text}")
            blind = watcher.blind[place.account]
            recovery_ns += _recoveries(blind, self._played[place.account])
        return ChaosReport(
            seed=self._seed,
            minutes=self._minutes,
            faults=dict(Counter(one.kind for all_ in self._played.values() for one in all_)),
            orders=orders,
            fills=fills,
            violations=list(dict.fromkeys(self._violations)),
            blind_ms=Times.of([s.took_ns for spans in watcher.blind.values() for s in spans]),
            recovery_ms=Times.of(recovery_ns),
            unknown_ms=Times.of([s.took_ns for spans in watcher.unknown.values() for s in spans]),
            bare_ms=Times.of(bare_ns),
            kill_ms=self._kill_ms,
        )


def _recoveries(blind: Sequence[Span], played: Sequence[PlayedFault]) -> list[int]:
    """Return how long each blind time went on after the faults in it had ended."""
    ends = [
        (one.at_ns, one.at_ns + (one.for_ms or one.ms) * NS_PER_MS)
        for one in played
        if one.kind in _LASTING
    ]
    recoveries = []
    for span in blind:
        last = max((end for begin, end in ends if begin <= span.to_ns), default=span.from_ns)
        recoveries.append(max(0, span.to_ns - max(span.from_ns, min(last, span.to_ns))))
    return recoveries


def _remove(home: Path) -> None:
    for path in sorted(home.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    home.rmdir()


def _print(report: ChaosReport, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return
    fields: dict[str, object] = msgspec.to_builtins(report)
    violations = fields.pop("violations")
    for name, value in fields.items():
        text = "  ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name.replace('_', ' '):<14} {text}")
    print(f"{'violations':<14} {len(report.violations)}")
    for one in violations if isinstance(violations, list) else ():
        print(f"  {one}")
