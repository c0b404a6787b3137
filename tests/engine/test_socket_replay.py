"""The journal of a run over real sockets is decided again, byte for byte (ARCHITECTURE §3)."""

from __future__ import annotations

from obiterm.core.commands import EmergencyExit, HoldFire, Rearm
from obiterm.core.values import TradingState
from obiterm.journal.log import read_rows, verify
from obiterm.research.rejournal import replay_journal
from tests.faults.conftest import ACCOUNT, EAGER, RESTING_ENTRY, SYMBOL, Runs, Start

JOURNAL_ALL = "journal_market_events = true"


async def test_a_run_with_faults_and_commands_is_decided_again(probe: Start) -> None:
    async with probe(EAGER, top=JOURNAL_ALL) as one:
        path = one.running.journal.path
        await one.until_open(1)
        await one.hit_our_bids()
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == 1_000)
        await one.fault(kind="drop_reply", match="order.place", count=1)
        one.buy_below()
        await one.fault(kind="gap", match="*depth*", count=2)
        await one.until(lambda: one.kernel.markets[SYMBOL].gaps == 1)
        await one.fault(kind="cut", match="all")
        await one.until(lambda: not one.kernel.in_sight)
        await one.until(lambda: one.kernel.in_sight)
        await one.until(lambda: one.kernel.gate.tradable(SYMBOL, one.engine.now_ns()))
        one.command(HoldFire(account="*"))
        one.command(Rearm(account=ACCOUNT, typed=ACCOUNT))
        one.command(EmergencyExit(account="*"))
        assert not await one.running.service.panic_done(20.0)
    assert verify(path).ok
    check = replay_journal(path)
    assert check.first_difference == ""
    assert check.effects > 10
    kinds = {row.kind for row in read_rows(path, account=ACCOUNT)}
    assert kinds >= {"start", "event", "intent", "effect"}


async def test_two_runs_in_one_journal_are_decided_again_one_after_the_other(runs: Runs) -> None:
    async with runs.host(EAGER, top=JOURNAL_ALL, crash=True) as one:
        path = one.running.journal.path
        await one.until_open(1)
        await one.hit_our_bids()
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == 1_000)
    async with runs.host(EAGER, top=JOURNAL_ALL) as two:
        await two.until(lambda: two.kernel.gate.net_lots(SYMBOL) == 1_000)
        two.command(EmergencyExit(account="*"))
        assert not await two.running.service.panic_done(20.0)
    assert sum(row.kind == "start" for row in read_rows(path)) == 2
    check = replay_journal(path)
    assert check.first_difference == ""


async def test_a_state_that_the_engine_imposed_is_decided_again(probe: Start) -> None:
    """A fault of the kernel is a row too; the state that follows from it is replayed."""
    async with probe(RESTING_ENTRY, top=JOURNAL_ALL) as one:
        path = one.running.journal.path
        await one.until_open(1)
        one.engine._impose(TradingState.REDUCING, "as if the disk had failed")
        await one.until_open(0)
    assert any(row.kind == "state" for row in read_rows(path))
    assert replay_journal(path).first_difference == ""
