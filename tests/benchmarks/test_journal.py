"""An intent on disk before the send, beside the usual ways to commit (ARCHITECTURE §8).

Every contender writes the same row of 250 bytes and commits it, one row at a time, in turns
of ``TURN`` rows so that the machine's moods meet all alike. Durability is the same for all:
WAL, ``synchronous = NORMAL``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, event, insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from obiterm.journal.log import Journal

ROWS, TURN = 1_500, 100
PAYLOAD = b"x" * 250

pytestmark = pytest.mark.benchmark


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


async def test_intent_on_disk_beside_async_commits(tmp_path: Path) -> None:
    """Target: at most a tenth of an SQLAlchemy async commit, at p50 and at p99."""
    journal = Journal.open(tmp_path / "journal.sqlite")
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

    contenders: dict[str, Callable[[], Awaitable[None]]] = {
        "journal": ours,
        "aiosqlite": with_aiosqlite,
        "sqlalchemy": with_sqlalchemy,
    }
    times = {name: Times() for name in contenders}
    for _ in range(ROWS // TURN):
        for name, write in contenders.items():
            for _ in range(TURN):
                started = time.perf_counter_ns()
                await write()
                times[name].add(started)
    journal.close()
    await other.close()
    await engine.dispose()
    for name, found in times.items():
        print(f"{name:12} p50 {found.p50:8.1f} us  p99 {found.p99:8.1f} us")  # noqa: T201
    assert times["journal"].p50 <= 0.1 * times["sqlalchemy"].p50
    assert times["journal"].p99 <= 0.1 * times["sqlalchemy"].p99


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
    journal = Journal.open(tmp_path / "journal.sqlite")
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
    for name, times in (("alone", alone), ("checkpointing", beside)):
        print(f"{name:14} p50 {times.p50:6.1f} us  p99 {times.p99:8.1f} us")  # noqa: T201
    assert beside.p50 <= 3 * alone.p50
    assert beside.p99 <= 5_000
