"""An intent on disk before the send, beside the usual ways to commit (ARCHITECTURE §8).

Every contender writes the same row of 250 bytes and commits it, one row at a time, in turns so
that the machine's moods meet all alike. Durability is the same for all: a commit survives
``kill -9``, and a power cut takes what came after the last checkpoint (SQLite: WAL,
``synchronous = NORMAL``). *hot* commits one row after the other; *cold* is what an engine does:
it rests, looks at memory of its own, and then one order is due.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, event, insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from obiterm.journal.log import Journal, verify

ROWS, TURN = 1_500, 100
COLD_ROWS, COLD_TURN = 200, 10
PAUSE_S = 0.02
WORKING_SET = 8 * 1024 * 1024
"""More than the caches of a core: what a strategy, a book and a screen's frames touch."""
PAYLOAD = b"x" * 250

pytestmark = pytest.mark.benchmark

Contenders = dict[str, Callable[[], Awaitable[None]]]


class Times:
    """Microseconds of one contender."""

    def __init__(self) -> None:
        self.us: list[float] = []

    def add(self, started_ns: int) -> None:
        self.us.append((time.perf_counter_ns() - started_ns) / 1_000)

    @property
    def p50(self) -> float:
        return median(self.us)

    @property
    def p99(self) -> float:
        return quantiles(self.us, n=100)[98]


@pytest.fixture
async def contenders(tmp_path: Path) -> AsyncIterator[Contenders]:
    """Give three ways to bring a row to the disk."""
    journal = Journal.open(tmp_path / "journal.journal")
    other = await aiosqlite.connect(tmp_path / "aiosqlite.sqlite", isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
        await other.execute(f"PRAGMA {pragma}")
    await other.execute("CREATE TABLE rows (at_ns INTEGER, account TEXT, kind TEXT, payload BLOB)")
    engine, table = await sqlalchemy_engine(tmp_path)

    async def ours() -> None:
        journal.append("binance-main", "intent", PAYLOAD, 1)
        journal.commit()

    async def with_aiosqlite() -> None:
        await other.execute("BEGIN IMMEDIATE")
        await other.execute(
            "INSERT INTO rows VALUES (?, ?, ?, ?)", (1, "binance-main", "intent", PAYLOAD)
        )
        await other.commit()

    async def with_sqlalchemy() -> None:
        async with engine.begin() as connection:
            await connection.execute(
                insert(table),
                {"at_ns": 1, "account": "binance-main", "kind": "intent", "payload": PAYLOAD},
            )

    yield {"journal": ours, "aiosqlite": with_aiosqlite, "sqlalchemy": with_sqlalchemy}
    journal.close()
    await other.close()
    await engine.dispose()


async def test_intent_on_disk_beside_async_commits(contenders: Contenders) -> None:
    """Target: at most a tenth of an SQLAlchemy async commit, at p50 and at p99."""
    times = {name: Times() for name in contenders}
    for _ in range(ROWS // TURN):
        for name, write in contenders.items():
            for _ in range(TURN):
                started = time.perf_counter_ns()
                await write()
                times[name].add(started)
    report("hot", times)
    assert times["journal"].p50 <= 0.1 * times["sqlalchemy"].p50
    assert times["journal"].p99 <= 0.1 * times["sqlalchemy"].p99


async def test_a_cold_intent_beside_async_commits(contenders: Contenders) -> None:
    """One commit after each pause: what stands between tick and order in truth."""
    times = {name: Times() for name in contenders}
    memory = bytearray(WORKING_SET)
    for _ in range(COLD_ROWS // COLD_TURN):
        for name, write in contenders.items():
            for _ in range(COLD_TURN):
                await asyncio.sleep(PAUSE_S)
                memory[::64] = bytes(WORKING_SET // 64)
                started = time.perf_counter_ns()
                await write()
                times[name].add(started)
    report("cold", times)
    assert times["journal"].p50 <= 0.1 * times["sqlalchemy"].p50


def report(case: str, times: dict[str, Times]) -> None:
    """Print one line of JSON: medians, p99 and what the journal takes of the others' medians."""
    found: dict[str, object] = {"case": case}
    for name, measured in times.items():
        found[name] = {"p50_us": round(measured.p50, 1), "p99_us": round(measured.p99, 1)}
    ours = times["journal"].p50
    found["p50_ratio"] = {
        name: round(ours / measured.p50, 3) for name, measured in times.items() if name != "journal"
    }
    print(json.dumps(found))  # noqa: T201


async def sqlalchemy_engine(tmp_path: Path) -> tuple[AsyncEngine, Table]:
    """Return an engine and a table like ours, as the ledger would have them."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'sqlalchemy.sqlite'}")

    @event.listens_for(engine.sync_engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()

    metadata = MetaData()
    table = Table(
        "rows",
        metadata,
        Column("seq", Integer, primary_key=True),
        Column("at_ns", Integer),
        Column("account", String),
        Column("kind", String),
        Column("payload", LargeBinary),
    )
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    return engine, table


def test_checkpoints_do_not_hold_up_intents(tmp_path: Path) -> None:
    """A checkpoint every 50 ms from a helper thread: intents stay fast all the same."""
    journal = Journal.open(tmp_path / "journal.journal")
    stop = threading.Event()

    def checkpoints() -> None:
        while not stop.wait(0.05):
            journal.checkpoint()

    alone, beside = Times(), Times()
    for times, helper in ((alone, None), (beside, threading.Thread(target=checkpoints))):
        if helper is not None:
            helper.start()
        for _ in range(10 * ROWS):
            started = time.perf_counter_ns()
            journal.append("binance-main", "intent", PAYLOAD, 1)
            journal.commit()
            times.add(started)
        if helper is not None:
            stop.set()
            helper.join()
    journal.close()
    found = {
        name: {"p50_us": round(times.p50, 1), "p99_us": round(times.p99, 1)}
        for name, times in (("alone", alone), ("checkpointing", beside))
    }
    print(json.dumps({"case": "checkpoints", **found}))  # noqa: T201
    assert beside.p50 <= 3 * alone.p50
    assert beside.p99 <= 5_000


def test_verify_reads_fast(tmp_path: Path) -> None:
    """Target: 300,000 rows a second."""
    path = tmp_path / "journal.journal"
    journal = Journal.open(path)
    for i in range(100_000):
        journal.append("binance-main", "intent", PAYLOAD, i)
        if i % 1_000 == 0:
            journal.commit()
    journal.close()
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        assert verify(path).ok
        seconds.append(time.perf_counter() - started)
    rate = 100_000 / min(seconds)
    print(json.dumps({"case": "verify", "rows_per_s": round(rate)}))  # noqa: T201
    assert rate >= 300_000
