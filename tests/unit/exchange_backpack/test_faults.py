"""Limits and the faults that a test asks for, in this venue's words (backpack.md §4)."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from obiterm.exchange.backpack.limits import LimitOptions
from obiterm.exchange.serve import ExchangeServer
from tests.clients.backpack_support import (
    PERP,
    SPOT,
    Backpack,
    BackpackSocket,
    backpack_options,
)
from tests.clients.support import until


@pytest.mark.parametrize(
    ("status", "code"), [(429, "TOO_MANY_REQUESTS"), (500, "SERVER_ERROR"), (503, "MAINTENANCE")]
)
async def test_status_before_and_after_the_order_acts(
    rest: Backpack, status: int, code: str
) -> None:
    low = await rest.away(SPOT, -0.05)
    await rest.fault("status", match="orderExecute", status=status)
    reply = await rest.limit(SPOT, "Bid", "1", low)
    assert (reply.status, reply.body["code"]) == (status, code)
    assert (await rest.ledger())["open_orders"] == []
    await rest.fault("status", match="orderExecute", status=status, executed=True)
    assert (await rest.limit(SPOT, "Bid", "1", low, clientId=4)).status == status
    assert (await rest.call("GET", "/api/v1/order", symbol=SPOT, clientId=4)).status == 200


async def test_lost_reply_leaves_the_order_standing(rest: Backpack) -> None:
    low = await rest.away(SPOT, -0.05)
    await rest.fault("drop_reply", match="POST /api/v1/order")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rest.limit(SPOT, "Bid", "1", low, clientId=6), 0.5)
    assert (await rest.call("GET", "/api/v1/order", symbol=SPOT, clientId=6)).status == 200


async def test_a_clock_that_is_off_refuses_everything_signed(rest: Backpack) -> None:
    await rest.fault("clock_offset_ms", ms=30_000)
    assert (await rest.get("/api/v1/capital")).body["message"] == "Request has expired"
    assert (await rest.get("/api/v1/time")).status == 200
    await rest.send("DELETE", "/_exchange/faults")
    assert (await rest.get("/api/v1/capital")).status == 200


async def test_a_gap_in_the_book_and_a_cut(rest: Backpack, socket: BackpackSocket) -> None:
    stream = f"depth.{PERP}"
    await socket.subscribe(stream)
    await socket.frames(stream, 2)
    await rest.fault("gap", match=stream)

    async def torn() -> bool:
        frames = [one["data"] for one in socket.inbox if one.get("stream") == stream]
        return any(b["U"] != a["u"] + 1 for a, b in pairwise(frames))

    await until(torn)
    assert (await rest.fault("cut", match="market")).body["cut"] == 1

    async def closed() -> bool:
        return socket.closed.is_set()

    await until(closed)


async def test_requests_are_counted_by_the_minute() -> None:
    limits = LimitOptions(requests_per_minute=12, historical_per_minute=2)
    async with (
        ExchangeServer(backpack_options(limits=limits)) as server,
        Backpack(server) as rest,
    ):
        query = {"symbol": PERP, "interval": "1m", "startTime": 1}
        codes = [(await rest.get("/api/v1/klines", **query)).status for _ in range(6)]
        assert codes.count(429) >= 2
        signed = [(await rest.get("/api/v1/capital")) for _ in range(26)]
        refused = [one for one in signed if one.status == 429]
        assert refused
        assert refused[0].body["code"] == "TOO_MANY_REQUESTS"
        assert int(refused[0].headers["Retry-After"]) >= 1
