"""Kill and exit while the host cannot: measured at the exchanges' own ledgers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from obiterm.core.commands import ALL_ACCOUNTS, Rearm
from obiterm.core.values import TradingState
from tests.host.accounts import Account, account, child_of, write_accounts
from tests.host.operators import operator_of
from tests.host.support import (
    CHECKOUT,
    HostProcess,
    Ledger,
    alive,
    environment,
    host_of,
    run,
    wait_for,
)

NAMES = ("backpack", "bybit", "binance")
HALTED = TradingState.HALTED
DUST = 0.0001
ANSWER_LIMIT_S = 1.0


@pytest.fixture
def venues(stack: ExitStack) -> HostProcess:
    """A host whose three accounts trade, each on an exchange of its own."""
    accounts = [Account(name, name, surf=True) for name in NAMES]
    return stack.enter_context(host_of(write_accounts("venues", accounts)))


@pytest.fixture
def ledgers(venues: HostProcess, stack: ExitStack) -> dict[str, Ledger]:
    """The ledgers of the three."""
    made = {name: Ledger(account(venues, name).rest) for name in NAMES}
    for one in made.values():
        stack.callback(one.close)
    return made


def trading(ledgers: dict[str, Ledger]) -> None:
    """Wait until every account has an order at its exchange, a resting stop most often."""
    for name, one in ledgers.items():
        wait_for(one.open_orders, 15.0, f"{name} does not trade")


def holding(ledgers: dict[str, Ledger]) -> None:
    """Wait until every account holds something behind a stop."""
    for name, one in ledgers.items():
        wait_for(lambda: "STOP" in str(one.kinds()), 15.0, f"{name} holds nothing")  # noqa: B023


def stop(host: HostProcess) -> None:
    """Stop a host and wait until the system has done it."""
    host.send(signal.SIGSTOP)
    wait_for(lambda: " T " in Path(f"/proc/{host.process.pid}/stat").read_text())


def wake(pid: int) -> None:
    if alive(pid):
        os.kill(pid, signal.SIGCONT)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "obiterm", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        env=environment(),
    )


def zero_in(ledgers: dict[str, Ledger], command: str) -> tuple[float, subprocess.Popen[str]]:
    """Return the seconds from a command's start until no exchange has an order of ours."""
    began = time.monotonic()
    process = start(command, "--json")
    for name, one in ledgers.items():
        wait_for(lambda: not one.open_orders(), 15.0, f"orders are left at {name}")  # noqa: B023
    return time.monotonic() - began, process


def test_kill_acts_without_the_host_which_is_halted_when_it_wakes(
    venues: HostProcess, ledgers: dict[str, Ledger]
) -> None:
    trading(ledgers)
    stop(venues)
    passed_s, process = zero_in(ledgers, "kill")
    told = json.loads(process.communicate(timeout=30.0)[0])
    sys.stdout.write(
        f"zero orders after {passed_s:.2f} s, confirmed after {told['elapsed_ms']:.0f} ms\n"
    )
    assert process.returncode == 0
    assert passed_s < ANSWER_LIMIT_S + 2.5
    assert "hangs" in told["direct"]
    assert {one["account"] for one in told["accounts"]} == set(NAMES)
    assert all(one["done"] and one["left_orders"] == 0 for one in told["accounts"])

    sent = {name: len(one.read()["fills"]) for name, one in ledgers.items()}
    venues.send(signal.SIGCONT)
    wait_for(lambda: all(account(venues, name).state is HALTED for name in NAMES))
    status = venues.status()
    assert status is not None
    woke_s = status.uptime_s
    wait_for(lambda: (now := venues.status()) and now.uptime_s > woke_s + 1.5)
    for name, one in ledgers.items():
        assert one.open_orders() == [], f"{name} has opened again"
        assert len(one.read()["fills"]) == sent[name], f"{name} has traded again"


