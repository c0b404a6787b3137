"""Quotas, bans, and what the venue does on a bad day."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import aiohttp
import pytest

from obiterm.exchange.bybit.limits import BybitLimits
from obiterm.exchange.serve import ExchangeServer
from tests.clients.bybit_support import LINEAR, SPOT, SYMBOL, BybitRest, bybit_options


async def test_headers_tell_what_is_left_until_the_quota_is_gone(rest: BybitRest) -> None:
    price = await rest.away(LINEAR, -0.02)
    replies = [await rest.limit(LINEAR, "Buy", "0.01", price) for _ in range(12)]
    told = [int(one.headers["X-Bapi-Limit-Status"]) for one in replies[:10]]
    assert told == sorted(told, reverse=True)
    assert replies[0].headers["X-Bapi-Limit"] == "10"
    refused = [one for one in replies if one.code]
    assert {one.code for one in refused} == {10006}
    assert int(refused[0].headers["X-Bapi-Limit-Reset-Timestamp"]) > refused[0].body["time"]
    # Spot has a quota of its own.
    assert (await rest.limit(SPOT, "Buy", "0.01", price)).headers["X-Bapi-Limit"] == "20"


async def test_an_address_that_asks_too_much_is_shut_out() -> None:
    options = bybit_options(limits=BybitLimits(requests_per_5s=5))
    async with ExchangeServer(options) as server, BybitRest(server) as rest:
        replies = [await rest.public("time") for _ in range(7)]
        assert [one.status for one in replies] == [200] * 5 + [403] * 2
        assert replies[-1].text == "access too frequent"


async def test_a_lost_reply_leaves_an_order_that_can_be_found(rest: BybitRest) -> None:
    await rest.fault("drop_reply", match="order.create")
    price = await rest.away(LINEAR, -0.02)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await rest.limit(LINEAR, "Buy", "0.01", price, orderLinkId="lost")
    rows = (await rest.get("order/realtime", category=LINEAR, orderLinkId="lost")).rows
    assert rows[0]["orderStatus"] == "New"
    again = await rest.limit(LINEAR, "Buy", "0.01", price, orderLinkId="lost")
    assert again.code == 110072


@pytest.mark.parametrize("executed", [False, True])
async def test_a_server_error_may_have_acted(rest: BybitRest, executed: bool) -> None:
    price = await rest.away(SPOT, -0.02)
    await rest.fault("status", match="order.create", status=200, code=10016, executed=executed)
    reply = await rest.limit(SPOT, "Buy", "0.01", price, orderLinkId="maybe")
    assert (reply.status, reply.code) == (200, 10016)
    rows = (await rest.get("order/realtime", category=SPOT, orderLinkId="maybe")).rows
    assert bool(rows) is executed


async def test_silence_gaps_and_cuts_of_streams(rest: BybitRest) -> None:
    topic = f"orderbook.50.{SYMBOL}"
    async with rest.public_socket(LINEAR) as socket:
        await socket.ask("subscribe", topic)
        await rest.fault("gap", match="linear/orderbook.50.*")

        def jumped() -> bool:
            updates = [one["data"]["u"] for one in socket.inbox if one.get("topic") == topic]
            return any(b - a > 1 for a, b in pairwise(updates))

        async with asyncio.timeout(10):
            while not jumped():  # noqa: ASYNC110 - it waits for another program
                await asyncio.sleep(0.01)
        assert (await rest.fault("cut", match="market"))["cut"] == 1
        await socket.closed.wait()
    async with rest.private_socket() as private:
        await private.log_on()
        await private.ask("subscribe", "order")
        await rest.fault("silence", match="user")
        await rest.order(SPOT, "Buy", "Market", qty="100")
        assert (await private.ask("ping"))["op"] == "pong"
        assert not [one for one in private.inbox if one.get("topic") == "order"]


async def test_an_unknown_socket_path_is_404(rest: BybitRest) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await rest.http.ws_connect(f"{rest.addresses.stream}/inverse")
    assert refused.value.status == 404
