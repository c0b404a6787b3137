"""Trading states on disk: whole, ordered, and read on the safe side."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from obiterm.core.errors import DataError
from obiterm.core.values import TradingState
from obiterm.engine.latches import Latched, LatchStore, LatchWriter

HALTED = Latched(TradingState.HALTED, "kill by F9", 1)
ACTIVE = Latched(TradingState.ACTIVE, "armed by screen", 2)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = LatchStore(tmp_path / "latches")
    assert store.read("main") is None
    store.write("main", HALTED)
    assert store.read("main") == HALTED
    assert store.read("other") is None
    assert [path.name for path in (tmp_path / "latches").iterdir()] == ["main.state.json"]


def test_a_damaged_state_counts_as_halted(tmp_path: Path) -> None:
    store = LatchStore(tmp_path)
    store.write("main", ACTIVE)
    (tmp_path / "main.state.json").write_bytes(b'{"state": "ACT')
    read = store.read("main")
    assert read is not None
    assert read.state is TradingState.HALTED
    assert "cannot be read" in read.reason


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be latched"):
        LatchStore(tmp_path / "file" / "latches").write("main", HALTED)


class SlowStore(LatchStore):
    """Writes when it is told to go on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.written: list[TradingState] = []

    def write(self, account: str, latched: Latched) -> None:
        self.entered.set()
        self.go_on.wait(5)
        super().write(account, latched)
        self.written.append(latched.state)


async def test_the_newest_state_is_on_disk_last(tmp_path: Path) -> None:
    """A kill and a quick re-arm must not overtake each other on the way to the disk."""
    store = SlowStore(tmp_path)
    failures: list[DataError] = []
    writer = LatchWriter(store, "main", failures.append)
    writer.write(HALTED)
    await asyncio.to_thread(store.entered.wait, 5)
    writer.write(ACTIVE)
    writer.write(HALTED)
    store.go_on.set()
    await writer.close()
    assert store.written == [TradingState.HALTED, TradingState.HALTED]
    assert store.read("main") == HALTED
    writer.write(ACTIVE)
    await writer.close()
    assert store.read("main") == ACTIVE
    assert failures == []


async def test_a_failure_to_latch_is_told_and_does_not_end_the_writer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failures: list[DataError] = []
    writer = LatchWriter(LatchStore(tmp_path / "file"), "main", failures.append)
    writer.write(HALTED)
    await writer.close()
    writer.write(ACTIVE)
    await writer.close()
    assert len(failures) == 2