def test_exit_closes_what_is_ours_without_the_host(
    venues: HostProcess, ledgers: dict[str, Ledger]
) -> None:
    spot = ledgers["binance"]
    wait_for(lambda: spot.read()["fills"], 15.0)
    holding(ledgers)
    stop(venues)
    bought = sum(
        float(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1)
        for fill in spot.read()["fills"]
    )
    before = spot.base() - bought
    done = run("exit")
    assert done.returncode == 0, done.stdout + done.stderr
    for name, one in ledgers.items():
        assert f"✔ {name}" in done.stdout
        told = one.read()
        assert told["open_orders"] == []
        assert told["positions"] == []
    assert abs(spot.base() - before) < DUST, "not flat, or coins were sold that are not ours"


def test_a_venue_that_does_not_answer_is_named_and_tried_again(
    venues: HostProcess, ledgers: dict[str, Ledger], stack: ExitStack
) -> None:
    trading(ledgers)
    silent = child_of(venues, "bybit")
    stop(venues)
    os.kill(silent, signal.SIGSTOP)
    stack.callback(wake, silent)
    short = run("kill", "--wait", "1.5")
    assert short.returncode == 1
    lines = short.stdout.splitlines()
    assert [line[:2] for line in lines[1:]] == ["✔ ", "✔ ", "✘ "]
    assert "bybit" in lines[3]
    assert "unconfirmed" in lines[3]
    for name in ("backpack", "binance"):
        assert ledgers[name].open_orders() == []

    process = start("exit")
    assert process.stdout is not None
    first = [process.stdout.readline() for _ in range(3)]
    assert not any("bybit" in line for line in first[1:])
    assert process.poll() is None
    os.kill(silent, signal.SIGCONT)
    rest, _ = process.communicate(timeout=40.0)
    assert "✔ bybit" in rest
    assert process.returncode == 0
    for one in ledgers.values():
        assert one.open_orders() == []
        assert one.read()["positions"] == []


def test_one_account_alone(venues: HostProcess, ledgers: dict[str, Ledger]) -> None:
    trading(ledgers)
    holding({"backpack": ledgers["backpack"]})
    stop(venues)
    left = len(ledgers["backpack"].open_orders())
    done = run("kill", "--account", "bybit")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("kill of account bybit alone, at the venues directly")
    assert ledgers["bybit"].open_orders() == []
    assert len(ledgers["backpack"].open_orders()) == left
    refused = run("kill", "--account", "nobody")
    assert refused.returncode == 2
    assert "there are backpack, bybit, binance" in refused.stderr
    venues.send(signal.SIGCONT)
    wait_for(lambda: account(venues, "bybit").state is HALTED)
    assert account(venues, "binance").state is TradingState.ACTIVE


def test_a_host_that_died_is_told_and_its_play_money_is_gone(venues: HostProcess) -> None:
    exchanges = [child_of(venues, name) for name in NAMES]
    keys = venues.paths.run / "venues.exchanges"
    assert keys.stat().st_mode & 0o777 == 0o600
    venues.send(signal.SIGKILL)
    venues.process.wait(5.0)
    status = run("status")
    assert status.returncode == 1
    assert status.stdout == ""
    assert "died without a clean end" in status.stderr
    assert "obiterm kill --profile venues" in status.stderr
    wait_for(lambda: not any(alive(pid) for pid in exchanges))
    done = run("kill")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("its simulated exchange has ended") == len(NAMES)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_time_to_zero_orders_without_the_host(
    venues: HostProcess, ledgers: dict[str, Ledger]
) -> None:
    """Figures for docs: several kills on one host, re-armed in between."""
    found: list[float] = []
    for _ in range(4):
        trading(ledgers)
        stop(venues)
        passed_s, process = zero_in(ledgers, "kill")
        process.communicate(timeout=30.0)
        assert process.returncode == 0
        found.append(passed_s)
        venues.send(signal.SIGCONT)
        wait_for(lambda: all(account(venues, name).state is HALTED for name in NAMES))
        rearm = Rearm(account=ALL_ACCOUNTS, typed="all")
        with operator_of(venues) as operator:
            wait_for(lambda: operator.do(rearm).ok, 15.0)  # noqa: B023
    found.sort()
    sys.stdout.write(f"time to zero: p50 {found[len(found) // 2]:.2f}, worst {found[-1]:.2f} s\n")
    assert found[-1] < ANSWER_LIMIT_S + 4.0
