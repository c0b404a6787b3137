"""Tick to signed order, the whole engine beside ccxt.pro on the same exchange (Q19).

The exchange stamps a depth message when it leaves and an order when it arrives, so both
sides pay for the same sockets. Ours runs as it does for a trader: kernel, strategy, risk
gate, journal on disk before the send, publisher, and once more with a screen painting at
160x48. Figures are medians over one run; ratios count, not microseconds.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ORDERS = int(os.environ.get("OBITERM_BENCH_ORDERS", "300"))
SPEED = 8.0
WARM = 20

PROFILE = """
schema = 1
title = "benchmark"
sizes = ["0.001"]

[[accounts]]
name = "bench"
venue = "binance"
environment = "testnet"
symbols = ["BTCUSDT"]
keys = "env:BENCH"
urls = {{ rest = "{rest}", stream = "{stream}", ws_api = "{ws_api}" }}

[accounts.limits]
max_orders_per_10s = 300
price_collar_bps = 500
max_open_orders = 190

[[strategies]]
name = "answer"
kind = "answer"
account = "bench"
symbol = "BTCUSDT"
"""


@contextmanager
def tick_server(capture: Path) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "tick_server.py"), str(capture), str(SPEED)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline()), process
    finally:
        process.terminate()
        process.wait(10)


def delays_of(server: subprocess.Popen[str]) -> list[float]:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write("\n")
    server.stdin.flush()
    return list(json.loads(server.stdout.readline()))


def percentiles(delays: list[float]) -> dict[str, float]:
    ordered = sorted(delays[WARM:])
    return {
        "n": len(ordered),
        "p50_us": round(ordered[len(ordered) // 2], 1),
        "p99_us": round(ordered[int(len(ordered) * 0.99)], 1),
    }


def measure_ccxt(capture: Path) -> dict[str, float]:
    with tick_server(capture) as (address, server):
        subprocess.run(
            [sys.executable, str(HERE / "peer_ccxt.py"), json.dumps(address), str(ORDERS)],
            check=True,
            timeout=180,
        )
        return percentiles(delays_of(server))


def measure_engine(capture: Path, home: Path, *, screen: bool) -> dict[str, float]:
    home.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "OBITERM_HOME": str(home), "COLORTERM": "truecolor", "TERM": "xterm"}
    with tick_server(capture) as (address, server):
        profile = home / "bench.toml"
        profile.write_text(PROFILE.format(**address))
        host = subprocess.Popen(
            [sys.executable, str(HERE / "engine_host.py"), str(profile), json.dumps(address)],
            env=env,
        )
        painter = None
        try:
            if screen:
                wait_for(lambda: (home / "run" / "bench.sock").exists())
                painter = paint(profile, env)
            delays: list[float] = []
            deadline = time.monotonic() + 180
            while len(delays) < ORDERS and time.monotonic() < deadline and host.poll() is None:
                time.sleep(1)
                delays += delays_of(server)
            return percentiles(delays)
        finally:
            for process in (painter, host):
                if process is not None:
                    process.send_signal(signal.SIGTERM)
                    process.wait(20)


def paint(profile: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Attach a real screen on a pseudo-terminal of 160x48 that is read as fast as it paints."""
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 48, 160, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "obiterm", "--profile", str(profile)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**env, "BENCH_KEY": "x", "BENCH_SECRET": "x"},
        start_new_session=True,
    )
    os.close(slave)

    def drain() -> None:
        try:
            while os.read(master, 1 << 16):
                pass
        except OSError:
            return

    threading.Thread(target=drain, daemon=True).start()
    return process


def wait_for(condition: object, limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if callable(condition) and condition():
            return
        time.sleep(0.02)
    raise AssertionError("timed out")


@pytest.mark.benchmark
@pytest.mark.captures
@pytest.mark.timeout(900)
def test_tick_to_order_beside_ccxt_pro(shared_data: Path, tmp_path: Path) -> None:
    capture = shared_data / "l2" / "binance_spot_BTCUSDT_20240808.jsonl.gz"
    ours = measure_engine(capture, tmp_path / "plain", screen=False)
    theirs = measure_ccxt(capture)
    painting = measure_engine(capture, tmp_path / "painting", screen=True)
    result = {
        "obiterm": ours,
        "ccxt.pro": theirs,
        "obiterm, screen painting": painting,
        "ratio_p50": round(ours["p50_us"] / theirs["p50_us"], 3),
        "ratio_p99": round(ours["p99_us"] / theirs["p99_us"], 3),
        "painting_p99_ratio": round(painting["p99_us"] / ours["p99_us"], 3),
    }
    sys.stdout.write("\n" + json.dumps(result, indent=1) + "\n")
    assert ours["p50_us"] < theirs["p50_us"]
