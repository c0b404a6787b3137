"""Market streams: names, wrapping, speeds, books that fit together (binance.md §8)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import aiohttp
import pytest

from obiterm.exchange.binance.limits import LimitOptions
from obiterm.exchange.serve import ExchangeServer, ServeOptions
from tests.clients.support import Json, Rest, Socket

DEPTH = "btcusdt@depth@100ms"


def _is_depth(one: Any) -> bool:
    return bool(one.get("e") == "depthUpdate")


async def test_a_book_built_by_the_venues_rules_equals_the_exchanges(
    server: ExchangeServer, rest: Rest
) -> None:
    """binance.md §8.1: buffer, snapshot, drop old, first event spans, then U == u + 1."""
    async with Socket(rest.http, f"{server.stream_url}/ws/{DEPTH}") as stream:
        await stream.first(_is_depth)
        snapshot = (await rest.public("/api/v3/depth", symbol="BTCUSDT", limit=5000)).body
        await rest.control("market_order", side="SELL", qty="0.5")
        await stream.first(lambda one: one["u"] > snapshot["lastUpdateId"] + 50)
        last, sides = _replay(snapshot, stream.inbox)
        while True:
            now = (await rest.public("/api/v3/depth", symbol="BTCUSDT", limit=5000)).body
            target = now["lastUpdateId"]
            await stream.first(partial(_reaches, target))
            last, sides = _replay(snapshot, [one for one in stream.inbox if one["u"] <= target])
            if last == target:
                break
    for name in ("bids", "asks"):
        told = dict(now[name])
        assert sides[name] == told


def _reaches(update_id: int, one: Json) -> bool:
    return bool(one["u"] >= update_id)


def _replay(snapshot: Json, events: list[Json]) -> tuple[int, dict[str, dict[str, str]]]:
    sides = {name: dict(map(tuple, snapshot[name])) for name in ("bids", "asks")}
    last = snapshot["lastUpdateId"]
    for event in events:
        if event["u"] <= last:
            continue
        assert event["U"] <= last + 1 <= event["u"], "a gap"
        for name, levels in (("bids", event["b"]), ("asks", event["a"])):
            for price, size in levels:
                if float(size):
                    sides[name][price] = size
                else:
                    sides[name].pop(price, None)
        last = event["u"]
    return last, sides


async def test_raw_combined_and_property(server: ExchangeServer, rest: Rest) -> None:
    url = f"{server.stream_url}/stream?streams=btcusdt@bookTicker/btcusdt@trade"
    async with Socket(rest.http, url) as stream:
        ticker = await stream.first(lambda one: one.get("stream") == "btcusdt@bookTicker")
        assert set(ticker["data"]) == {"u", "s", "b", "B", "a", "A"}
        await stream.send({"method": "SET_PROPERTY", "params": ["combined", False], "id": 5})
        assert await stream.first(lambda one: one.get("id") == 5) == {"result": None, "id": 5}
        await rest.control("market_order", side="SELL", qty="0.5")
        trade = await stream.first(lambda one: one.get("e") == "trade")
        assert trade["s"] == "BTCUSDT"
        assert set(trade) == {"e", "E", "s", "t", "p", "q", "T", "m", "M"}


async def test_subscribe_list_unsubscribe(server: ExchangeServer, rest: Rest) -> None:
    async with Socket(rest.http, f"{server.stream_url}/ws") as stream:
        names = ["btcusdt@aggTrade", "btcusdt@depth5"]
        await stream.send({"method": "SUBSCRIBE", "params": names, "id": 1})
        assert await stream.first(lambda one: one.get("id") == 1) == {"result": None, "id": 1}
        await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        listed = await stream.first(lambda one: one.get("id") == 2)
        assert listed["result"] == names
        await stream.send({"method": "UNSUBSCRIBE", "params": names[:1], "id": "three"})
        await stream.first(lambda one: one.get("id") == "three")
        await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 4})
        assert (await stream.first(lambda one: one.get("id") == 4))["result"] == names[1:]


async def test_bad_control_frames_are_answered(server: ExchangeServer, rest: Rest) -> None:
    async with Socket(rest.http, f"{server.stream_url}/ws") as stream:
        await stream.send({"method": "BREAK", "id": 1})
        assert (await stream.first(lambda one: one.get("id") == 1))["code"] == 2
        await stream.send({"method": "SUBSCRIBE", "params": [1], "id": 2})
        assert (await stream.first(lambda one: one.get("id") == 2))["code"] == 2
        await stream.socket.send_str("not json")
        assert (await stream.first(lambda one: one.get("code") == 3))["id"] is None


async def test_partial_depth_has_neither_symbol_nor_time(
    server: ExchangeServer, rest: Rest
) -> None:
    async with Socket(rest.http, f"{server.stream_url}/ws/btcusdt@depth5@100ms") as stream:
        first = await stream.first(lambda one: True)
        assert set(first) == {"lastUpdateId", "bids", "asks"}
        assert len(first["bids"]) == len(first["asks"]) == 5
        prices = [float(price) for price, _ in first["bids"]]
        assert prices == sorted(prices, reverse=True)


async def test_prints_aggregate_by_taker_and_price(server: ExchangeServer, rest: Rest) -> None:
    url = f"{server.stream_url}/stream?streams=btcusdt@trade/btcusdt@aggTrade"
    async with Socket(rest.http, url) as stream:
        # A sweep of the book meets several resting orders at some price.
        await rest.control("market_order", side="SELL", qty="5")
        await stream.first(lambda one: one["data"]["e"] == "aggTrade")
        trades = [one["data"] for one in stream.inbox if one["data"]["e"] == "trade"]
        aggregates = [one["data"] for one in stream.inbox if one["data"]["e"] == "aggTrade"]
        covered = [number for row in aggregates for number in range(row["f"], row["l"] + 1)]
        ids = [trade["t"] for trade in trades]
        assert ids[: len(covered)] == covered
        numbers = [row["a"] for row in aggregates]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    rows = (await rest.public("/api/v3/aggTrades", symbol="BTCUSDT", limit=1000)).body
    told = {row["a"]: (row["f"], row["l"], row["q"]) for row in rows}
    for row in aggregates:
        assert told[row["a"]] == (row["f"], row["l"], row["q"])


async def test_candles_and_statistics(server: ExchangeServer, rest: Rest) -> None:
    names = "btcusdt@kline_1m/btcusdt@miniTicker/btcusdt@ticker"
    async with Socket(rest.http, f"{server.stream_url}/ws/{names}") as stream:
        kline = await stream.first(lambda one: one.get("e") == "kline")
        assert kline["k"]["i"] == "1m"
        mini = await stream.first(lambda one: one.get("e") == "24hrMiniTicker")
        full = await stream.first(lambda one: one.get("e") == "24hrTicker")
        assert float(mini["l"]) <= float(mini["c"]) <= float(mini["h"])
        assert full["o"] == mini["o"]
    rows = (await rest.public("/api/v3/klines", symbol="BTCUSDT", interval="1m")).body
    assert len(rows) >= 60, "at least an hour of history"
    assert [row[0] for row in rows] == list(range(rows[0][0], rows[-1][0] + 1, 60_000))
    five = (
        await rest.public("/api/v3/klines", symbol="BTCUSDT", interval="5m", startTime=rows[0][0])
    ).body
    assert all(row[0] % 300_000 == 0 for row in five)
    limited = await rest.public(
        "/api/v3/klines", symbol="BTCUSDT", interval="1m", startTime=rows[3][0], limit=2
    )
    assert [row[0] for row in limited.body] == [rows[3][0], rows[4][0]]


async def test_too_many_frames_end_the_connection(server: ExchangeServer, rest: Rest) -> None:
    async with Socket(rest.http, f"{server.stream_url}/ws") as stream:
        for number in range(12):
            await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": number})
        async with asyncio.timeout(5):
            await stream.closed.wait()
        assert stream.socket.close_code == 1008


async def test_a_client_that_does_not_read_holds_nobody_up(
    server: ExchangeServer, rest: Rest
) -> None:
    """A full outbox drops its own client, alone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.rest_url.split(":")[2]))
    writer.write(
        b"GET /ws/btcusdt@depth@100ms HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    [lazy] = list(server.exchange.outboxes("market"))
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with Socket(rest.http, f"{server.stream_url}/ws/{DEPTH}") as stream:
        before = len(stream.inbox)
        block = b'"' + b"x" * 1_000_000 + b'"'
        for _ in range(60):
            lazy.send(block)
            await asyncio.sleep(0)
            if lazy.dropped:
                break
        assert lazy.dropped
        await stream.first(_is_depth, skip=before)
    writer.close()


@pytest.mark.timed
async def test_a_client_that_does_not_pong_is_cut() -> None:
    limits = LimitOptions(ping_every_s=0.05, pong_within_s=0.2)
    async with (
        ExchangeServer(ServeOptions(limits=limits)) as server,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{server.stream_url}/ws", autoping=False) as mute,
        Socket(http, f"{server.stream_url}/ws/{DEPTH}") as polite,
    ):
        pings = 0
        async with asyncio.timeout(5):
            async for message in mute:
                assert message.type is aiohttp.WSMsgType.PING
                assert int(message.data) > 0, "the payload is the time"
                pings += 1
        assert pings >= 3
        await polite.first(_is_depth, skip=len(polite.inbox))


async def test_too_many_connections_are_refused() -> None:
    limits = LimitOptions(connects_per_5min=2)
    async with (
        ExchangeServer(ServeOptions(limits=limits)) as server,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{server.stream_url}/ws"),
        http.ws_connect(server.ws_api_url),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{server.stream_url}/ws")
        assert refused.value.status == 429
