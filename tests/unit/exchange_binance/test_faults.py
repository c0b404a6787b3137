"""The exchange misbehaves on request, and only on request."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.support import Rest, Socket, WsApi, hmac_signer

DEPTH = "btcusdt@depth@100ms"


async def _place(api: WsApi, rest: Rest, client_id: str) -> int:
    """Send an order and return the id of the request, without waiting for its answer."""
    return await api.start(
        "order.place",
        api.sign(
            {
                "symbol": "BTCUSDT",
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.01",
                "price": await rest.away(-0.03),
                "newClientOrderId": client_id,
            }
        ),
    )


async def test_a_delayed_request_holds_up_no_other(api: WsApi, rest: Rest) -> None:
    await rest.fault("delay", ms=400, match="order.place")
    started = time.monotonic()
    slow = await _place(api, rest, "slow")
    await api.plain("ping")
    assert time.monotonic() - started < 0.35
    assert (await rest.ledger())["open_orders"] == [], "it has not acted yet"
    assert (await api.answer(slow))["status"] == 200
    assert time.monotonic() - started >= 0.4
    quick = await _place(api, rest, "quick")
    await api.answer(quick)
    assert (await rest.public("/_exchange/faults")).body == {"faults": []}, "once is once"


async def test_a_delayed_reply_acts_first(api: WsApi, rest: Rest) -> None:
    await rest.fault("delay", ms=300, match="order.place", when="reply")
    number = await _place(api, rest, "told-late")
    await api.plain("ping")
    assert len((await rest.ledger())["open_orders"]) == 1
    assert (await api.answer(number))["status"] == 200


async def test_a_request_delayed_past_its_window_is_refused(api: WsApi, rest: Rest) -> None:
    """The time is checked again just before the matching engine (binance.md §3.1)."""
    await rest.fault("delay", ms=200, match="account.status")
    answer = await api.signed("account.status", recvWindow=100)
    assert answer["error"]["code"] == -1021


async def test_a_dropped_reply_is_an_order_that_exists(api: WsApi, rest: Rest) -> None:
    """T6 T7: the POST succeeded and nobody was told."""
    await rest.fault("drop_reply", match="order.place")
    number = await _place(api, rest, "ghost")
    await api.plain("ping")
    found = await rest.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="ghost")
    assert found.body["status"] == "NEW"
    assert all(one.get("id") != number for one in api.inbox)


async def test_a_dropped_rest_reply_leaves_the_caller_waiting(rest: Rest) -> None:
    await rest.fault("drop_reply", match="POST /api/v3/order")
    price = await rest.away(-0.03)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await rest.limit("BUY", "0.01", price, newClientOrderId="ghost")
    assert len((await rest.ledger())["open_orders"]) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(429, -1003), (418, -1003), (500, -1000), (503, -1008), (504, -1007)]
)
async def test_statuses_on_request(rest: Rest, status: int, code: int) -> None:
    await rest.fault("status", status=status, match="order.place", ms=7000)
    reply = await rest.limit("BUY", "0.01", await rest.away(-0.03))
    assert (reply.status, reply.code) == (status, code)
    assert ("Retry-After" in reply.headers) is (status in (418, 429))
    assert (await rest.ledger())["open_orders"] == []


async def test_a_5xx_may_hide_an_order_that_was_placed(api: WsApi, rest: Rest) -> None:
    """T37: -1007 after the order was accepted; its outcome is unknown to the caller."""
    await rest.fault("status", status=504, match="order.place", executed=True)
    answer = await api.answer(await _place(api, rest, "maybe"))
    assert (answer["status"], answer["error"]["code"]) == (504, -1007)
    assert len((await rest.ledger())["open_orders"]) == 1


@pytest.mark.parametrize("which", ["market", "user", "ws_api", "all"])
async def test_cutting_a_class_of_sockets(
    server: ExchangeServer, api: WsApi, rest: Rest, which: str
) -> None:
    async with (
        Socket(rest.http, f"{server.stream_url}/ws/btcusdt@trade") as market,
        WsApi(rest.http, server.ws_api_url, hmac_signer(server)) as user,
    ):
        await user.signed("userDataStream.subscribe.signature")
        await api.plain("ping")
        told = await rest.fault("cut", match=which)
        cut: dict[str, list[Socket]] = {
            "market": [market],
            "user": [user],
            "ws_api": [user, api],
            "all": [market, user, api],
        }
        assert told.body["cut"] == len(cut[which])
        async with asyncio.timeout(5):
            for one in cut[which]:
                await one.closed.wait()
        for one in cut["all"]:
            assert one.closed.is_set() is (one in cut[which])


async def test_a_silent_stream_stays_connected(server: ExchangeServer, rest: Rest) -> None:
    """T9 T38: connected, subscribed, and nothing comes."""
    url = f"{server.stream_url}/stream?streams={DEPTH}/btcusdt@bookTicker"
    async with Socket(rest.http, url) as stream:
        await stream.first(lambda one: one["stream"] == DEPTH)
        await rest.fault("silence", match=DEPTH)
        heard = len(stream.inbox)
        for _ in range(2):
            await rest.control("market_order", side="SELL", qty="0.3")
            await stream.first(lambda one: one["stream"] != DEPTH, skip=len(stream.inbox))
            await asyncio.sleep(0.11)  # a beat of the book stream passes meanwhile
        assert all(one["stream"] != DEPTH for one in stream.inbox[heard:])
        assert not stream.closed.is_set()
        async with rest.http.delete(f"{server.rest_url}/_exchange/faults"):
            await stream.first(lambda one: one["stream"] == DEPTH, skip=heard)


async def test_user_events_can_fall_silent_and_double(api: WsApi, rest: Rest) -> None:
    """T10 T34: a silent user stream, and a fill told twice."""
    await api.signed("userDataStream.subscribe.signature")
    silence = await rest.fault("silence", match="user")
    await rest.limit("BUY", "0.01", await rest.away(-0.03), newClientOrderId="unheard")
    await api.plain("ping")
    assert not any("event" in one for one in api.inbox)
    async with rest.http.delete(
        f"{rest.base}/_exchange/faults", params={"id": str(silence.body["id"])}
    ):
        pass
    await rest.fault("duplicate", match="executionReport")
    await rest.limit("BUY", "0.01", await rest.away(-0.03), newClientOrderId="heard")
    twins = await api.collect(2, lambda one: one.get("event", {}).get("c") == "heard")
    assert twins[0] == twins[1]


async def test_a_gap_and_a_reordering_of_the_book_stream(
    server: ExchangeServer, rest: Rest
) -> None:
    async with Socket(rest.http, f"{server.stream_url}/ws/{DEPTH}") as stream:
        await stream.collect(3, lambda one: True)
        await rest.fault("gap", count=2)
        await stream.collect(len(stream.inbox) + 3, lambda one: True)
        spans = [(one["U"], one["u"]) for one in stream.inbox]
        holes = [after[0] - before[1] for before, after in pairwise(spans)]
        assert len([hole for hole in holes if hole != 1]) == 1

        start = len(stream.inbox)
        await rest.fault("reorder")
        await stream.collect(start + 3, lambda one: True)
        firsts = [one["U"] for one in stream.inbox[start - 1 :]]
        assert firsts != sorted(firsts)
        assert sorted(firsts) == sorted(set(firsts)), "nothing is lost, nothing doubled"


async def test_a_clock_that_is_wrong(rest: Rest) -> None:
    await rest.fault("clock_offset_ms", ms=-3000)
    told = (await rest.public("/api/v3/time")).body["serverTime"]
    assert abs(told - (time.time() * 1000 - 3000)) < 500
    refused = await rest.signed("GET", "/api/v3/account")
    assert refused.code == -1021
    corrected = await rest.signed("GET", "/api/v3/account", timestamp=told)
    assert corrected.status == 200
    async with rest.http.delete(f"{rest.base}/_exchange/faults"):
        pass
    assert (await rest.signed("GET", "/api/v3/account")).status == 200


async def test_faults_are_listed_and_ill_formed_ones_refused(rest: Rest) -> None:
    made = await rest.fault("gap", count=5)
    listed = (await rest.public("/_exchange/faults")).body["faults"]
    assert [fault["id"] for fault in listed] == [made.body["id"]]
    assert listed[0]["left"] == 5
    assert (await rest.fault("earthquake")).status == 400
    assert (await rest.fault("gap", colour="red")).status == 400
    assert (await rest.control("dance")).status == 400
    assert (await rest.control("market_order", qty="much")).status == 400


async def test_the_house_moves_the_market(rest: Rest) -> None:
    bid, _ = await rest.touch()
    for _ in range(5):
        told = (await rest.control("market_order", side="SELL", qty="3")).body
        assert told["fills"] > 0
    low, _ = await rest.touch()
    assert low < bid
    placed = (
        await rest.control("limit_order", side="BUY", qty="0.5", price=f"{low * 0.9:.2f}")
    ).body
    assert placed["status"] == "NEW"
    assert (await rest.control("cancel_house")).body == {"cancelled": 1}
