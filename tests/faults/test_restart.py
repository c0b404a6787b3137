"""Crash-only: a new host on the same account takes over what the dead one left (T5 T22 T32 T46)."""

from __future__ import annotations

import shutil
from decimal import Decimal

from obiterm.config.paths import Paths
from obiterm.core.commands import ClosePosition, EmergencyExit, HoldFire, Kill
from obiterm.core.values import OrderRole, OrderState, TradingState
from tests.faults.conftest import ACCOUNT, EAGER, RESTING_ENTRY, SYMBOL, Probe, Runs

LOTS = 1_000


async def bought_with_a_stop(one: Probe) -> str:
    """Let the strategy buy; return the client id of the stop that rests."""
    await one.until_open(1)
    await one.hit_our_bids()
    await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == LOTS)
    await one.until(lambda: [o.state for o in one.kernel.desk.live()] == [OrderState.OPEN])
    (stop,) = one.kernel.desk.live()
    assert stop.intent.role is OrderRole.STOP
    return stop.client_id


async def settle(one: Probe, ticks: int = 15) -> None:
    """Let so many ticks of the kernel pass."""
    due = one.engine.now_ns() + ticks * 100_000_000
    await one.until(lambda: one.engine.now_ns() > due)


async def test_t32_a_position_and_its_stop_are_taken_over(runs: Runs) -> None:
    async with runs.host(EAGER, crash=True) as one:
        stop_id = await bought_with_a_stop(one)
        average = one.kernel.gate.position("eager", SYMBOL).average_price
    async with runs.host(EAGER) as two:
        position = two.kernel.gate.position("eager", SYMBOL)
        assert (position.lots, position.average_price) == (LOTS, average)
        await settle(two)
        ledger = await two.ledger()
        assert [order["client_id"] for order in ledger["open_orders"]] == [stop_id]
        (order,) = two.kernel.desk.live()
        assert (order.client_id, order.state, order.intent.owner) == (
            stop_id,
            OrderState.OPEN,
            "eager",
        )
        assert two.engine.orders_sent == 0
        assert two.kernel.runners[0].unprotected_since_ns == 0
        two.command(EmergencyExit(account="*"))
        assert not await two.running.service.panic_done(10.0)
        assert abs(await two.bought()) <= Decimal("0.00005")
        assert await two.open_at_exchange() == 0


async def test_t32_what_filled_while_nobody_ran_is_found(runs: Runs) -> None:
    """The entry fills after the crash: the new host starts with the position, and protects it."""
    async with runs.host(EAGER, crash=True) as one:
        await one.until_open(1)
        await one.until(lambda: [o.state for o in one.kernel.desk.live()] == [OrderState.OPEN])
    await one.hit_our_bids()
    async with runs.host(EAGER) as two:
        assert two.kernel.gate.position("eager", SYMBOL).lots == LOTS
        await two.until(
            lambda: (
                [(o.intent.role, o.state) for o in two.kernel.desk.live()]
                == [(OrderRole.STOP, OrderState.OPEN)]
            )
        )
        assert await two.open_at_exchange() == 1


async def test_t32_a_stop_that_fired_while_nobody_ran_leaves_no_phantom(runs: Runs) -> None:
    async with runs.host(EAGER, crash=True) as one:
        await bought_with_a_stop(one)
    while await one.open_at_exchange():
        await one.house(do="market_order", side="SELL", qty="20")
    async with runs.host(EAGER) as two:
        assert two.kernel.gate.position("eager", SYMBOL).is_flat
        assert abs(await two.bought()) <= Decimal("0.00005")
        assert two.kernel.gate.day_booked_quote < 0  # the loss of the day is carried


