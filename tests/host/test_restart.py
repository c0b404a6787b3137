"""Hosts come and go on an account that stays: what a restart may and may not forget."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import pytest

from obiterm.core.values import TradingState
from obiterm.link.messages import LogLines
from tests.host.conftest import Attach
from tests.host.support import Exchange, host_of, run, wait_for


@pytest.fixture
def exchange(stack: ExitStack) -> Exchange:
    """An exchange that outlives the hosts of a test."""
    made = Exchange()
    stack.callback(made.close)
    return made


def test_a_kill_is_latched_on_disk(exchange: Exchange, attach: Attach) -> None:
    profile = exchange.write_profile()
    with host_of(profile, **exchange.keys) as host:
        attach(host).place(4)
        wait_for(lambda: len(exchange.ledger.open_orders()) == 4)
        assert run("kill").returncode == 0
        assert exchange.ledger.open_orders() == []
    with host_of(profile, **exchange.keys) as host:
        status = host.status()
        assert status is not None
        assert status.state == TradingState.HALTED.value
        operator = attach(host)
        operator.rearm()
        operator.place(1)
        wait_for(lambda: len(exchange.ledger.open_orders()) == 1)


def test_orders_of_a_host_that_was_killed_are_found_and_cancelled(
    exchange: Exchange, attach: Attach
) -> None:
    profile = exchange.write_profile()
    with host_of(profile, **exchange.keys) as host:
        operator = attach(host)
        operator.take(2_000)
        operator.place(4)
        wait_for(lambda: len(exchange.ledger.open_orders()) == 4)
        host.send(signal.SIGKILL)
        host.process.wait(5.0)
    assert len(exchange.ledger.open_orders()) == 4
    assert run("status").returncode == 1
    with host_of(profile, **exchange.keys) as host:
        operator = attach(host)
        frame = operator.frame(lambda f: len(f.orders) == 4)
        truth = {order["client_id"] for order in exchange.ledger.open_orders()}
        assert {row.client_id for row in frame.orders} == truth
        assert [row.lots for row in frame.positions] == [2_000]
        assert run("exit").returncode == 0
        assert exchange.ledger.open_orders() == []
        assert operator.frame(lambda f: not f.positions).positions == []
    journal = run("journal", "verify", "--profile", profile)
    assert journal.returncode == 0, journal.stderr


def test_an_account_that_the_venue_stops_is_not_tried_again(
    exchange: Exchange, attach: Attach
) -> None:
    profile = exchange.write_profile()
    with host_of(profile, **exchange.keys) as host:
        operator = attach(host)
        operator.frame(lambda f: f.market.synced)
        exchange.revoke_key()
        frame = operator.frame(lambda f: "stopped by the venue" in f.accounts[0].note, 15.0)
        assert frame.accounts[0].link != "up"
        told = [line.text for one in operator.of(LogLines) for line in one.lines]
        assert sum("stopped by the venue" in text for text in set(told)) == 1
        assert host.process.poll() is None
        secret = exchange.address["api_secret"]
        assert secret not in "\n".join(told)
        assert secret not in host.errors.read_text()
