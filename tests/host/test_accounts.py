"""Several accounts in one host: each lives, fails and comes back by itself (R126, SPEC §3)."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack

import msgspec
import pytest

from obiterm.core.commands import Rearm, StartStrategy
from obiterm.core.values import TradingState
from obiterm.host.exchange_child import ExchangeAddress
from obiterm.link.messages import LogLines, PanicAccount
from tests.host.accounts import (
    MARKETS,
    Account,
    account,
    child_of,
    free_port,
    wait_account,
    write_accounts,
)
from tests.host.conftest import Attach
from tests.host.operators import Operator
from tests.host.support import Exchange, HostProcess, Ledger, host_of, run, wait_for


def ledger(stack: ExitStack, host: HostProcess, name: str, at: str = "main") -> Ledger:
    """Return the exchange's word about an account."""
    made = Ledger(account(host, name).rest, at)
    stack.callback(made.close)
    return made


def lines(operator: Operator, name: str) -> list[str]:
    """Return what the log says about an account."""
    told = [line for one in operator.of(LogLines) for line in one.lines]
    return list(dict.fromkeys(f"{line.seq} {line.text}" for line in told if line.account == name))


def wait_fills(ledger: Ledger, more_than: int = 0, limit_s: float = 20.0) -> None:
    """Wait until the exchange has more fills of an account than so many."""
    wait_for(lambda: len(ledger.read()["fills"]) > more_than, limit_s, "no fills")


def panic(host: HostProcess) -> PanicAccount:
    """Return how far the kill of a host's only account is."""
    status = host.status()
    assert status is not None
    assert status.panic is not None
    return status.panic.accounts[0]


@pytest.fixture
def venues(stack: ExitStack) -> HostProcess:
    """A host that trades on three venues."""
    accounts = [Account(venue, venue, surf=True) for venue in ("backpack", "bybit", "binance")]
    return stack.enter_context(host_of(write_accounts("venues", accounts)))


def test_a_venue_whose_process_dies_leaves_the_others_trading_and_comes_back(
    venues: HostProcess, attach: Attach, stack: ExitStack
) -> None:
    operator = attach(venues)
    ledgers = {name: ledger(stack, venues, name) for name in ("backpack", "bybit", "binance")}
    for one in ledgers.values():
        wait_fills(one)
    address, child = account(venues, "bybit").rest, child_of(venues, "bybit")
    wait_account(venues, "bybit", lambda one: one.positions != [], 20.0)
    os.kill(child, signal.SIGKILL)
    told = wait_account(venues, "bybit", lambda one: "ended by itself" in one.trouble, 5.0)
    assert "it is being started again" in told.trouble
    assert told.open_orders == 0
    assert told.positions == []
    done = {name: len(ledgers[name].read()["fills"]) for name in ("backpack", "binance")}
    wait_account(venues, "bybit", lambda one: one.trouble == "" and one.rest != "", 15.0)
    back = time.monotonic()
    assert account(venues, "bybit").rest == address, "it came back at another port"
    wait_fills(ledgers["bybit"], limit_s=10.0)
    assert time.monotonic() - back < 10.0
    for name, count in done.items():
        wait_fills(ledgers[name], count)
    assert any("is back" in text for text in lines(operator, "host"))
    assert any("ended with the exchange" in text for text in lines(operator, "bybit"))
    assert not any("restarting" in text for name in done for text in lines(operator, name))
    venues.send(signal.SIGTERM)
    assert venues.process.wait(15.0) == 0


def test_kill_one_account_then_all(venues: HostProcess, stack: ExitStack) -> None:
    names = ("backpack", "bybit", "binance")
    ledgers = {name: ledger(stack, venues, name) for name in names}
    for one in ledgers.values():
        wait_fills(one)
    done = run("kill", "--account", "bybit")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "kill of account bybit alone"
    assert "backpack" not in done.stdout
    assert ledgers["bybit"].open_orders() == []
    states = {name: account(venues, name).state for name in names}
    assert states == {
        "backpack": TradingState.ACTIVE,
        "bybit": TradingState.HALTED,
        "binance": TradingState.ACTIVE,
    }
    wait_fills(ledgers["binance"], len(ledgers["binance"].read()["fills"]))
    done = run("exit")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "exit of all accounts"
    for name in names:
        assert f"✔ {name}" in done.stdout
        told = ledgers[name].read()
        assert told["open_orders"] == []
        assert told["positions"] == []
    refused = run("kill", "--account", "nobody")
    assert refused.returncode == 2
    assert "there are backpack, bybit, binance" in refused.stderr


def test_a_halted_account_stays_halted_when_its_exchange_comes_back(
    stack: ExitStack, attach: Attach
) -> None:
    profile = write_accounts("halted", [Account("a", surf=True), Account("b", "bybit")])
    host = stack.enter_context(host_of(profile))
    assert run("kill", "--account", "a").returncode == 0
    os.kill(child_of(host, "binance"), signal.SIGKILL)
    wait_account(host, "a", lambda one: one.trouble != "", 5.0)
    assert account(host, "a").state is TradingState.HALTED
    wait_account(host, "a", lambda one: one.trouble == "" and one.rest != "", 15.0)
    assert account(host, "a").state is TradingState.HALTED
    operator = attach(host)
    operator.frame(lambda f: all(one.link == "up" for one in f.accounts))
    assert ledger(stack, host, "a").read()["fills"] == []


