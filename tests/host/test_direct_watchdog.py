"""The watchdog: what it does when the host hangs or dies, and that it does nothing else."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from obiterm.config.paths import Paths
from obiterm.core.values import TradingState
from obiterm.host.cover import loss_log
from obiterm.host.losses import read_losses
from tests.host.accounts import Account, write_accounts
from tests.host.support import (
    Exchange,
    HostProcess,
    Ledger,
    alive,
    host_of,
    run,
    wait_for,
    watchdogs,
)

PROFILE = "watched"
WATCHDOG_S = 1
ACTS_WITHIN_S = 15.0


class Venues:
    """Two exchanges that outlive the hosts of a test, spot and perpetual."""

    def __init__(self, stack: ExitStack) -> None:
        self.exchanges = {
            "spot": Exchange(),
            "perp": Exchange("--venue", "bybit", "--symbol", "BTCUSDT.P"),
        }
        for one in self.exchanges.values():
            stack.callback(one.close)

    @property
    def ledgers(self) -> dict[str, Ledger]:
        return {name: one.ledger for name, one in self.exchanges.items()}

    @property
    def keys(self) -> dict[str, str]:
        found = {}
        for name, one in self.exchanges.items():
            found[f"{name.upper()}_KEY"] = one.address["api_key"]
            found[f"{name.upper()}_SECRET"] = one.address["api_secret"]
        return found

    def write_profile(self, rule: str, watchdog_s: float = WATCHDOG_S) -> str:
        spot, perp = (self.exchanges[name].address for name in ("spot", "perp"))
        accounts = [
            Account("spot", surf=True).outside(
                "SPOT", {name: spot[name] for name in ("rest", "stream", "ws_api")}
            ),
            Account("perp", "bybit", surf=True).outside(
                "PERP",
                {
                    "rest": perp["rest"],
                    "public": perp["stream"],
                    "private": perp["private_stream"],
                    "trade": perp["ws_api"],
                },
            ),
        ]
        write_accounts(PROFILE, accounts)
        path = Paths.from_environment().profiles / f"{PROFILE}.toml"
        text = path.read_text().replace("max_hold_s = 1", "max_hold_s = 0")
        path.write_text(f'on_host_loss = "{rule}"\nwatchdog_s = {watchdog_s}\n{text}')
        return PROFILE

    def wait_stops(self) -> None:
        """Wait until both accounts hold a position behind a stop."""
        for name, one in self.ledgers.items():
            wait_for(lambda: has_stop(one), 20.0, f"{name} holds nothing")  # noqa: B023


def has_stop(ledger: Ledger) -> bool:
    return any("STOP" in kind.upper() for kind in ledger.kinds())


def entries(ledger: Ledger) -> int:
    """Count the orders that could open a position."""
    return sum(
        "e-" in str(order["client_id"]) or "m-" in str(order["client_id"])
        for order in ledger.open_orders()
    )


@pytest.fixture
def venues(stack: ExitStack) -> Venues:
    return Venues(stack)


def told() -> list[str]:
    return read_losses(loss_log(Paths.from_environment(), PROFILE))


def watched(stack: ExitStack, venues: Venues, rule: str, **options: float) -> HostProcess:
    """Start a host, wait until its watchdog is there and both accounts hold something."""
    profile = venues.write_profile(rule, **options)
    host = stack.enter_context(host_of(profile, **venues.keys))
    wait_for(lambda: (now := host.status()) and all(one.covered for one in now.accounts))
    venues.wait_stops()
    return host


def lose(host: HostProcess, number: signal.Signals) -> int:
    """Let the host die or hang; return its watchdog."""
    (watchdog,) = watchdogs(host.process.pid)
    host.send(number)
    if number is signal.SIGKILL:
        host.process.wait(5.0)
    return watchdog


def wait_acted(word: str) -> str:
    """Return the last word of the watchdog once it is this one."""
    deadline = time.monotonic() + ACTS_WITHIN_S
    while not (lines := told()) or word not in lines[-1]:
        assert time.monotonic() < deadline, f"the watchdog told {told()}"
        time.sleep(0.02)
    return lines[-1]


def test_flatten_after_the_death_of_the_host(stack: ExitStack, venues: Venues) -> None:
    host = watched(stack, venues, "flatten")
    watchdog = lose(host, signal.SIGKILL)
    line = wait_acted("on_host_loss = flatten: ")
    assert "spot done" in line
    assert "perp done" in line
    for one in venues.ledgers.values():
        assert one.open_orders() == []
        assert one.read()["positions"] == []
    wait_for(lambda: not alive(watchdog))
    assert len(told()) == 2, "it acts once"
    status = run("status")
    assert status.returncode == 1
    assert "on_host_loss = flatten: spot done" in status.stderr
    again = stack.enter_context(host_of(PROFILE, **venues.keys))
    now = again.status()
    assert now is not None
    assert now.state == TradingState.HALTED.value
    assert "flatten" in now.losses[-1]
    assert "flatten" in run("status").stdout
    again.send(signal.SIGTERM)
    assert again.process.wait(15.0) == 0
    assert told() == [], "a clean end closes the chapter"


def test_cancel_keeps_what_protects(stack: ExitStack, venues: Venues) -> None:
    host = watched(stack, venues, "cancel")
    before = {name: len(one.read()["fills"]) for name, one in venues.ledgers.items()}
    lose(host, signal.SIGKILL)
    line = wait_acted("on_host_loss = cancel: ")
    assert "NOT" not in line
    for name, one in venues.ledgers.items():
        if len(one.read()["fills"]) == before[name]:
            assert has_stop(one), f"{name} lost its stop"
        assert entries(one) == 0
    again = stack.enter_context(host_of(PROFILE, **venues.keys))
    now = again.status()
    assert now is not None
    assert now.state == TradingState.ACTIVE.value, "a host that is started anew may trade"


def test_hold_only_tells(stack: ExitStack, venues: Venues) -> None:
    host = watched(stack, venues, "hold")
    lose(host, signal.SIGKILL)
    assert "nothing was done" in wait_acted("on_host_loss = hold")
    for one in venues.ledgers.values():
        assert has_stop(one)
    assert "nothing was done" in run("status").stderr


@pytest.mark.parametrize(
    ("rule", "state"), [("cancel", TradingState.REDUCING), ("flatten", TradingState.HALTED)]
)
def test_a_host_that_hangs_wakes_up_tamed(
    rule: str, state: TradingState, stack: ExitStack, venues: Venues
) -> None:
    host = watched(stack, venues, rule)
    gone = lose(host, signal.SIGSTOP)
    wait_acted(f"on_host_loss = {rule}: ")
    if rule == "flatten":
        for one in venues.ledgers.values():
            assert one.open_orders() == []
            assert one.read()["positions"] == []
    host.send(signal.SIGCONT)
    wait_for(lambda: (now := host.status()) and all(a.state is state for a in now.accounts))
    wait_for(lambda: watchdogs(host.process.pid) not in ([], [gone]))
    wait_for(lambda: (now := host.status()) and all(one.covered for one in now.accounts))
    for one in venues.ledgers.values():
        assert entries(one) == 0
    now = host.status()
    assert now is not None
    assert rule in now.losses[-1]


def test_after_a_clean_end_nothing_is_done(stack: ExitStack, venues: Venues) -> None:
    host = watched(stack, venues, "flatten")
    (watchdog,) = watchdogs(host.process.pid)
    host.send(signal.SIGTERM)
    assert host.process.wait(15.0) == 0
    wait_for(lambda: not alive(watchdog), 2.0)
    assert told() == []
    assert any(has_stop(one) for one in venues.ledgers.values())


def test_a_host_that_is_started_again_at_once_is_left_alone(
    stack: ExitStack, venues: Venues
) -> None:
    host = watched(stack, venues, "flatten", watchdog_s=30)
    watchdog = lose(host, signal.SIGKILL)
    again = stack.enter_context(host_of(PROFILE, **venues.keys))
    wait_for(lambda: not alive(watchdog), 10.0)
    assert told() == []
    now = again.status()
    assert now is not None
    assert now.state == TradingState.ACTIVE.value


def test_a_watchdog_that_dies_is_replaced(stack: ExitStack, venues: Venues) -> None:
    host = watched(stack, venues, "cancel", watchdog_s=30)
    (first,) = watchdogs(host.process.pid)
    words = Path(f"/proc/{first}/cmdline").read_bytes().decode()
    assert not any(secret in words for secret in venues.keys.values())
    os.kill(first, signal.SIGTERM)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: watchdogs(host.process.pid) not in ([], [first]))
    wait_for(lambda: (now := host.status()) and all(one.covered for one in now.accounts))
    assert told() == []
    files = [path for path in host.paths.state.parent.rglob("*") if path.is_file()]
    for path in files:
        text = path.read_bytes()
        assert not any(secret.encode() in text for secret in venues.keys.values()), path


def test_zero_is_off(stack: ExitStack, venues: Venues) -> None:
    profile = venues.write_profile("flatten", watchdog_s=0)
    host = stack.enter_context(host_of(profile, **venues.keys))
    assert watchdogs(host.process.pid) == []
    done = run("status")
    assert "watchdog: off" in done.stdout
    assert done.stdout.count("no watchdog") == 2
