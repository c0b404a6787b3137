"""Kill a trading host again and again, and look whether anything was lost, doubled or left open.

``python -m tests.faults.crash_runs --runs 300 --seed 1`` starts the exchanges of the demo
profile (three venues) and hosts on them, one after the other on the same home. Each host is
killed by SIGKILL at a random moment: while it trades, or while it recovers. The next one has to
find positions, orders, fills and money as the exchanges have them. One JSON line per run goes
to standard error, the sum to standard output; exit code 1 when anything was violated.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from obiterm.cli.stage import BareSpan, Books, Stage, hasten, set_stage
from obiterm.config.models import Profile
from obiterm.config.profiles import load_profile
from obiterm.core.values import NS_PER_MS, NS_PER_S
from tests.faults.crash_life import EQUAL_WITHIN_S, StageFile, Told

CHECKOUT = Path(__file__).resolve().parent.parent.parent
STATED_BARE_S = 2.0
"""Longest time that a position may be without its stop while a host runs (its own alarm)."""
RUNS_ON_ONE_STAGE = 20
_START_LIMIT_S = 40.0
_FLAT_WITHIN_S = 20.0
_DEADLY_START = 0.2
"""Share of hosts that are killed before their books are right."""


class Run(msgspec.Struct):
    """One host from its start to its end."""

    number: int
    violations: list[str]
    sight_s: float | None = None
    """From its start until every account saw its markets."""
    equal_s: float | None = None
    """From sight until all books were equal; None when it was killed before."""
    lived_s: float = 0.0


class Report(msgspec.Struct):
    """All runs."""

    runs: int
    compared: int
    """Runs after which a host was let recover and all books were compared."""
    killed_while_recovering: int
    fills: int
    orders: int
    violations: list[str]
    sight_ms_p50: float
    sight_ms_p99: float
    equal_ms_p50: float
    equal_ms_p99: float
    bare_ms_longest: float
    """Longest time without a stop while a host ran and saw."""


class Life:
    """A host process of ours."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.began_ns = time.time_ns()

    @classmethod
    async def start(cls, stage: Path, environment: dict[str, str], errors: Path) -> Life:
        with errors.open("ab") as output:
            return cls(
                await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tests.faults.crash_life", str(stage)),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=output,
                    cwd=CHECKOUT,
                    env=environment,
                )
            )

    async def told(self, what: str, limit_s: float) -> Told | None:
        """Return the next line when it says ``what``; None when it does not come."""
        assert self.process.stdout is not None
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), limit_s)
        except TimeoutError:
            return None
        told = msgspec.json.decode(line, type=Told) if line else None
        return told if told is not None and told.what == what else None

    async def kill(self) -> int:
        """End it by SIGKILL; return when."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        return time.time_ns()


class Series:
    """Hosts one after the other on one home and the same exchanges."""

    def __init__(self, stage: Stage, folder: Path, rng: Random) -> None:
        self._stage = stage
        self._rng = rng
        self._errors = folder / "stderr"
        self._file = folder / "stage.json"
        self._environment = {
            **os.environ,
            **stage.environment,
            "OBITERM_HOME": str(folder / "home"),
        }
        self._books = Books()
        self._blind: list[tuple[int, int]] = []
        """When no host saw: from a kill to the next host's sight."""
        self._dead_since_ns = 0
        file = StageFile(stage.profile.name, _as_json(stage.profile), stage.places)
        self._file.write_bytes(msgspec.json.encode(file))

    async def run(self, number: int) -> Run:
        """Let one host live and die."""
        life = await Life.start(self._file, self._environment, self._errors)
        run = Run(number, [])
        try:
            if number and self._rng.random() < _DEADLY_START:
                await asyncio.sleep(self._rng.uniform(0.4, 3.0))
            else:
                await self._recover(life, run)
                await asyncio.sleep(self._rng.uniform(0.1, 3.0))
            if life.process.returncode is not None:
                run.violations.append(f"the host ended by itself: {self._last_words()}")
        finally:
            killed_ns = await life.kill()
        self._dead_since_ns = self._dead_since_ns or killed_ns
        run.lived_s = round((killed_ns - life.began_ns) / NS_PER_S, 3)
        return run

    async def _recover(self, life: Life, run: Run) -> None:
        sight = await life.told("sight", _START_LIMIT_S)
        if sight is None:
            run.violations.append(f"no sight in {_START_LIMIT_S:.0f} s: {self._last_words()}")
            return
        run.sight_s = (sight.at_ns - life.began_ns) / NS_PER_S
        if self._dead_since_ns:
            self._blind.append((self._dead_since_ns, sight.at_ns))
            self._dead_since_ns = 0
        books = await life.told("books", EQUAL_WITHIN_S + 10)
        if books is None:
            run.violations.append(f"it never compared its books: {self._last_words()}")
            return
        run.violations += books.findings
        run.equal_s = (books.at_ns - sight.at_ns) / NS_PER_S

    async def end(self) -> list[str]:
        """Flatten with a last host; return what is left, and which positions had no stop."""
        life = await Life.start(self._file, self._environment, self._errors)
        run = Run(-1, [])
        try:
            await self._recover(life, run)
            life.process.send_signal(signal.SIGUSR2)
            left = await self._left()
            deadline = time.monotonic() + _FLAT_WITHIN_S
            while left and time.monotonic() < deadline:
                await asyncio.sleep(0.2)
                left = await self._left()
            return [*run.violations, *left, *await self._bare()]
        finally:
            await life.kill()

    async def counts(self) -> tuple[int, int]:
        """Return fills and orders of all accounts at the exchanges."""
        fills = [len((await self._books.ledger(one)).fills) for one in self._stage.places]
        orders = [len(await self._books.orders(one)) for one in self._stage.places]
        return sum(fills), sum(orders)

    async def longest_bare_ms(self) -> float:
        spans = [
            self._seen_ns(s) for one in self._stage.places for s in await self._books.bare(one)
        ]
        return max(spans, default=0) / NS_PER_MS

    async def close(self) -> None:
        await self._books.close()

    async def _left(self) -> list[str]:
        found: list[str] = []
        for place in self._stage.places:
            ledger = await self._books.ledger(place)
            found += [f"left open at {place.venue}: {o.client_id}" for o in ledger.open_orders]
            found += [f"left held at {place.venue}: {p.quantity}" for p in ledger.positions]
        return found

    async def _bare(self) -> list[str]:
        return [
            f"{place.account}: {span.lots} lots without a stop for {took_s:.2f} s under a host"
            for place in self._stage.places
            for span in await self._books.bare(place)
            if (took_s := self._seen_ns(span) / NS_PER_S) > STATED_BARE_S
        ]

    def _seen_ns(self, span: BareSpan) -> int:
        """Return how much of a span lay in a time when a host saw."""
        to_ns = span.to_ns or time.time_ns()
        hidden = sum(
            max(0, min(to_ns, until) - max(span.from_ns, since)) for since, until in self._blind
        )
        return to_ns - span.from_ns - hidden

    def _last_words(self) -> str:
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "no words"


