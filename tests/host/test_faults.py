"""Faults of the parts around the engines: none of them stops an engine or hangs a screen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from obiterm.config.paths import Paths
from obiterm.core.commands import CancelSymbol, Kill
from obiterm.core.values import TradingState
from obiterm.link.messages import Frame, LogLines
from tests.host.conftest import Attach, OpenTerminal, StartHost
from tests.host.operators import ACCOUNT, SYMBOL, Operator
from tests.host.support import CHECKOUT, alive, children, environment, run, wait_for, write_profile

_ENTRY = "\nfrom obiterm.cli.main import main\nraise SystemExit(main())\n"
BROKEN_FRAMES = "import obiterm.host.frames as frames\nframes.market_pane = None" + _ENTRY
BROKEN_LISTENER = (
    "from obiterm.host.publisher import Publisher\n"
    "Publisher._add_trade = Publisher._add_line = None" + _ENTRY
)
BROKEN_ACCOUNT_PANE = "import obiterm.host.frames as frames\nframes.account_pane = None" + _ENTRY
FULL_JOURNAL = (
    """
from obiterm.core.errors import DataError
from obiterm.journal.log import Journal
append = Journal.append
def full(self, account, kind, payload, at_ns):
    if account == "host":
        raise DataError("the disk is full")
    return append(self, account, kind, payload, at_ns)
Journal.append = full
"""
    + _ENTRY
)
CRASHING_ENGINE = (
    """
from obiterm.engine.account import AccountEngine
run, left = AccountEngine.run, [1]
async def crash(self):
    if left:
        left.clear()
        raise RuntimeError("made to fail")
    await run(self)
AccountEngine.run = crash
"""
    + _ENTRY
)


CRASHING_WHEN_HALTED = (
    """
from obiterm.core.values import TradingState
from obiterm.engine.account import AccountEngine
tick, left = AccountEngine._tick, [1]
async def crash(self):
    import asyncio
    while left and self.kernel.state is not TradingState.HALTED:
        await asyncio.sleep(0.01)
    if left:
        left.clear()
        raise RuntimeError("made to fail")
    await tick(self)
