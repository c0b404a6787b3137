"""Real hosts, screens and shells for tests: processes on a home of their own, real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from obiterm.config.paths import Paths
from obiterm.link.messages import (
    AskStatus,
    Status,
)
from obiterm.link.panic import PanicLine

CHECKOUT = Path(__file__).resolve().parent.parent.parent
T = TypeVar("T")

_PROFILE = """\
schema = 1
title = "For a test"
on_detach = "{on_detach}"
sizes = ["0.001"]

[[exchanges]]
venue = "binance"
symbols = ["BTCUSDT"]
seed = {seed}
port = {port}

[[accounts]]
name = "demo"
venue = "binance"
environment = "sim"
symbols = ["BTCUSDT"]
keys = "sim"

[accounts.limits]
max_open_orders = 60
max_orders_per_10s = 300
max_order_notional = 20000
max_position_notional = 60000
max_exposure_notional = 90000
max_daily_loss = 5000
"""
_SURF = """
[[strategies]]
name = "surf"
kind = "surf"
account = "demo"
symbol = "BTCUSDT"

[strategies.parameters]
quantity = 0.02
enter_obi = 0.05
hold_obi = 0.0
exit_obi = 1.0
confirm_updates = 10000
stop_bps = 200
trail_start_bps = 500
cooldown_ms = 0
max_hold_s = {max_hold_s}
"""
"""Enters as soon as it may, and then holds its position behind a resting stop."""


def write_profile(
    name: str = "quiet",
    *,
    on_detach: str = "keep",
    seed: int = 7,
    port: int = 0,
    surf: bool = False,
    max_hold_s: int = 0,
    extra: str = "",
) -> str:
    """Write a profile into the home of this test.

    ``surf`` lets a strategy trade; it leaves a position after ``max_hold_s`` (0 = never).
    """
    folder = Paths.from_environment().profiles
    folder.mkdir(parents=True, exist_ok=True)
    text = _PROFILE.format(on_detach=on_detach, seed=seed, port=port)
    (folder / f"{name}.toml").write_text(
        text + (_SURF.format(max_hold_s=max_hold_s) if surf else "") + extra
    )
    return name


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process of this test."""
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), **more}


def run(
    *arguments: str,
    timeout_s: float = 60.0,
    cwd: Path = CHECKOUT,
    variables: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, without a terminal."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "obiterm", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=cwd,
        env=environment(**(variables or {})),
        stdin=subprocess.DEVNULL,
    )


def wait_for(look: Callable[[], T | None], limit_s: float = 10.0, what: str = "") -> T:
    """Return the first truthy value of ``look``; fail when none comes in time."""
    deadline = time.monotonic() + limit_s
    while not (found := look()):
        assert time.monotonic() < deadline, what or f"{look} did not come true in {limit_s} s"
        time.sleep(0.003)
    return found


def alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    """Return the living children of a process but its watchdog."""
    return [one for one in _family(pid) if not _is_watchdog(one)]


def watchdogs(pid: int) -> list[int]:
    """Return the living watchdogs of a host."""
    return [one for one in _family(pid) if _is_watchdog(one)]


