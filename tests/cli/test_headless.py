"""Runs without a screen: data on stdout, words on stderr, nothing left at the exchange."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from obiterm.config.paths import Paths
from tests.cli.conftest import one_line
from tests.host.conftest import OpenTerminal
from tests.host.support import CHECKOUT, alive, children, environment, run, wait_for, write_profile

SPOT = "l2/binance_spot_BTCUSDT_20240808.jsonl.gz"


_DEMO = (sys.executable, "-P", "-m", "obiterm", "demo", "--headless")


class Running:
    """A headless run under way, and its host as other shells see it."""

    def __init__(self, *arguments: str, profile: str = "run") -> None:
        self.profile = write_profile(profile, surf=True, max_hold_s=600)
        self.process = subprocess.Popen(
            [*_DEMO, "--profile", profile, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            env=environment(),
        )
        self.rest = self.wait_account()

    def wait_account(self) -> str:
        """Wait until its account is connected; return where."""
        return wait_for(self._rest, 20.0, "it did not connect")

    def _rest(self) -> str:
        assert self.process.poll() is None, self.process.communicate()
        told = run("status", "--profile", self.profile, "--json")
        rest: str = json.loads(told.stdout)["accounts"][0]["rest"] if told.stdout else ""
        return rest

    def positions(self) -> list[dict[str, object]]:
        """Return what status shows, with the way each position began."""
        told = run("status", "--profile", self.profile, "--json")
        rows = json.loads(told.stdout)["accounts"][0]["positions"] if told.stdout else []
        return [{**row, "opened": (row["entry_price"], row["lots"])} for row in rows]

    def wait_fills(self, count: int = 1) -> None:
        def look() -> bool:
            ledger = httpx.get(f"{self.rest}/_exchange/ledger", timeout=5.0).json()
            return len(ledger["accounts"]["main"]["fills"]) >= count

        wait_for(look, 20.0, "no fills")

    def end(self) -> tuple[int, str, str]:
        words, errors = self.process.communicate(timeout=20.0)
        return self.process.returncode, words, errors


def test_the_demo_ends_flat_and_verified() -> None:
    done = run("demo", "--headless", "--seconds", "3", "--seed", "7", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    summary = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert summary["open_orders_at_exchange"] == 0
    assert summary["journal_verified"] is True
    assert summary["faults"] == 0
    assert summary["gaps"] == summary["crossed"] == 0
    assert summary["seconds"] == pytest.approx(3.0, abs=0.5)
    assert summary["state"] == "HALTED"
    assert run("status").returncode == 1
    assert run("journal", "verify").returncode == 0


def test_without_json_a_person_can_read_it() -> None:
    done = run("demo", "--seconds", "1")  # no terminal: headless by itself
    assert done.returncode == 0, done.stderr
    assert "open orders at exchange" in done.stdout
    assert "journal verified" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_flattens_and_still_summarises(number: signal.Signals) -> None:
    running = Running("--seconds", "60", "--json")
    running.wait_fills()
    running.process.send_signal(number)
    code, words, errors = running.end()
    assert code == 1, errors
    summary = json.loads(words)
    assert summary["open_orders_at_exchange"] == 0
    assert float(summary["position"]) < 0.0001
    assert summary["journal_verified"] is True
    assert f"ended early: signal {number.name}" in errors
    assert errors.count("\n") == 1


def test_ctrl_c_in_a_terminal_flattens_too(open_terminal: OpenTerminal) -> None:
    """The terminal interrupts every process in it; the exchange has to outlive the run."""
    write_profile("typed", surf=True)
    arguments = ("demo", "--profile", "typed", "--headless", "--seconds", "60")
    terminal = open_terminal("obiterm", *arguments)
    socket = Paths.from_environment().socket("typed")
    terminal.wait(lambda: socket.exists(), 20.0)
    terminal.wait_text("trading")  # the progress line, since stderr is a terminal
    terminal.type("\x03")
    assert terminal.ended_within(10.0) < 5.0
    assert terminal.process.returncode == 1
    terminal.wait_text("open orders at exchange  0", "ended early: signal SIGINT")
    assert "Traceback" not in terminal.text()


def test_ctrl_c_while_it_starts_ends_it() -> None:
    """The interrupt comes before the host is ready: nothing may go on by itself."""
    write_profile("early")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "obiterm", "demo", "--profile", "early", "--headless"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        env=environment(),
    )
    (exchange,) = wait_for(lambda: children(process.pid), 20.0)
    process.send_signal(signal.SIGINT)
    words, errors = process.communicate(timeout=10.0)
    assert process.returncode == 1
    assert words == ""
    assert errors == "obiterm: interrupted\n"
    wait_for(lambda: not alive(exchange), 5.0)


def test_an_exchange_that_dies_is_traded_again() -> None:
    running = Running("--seconds", "60", "--json")
    running.wait_fills()
    (exchange,) = children(running.process.pid)
    os.kill(exchange, signal.SIGKILL)
    wait_for(lambda: children(running.process.pid) not in ([], [exchange]), 10.0)
    running.wait_account()
    running.wait_fills()
    running.process.send_signal(signal.SIGTERM)
    code, words, errors = running.end()
    assert code == 1
    assert "ended early: signal SIGTERM" in errors
    summary = json.loads(words)
    assert summary["open_orders_at_exchange"] == 0
    assert summary["journal_verified"] is True
    assert summary["faults"] == 0
    (account,) = summary["accounts"]
    assert (account["connected"], account["trouble"]) == (True, "")
    assert account["fills"] == summary["fills"] >= 1


def test_what_an_exchange_that_died_held_is_told_and_is_no_position_at_the_end() -> None:
    """Its ledger died with it: the summary is of what the new process holds."""
    running = Running("--seconds", "60", "--json")
    held = wait_for(running.positions, 20.0, "no position")
    (exchange,) = children(running.process.pid)
    os.kill(exchange, signal.SIGKILL)
    wait_for(lambda: children(running.process.pid) not in ([], [exchange]), 10.0)
    running.wait_account()
    assert held[0]["opened"] not in [one["opened"] for one in running.positions()]
    running.process.send_signal(signal.SIGTERM)
    _, words, errors = running.end()
    assert "a position is left" not in errors
    summary = json.loads(words)
    assert summary["accounts"][0]["left"] == []
    assert float(summary["position"]) < 0.0001
    assert float(summary["unrealised_quote"]) == pytest.approx(0.0, abs=0.1)


def test_the_demo_trades_on_three_venues() -> None:
    done = run("demo", "--headless", "--seconds", "20", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    accounts = {one["venue"]: one for one in summary["accounts"]}
    assert set(accounts) == {"backpack", "bybit", "binance"}
    for venue, account in accounts.items():
        assert account["fills"] >= 1, venue
        assert account["books_in_sync"] == 1, venue
        assert account["gaps"] == account["crossed"] == account["faults"] == 0, venue
        assert account["diffs_applied"] > 100, venue
        assert account["open_orders_at_exchange"] == 0, venue
        assert float(account["position"]) == pytest.approx(0.0, abs=1e-4), venue
        assert (account["trouble"], account["state"]) == ("", "HALTED"), venue
    for name in ("fills", "orders_sent", "diffs_applied", "round_trips", "wins"):
        assert summary[name] == sum(one[name] for one in accounts.values()), name
    assert summary["open_orders_at_exchange"] == 0
    assert summary["journal_verified"] is True


def test_a_reader_that_goes_away_leaves_no_traceback() -> None:
    """`obiterm demo | head -0`: the pipe is closed before the summary comes."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "obiterm", "demo", "--seconds", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=CHECKOUT,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.wait(20.0)
    assert process.returncode == 1
    assert errors == ""


