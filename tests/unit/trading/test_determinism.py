"""A journal of a run, stepped through fresh kernels, gives the same effects byte for byte (§3)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from obiterm.cli.main import main
from obiterm.core.effects import Note, Verb
from obiterm.core.values import Symbol
from obiterm.journal.log import Journal, read_rows
from obiterm.research.rejournal import replay_journal
from tests.trading_support.records import start_record

CAPTURE = "l2/binance_spot_BTCUSDT_20240808.jsonl.gz"


def only_journal(home: Path) -> Path:
    (journal,) = (home / "obiterm").rglob("*.journal")
    return journal


def kinds(path: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in read_rows(path):
        counts[row.kind] = counts.get(row.kind, 0) + 1
    return counts


def test_a_run_on_the_flow_market_is_decided_again(own_home: Path) -> None:
    command = [
        "demo",
        "--profile",
        "demo-spot",
        "--headless",
        "--speed",
        "max",
        "--seconds",
        "120",
        "--seed",
        "7",
        "--json",
    ]
    assert main(command) == 0
    path = only_journal(own_home)
    counts = kinds(path)
    assert counts["intent"] >= 10
    check = replay_journal(path)
    assert check.first_difference == ""
    assert check.effects == counts["intent"] + counts["effect"]
    assert check.rows == sum(counts.values())


@pytest.mark.captures
def test_a_recorded_market_is_decided_again(own_home: Path, shared_data: Path) -> None:
    command = ["replay", str(shared_data / CAPTURE), "--speed", "max", "--headless", "--json"]
    assert main(command) == 0
    path = only_journal(own_home)
    check = replay_journal(path)
    assert check.is_same, check.first_difference
    assert check.effects > 2_000


def test_a_difference_is_named(own_home: Path, tmp_path: Path) -> None:
    """A journal in which something else decided is told by its first such row."""
    assert (
        main(
            [
                "demo",
                "--profile",
                "demo-spot",
                "--headless",
                "--speed",
                "max",
                "--seconds",
                "20",
                "--json",
            ]
        )
        == 0
    )
    forged = Journal.open(tmp_path / "forged.journal")
    number = 0
    for row in read_rows(only_journal(own_home)):
        payload = row.payload
        if row.kind == "effect" and not number:
            at_ns, _ = msgspec.msgpack.decode(payload)
            note = Note(verb=Verb.INFO, symbol=Symbol(""), text="made up", at_ns=at_ns)
            payload = msgspec.msgpack.encode((at_ns, note))
            number = row.seq
        forged.append(row.account, row.kind, payload, row.at_ns)
    forged.close()
    check = replay_journal(tmp_path / "forged.journal")
    assert check.first_difference.startswith(f"row {number} (effect): journal ")
    assert "made up" in check.first_difference


def test_a_run_without_market_events_says_that_it_cannot_be_replayed(tmp_path: Path) -> None:
    path = tmp_path / "thin.journal"
    with_start = Journal.open(path)
    with_start.append("main", "start", start_record(market_events=False), 1)
    with_start.close()
    assert replay_journal(path).first_difference == "row 1: run without market events"