def _is_watchdog(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"obiterm.host.watchdog" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _family(pid: int) -> list[int]:
    """Return the living children of a process, whichever of its threads started them."""
    words: list[str] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            words += task.read_text().split()
    return [int(word) for word in words if alive(int(word))]


class Ledger:
    """What the exchange itself says about one account."""

    def __init__(self, rest: str, account: str = "main") -> None:
        self._client = httpx.Client(base_url=rest, timeout=5.0)
        self._account = account

    def read(self) -> dict[str, Any]:
        """Return the account's part of the ledger."""
        ledger = self._client.get("/_exchange/ledger").json()
        account: dict[str, Any] = ledger["accounts"][self._account]
        return account

    def open_orders(self) -> list[dict[str, Any]]:
        """Return the orders that rest."""
        orders: list[dict[str, Any]] = self.read()["open_orders"]
        return orders

    def base(self) -> float:
        """Return all of the base coin, locked or free."""
        found = self.read()["balances"]["BTC"]
        return float(found["free"]) + float(found["locked"])

    def kinds(self) -> list[str]:
        """Return the kinds of the orders that rest, sorted."""
        return sorted(order["kind"] for order in self.open_orders())

    def market_order(self, side: str, quantity: str) -> None:
        """Let the house take from the book, so that the price moves."""
        self.control(do="market_order", side=side, qty=quantity)

    def control(self, **body: str) -> None:
        """Use the exchange's back door."""
        answer = self._client.post("/_exchange/control", json=body)
        assert answer.status_code == 200, answer.text

    def clear_faults(self) -> None:
        """Let the exchange behave again."""
        assert self._client.delete("/_exchange/faults").status_code == 200

    def fault(self, kind: str, match: str = "*", **more: Any) -> None:
        """Let the exchange misbehave."""
        body = {"kind": kind, "match": match, **more}
        answer = self._client.post("/_exchange/faults", json=body)
        assert answer.status_code == 200, answer.text

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class HostProcess:
    """``obiterm host`` as its own process."""

    def __init__(
        self, profile: str, *, script: str = "", connected: bool = True, **more: str
    ) -> None:
        """Start it; wait until all its accounts are ``connected``, or only until it answers."""
        self.profile = profile
        self.paths = Paths.from_environment()
        self.socket = self.paths.socket(profile)
        self.errors = self.paths.state.parent / f"{profile}.stderr"
        self.errors.parent.mkdir(parents=True, exist_ok=True)
        entry = ["-c", script] if script else ["-P", "-m", "obiterm"]
        with self.errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *entry, "host", "--profile", profile],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                cwd=CHECKOUT,
                env=environment(**more),
            )
        self._connected = connected
        status = wait_for(self._ready, 30.0, "the host did not start")
        self.rest = status.accounts[0].rest
        self.ledger = Ledger(self.rest)

    def _ready(self) -> Status | None:
        assert self.process.poll() is None, self.errors.read_text()
        status = self.status() if self.socket.exists() else None
        if status is None or not self._connected:
            return status
        return status if all(account.rest for account in status.accounts) else None

    def status(self) -> Status | None:
        """Ask the host over its socket, as a shell does."""
        line = PanicLine(self.socket, "test")
        try:
            answer = line.ask(AskStatus(), 2.0)
        finally:
            line.close()
        return answer if isinstance(answer, Status) else None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def close(self) -> None:
        """End it in order, or by force when it does not."""
        self.ledger.close()
        sys.stdout.write(self.errors.read_text())  # pytest shows it with a failure
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
                self.process.terminate()
            try:
                self.process.wait(10.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5.0)


@contextmanager
def host_of(profile: str, **options: Any) -> Iterator[HostProcess]:
    """Run a host for a block."""
    process = HostProcess(profile, **options)
    try:
        yield process
    finally:
        process.close()


class Exchange:
    """A simulated exchange of its own, which outlives the hosts that trade on it."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "obiterm", "exchange"),
                *("--json", "--exit-with-parent", *arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            env=environment(),
        )
        assert self._process.stdout is not None
        self.address: dict[str, str] = json.loads(self._process.stdout.readline())
        self.ledger = Ledger(self.address["rest"])

    def write_profile(self, name: str = "outside") -> str:
        """Write a profile that trades here as it would on the venue's demo environment."""
        write_profile(name)
        path = Paths.from_environment().profiles / f"{name}.toml"
        text = path.read_text()
        before, after = text.index("[[exchanges]]"), text.index("[[accounts]]")
        urls = "".join(f'{key} = "{self.address[key]}"\n' for key in ("rest", "stream", "ws_api"))
        text = text[:before] + text[after:]
        text = text.replace('"sim"', '"demo"', 1).replace('keys = "sim"', 'keys = "env:OUTSIDE"')
        path.write_text(f"{text}\n[accounts.urls]\n{urls}")
        return name

    @property
    def keys(self) -> dict[str, str]:
        """The environment in which a host finds the account's keys."""
        return {
            "OUTSIDE_KEY": self.address["api_key"],
            "OUTSIDE_SECRET": self.address["api_secret"],
        }

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def revoke_key(self) -> None:
        """Let the exchange refuse the key from now on, and cut who used it."""
        self.ledger.control(do="revoke_key", api_key=self.address["api_key"])
        self.ledger.fault("cut", "all")

    def close(self) -> None:
        """End it."""
        self.ledger.close()
        self._process.communicate(timeout=10.0)
