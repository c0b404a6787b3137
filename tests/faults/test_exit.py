"""Emergency exits at the worst moment: never twice, never more than is held (R102 T7 T11 T12)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.commands import EmergencyExit, Kill, Rearm
from obiterm.core.effects import Effect
from obiterm.core.events import Commanded, Event
from obiterm.core.values import TradingState
from tests.faults.conftest import ACCOUNT, EAGER, SYMBOL, Probe, Start

DUST = Decimal("0.00005")


async def with_position(one: Probe, lots: int = 2_000) -> None:
    taken, text = one.buy_now(lots)
    assert taken, text
    await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == lots)


async def flat_once(one: Probe) -> None:
    """Wait for the end of the exit; what was bought was sold, once."""
    assert not await one.running.service.panic_done(30.0)
    assert abs(await one.bought()) <= DUST
    ledger = await one.ledger()
    sells = {fill["client_id"] for fill in ledger["fills"] if fill["side"] == "SELL"}
    assert len(sells) == 1
    assert ledger["open_orders"] == []
    assert one.kernel.gate.position("manual", SYMBOL).is_flat


async def test_an_exit_with_a_silent_account_stream_sells_once(probe: Start) -> None:
    """T10 T11: nobody tells of the fill of the close; the reply and the trade list do."""
    async with probe() as one:
        await with_position(one)
        await one.fault(kind="silence", match="user")
        one.command(EmergencyExit(account="*"))
        await flat_once(one)


async def test_an_exit_whose_reply_is_lost_sells_once(probe: Start) -> None:
    """T7: the close is in doubt, so it is asked about before another one leaves."""
    async with probe() as one:
        await with_position(one)
        await one.fault(kind="silence", match="user")
        await one.fault(kind="drop_reply", match="order.place", count=1)
        one.command(EmergencyExit(account="*"))
        await flat_once(one)


async def test_an_exit_that_fails_on_the_venues_side_sells_once(probe: Start) -> None:
    """T37: a 503 that has acted and a 503 that has not."""
    async with probe() as one:
        await with_position(one)
        await one.fault(kind="status", match="order.place", status=504, executed=True, count=1)
        one.command(EmergencyExit(account="*"))
        await flat_once(one)


async def test_an_exit_without_the_account_socket_sells_once(probe: Start) -> None:
    async with probe() as one:
        await with_position(one)
        await one.fault(kind="cut", match="ws_api")
        one.command(EmergencyExit(account="*"))
        await flat_once(one)


async def test_an_exit_knows_of_fills_that_were_never_told(probe: Start) -> None:
    """T10: the entry filled while the stream was silent; the exit sells it all the same."""
    async with probe(EAGER) as one:
        await one.until_open(1)
        await one.fault(kind="silence", match="user")
        await one.hit_our_bids()
        assert one.kernel.gate.net_lots(SYMBOL) == 0
        assert await one.bought() == Decimal("0.01")
        one.command(EmergencyExit(account="*"))
        assert not await one.running.service.panic_done(30.0)
        assert abs(await one.bought()) <= DUST


async def test_two_presses_and_two_ways_are_one_exit(probe: Start) -> None:
    async with probe() as one:
        await with_position(one)
        for who in ("F12", "SIGUSR2", "shell"):
            assert one.engine.command(EmergencyExit(account=ACCOUNT), who)[0]
        one.engine.command(Kill(account=ACCOUNT), "F9")
        await flat_once(one)
        one.command(EmergencyExit(account="*"))
        await flat_once(one)


async def test_arming_waits_for_the_kill(probe: Start) -> None:
    async with probe() as one:
        one.buy_below()
        await one.until_open(1)
        await one.fault(kind="delay", match="openOrders*", ms=300, count=2)
        one.command(Kill(account="*"))
        taken, text = one.command(Rearm(account=ACCOUNT, typed=ACCOUNT))
        assert not taken
        assert "still at work" in text
        assert not await one.running.service.panic_done(10.0)
        assert one.kernel.state.value == "HALTED"
        taken, text = one.command(Rearm(account=ACCOUNT, typed=ACCOUNT))
        assert taken, text
        assert one.kernel.state.value == "ACTIVE"


async def test_a_kernel_that_fails_in_the_kill_halts_all_the_same(probe: Start) -> None:
    """T1: an exception in the deciding code must not keep orders alive."""
    async with probe() as one:
        one.buy_below()
        await one.until_open(1)
        original = one.kernel.step

        def broken(event: Event, now_ns: int) -> list[Effect]:
            if isinstance(event, Commanded):
                raise ArithmeticError("broken")
            return original(event, now_ns)

        one.kernel.step = broken  # type: ignore[method-assign]
        assert one.command(Kill(account="*"))[0]
        assert not await one.running.service.panic_done(10.0)
        assert await one.open_at_exchange() == 0
        assert one.kernel.state is TradingState.HALTED
        await one.until(lambda: one.kernel.desk.live_count == 0)