async def test_t43_a_part_of_an_entry_is_protected_after_the_restart(runs: Runs) -> None:
    """The rest of the entry may go; what was bought keeps a stop of its size."""
    async with runs.host(EAGER, crash=True) as one:
        await one.until_open(1)
        while not await one.bought():
            await one.house(do="market_order", side="SELL", qty="0.004")
        part = int(await one.bought() * 100_000)
        assert 0 < part <= LOTS
    async with runs.host(EAGER) as two:
        assert two.kernel.gate.position("eager", SYMBOL).lots >= part
        await two.until(lambda: two.kernel.runners[0].unprotected_since_ns == 0)
        await settle(two)
        held = two.kernel.gate.position("eager", SYMBOL).sellable_lots
        stops = [
            order for order in (await two.ledger())["open_orders"] if order["kind"] == "STOP_MARKET"
        ]
        assert [int(Decimal(order["quantity"]) * 100_000) for order in stops] == [held]


async def test_t5_a_kill_cut_off_by_a_crash_stays_a_kill(runs: Runs) -> None:
    """The new host is halted, shows what the venue has, and cancels the entry that was left."""
    async with runs.host(RESTING_ENTRY, crash=True) as one:
        await one.until_open(1)
        await one.fault(kind="delay", match="openOrders*", ms=5_000, count=0)
        await one.fault(kind="silence", match="user")
        one.command(Kill(account="*"))
        await one.until(lambda: one.kernel.state is TradingState.HALTED)
        await settle(one, 2)
    await one.mend()
    async with runs.host(RESTING_ENTRY) as two:
        assert two.kernel.state is TradingState.HALTED
        await two.until_open(0)
        await two.until(lambda: two.kernel.desk.live_count == 0)
        assert two.engine.orders_sent == 0


async def test_a_hold_survives_a_restart(runs: Runs) -> None:
    async with runs.host(crash=True) as one:
        one.command(HoldFire(account="*"))
        await settle(one, 2)
    async with runs.host(RESTING_ENTRY) as two:
        assert two.kernel.state is TradingState.REDUCING
        await settle(two)
        assert await two.open_at_exchange() == 0


async def test_with_the_disk_gone_a_stop_of_ours_is_known_and_left_alone(runs: Runs) -> None:
    """The journal is lost, the stop still protects coins: no strategy may clear it away."""
    async with runs.host(EAGER, crash=True) as one:
        stop_id = await bought_with_a_stop(one)
    shutil.rmtree(Paths.from_environment().journal("x").parent)
    async with runs.host(EAGER) as two:
        await settle(two)
        (order,) = two.kernel.desk.live()
        assert (order.client_id, order.intent.owner) == (stop_id, "eager")
        assert await two.open_at_exchange() == 1
        runner = two.kernel.runners[0]
        assert not runner.running
        assert runner.reason.startswith("a stop was found without its position")


async def test_a_position_can_be_closed_after_a_restart(runs: Runs) -> None:
    """T46: inherited positions are positions like any other."""
    async with runs.host(EAGER, crash=True) as one:
        await bought_with_a_stop(one)
    async with runs.host(EAGER) as two:
        assert two.command(ClosePosition(account=ACCOUNT, symbol=SYMBOL))[0]
        await two.until(lambda: two.kernel.gate.net_lots(SYMBOL) == 0)
        assert abs(await two.bought()) <= Decimal("0.00005")
        await two.until_open(0)
        assert len(two.kernel.gate.position("eager", SYMBOL).trips) == 1


async def test_foreign_orders_live_through_start_hold_and_stop(runs: Runs) -> None:
    """T52: a person's own order on the same account."""
    async with runs.host() as one:
        one.buy_below(40_000)
        await one.until_open(1)
        (order,) = (await one.ledger())["open_orders"]
    async with runs.host(RESTING_ENTRY) as two:
        theirs = two.place_as_somebody_else()
        await two.until_open(2)
        await two.until(lambda: theirs in two.kernel.desk.foreign)
        two.command(HoldFire(account="*"))
        await settle(two, 3)
        assert order["client_id"] not in {o.client_id for o in two.kernel.desk.live()}
    left = [o["client_id"] for o in (await two.ledger())["open_orders"]]
    assert left == [theirs]