def test_an_exit_from_a_shell_and_then_a_stop_end_it_flat() -> None:
    running = Running("--seconds", "60", "--json")
    running.wait_fills()
    done = run("exit", "--profile", running.profile)
    assert done.returncode == 0, done.stderr
    running.process.send_signal(signal.SIGTERM)
    code, words, _ = running.end()
    assert code == 1
    assert json.loads(words)["open_orders_at_exchange"] == 0


@pytest.mark.captures
def test_a_capture_at_a_finite_speed_and_at_most(shared_data: Path) -> None:
    capture = str(shared_data / SPOT)
    arguments = ("replay", capture, "--headless", "--json", "--seconds", "3")
    fast = run(*arguments, "--speed", "20")
    assert fast.returncode == 0, fast.stderr
    summary = json.loads(fast.stdout)
    assert (summary["gaps"], summary["crossed"]) == (0, 0)
    assert summary["diffs_applied"] > 300
    assert summary["open_orders_at_exchange"] == 0
    assert summary["journal_verified"] is True


@pytest.mark.captures
def test_two_runs_in_simulated_time_are_equal(shared_data: Path) -> None:
    """A run beside another one has a journal of its own, and both say the same."""
    arguments = ["replay", str(shared_data / SPOT), "--headless", "--speed", "max"]
    arguments += ["--seconds", "60", "--json"]
    first = run(*arguments)
    assert first.returncode == 0, first.stderr
    path = Path(json.loads(first.stdout)["journal"])
    before = path.read_bytes()
    with path.with_suffix(".slot").open("rb") as slot:
        fcntl.flock(slot, fcntl.LOCK_EX)  # as a run that is under way does
        second = run(*arguments)
    assert second.returncode == 0, second.stderr
    told = [json.loads(one.stdout) for one in (first, second)]
    assert told[0]["journal"] != told[1]["journal"]
    assert path.read_bytes() == before
    for name in ("orders_digest", "fills_digest", "diffs_applied", "net_quote", "journal_rows"):
        assert told[0][name] == told[1][name]
    for summary in told:
        assert summary["journal_verified"] is True
        assert summary["open_orders_at_exchange"] == 0
        assert run("journal", "verify", summary["journal"]).returncode == 0


def test_a_damaged_running_journal_fails_the_run(own_home: Path) -> None:
    """What cannot be verified is not called done."""
    running = Running("--seconds", "60", "--json")
    running.wait_fills()
    path = Paths.from_environment().journal(f"{running.profile}-sim")
    size = wait_for(lambda: path.stat().st_size > 2_000 and path.stat().st_size)
    with path.open("r+b") as file:
        file.seek(size // 2)
        byte = file.read(1)
        file.seek(size // 2)
        file.write(bytes([byte[0] ^ 0xFF]))
    running.process.send_signal(signal.SIGTERM)
    code, words, errors = running.end()
    assert code == 1, errors
    assert json.loads(words)["journal_verified"] is False
    one_line(run("journal", "verify", str(path)), code=2)
