"""Kill and exit from another shell and by signal, measured at the exchange's own ledger."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable

import pytest

from obiterm.core.commands import EmergencyExit, Kill
from obiterm.core.values import TradingState
from tests.host.conftest import Attach, StartHost
from tests.host.operators import ACCOUNT, Operator
from tests.host.support import HostProcess, run, wait_for

LIMIT_S = 0.5
DUST = 0.0001
"""Base coins below the exchange's smallest order value."""


def flat_in(host: HostProcess, act: Callable[[], object]) -> float:
    """Return the seconds from an act until the exchange has no order of ours."""
    began = time.monotonic()
    act()
    wait_for(lambda: not host.ledger.open_orders(), 10.0, "orders are left")
    return time.monotonic() - began


def ways(host: HostProcess) -> dict[str, Callable[[], object]]:
    return {
        "kill": lambda: run("kill"),
        "exit": lambda: run("exit"),
        "SIGUSR1": lambda: host.send(signal.SIGUSR1),
        "SIGUSR2": lambda: host.send(signal.SIGUSR2),
    }


def rested(host: HostProcess, operator: Operator, count: int) -> None:
    operator.place(count)
    wait_for(lambda: len(host.ledger.open_orders()) == count)


@pytest.mark.parametrize("way", ["SIGUSR1", "SIGUSR2"])
def test_a_signal_leaves_no_order_within_half_a_second(
    way: str, start_host: StartHost, attach: Attach
) -> None:
    host = start_host()
    rested(host, attach(host), 20)
    assert flat_in(host, ways(host)[way]) < LIMIT_S


def test_commands_leave_no_order_and_say_so(start_host: StartHost, attach: Attach) -> None:
    host = start_host()
    operator = attach(host)
    for word in ("kill", "exit"):
        rested(host, operator, 10)
        done = run(word, "--json")
        assert done.returncode == 0, done.stderr
        assert not host.ledger.open_orders()
        told = json.loads(done.stdout)
        assert told["done"]
        assert told["elapsed_ms"] < 1_000 * LIMIT_S
        (account,) = told["accounts"]
        assert (account["account"], account["left_orders"]) == (ACCOUNT, 0)
        status = host.status()
        assert status is not None
        assert status.state == TradingState.HALTED.value
        operator.rearm()


def test_exit_closes_what_was_bought_and_nothing_else(
    start_host: StartHost, attach: Attach
) -> None:
    """The account holds a coin from the start: that one stays, however often it is asked."""
    host = start_host()
    operator = attach(host)
    before = host.ledger.base()
    for round_ in range(3):
        operator.take(3_000)
        wait_for(lambda: host.ledger.base() > before + 0.02)
        operator.place(3)
        threads = [threading.Thread(target=run, args=("exit",)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30.0)
        assert not host.ledger.open_orders()
        assert abs(host.ledger.base() - before) < DUST, f"round {round_}"
        operator.rearm()


def test_panic_needs_no_lease_and_joins_what_is_under_way(
    start_host: StartHost, attach: Attach
) -> None:
    host = start_host()
    holder = attach(host, client="holder")
    rested(host, holder, 10)
    shell = attach(host, role="panic", client="shell")
    watcher = attach(host, role="watch", client="watcher")
    for operator in (shell, shell, watcher, holder):
        assert operator.do(Kill(account="*")).ok
    wait_for(lambda: not host.ledger.open_orders())
    assert shell.do(EmergencyExit(account="*")).ok
    assert host.status() is not None
    assert not host.ledger.open_orders()


def test_an_unknown_account_is_refused(start_host: StartHost) -> None:
    start_host()
    done = run("kill", "--account", "nobody")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "nobody" in done.stderr
    assert ACCOUNT in done.stderr


def test_a_hanging_host_is_told_within_seconds(start_host: StartHost) -> None:
    """The status says so; kill and exit act without it, and it obeys when it wakes up."""
    host = start_host()
    host.send(signal.SIGSTOP)
    for word, code in (("status", 1), ("kill", 0), ("exit", 0)):
        began = time.monotonic()
        done = run(word)
        assert time.monotonic() - began < 4.0
        assert done.returncode == code
        assert "hang" in (done.stderr if code else done.stdout)
        assert done.stderr.count("\n") == code
        assert (done.stdout == "") is bool(code)
    host.send(signal.SIGCONT)
    wait_for(lambda: (status := host.status()) and status.state == TradingState.HALTED.value)
