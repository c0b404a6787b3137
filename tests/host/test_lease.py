"""Several screens on one host: one has control, the others watch, panic needs neither."""

from __future__ import annotations

import signal

from obiterm.core.commands import CancelSymbol, HoldFire, Kill, PlaceOrder, Rearm
from obiterm.core.values import Side, TradingState
from obiterm.link.messages import LeaseChanged, Leave, TakeLease
from tests.host.conftest import Attach, OpenTerminal, StartHost
from tests.host.operators import ACCOUNT, SYMBOL
from tests.host.support import HostProcess, wait_for

ORDER = PlaceOrder(account=ACCOUNT, symbol=SYMBOL, side=Side.BUY, lots=100, price_ticks=5_900_000)


def state(host: HostProcess) -> str:
    status = host.status()
    assert status is not None
    return status.state


def test_the_first_screen_has_control_and_every_other_is_told_who(
    start_host: StartHost, attach: Attach
) -> None:
    host = start_host()
    first = attach(host, client="ann")
    second = attach(host, client="ben")
    third = attach(host, client="cat")
    assert [one.has_lease for one in (first, second, third)] == [True, False, False]
    assert second.wait(LeaseChanged).holder == "ann"
    refused = second.do(ORDER)
    assert (refused.ok, refused.text) == (False, "watching only: ann has control")
    second.send(TakeLease())
    for one in (first, second, third):
        one.wait(LeaseChanged, lambda change: change.holder == "ben")
    assert [one.has_lease for one in (first, second, third)] == [False, True, False]
    assert not first.do(ORDER).ok
    second.drop()
    first.wait(LeaseChanged, lambda change: change.has_lease)
    third.wait(LeaseChanged, lambda change: change.holder == "ann")
    assert first.do(CancelSymbol(account=ACCOUNT, symbol=SYMBOL)).ok


def test_watchers_and_shells_command_nothing_but_panic(
    start_host: StartHost, attach: Attach
) -> None:
    host = start_host()
    holder = attach(host, client="ann")
    holder.place(2)
    for role in ("watch", "panic"):
        other = attach(host, role=role, client=role)
        assert not other.welcome.has_lease
        other.send(TakeLease())
        for command in (
            ORDER,
            CancelSymbol(account=ACCOUNT, symbol=SYMBOL),
            Rearm(account=ACCOUNT, typed=ACCOUNT),
        ):
            assert not other.do(command).ok
        other.send(Leave(stop=True))
        assert other.do(HoldFire(account="*")).ok
        assert other.do(Kill(account="*")).ok
        wait_for(lambda: not host.ledger.open_orders())
        assert holder.has_lease
        holder.rearm()
        holder.place(2)
    assert host.process.poll() is None


def test_a_host_that_ends_takes_panic_and_nothing_else(
    start_host: StartHost, attach: Attach
) -> None:
    """Its exchange hangs, so the withdrawal takes its time: new orders must not slip in."""
    host = start_host()
    operator = attach(host)
    operator.place(1)
    host.ledger.fault("delay", ms=1_500, count=0)
    host.send(signal.SIGTERM)
    wait_for(lambda: "the host is ending" in operator.do(ORDER).text)
    assert operator.do(Kill(account="*")).ok


def test_one_types_the_name_to_arm(start_host: StartHost, attach: Attach) -> None:
    host = start_host()
    operator = attach(host)
    assert operator.do(Kill(account=ACCOUNT)).ok
    assert state(host) == TradingState.HALTED.value
    assert not operator.do(ORDER).ok
    for wrong in (
        Rearm(account=ACCOUNT, typed="all"),
        Rearm(account="*", typed=ACCOUNT),
        Rearm(account="nobody", typed="nobody"),
    ):
        assert not operator.do(wrong).ok
    assert state(host) == TradingState.HALTED.value
    wait_for(lambda: operator.do(Rearm(account="*", typed="all")).ok)  # the kill must be done
    assert state(host) == TradingState.ACTIVE.value


def test_a_watching_screen_sends_nothing(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    """`--watch` has no panic keys: it is what one shows to others."""
    host = start_host()
    holder = attach(host)
    holder.place(2)
    terminal = open_terminal("obiterm", "--profile", "quiet", "--watch")
    terminal.wait_text("READ ONLY", "LADDER")
    terminal.type("\x1b[20~" * 2 + "\x1b[24~x" + "bBCLa")
    terminal.wait_text("LADDER")
    terminal.type("\x11")
    terminal.wait_text("detach:")
    terminal.type("d")
    assert terminal.ended_within(3.0) < 3.0
    terminal.wait_text("only watched")
    assert len(host.ledger.open_orders()) == 2
    assert state(host) == TradingState.ACTIVE.value
    assert holder.has_lease


def test_there_must_be_something_to_watch(open_terminal: OpenTerminal) -> None:
    terminal = open_terminal("obiterm", "--watch")
    assert terminal.ended_within(10.0) < 10.0
    assert terminal.process.returncode == 1
    terminal.wait_text("no host of demo to watch")
