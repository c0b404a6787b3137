"""What one step of the kernel costs on a recorded market with a strategy deciding."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
import pytest

from obiterm.cli.main import main
from obiterm.core.events import DepthChanged, Event
from obiterm.journal.log import read_rows
from obiterm.trading.kernel import Kernel
from obiterm.trading.record import StartRecord, build_setup

CAPTURE = "l2/binance_spot_BTCUSDT_20240808.jsonl.gz"
LIMIT_US = 80.0

_read_start = msgspec.msgpack.Decoder(StartRecord)
_read_event = msgspec.msgpack.Decoder(tuple[int, Event])


@pytest.mark.benchmark
@pytest.mark.captures
def test_a_depth_message_with_a_decision_takes_less_than_eighty_microseconds(
    own_home: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Book, signals, surf, risk gate and order book-keeping; mean over a quarter of an hour."""
    assert main(["replay", str(shared_data / CAPTURE), "--speed", "max", "--headless"]) == 0
    (path,) = (own_home / "obiterm").rglob("*.journal")
    record: StartRecord | None = None
    events: list[tuple[int, Event]] = []
    for row in read_rows(path):
        if row.kind == "start":
            record = _read_start.decode(row.payload)
        elif row.kind == "event":
            events.append(_read_event.decode(row.payload))
    assert record is not None
    best = min(_mean_us(Kernel(build_setup(record)), events) for _ in range(3))
    with capsys.disabled():
        sys.stdout.write(f"\n  kernel.step on a depth message: mean {best:.1f} µs\n")
    assert best < LIMIT_US


def _mean_us(kernel: Kernel, events: list[tuple[int, Event]]) -> float:
    took = count = 0
    for now_ns, event in events:
        began = time.perf_counter_ns()
        kernel.step(event, now_ns)
        if isinstance(event, DepthChanged):
            took += time.perf_counter_ns() - began
            count += 1
    return took / count / 1_000
