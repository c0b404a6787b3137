"""A terminal that goes away: the screen ends, the host does what `on_detach` says."""

from __future__ import annotations

import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from obiterm.config.paths import Paths
from obiterm.core.values import TradingState
from obiterm.link.framing import encode
from obiterm.link.messages import (
    PROTOCOL_VERSION,
    Frame,
    Hello,
    History,
    LeaseChanged,
    LogLines,
    TakeLease,
)
from obiterm.link.sockets import dial
from tests.host.conftest import Attach, OpenTerminal, StartHost
from tests.host.operators import ACCOUNT
from tests.host.support import HostProcess, Ledger, run, wait_for, write_profile
from tests.pty.terminal import Terminal

DUST = 0.0001
LOT = 1e-5
ROUND_TRIP_LIMIT_S = 0.25
"""Slowest order that counts as not delayed, on a machine that does other things too."""


def drop(terminal: Terminal) -> None:
    """Close the terminal as a dropped SSH session does; the screen ends within a second."""
    terminal.hang_up()
    assert terminal.ended_within(5.0) < 1.0


def attached(host: HostProcess, open_terminal: OpenTerminal) -> Terminal:
    terminal = open_terminal("obiterm", "--profile", host.profile)
    terminal.wait_text("LADDER", "F9 F9 KILL")
    return terminal


def limits(host: HostProcess) -> int:
    return host.ledger.kinds().count("LIMIT") + host.ledger.kinds().count("LIMIT_MAKER")


