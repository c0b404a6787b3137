"""An emergency exit on a real dialect: what the venue holds is closed, whoever opened it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from aiohttp import web

from obiterm.core.errors import ObitermError
from obiterm.core.values import RunId, Side, Symbol
from obiterm.engine.flatten import Flattener
from obiterm.engine.gateway import Prepared
from obiterm.engine.panic import PanicPath
from obiterm.net.clock import SteadyClock
from tests.engine_bybit.conftest import PERP, SPOT, CountedExchange, Trader, trader_of

MOST = 4
"""Largest market order that the account's instrument allows here."""


class Nothing:
    """Books of an account that knows of no fill of its own."""

    def exposure_lots(self, symbol: Symbol) -> int:
        return 0

    def open_orders(self) -> int:
        return 0

    def on_the_way(self) -> int:
        return 0

    async def refresh(self) -> None:
        return None


def known(trader: Trader) -> Prepared:
    assert trader.prepared is not None
    return trader.prepared


def flattener(trader: Trader) -> Flattener:
    prepared = known(trader)
    small = msgspec.structs.replace(prepared.instruments[PERP], market_max_lots=MOST)
    instruments = prepared.instruments | {PERP: small}
    return Flattener(trader.gateway, instruments, RunId("t"), SteadyClock(), Nothing())


@pytest.mark.parametrize("side", Side)
async def test_an_exit_closes_what_our_books_do_not_know_in_chunks(
    trader: Trader, side: Side
) -> None:
    """T11 T25: sized from the venue at every try, from long and from short; coins stay."""
    await trader.trade(side)
    await trader.trade(symbol=SPOT)
    before = (await trader.back.ledger())["balances"]
    assert [p.lots for p in await trader.gateway.positions()] == [10 * side.sign]
    closer, rounds = flattener(trader), 0
    while await closer.round():
        rounds += 1
        assert rounds < 100
    assert rounds >= 3  # 4 + 4 + 2 lots
    assert await trader.gateway.positions() == []
    assert closer.given_up() == []
    after = (await trader.back.ledger())["balances"]
    assert after["BTC"] == before["BTC"]  # spot coins that we did not buy are somebody's


async def test_when_the_venue_hides_its_positions_our_own_count_goes(
    trader: Trader,
) -> None:
    """Reduce-only orders cannot do harm, so a blind exit goes on after three rounds."""
    await trader.trade(Side.SELL)

    class Ours(Nothing):
        def exposure_lots(self, symbol: Symbol) -> int:
            return -10 if symbol == PERP else 0

    await trader.back.fault("status", match="position/list", status=503, count=1_000)
    closer = Flattener(trader.gateway, known(trader).instruments, RunId("t"), SteadyClock(), Ours())
    for _ in range(2):
        with pytest.raises(ObitermError):
            await closer.round()
    assert await closer.round() == 1
    await trader.back.mend()
    assert await trader.gateway.positions() == []


async def test_r102_the_panic_path_takes_orders_and_position_of_other_programs(
    trader: Trader,
) -> None:
    await trader.trade(Side.SELL)
    await trader.rest_away()
    await trader.rest_away(SPOT)
    instruments = known(trader).instruments
    path = PanicPath(trader.gateway, instruments, RunId("t"), SteadyClock(), Nothing())
    path.start("probe", True, "test")
    await path.wait()
    assert path.progress is not None
    assert (path.progress.left_orders, path.progress.left_positions) == (0, 0)
    ledger = await trader.back.ledger()
    assert (ledger["open_orders"], ledger["positions"]) == ([], [])


async def test_a_key_without_the_right_to_perpetuals_ends_its_kill_all_the_same(
    server: CountedExchange,
) -> None:
    """What it may not list it does not trade; the refusal stops nothing else."""
    async with trader_of(server, symbols=[SPOT]) as trader:
        await trader.rest_away(SPOT)
        serve = server.exchange.dispatch

        async def dispatch(request: web.Request) -> web.StreamResponse:
            if "category=linear" in request.path_qs:
                words = "Permission denied, please check your API key permissions."
                return web.json_response({"retCode": 10005, "retMsg": words, "result": {}})
            return await serve(request)

        server.exchange.dispatch = dispatch  # type: ignore[method-assign]
        instruments = known(trader).instruments
        path = PanicPath(trader.gateway, instruments, RunId("t"), SteadyClock(), Nothing())
        path.start("probe", True, "test")
        await asyncio.wait_for(path.wait(), 20)
        assert (await trader.back.ledger())["open_orders"] == []
        assert trader.gateway._wire.stopped is None
        assert trader.is_up()
