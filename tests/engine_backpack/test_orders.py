"""The life of orders of one account: REST answers and the private stream together."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from obiterm.core.events import (
    BalanceChanged,
    CancelRefused,
    Filled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    PositionReported,
)
from obiterm.core.values import ClientOrderId, OrderKind, OrderRole, OrderState, Side
from obiterm.exchange.api import Kind, NewOrder
from tests.engine_backpack.support import FAR, PERP, SPOT, Exchange, line, until

LIMIT, MARKET, STOP = OrderKind.LIMIT, OrderKind.MARKET, OrderKind.STOP_MARKET
ORDER = "POST /api/v1/order"


async def test_what_is_prepared(exchange: Exchange) -> None:
    async with line(exchange) as one:
        prepared = one.prepared
        assert set(prepared.instruments) == {PERP, SPOT}
        assert prepared.instruments[PERP].taker_fee == Decimal("0.0005")
        assert prepared.instruments[PERP].max_leverage == 10
        free, _ = prepared.balances["USDC"]
        assert free == 100_000
        assert prepared.fill_marks == {PERP: -1, SPOT: -1}
        assert abs(prepared.clock_offset_ns) < 50_000_000
        assert prepared.positions == []


async def test_an_order_rests_and_is_cancelled(exchange: Exchange) -> None:
    async with line(exchange) as one:
        client_id = one.rest_a_buy()
        report = await one.reach(client_id, OrderState.OPEN)
        [live] = await one.gateway.open_orders()
        assert (live.client_id, live.venue_id, live.post_only) == (client_id, report.venue_id, True)
        one.gateway.cancel(PERP, client_id, report.venue_id)
        await one.reach(client_id, OrderState.CANCELLED)
        assert await exchange.open_count() == 0
        assert exchange.requests[ORDER] == 1
        assert one.gateway.health().round_trips_ms


async def test_a_cancel_by_our_id_before_the_venue_told_its_own(exchange: Exchange) -> None:
    async with line(exchange) as one:
        client_id = one.rest_a_buy()
        one.gateway.cancel(PERP, client_id, None)
        await one.reach(client_id, OrderState.OPEN, OrderState.CANCELLED)
        if await exchange.open_count():  # the cancel was there first, and was refused
            await until(lambda: one.told(CancelRefused, client_id))
            one.gateway.cancel(PERP, client_id, None)
        await one.reach(client_id, OrderState.CANCELLED)
        assert await exchange.open_count() == 0


async def test_a_post_only_order_that_would_take_is_refused_in_words(exchange: Exchange) -> None:
    async with line(exchange) as one:
        ticks = exchange.best()[1] + FAR
        client_id = one.send(one.order(LIMIT, Side.BUY, ticks=ticks, post_only=True))
        [refused] = await until(lambda: one.told(OrderRefused, client_id))
        assert (refused.code, refused.text) == (
            "INVALID_ORDER", "Order would immediately match and take",
        )  # fmt: skip


async def test_a_fill_moves_position_and_balance(exchange: Exchange) -> None:
    async with line(exchange) as one:
        client_id = await one.buy(lots=300)
        await until(lambda: [p for p in one.told(PositionReported) if p.lots == 300])
        [position] = await one.gateway.positions()
        assert (position.symbol, position.lots) == (PERP, 300)
        changed = await until(lambda: [b for b in one.told(BalanceChanged) if b.asset == "USDC"])
        assert changed[-1].free < 100_000
        fills = await one.gateway.fills_since(PERP, -1)
        assert {fill.client_id for fill in fills} == {client_id}
        assert {f.trade_id for f in fills} == {f.trade_id for f in one.told(Filled)}
        mark = one.gateway.fill_mark(fills[-1])
        again = await one.gateway.fills_since(PERP, mark)
        assert {fill.trade_id for fill in again} <= {fill.trade_id for fill in fills}


async def test_a_spot_purchase_pays_in_coin(exchange: Exchange) -> None:
    async with line(exchange, [SPOT]) as one:
        client_id = await one.buy(SPOT, lots=100)
        assert {fill.fee_asset for fill in one.told(Filled, client_id)} == {"SOL"}
        sol = await until(lambda: [b for b in one.told(BalanceChanged) if b.asset == "SOL"])
        assert Decimal(200) < sol[-1].free < Decimal(201)


async def test_a_stop_waits_fires_and_is_told(exchange: Exchange) -> None:
    async with line(exchange) as one:
        await one.buy(lots=100)
        ticks = exchange.best()[0] - FAR
        stop = one.order(STOP, Side.SELL, ticks=ticks, role=OrderRole.STOP, reduce_only=True)
        client_id = one.send(stop)
        report = await one.reach(client_id, OrderState.OPEN)
        assert (report.kind, report.lots, report.trigger_ticks) == (STOP, 100, ticks)
        below = one.instrument.price(ticks - 10)
        await exchange.control("mark_price", symbol=PERP, price=str(below))
        await until(lambda: one.filled_lots(client_id) == 100)
        await one.reach(client_id, OrderState.FILLED)
        assert await exchange.position() == 0


async def test_a_stop_is_cancelled_like_any_other(exchange: Exchange) -> None:
    async with line(exchange) as one:
        await one.buy()
        ticks = exchange.best()[0] - FAR
        order = one.order(STOP, Side.SELL, ticks=ticks, role=OrderRole.STOP, reduce_only=True)
        client_id = one.send(order)
        report = await one.reach(client_id, OrderState.OPEN)
        one.gateway.cancel(PERP, client_id, report.venue_id)
        await one.reach(client_id, OrderState.CANCELLED)
        assert await exchange.open_count() == 0


async def test_cancel_all_takes_stops_too_and_leaves_other_markets(exchange: Exchange) -> None:
    async with line(exchange) as one:
        await one.buy()
        ticks = exchange.best()[0] - FAR
        order = one.order(STOP, Side.SELL, ticks=ticks, role=OrderRole.STOP, reduce_only=True)
        ours = [one.rest_a_buy(), one.send(order), one.rest_a_buy(SPOT)]
        for client_id in ours:
            await one.reach(client_id, OrderState.OPEN)
        await one.gateway.cancel_all(PERP)
        for client_id in ours[:2]:
            await one.reach(client_id, OrderState.CANCELLED)
        [left] = (await exchange.ledger())["open_orders"]
        assert left["symbol"] == SPOT
        await one.gateway.cancel_all(PERP)  # nothing is open: no refusal
        one.gateway.cancel_all_now(SPOT)
        await one.reach(ours[2], OrderState.CANCELLED)


async def test_a_lost_answer_is_unknown_and_found_without_sending_again(
    exchange: Exchange,
) -> None:
    """T6 T7."""
    async with line(exchange) as one:
        await exchange.fault("drop_reply", match="orderExecute")
        client_id = one.send(one.order(MARKET, Side.BUY))
        await until(lambda: one.told(OrderOutcomeLost, client_id))
        one.gateway.query(PERP, client_id)
        found = await one.reach(client_id, OrderState.FILLED)
        assert found.filled_lots == 100
        assert exchange.requests[ORDER] == 1


async def test_a_server_error_is_unknown(exchange: Exchange) -> None:
    async with line(exchange) as one:
        await exchange.fault("status", match="orderExecute", status=502, executed=True)
        client_id = one.rest_a_buy()
        await until(lambda: one.told(OrderOutcomeLost, client_id))
        found = await one.gateway.find_order(PERP, client_id)
        assert found is not None
        assert found.state is OrderState.OPEN
        assert exchange.requests[ORDER] == 1


async def test_an_order_that_never_was(exchange: Exchange) -> None:
    async with line(exchange) as one:
        nobody = ClientOrderId("ob-run1-77e-surf-a")
        assert await one.gateway.find_order(PERP, nobody) is None
        one.gateway.query(PERP, nobody)
        await until(lambda: one.told(OrderNotFound, nobody))
        one.gateway.cancel(PERP, nobody, None)
        [refused] = await until(lambda: one.told(CancelRefused, nobody))
        assert refused.code == "RESOURCE_NOT_FOUND"


async def test_an_order_does_not_wait_behind_questions(exchange: Exchange) -> None:
    async with line(exchange) as one:
        await exchange.fault("delay", match="orderQueryAll", ms=3000, count=8)
        slow = [asyncio.create_task(one.gateway.open_orders()) for _ in range(8)]
        await until(lambda: exchange.requests["GET /api/v1/orders"] >= 4)
        client_id = one.rest_a_buy()
        await one.reach(client_id, OrderState.OPEN)
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def test_a_panic_close_tells_what_filled(exchange: Exchange) -> None:
    async with line(exchange) as one:
        await one.buy(lots=250)
        client_id = ClientOrderId("ob-run1-900p-panic-p")
        filled = await one.gateway.close_market(PERP, Side.SELL, 250, client_id)
        assert filled == 250
        assert await exchange.position() == 0
        await until(lambda: one.filled_lots(client_id) == 250)
        found = await one.gateway.find_order(PERP, client_id)
        assert found is not None
        assert found.state is OrderState.FILLED


async def test_orders_of_others_have_a_name(exchange: Exchange) -> None:
    async with line(exchange) as one:
        venue = exchange.server.venue
        venue.place(
            "main",
            NewOrder(
                symbol=PERP,
                side=Side.BUY,
                kind=Kind.LIMIT,
                client_id="4711",
                lots=10,
                price_ticks=exchange.best()[0] - FAR,
            ),
            exchange.server.exchange.office.market_ns(),
        )
        [order] = await one.gateway.open_orders()
        assert order.client_id == "4711"