AccountEngine._tick = crash
"""
    + _ENTRY
)
BROKEN_STATUS = "import obiterm.host.frames as frames\nframes.account_status = None" + _ENTRY


def lines_of(operator: Operator) -> str:
    return "\n".join(line.text for one in operator.of(LogLines) for line in one.lines)


def test_a_publisher_that_cannot_paint_stops_no_engine(
    start_host: StartHost, attach: Attach
) -> None:
    host = start_host("unpainted", script=BROKEN_FRAMES, surf=True, max_hold_s=1)
    operator = attach(host)
    wait_for(lambda: len(host.ledger.read()["fills"]) >= 1, 20.0, "it does not trade")
    wait_for(lambda: "publisher fault 1" in lines_of(operator), 5.0)
    assert operator.of(Frame) == []
    assert operator.do(Kill(account="*")).ok
    wait_for(lambda: not host.ledger.open_orders())
    host.close()
    assert host.process.returncode == 0


def test_a_publisher_that_cannot_listen_stops_no_engine(
    start_host: StartHost, attach: Attach
) -> None:
    host = start_host("deaf", script=BROKEN_LISTENER, surf=True, max_hold_s=1)
    operator = attach(host)
    wait_for(lambda: len(host.ledger.read()["fills"]) >= 1, 20.0, "it does not trade")
    frame = operator.frame(lambda f: f.market.synced)
    assert frame.accounts[0].note == ""


def test_a_pane_that_fails_hides_nothing_else(start_host: StartHost, attach: Attach) -> None:
    host = start_host(script=BROKEN_ACCOUNT_PANE)
    operator = attach(host)
    operator.place(2)
    frame = operator.frame(lambda f: len(f.orders) == 2)
    assert frame.accounts == []
    assert "publisher fault" in lines_of(operator)


def test_a_journal_that_cannot_write_keeps_nobody_from_attaching_or_killing(
    start_host: StartHost, attach: Attach
) -> None:
    host = start_host("full", script=FULL_JOURNAL, on_detach="flatten")
    operator = attach(host)
    operator.take(1_000)
    operator.place(3)
    wait_for(lambda: len(host.ledger.open_orders()) == 3)
    assert "the disk is full" in lines_of(operator)
    operator.drop()
    wait_for(lambda: not host.ledger.open_orders(), 3.0, "on_detach was not obeyed")
    other = attach(host)
    assert other.do(Kill(account="*")).ok


def test_an_engine_that_crashes_is_started_again(start_host: StartHost, attach: Attach) -> None:
    host = start_host(script=CRASHING_ENGINE)
    operator = attach(host)
    operator.place(1)
    wait_for(lambda: len(host.ledger.open_orders()) == 1)
    assert "restarting after RuntimeError: made to fail" in lines_of(operator)
    operator.frame(lambda f: f.accounts[0].note == "")


def test_a_killed_host_takes_its_exchange_along_and_a_new_one_starts(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    host = start_host()
    (exchange,) = children(host.process.pid)
    terminal = open_terminal("obiterm", "--profile", "quiet")
    terminal.wait_text("LADDER", "F9 F9 KILL")
    host.send(signal.SIGKILL)
    terminal.wait_text("HOST GONE")
    wait_for(lambda: not alive(exchange), 3.0, "the exchange outlived its host")
    assert terminal.process.poll() is None
    told = run("status")
    assert told.returncode == 1
    assert "died without a clean end" in told.stderr
    for word in ("kill", "exit"):
        done = run(word)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "its simulated exchange has ended" in done.stdout
    again = start_host()
    terminal.wait(lambda: "HOST GONE" not in terminal.text())
    terminal.type("\x1b[20~" * 2)
    wait_for(lambda: (status := again.status()) and status.state == TradingState.HALTED.value)


def test_an_exchange_that_dies_comes_back_with_nothing_of_the_old_one(
    start_host: StartHost, attach: Attach
) -> None:
    """Its ledger is gone: the venue's truth is that the account has no order and no position."""
    host = start_host()
    operator = attach(host)
    operator.take(1_000)
    operator.place(2)
    operator.frame(lambda f: len(f.orders) == 2 and len(f.positions) == 1)
    (exchange,) = children(host.process.pid)
    os.kill(exchange, signal.SIGKILL)
    frame = operator.frame(lambda f: not f.accounts[0].prepared, 3.0)
    assert "ended by itself" in frame.accounts[0].note
    assert (frame.orders, frame.positions) == ([], [])
    refused = operator.do(CancelSymbol(account=ACCOUNT, symbol=SYMBOL))
    assert not refused.ok
    assert "is not connected: the simulated exchange ended by itself" in refused.text
    frame = operator.frame(lambda f: f.accounts[0].prepared and f.market.synced, 10.0)
    assert frame.accounts[0].note == ""
    assert (frame.orders, frame.positions) == ([], [])
    operator.place(1)
    assert len(host.ledger.open_orders()) == 1
    (again,) = children(host.process.pid)
    assert again != exchange
    host.send(signal.SIGTERM)
    assert host.process.wait(10.0) == 0
    assert not alive(again)
    verified = run("journal", "verify", str(Paths.from_environment().journal("quiet-sim")))
    assert verified.returncode == 0, verified.stderr


def test_a_stopped_host_withdraws_entries_and_ends_its_exchange(
    start_host: StartHost, attach: Attach
) -> None:
    host = start_host()
    operator = attach(host)
    operator.place(20)
    (exchange,) = children(host.process.pid)
    journal = Paths.from_environment().journal("quiet-sim")
    host.send(signal.SIGTERM)
    assert host.process.wait(10.0) == 0
    assert not alive(exchange)
    assert operator.closing.startswith("signal SIGTERM")
    assert "ended: signal SIGTERM" in host.errors.read_text()
    verified = run("journal", "verify", str(journal))
    assert verified.returncode == 0, verified.stderr


