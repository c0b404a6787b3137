"""A Bybit account run by the whole host: strategy, kill, exit, restart (R18 R102 T6 T10 T32)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from obiterm.core.commands import EmergencyExit, Kill
from obiterm.core.values import OrderRole, OrderState, Side
from tests.engine_bybit.conftest import CountedExchange
from tests.engine_bybit.hosts import EAGER, SURF, BybitProbe, BybitRuns
from tests.faults.conftest import SYMBOL

STRATEGY_LOTS = 10


@pytest.fixture
async def runs(
    server: CountedExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BybitRuns]:
    async with aiohttp.ClientSession() as session:
        yield BybitRuns(server, session, tmp_path, monkeypatch)


async def entered(one: BybitProbe) -> str:
    """Let the strategy enter and protect itself; return the client id of its stop."""
    orders: list[dict[str, str]] = []
    async with asyncio.timeout(20.0):
        while not orders:  # a moment between two prices it has none
            await one.until_open(1)
            orders = (await one.ledger())["open_orders"]
    against = Side(orders[0]["side"]).opposite
    while abs(one.kernel.gate.net_lots(SYMBOL)) != STRATEGY_LOTS:
        await one.push(against)
        await one.engine.refresh()
    await one.until(lambda: [o.state for o in one.kernel.desk.live()] == [OrderState.OPEN])
    (stop,) = one.kernel.desk.live()
    assert stop.intent.role is OrderRole.STOP
    return stop.client_id


async def nothing_left(one: BybitProbe) -> None:
    assert not await one.running.service.panic_done(20.0)
    ledger = await one.ledger()
    assert (ledger["open_orders"], ledger["positions"]) == ([], [])


@pytest.mark.parametrize("demo", [False, True])
async def test_surf_trades_the_perpetual(runs: BybitRuns, demo: bool) -> None:
    """On the trade socket, and by REST as demo does (R91)."""
    async with runs.host(SURF, demo=demo) as one:

        async def fills() -> int:
            return len((await one.ledger())["fills"])

        while await fills() < 4:
            await one.push(Side.BUY)
            await one.push(Side.SELL)
            await one.engine.refresh()
        await one.until(lambda: one.kernel.gate.position("surf", SYMBOL).fees_quote > 0)
        assert one.engine.faults == 0
        one.command(EmergencyExit(account="*"))
        await nothing_left(one)


async def test_t40_the_stop_that_protects_is_a_reducing_order_at_the_venue(
    runs: BybitRuns,
) -> None:
    async with runs.host(EAGER) as one:
        stop_id = await entered(one)
        [order] = (await one.ledger())["open_orders"]
        assert (order["client_id"], order["reduce_only"]) == (stop_id, True)
        [position] = await one.positions()
        assert position["quantity"] == "0.010"
        while await one.positions():
            await one.push(Side(order["side"]))
        await one.until(lambda: one.kernel.gate.position("eager", SYMBOL).is_flat)
        assert await one.open_at_exchange() == 0


async def test_r102_a_kill_leaves_no_order_and_an_exit_no_position(runs: BybitRuns) -> None:
    async with runs.host(EAGER) as one:
        await entered(one)
        one.place(Side.BUY, 5, away=20_000)
        one.place(Side.SELL, 5, away=20_000)
        await one.until_open(3)
        one.command(Kill(account="*"))
        assert not await one.running.service.panic_done(20.0)
        ledger = await one.ledger()
        assert ledger["open_orders"] == []
        assert len(ledger["positions"]) == 1
        one.command(EmergencyExit(account="*"))
        await nothing_left(one)


@pytest.mark.parametrize("demo", [False, True])
@pytest.mark.parametrize("side", Side)
async def test_r102_an_exit_closes_long_and_short_once(
    runs: BybitRuns, side: Side, demo: bool
) -> None:
    async with runs.host(demo=demo) as one:
        await one.held(side, 20)
        one.place(side, 5, away=20_000)
        await one.until_open(1)
        one.command(EmergencyExit(account="*"))
        await nothing_left(one)
        fills = (await one.ledger())["fills"]
        assert len({fill["client_id"] for fill in fills if fill["side"] != side.value}) == 1
        assert one.kernel.gate.position("manual", SYMBOL).is_flat


async def test_t10_t11_an_exit_with_a_silent_account_stream_closes_once(runs: BybitRuns) -> None:
    async with runs.host() as one:
        await one.held(Side.BUY, 20)
        await one.fault(kind="silence", match="user")
        one.command(EmergencyExit(account="*"))
        await nothing_left(one)
        assert one.kernel.gate.position("manual", SYMBOL).is_flat


async def test_t7_an_exit_whose_reply_is_lost_closes_once(runs: BybitRuns) -> None:
    async with runs.host() as one:
        await one.held(Side.SELL, 20)
        await one.fault(kind="drop_reply", match="order.create", count=1)
        one.command(EmergencyExit(account="*"))
        await nothing_left(one)
        fills = (await one.ledger())["fills"]
        assert len({fill["client_id"] for fill in fills if fill["side"] == "BUY"}) == 1


async def test_t32_a_restart_finds_its_own_orders_and_position(runs: BybitRuns) -> None:
    async with runs.host(EAGER, crash=True) as one:
        stop_id = await entered(one)
        lots = one.kernel.gate.position("eager", SYMBOL).lots
        average = one.kernel.gate.position("eager", SYMBOL).average_price
    async with runs.host(EAGER) as two:
        position = two.kernel.gate.position("eager", SYMBOL)
        assert (position.lots, position.average_price) == (lots, average)
        await two.until(lambda: [o.client_id for o in two.kernel.desk.live()] == [stop_id])
        (order,) = two.kernel.desk.live()
        assert (order.intent.owner, order.intent.role) == ("eager", OrderRole.STOP)
        two.command(EmergencyExit(account="*"))
        await nothing_left(two)


async def test_t10_no_fill_is_missed_over_a_cut_account_stream(runs: BybitRuns) -> None:
    """The order rests; it fills while nobody can tell; the venue's word is read on return."""
    async with runs.host() as one:
        one.place(Side.BUY, 20, away=100)
        await one.until_open(1)
        await one.until(lambda: [o.state for o in one.kernel.desk.live()] == [OrderState.OPEN])
        await one.fault(kind="silence", match="user")
        while await one.open_at_exchange():
            await one.push(Side.SELL)
        await one.mend()
        await one.fault(kind="cut", match="user")
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == 20)
        await one.until(lambda: not list(one.kernel.desk.live()))


async def test_t6_t7_a_lost_reply_is_resolved_without_a_second_order(runs: BybitRuns) -> None:
    async with runs.host() as one:
        await one.fault(kind="silence", match="user")
        await one.fault(kind="drop_reply", match="order.create", count=1)
        one.place(Side.BUY, 10, away=20_000)
        await one.until_open(1)
        await one.fault(kind="cut", match="ws_api")
        await one.until(lambda: [o.state for o in one.kernel.desk.live()] == [OrderState.OPEN])
        assert await one.open_at_exchange() == 1
        await one.mend()
        one.command(Kill(account="*"))
        await nothing_left(one)
