"""A Backpack account in a whole host: strategies, kill, exit, restart, lost messages."""

from __future__ import annotations

import asyncio

import pytest

from obiterm.core.values import OrderRole, OrderState, Side
from obiterm.trading.order_states import TrackedOrder
from tests.engine_backpack.hosted import HOLDER, SHORT_HOLDER, TURNER, Hosts
from tests.engine_backpack.support import PERP, SPOT, Exchange, until, until_told

ORDER = "POST /api/v1/order"
LONG_S = 40.0


async def test_surf_goes_in_and_out(exchange: Exchange, hosts: Hosts) -> None:
    async with hosts.run(TURNER) as host:
        await until(lambda: host.kernel.gate.booked_quote() != 0, LONG_S)

        async def both_sides() -> bool:
            sides = {fill["side"] for fill in (await exchange.ledger())["fills"]}
            return sides == {"BUY", "SELL"}

        await until_told(both_sides, LONG_S)
        assert host.kernel.markets[PERP].best()[0] > 0
        assert host.engine.faults == 0
        host.exit()
        await host.panic_done()
        assert await exchange.open_count() == 0
        assert await exchange.position() == 0


async def test_an_entry_gets_its_stop_and_a_kill_leaves_nothing(
    exchange: Exchange, hosts: Hosts
) -> None:
    async with hosts.run(HOLDER) as host:
        await host.filled()
        stop = await host.rests(OrderRole.STOP)
        assert stop.reduce_only
        assert host.place(Side.BUY, away=300)[0]
        assert host.place(Side.BUY, away=300, symbol=SPOT)[0]
        await until(lambda: len(host.live(OrderRole.MANUAL)) == 2)
        await until_told(lambda: _counts(exchange, 3))
        host.kill()
        assert await host.panic_done() == ""
        assert await exchange.open_count() == 0
        assert await exchange.position() > 0


async def _counts(exchange: Exchange, at_least: int) -> bool:
    return await exchange.open_count() >= at_least


@pytest.mark.parametrize("strategy", [HOLDER, SHORT_HOLDER], ids=["long", "short"])
async def test_an_exit_closes_what_is_held(exchange: Exchange, hosts: Hosts, strategy: str) -> None:
    side = "SELL" if strategy is HOLDER else "BUY"
    async with hosts.run(strategy) as host:
        async with asyncio.timeout(LONG_S):
            while not host.net_lots:
                await exchange.control("market_order", symbol=PERP, side=side, qty="50")
                await asyncio.sleep(0.05)
        await host.rests(OrderRole.STOP)
        assert host.place(Side.BUY, away=300)[0]
        await host.rests(OrderRole.MANUAL)
        host.exit()
        assert await host.panic_done() == ""
        assert await exchange.position() == 0
        assert await exchange.open_count() == 0
        await until(lambda: host.net_lots == 0)


async def test_a_spot_holding_is_sold_by_an_exit(exchange: Exchange, hosts: Hosts) -> None:
    async with hosts.run() as host:
        assert host.place(Side.BUY, 150, symbol=SPOT)[0]
        await until(lambda: host.engine.exposure_lots(SPOT) >= 149)
        host.exit()
        assert await host.panic_done() == ""
        sold = [f for f in (await exchange.ledger())["fills"] if f["side"] == "SELL"]
        assert sum(float(fill["quantity"]) for fill in sold) == pytest.approx(1.49, abs=0.011)


async def test_a_restart_finds_its_orders_and_its_position(
    exchange: Exchange, hosts: Hosts
) -> None:
    async with hosts.run(HOLDER, crash=True) as host:
        held = await host.filled()
        stop = await host.rests(OrderRole.STOP)
        assert host.place(Side.BUY, away=300)[0]
        by_hand = await host.rests(OrderRole.MANUAL)
    assert await exchange.open_count() == 2
    async with hosts.run(HOLDER) as host:
        await until(lambda: len(host.live()) >= 2)
        found = {order.intent.client_id: order.intent for order in host.live()}
        assert found[stop.client_id].owner == "eager"
        assert found[stop.client_id].role is OrderRole.STOP
        assert found[by_hand.client_id].role is OrderRole.MANUAL
        assert host.kernel.gate.position("eager", PERP).lots == held
        assert not host.kernel.desk.foreign
        host.exit()
        await host.panic_done()
        assert await exchange.position() == 0
        assert await exchange.open_count() == 0


async def test_fills_behind_a_cut_socket_are_not_missed(exchange: Exchange, hosts: Hosts) -> None:
    """T10."""
    async with hosts.run() as host:
        assert host.place(Side.BUY, 200, away=5)[0]
        await host.rests(OrderRole.MANUAL)
        await exchange.fault("silence", match="user", ms=60_000)
        async with asyncio.timeout(LONG_S):
            while not (await exchange.ledger())["fills"]:
                await exchange.control("market_order", symbol=PERP, side="SELL", qty="50")
        await exchange.fault("cut", match="user")
        await exchange.mend()
        await until(lambda: host.net_lots == 200, LONG_S)
        assert await exchange.position() == 2.0


async def test_a_deaf_account_stream_is_noticed(exchange: Exchange, hosts: Hosts) -> None:
    """T41: connected, answering pings, and telling nothing."""
    async with hosts.run() as host:
        await exchange.fault("silence", match="user", ms=60_000)
        assert host.place(Side.BUY, away=300)[0]
        await host.rests(OrderRole.MANUAL)
        await until(lambda: not host.kernel.feeds["account"])
        await exchange.mend()
        await until(lambda: host.kernel.in_sight, LONG_S)


async def test_a_lost_answer_is_asked_about_and_not_sent_again(
    exchange: Exchange, hosts: Hosts
) -> None:
    """T6 T7: also when the stream does not tell of it."""
    async with hosts.run() as host:
        await exchange.fault("silence", match="user", ms=60_000)
        await exchange.fault("drop_reply", match="orderExecute")
        assert host.place(Side.BUY, away=300)[0]
        seen: set[OrderState] = set()

        def rests() -> list[TrackedOrder]:
            orders = host.live()
            seen.update(order.state for order in orders)
            return [order for order in orders if order.state is OrderState.OPEN]

        await until(rests, LONG_S)
        assert exchange.requests[ORDER] == 1
        assert await exchange.open_count() == 1
        await exchange.mend()
