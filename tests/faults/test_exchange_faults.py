"""The simulated exchange misbehaves on request in every dialect, alone or by script."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, NewOrder
from obiterm.exchange.serve import VENUES, ExchangeServer, ServeOptions
from obiterm.exchange.wire.fault_script import draw_script
from obiterm.exchange.wire.faults import LOST, PLAIN, FaultKind, FaultRequest, Faults, Passage

MS = 1_000_000
TIME = {
    "binance": "/api/v3/time",
    "binance-futures": "/fapi/v1/time",
    "bybit": "/v5/market/time",
    "backpack": "/api/v1/time",
}


@pytest.fixture(params=VENUES)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(ServeOptions(venue=request.param)) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def ask(http: aiohttp.ClientSession, server: ExchangeServer) -> int:
    """Ask for the time; return the status."""
    async with http.get(server.rest_url + TIME[server.options.venue]) as reply:
        return reply.status


async def back_door(
    http: aiohttp.ClientSession, server: ExchangeServer, verb: str, what: str, body: object = None
) -> dict[str, Any]:
    async with http.request(verb, f"{server.rest_url}/_exchange/{what}", json=body) as reply:
        assert reply.status == 200, await reply.text()
        found: dict[str, Any] = await reply.json()
        return found


async def test_t16_an_outage_refuses_requests_and_ends(
    server: ExchangeServer, http: aiohttp.ClientSession
) -> None:
    fault = {"kind": "refuse", "match": "all", "for_ms": 300}
    await back_door(http, server, "POST", "faults", fault)
    began = time.monotonic()
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(http, server)
    async with asyncio.timeout(5):
        while True:
            try:
                assert await ask(http, server) == 200
                break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.01)
    assert time.monotonic() - began >= 0.29


async def test_a_script_plays_in_its_order_and_can_be_ended(
    server: ExchangeServer, http: aiohttp.ClientSession
) -> None:
    """T37 T47: a 5xx, then a step of the clock; the end takes both back."""
    script = [
        {"at_ms": 60, "fault": {"kind": "clock_offset_ms", "ms": 30_000}},
        {"at_ms": 0, "fault": {"kind": "status", "match": "*", "status": 503, "for_ms": 60_000}},
    ]
    await back_door(http, server, "POST", "script", {"faults": script})
    async with asyncio.timeout(5):
        while len((await back_door(http, server, "GET", "script"))["played"]) < 2:  # noqa: ASYNC110 - the exchange's word
            await asyncio.sleep(0.01)
    assert await ask(http, server) >= 500
    assert server.exchange.office.clock_offset_ns == 30_000 * MS
    ended = await back_door(http, server, "DELETE", "script")
    assert [one["kind"] for one in ended["played"]] == ["status", "clock_offset_ms"]
    assert await ask(http, server) == 200
    assert server.exchange.office.clock_offset_ns == 0


async def test_a_drawn_script_is_told(server: ExchangeServer, http: aiohttp.ClientSession) -> None:
    asked = {"seed": 4, "seconds": 60, "venue": server.options.venue}
    told = (await back_door(http, server, "POST", "script", asked))["script"]
    assert len(told) > 3
    assert (await back_door(http, server, "DELETE", "script"))["left"] == []


async def test_t16_t41_a_half_open_socket_answers_nothing_until_its_time_is_over(
    http: aiohttp.ClientSession,
) -> None:
    async with ExchangeServer(ServeOptions()) as server:
        url = f"{server.stream_url}/ws/btcusdt@bookTicker"
        async with http.ws_connect(url, autoping=False) as socket:
            await socket.receive(timeout=5)
            stall = {"kind": "stall", "match": "market", "ms": 400}
            assert (await back_door(http, server, "POST", "faults", stall))["stalled"] == 1
            began = time.monotonic()
            await socket.ping(b"there?")
            seen = []
            while aiohttp.WSMsgType.PONG not in seen:
                seen.append((await socket.receive(timeout=5)).type)
            assert time.monotonic() - began >= 0.35


async def test_late_messages_keep_their_order(http: aiohttp.ClientSession) -> None:
    async with ExchangeServer(ServeOptions()) as server:
        url = f"{server.stream_url}/ws/btcusdt@depth@100ms"
        async with http.ws_connect(url) as socket:
            lag = {"kind": "lag", "match": "market", "ms": 300, "for_ms": 250}
            await back_door(http, server, "POST", "faults", lag)
            ids = []
            late = 0
            for _ in range(8):
                message = json.loads((await socket.receive(timeout=5)).data)
                ids.append(message["u"])
                late += time.time() * 1000 - message["E"] >= 290
            assert ids == sorted(ids)
            assert late >= 1


async def test_a_position_without_its_stop_is_measured(http: aiohttp.ClientSession) -> None:
    async with ExchangeServer(ServeOptions(venue="bybit")) as server:
        symbol = "BTCUSDT.P"
        venue, office = server.venue, server.exchange.office
        lots = venue.markets[symbol].min_lots * 20

        def order(name: str, side: Side, kind: Kind, **more: Any) -> None:
            now_ns = office.market_ns()
            asked = NewOrder(symbol=symbol, side=side, kind=kind, client_id=name, lots=lots, **more)
            office.settle(venue.place("main", asked, now_ns), now_ns)

        async with asyncio.timeout(5):
            while not venue.top(symbol).ask_lots:  # noqa: ASYNC110 - the market's state
                await asyncio.sleep(0.01)
        order("in", Side.BUY, Kind.MARKET)
        (bare,) = (await back_door(http, server, "GET", "protection"))["bare"]
        assert (bare["symbol"], bare["lots"], bare["to_ns"]) == (symbol, lots, 0)
        below = int(venue.top(symbol).bid_ticks * Decimal("0.99"))
        order("stop", Side.SELL, Kind.STOP_MARKET, trigger_ticks=below, reduce_only=True)
        (bare,) = (await back_door(http, server, "GET", "protection"))["bare"]
        assert bare["to_ns"] > bare["from_ns"]


def test_what_becomes_of_a_message() -> None:
    faults = Faults()
    labels = ("user", "executionReport")
    assert faults.passage(labels, 0) == PLAIN
    faults.add(FaultRequest(FaultKind.LOSE, "user", count=1), 0)
    assert [faults.passage(labels, 0), faults.passage(labels, 0)] == [LOST, PLAIN]
    faults.add(FaultRequest(FaultKind.DUPLICATE, "executionReport", count=1), 0)
    assert faults.passage(labels, 0) == Passage(copies=2)
    faults.add(FaultRequest(FaultKind.LAG, "user", ms=500, for_ms=10), 0)
    assert faults.passage(labels, 9 * MS) == Passage(late_s=0.5)
    assert faults.passage(labels, 10 * MS) == PLAIN


@given(seed=st.integers(0, 2**32), seconds=st.floats(1, 600), venue=st.sampled_from(VENUES))
def test_the_same_seed_draws_the_same_day_and_the_clock_is_right_after_it(
    seed: int, seconds: float, venue: str
) -> None:
    script = draw_script(seed, seconds, venue)
    assert script == draw_script(seed, seconds, venue)
    assert [one.at_ms for one in script] == sorted(one.at_ms for one in script)
    steps = [one.fault.ms for one in script if one.fault.kind is FaultKind.CLOCK_OFFSET]
    assert steps.count(0) * 2 == len(steps)
    # What waits for a request does not wait for ever: a later day would meet it.
    endless = {FaultKind.CUT, FaultKind.STALL, FaultKind.CLOCK_OFFSET}
    assert all(one.fault.for_ms for one in script if one.fault.kind not in endless)
