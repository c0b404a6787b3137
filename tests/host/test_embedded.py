"""Engines inside the screen's own process: same link, and they end with the screen."""

from __future__ import annotations

import os
import signal

import httpx

from obiterm.config.paths import Paths
from obiterm.core.values import TradingState
from obiterm.link.messages import LeaseChanged, TakeLease
from tests.host.conftest import OpenTerminal
from tests.host.operators import Operator
from tests.host.support import Ledger, children, run, wait_for, write_profile
from tests.pty.terminal import Terminal


class Embedded:
    """A screen with its own engines, seen from outside."""

    def __init__(self, open_terminal: OpenTerminal) -> None:
        self.profile = write_profile("inside")
        self.socket = Paths.from_environment().socket(self.profile)
        self.terminal: Terminal = open_terminal(
            "obiterm", "--profile", self.profile, "--embedded", size=(120, 36)
        )
        self.terminal.wait_text("LADDER", "F9 F9 KILL", timeout_s=20.0)
        (self.exchange,) = children(self.terminal.process.pid)
        self.operator = Operator(self.socket, client="ops")
        status = wait_for(lambda: self._status())
        self.ledger = Ledger(status)

    def _status(self) -> str:
        told = run("status", "--json")
        return told.stdout.split('"rest":"')[1].split('"')[0] if told.returncode == 0 else ""

    def take_control(self) -> None:
        """Place some orders from a second screen, then hand control back."""
        self.operator.send(TakeLease())
        self.operator.wait(LeaseChanged, lambda change: change.has_lease)
        self.operator.place(4)
        wait_for(lambda: len(self.ledger.open_orders()) == 4)


def test_panic_keys_signals_and_shells_reach_it(open_terminal: OpenTerminal) -> None:
    inside = Embedded(open_terminal)
    inside.take_control()
    inside.terminal.type("\x1b[20~" * 2)
    wait_for(lambda: not inside.ledger.open_orders(), 0.5)
    inside.operator.rearm()
    inside.operator.place(4)
    inside.terminal.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: not inside.ledger.open_orders(), 0.5)
    inside.operator.rearm()
    inside.operator.place(4)
    assert run("kill").returncode == 0
    assert not inside.ledger.open_orders()
    assert TradingState.HALTED.value in run("status").stdout
    assert inside.terminal.process.poll() is None


def test_leaving_ends_its_engines_and_withdraws_orders(open_terminal: OpenTerminal) -> None:
    inside = Embedded(open_terminal)
    inside.take_control()
    inside.terminal.type("\x11")
    inside.terminal.wait_text("detach:")
    inside.terminal.type("d")
    wait_for(lambda: _empty_or_gone(inside.ledger), 5.0, "orders are left")
    assert inside.terminal.ended_within(10.0) < 5.0
    assert inside.terminal.process.returncode == 0
    wait_for(lambda: not os.path.exists(f"/proc/{inside.exchange}"), 3.0)
    assert not inside.socket.exists()


def test_a_dropped_terminal_ends_its_engines_too(open_terminal: OpenTerminal) -> None:
    """Nobody could reach the engines of a process that is gone: they withdraw first."""
    inside = Embedded(open_terminal)
    inside.take_control()
    orders: list[int] = []
    inside.terminal.hang_up()
    while not _gone(inside.ledger, orders):
        pass
    assert orders[-1] == 0
    assert inside.terminal.ended_within(10.0) < 5.0


def test_a_second_one_on_the_profile_is_refused(open_terminal: OpenTerminal) -> None:
    inside = Embedded(open_terminal)
    second = open_terminal("obiterm", "--profile", inside.profile, "--embedded")
    assert second.ended_within(10.0) < 10.0
    assert second.process.returncode == 2
    second.wait_text("already running")
    assert inside.terminal.process.poll() is None


def _gone(ledger: Ledger, orders: list[int]) -> bool:
    try:
        orders.append(len(ledger.open_orders()))
    except httpx.HTTPError:
        return True
    return False


def _empty_or_gone(ledger: Ledger) -> bool:
    seen: list[int] = []
    return _gone(ledger, seen) or seen == [0]