def test_interrupting_the_terminal_of_a_host_leaves_it_its_exchange(
    open_terminal: OpenTerminal,
) -> None:
    """Ctrl+C goes to every process of the terminal; the exchange must not be one of them."""
    profile = write_profile("foreground")
    socket = Paths.from_environment().socket(profile)
    terminal = open_terminal("obiterm", "host", "--profile", profile)
    terminal.wait(lambda: socket.exists(), 20.0)
    operator = Operator(socket)
    operator.place(5)
    terminal.type("\x03")
    assert terminal.ended_within(10.0) < 3.0
    assert terminal.process.returncode == 0
    terminal.wait_text("ended: signal SIGINT")
    assert "not confirmed" not in terminal.text()
    operator.drop()


def test_only_one_host_runs_a_profile(start_host: StartHost) -> None:
    host = start_host()
    second = run("host", "--profile", "quiet")
    assert second.returncode == 2
    assert second.stdout == ""
    assert second.stderr.count("\n") == 1
    assert f"already running (pid {host.process.pid})" in second.stderr
    headless = run("demo", "--profile", "quiet", "--headless", "--seconds", "1", "--json")
    assert (headless.returncode, headless.stdout) == (2, "")
    assert "already running" in headless.stderr
    assert host.status() is not None


_FIND = """
import argparse, sys
from obiterm.cli.host import find_or_start, profile_of
options = argparse.Namespace(profile=sys.argv[1])
print(find_or_start(profile_of(options), options))
"""


def find_or_start(profile: str, cwd: Path = CHECKOUT) -> subprocess.Popen[str]:
    """Do what ``obiterm`` does before it paints, without a terminal."""
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _FIND, profile],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_host(profile: str) -> None:
    """End a host that a command started."""
    told = json.loads(run("status", "--profile", profile, "--json").stdout)
    os.kill(told["host"]["pid"], signal.SIGTERM)
    wait_for(lambda: run("status", "--profile", profile).returncode == 1)


def test_a_file_beside_the_user_never_stands_in_for_a_module(tmp_path: Path) -> None:
    for name in ("random.py", "obiterm.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    profile = write_profile("elsewhere")
    done = find_or_start(profile, tmp_path)
    words, errors = done.communicate(timeout=40.0)
    assert done.returncode == 0, errors
    assert words.strip().endswith("elsewhere.sock")
    end_host(profile)


def test_two_that_start_at_once_meet_at_one_host() -> None:
    profile = write_profile("meeting")
    both = [find_or_start(profile) for _ in range(3)]
    for one in both:
        _, errors = one.communicate(timeout=40.0)
        assert one.returncode == 0, errors
    end_host(profile)


def test_a_kill_outlives_a_crash_of_its_engine(start_host: StartHost, attach: Attach) -> None:
    host = start_host(script=CRASHING_WHEN_HALTED)
    operator = attach(host)
    operator.place(5)
    wait_for(lambda: len(host.ledger.open_orders()) == 5)
    host.ledger.fault("status", status=503, count=0)
    host.ledger.fault("cut", "ws_api")  # neither way to the venue works now
    operator.frame(lambda f: f.accounts[0].link != "up")
    assert operator.do(Kill(account="*")).ok
    wait_for(lambda: "made to fail" in lines_of(operator))
    assert len(host.ledger.open_orders()) == 5
    host.ledger.clear_faults()
    wait_for(lambda: not host.ledger.open_orders(), 5.0, "the kill was forgotten")
    told = wait_for(lambda: (status := host.status()) and status.panic)
    assert told is not None


def test_a_status_that_fails_is_still_answered(start_host: StartHost) -> None:
    start_host(script=BROKEN_STATUS)
    done = run("status")
    assert done.returncode == 0, done.stderr
    assert "demo  binance SIM  ACTIVE" in done.stdout
    assert run("kill").returncode == 0