def test_the_engines_trade_on_and_the_next_screen_shows_the_truth(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    host = start_host()
    before = host.ledger.base()
    terminal = attached(host, open_terminal)
    operator = attach(host, client="ops")
    operator.send(TakeLease())
    operator.wait(LeaseChanged, lambda change: change.has_lease)
    operator.take(2_000)
    operator.place(4)
    wait_for(lambda: len(host.ledger.open_orders()) == 4)
    operator.drop()
    drop(terminal)
    host.ledger.market_order("SELL", "0.5")
    again = attach(host, client="again")
    frame = again.frame(lambda f: len(f.orders) == 4 and len(f.positions) == 1)
    truth = {(order["client_id"], order["price"]) for order in host.ledger.open_orders()}
    assert {(row.client_id, f"{row.price_ticks / 100:.2f}") for row in frame.orders} == truth
    bought = sum(float(fill["quantity"]) for fill in host.ledger.read()["fills"])
    assert abs(frame.positions[0].lots * LOT - bought) < LOT / 2
    assert bought - (host.ledger.base() - before) < DUST  # the fee is taken in coins
    assert again.has_lease
    columns = [column for one in again.of(History) for column in one.columns]
    assert len(columns) >= 2
    assert columns == sorted(columns, key=lambda column: column.at_ns)
    shown = open_terminal("obiterm", "--profile", host.profile)
    shown.wait_text("WORKING  4 orders", "LONG")
    status = host.status()
    assert status is not None
    assert (status.state, status.accounts[0].open_orders) == ("ACTIVE", 4)


def test_keep_leaves_a_strategy_trading(start_host: StartHost, open_terminal: OpenTerminal) -> None:
    host = start_host("surfer", surf=True, max_hold_s=1)
    terminal = attached(host, open_terminal)
    drop(terminal)
    before = len(host.ledger.read()["fills"])
    wait_for(lambda: len(host.ledger.read()["fills"]) > before, 20.0, "it no longer trades")
    assert state(host) == TradingState.ACTIVE.value


def test_hold_leaves_orders_and_sends_no_entries(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    host = start_host("holding", on_detach="hold")
    terminal = attached(host, open_terminal)
    watcher = attach(host, role="watch")
    rest_some(host, attach, terminal)
    assert limits(host) == 3
    drop(terminal)
    wait_for(lambda: host.status() and state(host) == TradingState.REDUCING.value)
    assert limits(host) == 3
    assert watcher.frame(lambda f: f.holding).holding


def test_cancel_takes_entries_back_and_leaves_stops(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    host = start_host("cancelling", on_detach="cancel", surf=True)
    terminal = attached(host, open_terminal)
    rest_some(host, attach, terminal)
    wait_for(lambda: "STOP_MARKET" in host.ledger.kinds(), 20.0, "no protected position")
    held = host.ledger.base()
    drop(terminal)
    wait_for(lambda: limits(host) == 0, 3.0, "entries are left")
    wait_for(lambda: state(host) == TradingState.REDUCING.value)
    assert "STOP_MARKET" in host.ledger.kinds()
    assert abs(host.ledger.base() - held) < DUST


def test_flatten_closes_everything(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    host = start_host("flattening", on_detach="flatten")
    before = host.ledger.base()
    terminal = attached(host, open_terminal)
    rest_some(host, attach, terminal, position=2_000)
    assert host.ledger.base() > before + DUST
    drop(terminal)
    wait_for(lambda: not host.ledger.open_orders(), 2.0)
    wait_for(lambda: abs(host.ledger.base() - before) < DUST, 2.0, "not flat")
    wait_for(lambda: state(host) == TradingState.HALTED.value)


def test_a_watcher_that_stays_does_not_count_as_a_screen(
    start_host: StartHost, attach: Attach
) -> None:
    host = start_host("watched", on_detach="hold")
    attach(host, role="watch")
    first, second = attach(host, client="one"), attach(host, client="two")
    first.drop()
    second.wait(LeaseChanged, lambda change: change.has_lease)
    assert state(host) == TradingState.ACTIVE.value
    second.drop()
    wait_for(lambda: state(host) == TradingState.REDUCING.value)


def rest_some(host: HostProcess, attach: Attach, terminal: Terminal, position: int = 0) -> None:
    """Rest three entries (and buy) from a screen that leaves while the terminal stays."""
    operator = attach(host, client="ops")
    operator.send(TakeLease())
    operator.wait(LeaseChanged, lambda change: change.has_lease)
    if position:
        operator.take(position)
    operator.place(3)
    wait_for(lambda: limits(host) >= 3)
    operator.drop()
    terminal.wait(lambda: "WATCHING" not in terminal.text())


def state(host: HostProcess) -> str:
    status = host.status()
    assert status is not None
    return status.state


@pytest.mark.slow
def test_a_terminal_that_stops_reading_delays_no_order(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    """Ten seconds behind a closed lid: orders go out and come back as fast as before."""
    host = start_host()
    operator = attach(host, client="ops")
    terminal = open_terminal("obiterm", "--profile", host.profile, size=(160, 48))
    terminal.wait_text("LADDER", "F9 F9 KILL")
    terminal.reading.clear()
    silent = silent_viewer(host.socket)
    slowest, rounds, until = 0.0, 0, time.monotonic() + 10.0
    while time.monotonic() < until:
        began = time.monotonic()
        operator.place(1)
        wait_for(lambda: len(host.ledger.open_orders()) == 1, 5.0)
        operator.cancel_all()
        wait_for(lambda: not host.ledger.open_orders(), 5.0)
        slowest = max(slowest, time.monotonic() - began)
        rounds += 1
        time.sleep(max(0.0, began + 0.25 - time.monotonic()))
    risk = operator.frame().risk
    sys.stdout.write(
        f"{rounds} orders, slowest {slowest * 1e3:.1f} ms, round trip p99 {risk.rtt_p99_ms} ms\n"
    )
    assert rounds > 30
    assert slowest < ROUND_TRIP_LIMIT_S
    assert risk.rtt_p99_ms < 1_000 * ROUND_TRIP_LIMIT_S
    assert terminal.process.poll() is None
    terminal.reading.set()
    terminal.wait_text("LADDER", "DEPTH")
    silent.close()


def silent_viewer(path: Path) -> socket.socket:
    """Attach something that never reads."""
    link = dial(path, 2.0)
    link.sendall(encode(Hello(PROTOCOL_VERSION, "watch", "silent")))
    return link


def test_a_stopped_screen_process_delays_no_order(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    host = start_host()
    operator = attach(host, client="ops")
    terminal = attached(host, open_terminal)
    terminal.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(8):
            began = time.monotonic()
            operator.place(2)
            operator.cancel_all()
            wait_for(lambda: not host.ledger.open_orders(), 5.0)
            assert time.monotonic() - began < ROUND_TRIP_LIMIT_S
    finally:
        terminal.process.send_signal(signal.SIGCONT)
    terminal.wait_text("LADDER")


def test_obiterm_starts_a_host_that_outlives_its_terminal(open_terminal: OpenTerminal) -> None:
    profile = write_profile("fresh")
    paths = Paths.from_environment()
    terminal = open_terminal("obiterm", "--profile", profile)
    terminal.wait_text("LADDER", "F9 F9 KILL", timeout_s=20.0)
    pid = 0
    try:
        told = run("status", "--json")
        assert told.returncode == 0, told.stderr
        pid = int(told.stdout.split('"pid":')[1].split(",")[0])
        rest = told.stdout.split('"rest":"')[1].split('"')[0]
        drop(terminal)
        ledger = Ledger(rest)
        assert ledger.open_orders() == []
        ledger.close()
        again = open_terminal("obiterm", "--profile", profile)
        again.wait_text("LADDER", "F9 F9 KILL")
        assert run("status").stdout.startswith(f"host {pid} ")
        again.type("\x11")
        again.wait_text("stop trading")
        again.type("s")
        assert again.ended_within(10.0) < 10.0
        assert again.process.returncode == 0
        wait_for(lambda: run("status").returncode == 1)
        assert not paths.socket(profile).exists()
        pid = 0
    finally:
        if pid:
            run("kill")


def test_log_lines_of_before_are_there_after_attaching_again(
    start_host: StartHost, attach: Attach
) -> None:
    host = start_host()
    first = attach(host, client="one")
    first.place(2)
    first.wait(Frame, lambda frame: len(frame.orders) == 2)
    first.drop()
    again = attach(host, client="two")
    lines = again.wait(LogLines).lines
    assert sum(line.verb.value == "SEND" for line in lines) == 2
    assert {line.account for line in lines} <= {ACCOUNT, "host"}