def _as_json(profile: Profile) -> str:
    """Return a profile in the words in which one is written."""
    plain = profile.model_dump(mode="json", by_alias=True)
    for account in plain["accounts"]:
        account["environment"] = account["environment"].lower()
    return json.dumps(plain)


def busy_profile() -> Profile:
    """Return the three-venue demo with strategies that come and go quickly."""
    return hasten(load_profile("demo", user_dir=CHECKOUT / "profiles"))


async def crash(runs: int, seed: int, *, on_run: int = RUNS_ON_ONE_STAGE) -> Report:
    """Return what came of so many kills."""
    rng = Random(seed)
    done: list[Run] = []
    left: list[str] = []
    fills = orders = 0
    longest_ms = 0.0
    while len(done) < runs:
        with tempfile.TemporaryDirectory(prefix="obiterm-crash-") as name:
            async with set_stage(busy_profile(), rng.randrange(2**31)) as stage:
                series = Series(stage, Path(name), rng)
                for _ in range(min(on_run, runs - len(done))):
                    run = await series.run(len(done) if len(done) % on_run else 0)
                    run.number = len(done) + 1
                    done.append(run)
                    _say(msgspec.json.encode(run).decode())
                found = await series.end()
                for one in found:
                    _say(f"violation: {one}")
                left += found
                more_fills, more_orders = await series.counts()
                fills, orders = fills + more_fills, orders + more_orders
                longest_ms = max(longest_ms, await series.longest_bare_ms())
                await series.close()
    return _report(done, left, fills, orders, longest_ms)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _report(
    done: Sequence[Run], left: list[str], fills: int, orders: int, longest_ms: float
) -> Report:
    sight = [run.sight_s * 1000 for run in done if run.sight_s is not None]
    equal = [run.equal_s * 1000 for run in done if run.equal_s is not None]
    return Report(
        runs=len(done),
        compared=len(equal),
        killed_while_recovering=sum(run.equal_s is None for run in done),
        fills=fills,
        orders=orders,
        violations=[f"run {run.number}: {one}" for run in done for one in run.violations] + left,
        sight_ms_p50=_quantile(sight, 50),
        sight_ms_p99=_quantile(sight, 99),
        equal_ms_p50=_quantile(equal, 50),
        equal_ms_p99=_quantile(equal, 99),
        bare_ms_longest=round(longest_ms, 1),
    )


def _quantile(values: list[float], percent: int) -> float:
    if len(values) < 2:
        return round(values[0], 1) if values else 0.0
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    report = asyncio.run(crash(options.runs, options.seed))
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