def test_a_bad_key_stops_one_account_and_says_what_to_do(stack: ExitStack, attach: Attach) -> None:
    exchange = Exchange()
    stack.callback(exchange.close)
    urls = {name: exchange.address[name] for name in ("rest", "stream", "ws_api")}
    profile = write_accounts(
        "badkey", [Account("good", surf=True), Account("bad", surf=True).outside("BAD", urls)]
    )
    keys = {"BAD_KEY": "k" * 64, "BAD_SECRET": "do-not-print-me" * 4}
    host = stack.enter_context(host_of(profile, connected=False, **keys))
    operator = attach(host)
    told = wait_account(host, "bad", lambda one: one.trouble.startswith("stopped by the venue"))
    assert "key" in told.trouble.lower()
    wait_account(host, "good", lambda one: one.rest != "")
    good = ledger(stack, host, "good")
    wait_fills(good)
    wait_fills(good, len(good.read()["fills"]))
    assert len(lines(operator, "bad")) == 1, "it was tried again and again"
    assert "re-arm the account to try again" in told.trouble
    refused = operator.do(StartStrategy(account="bad", name="surf"))
    assert not refused.ok
    assert "bad is not connected: stopped by the venue" in refused.text
    assert not operator.do(Rearm(account="bad", typed="good")).ok
    assert operator.do(Rearm(account="bad", typed="bad")).ok
    wait_for(lambda: len(lines(operator, "bad")) == 2)
    assert keys["BAD_SECRET"] not in str(operator.messages)
    assert keys["BAD_SECRET"] not in host.errors.read_text()
    shown = run("status")
    assert "bad  binance SIM  STOPPED  0 open orders  no feed yet" in shown.stdout
    assert "! stopped by the venue" in shown.stdout
    done = run("kill", "--account", "good")
    assert done.returncode == 0, done.stdout
    done = run("kill", timeout_s=10.0)
    assert done.returncode == 1
    assert "✔ good" in done.stdout
    assert "✘ bad  0 cancelled  unconfirmed" in done.stdout
    assert "not reached yet: stopped by the venue" in done.stdout


def test_a_venue_that_is_not_there_yet_is_found_later(stack: ExitStack, attach: Attach) -> None:
    port = free_port()
    urls = {
        "rest": f"http://127.0.0.1:{port}",
        "stream": f"ws://127.0.0.1:{port}",
        "ws_api": f"ws://127.0.0.1:{port}/ws-api/v3",
    }
    first = Exchange("--port", str(port))
    stack.callback(first.close)
    keys = {"LATE_KEY": first.address["api_key"], "LATE_SECRET": first.address["api_secret"]}
    os.kill(first.pid, signal.SIGSTOP)  # there, but it answers nobody
    profile = write_accounts(
        "late", [Account("here", surf=True), Account("late", surf=True).outside("LATE", urls)]
    )
    host = stack.enter_context(host_of(profile, connected=False, **keys))
    wait_account(host, "here", lambda one: one.rest != "")
    here = ledger(stack, host, "here")
    wait_fills(here)
    told = wait_account(host, "late", lambda one: "not connected" in one.trouble, 20.0)
    assert told.rest == ""
    frame = attach(host).frame(lambda f: len(f.accounts) == 2)
    assert [one.name for one in frame.accounts if one.prepared] == ["here"]
    os.kill(first.pid, signal.SIGCONT)
    back = time.monotonic()
    wait_account(host, "late", lambda one: one.trouble == "" and one.rest != "", 15.0)
    wait_fills(ledger(stack, host, "late"))
    assert time.monotonic() - back < 10.0
    wait_fills(here, len(here.read()["fills"]))


@pytest.mark.parametrize("venue", list(MARKETS))
def test_a_kill_waits_for_an_account_that_is_not_reached(venue: str, stack: ExitStack) -> None:
    exchange = Exchange("--venue", venue)
    stack.callback(exchange.close)
    urls = msgspec.convert(exchange.address, ExchangeAddress).urls()
    keys = {"FAR_KEY": exchange.address["api_key"], "FAR_SECRET": exchange.address["api_secret"]}
    os.kill(exchange.pid, signal.SIGSTOP)
    profile = write_accounts("far", [Account("far", venue, surf=True).outside("FAR", urls)])
    with host_of(profile, connected=False, **keys) as host:
        host.send(signal.SIGUSR1)
        wait_account(host, "far", lambda one: one.state is TradingState.HALTED)
        told = panic(host)
        assert not told.done
        assert "not reached yet" in told.text
        os.kill(exchange.pid, signal.SIGCONT)
        wait_account(host, "far", lambda one: one.trouble == "" and one.rest != "", 20.0)
        wait_for(lambda: panic(host).done)
        assert account(host, "far").state is TradingState.HALTED
        assert exchange.ledger.read()["fills"] == []
