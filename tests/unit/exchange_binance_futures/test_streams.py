"""Split streams, books by ``pu``, marks, and the private stream's keys (§11)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from obiterm.core.values import NS_PER_S
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance_futures.listen_keys import ListenKeys
from obiterm.exchange.serve import ExchangeServer
from tests.clients.futures_support import SYMBOL, FuturesRest
from tests.clients.support import Json, Socket, until

DEPTH = "btcusdt@depth@100ms"


async def test_a_book_built_by_the_venues_rules_equals_the_exchanges(
    server: ExchangeServer, rest: FuturesRest
) -> None:
    """binance.md §11.2: buffer, snapshot, drop older, first spans, then pu == previous u."""
    async with Socket(rest.http, f"{server.stream_url}/public/ws/{DEPTH}") as stream:
        await stream.first(lambda one: one.get("e") == "depthUpdate")
        snapshot = await _snapshot(rest)
        await rest.control("market_order", symbol=SYMBOL, side="SELL", qty="0.5")
        while True:
            now = await _snapshot(rest)
            target = now["lastUpdateId"]
            await stream.first(partial(_reaches, target))
            events = [one for one in stream.inbox if one["u"] <= target]
            last, sides = _replay(snapshot, events)
            if last == target:
                break
    for name in ("bids", "asks"):
        best = now[name][:50]
        assert {price: sides[name][price] for price, _ in best} == dict(best)


async def _snapshot(rest: FuturesRest) -> Json:
    body: Json = (await rest.public("/fapi/v1/depth", symbol=SYMBOL, limit=1000)).body
    return body


def _reaches(update_id: int, one: Json) -> bool:
    return bool(one["u"] >= update_id)


def _replay(snapshot: Json, events: list[Json]) -> tuple[int, dict[str, dict[str, str]]]:
    sides = {name: dict(map(tuple, snapshot[name])) for name in ("bids", "asks")}
    last, previous = snapshot["lastUpdateId"], 0
    for event in events:
        if event["u"] < snapshot["lastUpdateId"]:
            continue
        if previous:
            assert event["pu"] == previous, "a gap"
            assert event["U"] != previous + 1
        else:
            assert event["U"] <= snapshot["lastUpdateId"] <= event["u"]
        previous = last = event["u"]
        for name, levels in (("bids", event["b"]), ("asks", event["a"])):
            for price, size in levels:
                if float(size):
                    sides[name][price] = size
                else:
                    sides[name].pop(price, None)
    return last, sides


async def test_the_wrong_path_acknowledges_and_stays_silent(
    server: ExchangeServer, rest: FuturesRest
) -> None:
    names = ["btcusdt@bookTicker", "btcusdt@markPrice@1s", "btcusdt@aggTrade", DEPTH]
    heard: dict[str, set[str]] = {}
    sockets = {
        path: Socket(rest.http, f"{server.stream_url}{path}")
        for path in ("/public/stream", "/market/stream", "/private/stream", "/stream")
    }
    for path, socket in sockets.items():
        async with socket:
            await socket.send({"method": "SUBSCRIBE", "params": names, "id": 1})
            assert await socket.first(lambda one: one.get("id") == 1) == {"result": None, "id": 1}
            await socket.send({"method": "LIST_SUBSCRIPTIONS", "id": 2})
            listed = await socket.first(lambda one: one.get("id") == 2)
            assert sorted(listed["result"]) == sorted(names)
            async with Socket(rest.http, f"{server.stream_url}/market/ws/{names[1]}") as beat:
                for _ in range(2):
                    await rest.control("market_order", symbol=SYMBOL, side="SELL", qty="0.01")
                await beat.collect(2, lambda one: one["e"] == "markPriceUpdate")
            heard[path] = {one["stream"] for one in socket.inbox if "stream" in one}
    assert heard["/public/stream"] == {"btcusdt@bookTicker", DEPTH}
    assert heard["/market/stream"] == {"btcusdt@markPrice@1s", "btcusdt@aggTrade"}
    assert heard["/private/stream"] == set()
    assert heard["/stream"] == heard["/public/stream"]


async def test_payloads_have_the_venues_fields(server: ExchangeServer, rest: FuturesRest) -> None:
    public = f"{server.stream_url}/public/ws/btcusdt@bookTicker/btcusdt@depth5@100ms"
    market = (
        f"{server.stream_url}/market/ws/btcusdt@markPrice@1s/btcusdt@aggTrade/btcusdt@kline_1m"
        "/btcusdt@ticker/btcusdt@miniTicker"
    )
    async with Socket(rest.http, public) as book, Socket(rest.http, market) as other:
        await rest.control("market_order", symbol=SYMBOL, side="SELL", qty="0.5")
        ticker = await book.first(lambda one: one["e"] == "bookTicker")
        assert {"u", "E", "T", "s", "ps", "b", "B", "a", "A", "st"} < set(ticker)
        partial_book = await book.first(lambda one: one["e"] == "depthUpdate")
        assert {"U", "u", "pu", "b", "a", "T", "ps", "st"} < set(partial_book)
        assert len(partial_book["b"]) == 5
        mark = await other.first(lambda one: one["e"] == "markPriceUpdate")
        assert set(mark) == {"e", "E", "s", "p", "ap", "i", "P", "r", "T", "st"}
        trade = await other.first(lambda one: one["e"] == "aggTrade")
        assert set(trade) == {"e", "E", "s", "a", "p", "q", "nq", "f", "l", "T", "m", "st"}
        assert (await other.first(lambda one: one["e"] == "kline"))["k"]["i"] == "1m"
        day = await other.first(lambda one: one["e"] == "24hrTicker")
        assert "b" not in day
        await other.first(lambda one: one["e"] == "24hrMiniTicker")


async def test_all_markets_at_once(server: ExchangeServer, rest: FuturesRest) -> None:
    url = f"{server.stream_url}/market/ws/!markPrice@arr@1s/!miniTicker@arr/!ticker@arr"
    async with Socket(rest.http, url) as stream:

        def lists(name: str, one: Any) -> bool:
            return isinstance(one, list) and one[0]["e"] == name

        for name in ("markPriceUpdate", "24hrMiniTicker", "24hrTicker"):
            rows = await stream.first(partial(lists, name))
            assert {row["s"] for row in rows} == {"BTCUSDT", "ETHUSDT"}


# -- listen keys ---------------------------------------------------------------


async def _key_call(rest: FuturesRest, method: str) -> Any:
    assert rest.signer is not None
    return await rest.raw(method, "/fapi/v1/listenKey", key=rest.signer.api_key)


async def test_a_listen_key_lives_until_it_is_ended(rest: FuturesRest) -> None:
    assert (await _key_call(rest, "PUT")).code == -1125
    first = await rest.listen_key()
    assert await rest.listen_key() == first
    assert (await _key_call(rest, "PUT")).body == {"listenKey": first}
    assert (await _key_call(rest, "DELETE")).body == {}
    assert await rest.listen_key() != first
    assert (await rest.raw("POST", "/fapi/v1/listenKey")).code == -2014


def test_a_key_lives_an_hour_and_another_hour_when_it_is_extended() -> None:
    keys, hour = ListenKeys(), 3600 * NS_PER_S
    key = keys.start("main", 0)
    assert keys.overdue(hour - 1) == []
    assert keys.extend("main", hour - 1) == key
    assert keys.overdue(hour) == []
    assert keys.overdue(2 * hour - 1) == ["main"]
    assert keys.end("main") == key
    assert not keys.is_live(key)
    with pytest.raises(ApiError):
        keys.extend("main", 2 * hour)


async def test_an_expired_key_is_told_and_then_silent(
    server: ExchangeServer, rest: FuturesRest, private: Socket
) -> None:
    key = await rest.listen_key()
    await rest.control("expire_session", account="main")
    gone = await private.first(lambda one: one["e"] == "listenKeyExpired")
    assert gone["listenKey"] == key
    count = len(private.inbox)
    new = await rest.listen_key()
    assert new != key
    async with Socket(rest.http, f"{server.stream_url}/private/ws/{new}") as second:
        await rest.futures_order("BUY", "MARKET", quantity="0.01")
        await second.first(lambda one: one["e"] == "ORDER_TRADE_UPDATE")
    assert len(private.inbox) == count
    assert not private.closed.is_set()


async def test_events_may_be_chosen_and_are_wrapped_by_their_key(
    server: ExchangeServer, rest: FuturesRest
) -> None:
    key = await rest.listen_key()
    base = f"{server.stream_url}/private"
    chosen = f"{base}/stream?listenKey={key}&events=ACCOUNT_UPDATE/ALGO_UPDATE"
    async with (
        Socket(rest.http, chosen) as some,
        Socket(rest.http, f"{base}/stream?streams={key}") as every,
    ):
        await rest.futures_order("BUY", "MARKET", quantity="0.01")
        update = await some.first(lambda one: one["data"]["e"] == "ACCOUNT_UPDATE")
        assert update["stream"] == key
        await every.first(lambda one: one["data"]["e"] == "ACCOUNT_UPDATE")
        kinds = {one["data"]["e"] for one in every.inbox}
    assert {one["data"]["e"] for one in some.inbox} == {"ACCOUNT_UPDATE"}
    assert kinds == {"ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE"}


async def test_accounts_hear_only_themselves(
    server: ExchangeServer, rest: FuturesRest, private: Socket, hedger: FuturesRest
) -> None:
    await hedger.futures_order("BUY", "MARKET", quantity="0.01", positionSide="LONG")
    await rest.futures_order("SELL", "MARKET", quantity="0.01", newClientOrderId="mine")
    await private.first(lambda one: one["e"] == "ACCOUNT_UPDATE")
    ids = {one["o"]["c"] for one in private.inbox if one["e"] == "ORDER_TRADE_UPDATE"}
    assert ids == {"mine"}


async def test_cut_and_silence(server: ExchangeServer, rest: FuturesRest, private: Socket) -> None:
    await rest.fault("silence", match="user", ms=60_000)
    await rest.futures_order("BUY", "MARKET", quantity="0.01")

    async def filled() -> bool:
        return bool((await rest.ledger())["fills"])

    await until(filled)
    assert private.inbox == []
    cut = await rest.fault("cut", match="user")
    assert cut.body["cut"] == 1
    await asyncio.wait_for(private.closed.wait(), 10)
