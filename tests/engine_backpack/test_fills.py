"""Own fills by trade id, each once, within few requests."""

from __future__ import annotations

import pytest

from obiterm.engine.gateway import NO_TRADE
from tests.engine_backpack.support import PERP, SPOT, Exchange, line

HISTORY = "GET /wapi/v1/history/fills"


async def test_one_request_serves_a_round_of_all_markets(exchange: Exchange) -> None:
    async with line(exchange) as one:
        await one.buy(PERP)
        await one.buy(SPOT)
        before = exchange.requests[HISTORY]
        for _ in range(2):
            await one.gateway.open_orders()
            for symbol in (PERP, SPOT):
                assert await one.gateway.fills_since(symbol, NO_TRADE)
        assert exchange.requests[HISTORY] == before + 2


async def test_nothing_from_before_the_first_mark_comes_again(exchange: Exchange) -> None:
    """What earlier runs booked must not be booked again: not even by the overlap."""
    async with line(exchange) as one:
        await one.buy(PERP, lots=200)
    async with line(exchange, run="run2") as one:
        mark = one.prepared.fill_marks[PERP]
        assert mark > NO_TRADE
        assert await one.gateway.fills_since(PERP, mark) == []
        client_id = await one.buy(PERP, lots=300)
        fills = await one.gateway.fills_since(PERP, mark)
        assert {fill.client_id for fill in fills} == {client_id}
        newest = max(one.gateway.fill_mark(fill) for fill in fills)
        again = await one.gateway.fills_since(PERP, newest)
        assert {fill.trade_id for fill in again} <= {fill.trade_id for fill in fills}


async def test_more_fills_than_a_page_holds(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obiterm.engine.backpack.fills._PAGE", 3)
    async with line(exchange) as one:
        bought = []
        for _ in range(6):
            bought.append(await one.buy(PERP, lots=10))
            await one.buy(SPOT, lots=10)
        before = exchange.requests[HISTORY]
        fills = await one.gateway.fills_since(PERP, NO_TRADE)
        assert exchange.requests[HISTORY] >= before + 3
        assert {fill.client_id for fill in fills} == set(bought)
        ids = [fill.trade_id for fill in fills]
        assert ids == sorted(set(ids))
        mark = max(fill.trade_id for fill in fills if fill.client_id == bought[2])
        later = await one.gateway.fills_since(PERP, mark)
        assert {fill.client_id for fill in later} >= set(bought[3:])
