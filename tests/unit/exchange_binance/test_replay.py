"""A recorded market, served word for word (data: a capture made here, and the real one)."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from obiterm.exchange.serve import ExchangeServer, ServeOptions
from tests.clients.support import Json, Rest, Socket, hmac_signer

DEPTH = "btcusdt@depth@100ms"
START_NS = 1_723_161_254_000_000_000
SNAPSHOT_ID = 1000


def _diff(first: int, last: int, bids: Json, asks: Json) -> Json:
    return {
        "stream": DEPTH,
        "data": {
            "e": "depthUpdate",
            "E": START_NS // 1_000_000 + last,
            "s": "BTCUSDT",
            "U": first,
            "u": last,
            "b": [[f"{price}.00000000", f"{size}.00000000"] for price, size in bids.items()],
            "a": [[f"{price}.00000000", f"{size}.00000000"] for price, size in asks.items()],
        },
    }


def _trade(number: int, price: int, *, seller: bool) -> Json:
    return {
        "stream": "btcusdt@trade",
        "data": {
            "e": "trade",
            "E": START_NS // 1_000_000 + number,
            "s": "BTCUSDT",
            "t": number,
            "p": f"{price}.00000000",
            "q": "0.50000000",
            "T": START_NS // 1_000_000 + number,
            "m": seller,
            "M": True,
        },
    }


def _messages() -> list[Json]:
    snapshot = {
        "lastUpdateId": SNAPSHOT_ID,
        "bids": [[f"{60000 - n}.00000000", "1.00000000"] for n in range(50)],
        "asks": [[f"{60001 + n}.00000000", "1.00000000"] for n in range(50)],
    }
    made: list[Json] = [_diff(990, 998, {"59990": 2}, {}), _diff(999, 1003, {}, {"60003": 4})]
    made.append(snapshot)
    for step in range(20):
        update_id = 1004 + 2 * step
        made.append(_diff(update_id, update_id + 1, {"59980": step + 1}, {"60040": step + 1}))
        made.append(_trade(500 + step, 60000 if step % 2 else 60001, seller=bool(step % 2)))
    return made


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "made.jsonl.gz"
    with gzip.open(path, "wt") as file:
        for index, message in enumerate(_messages()):
            line = {"t": START_NS + index * 20_000_000, "m": message}
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    return path


@pytest.fixture
async def server(capture: Path) -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(ServeOptions(capture=capture, speed=2.0)) as running:
        yield running


@pytest.fixture
async def rest(server: ExchangeServer) -> AsyncIterator[Rest]:
    async with Rest(server.rest_url, hmac_signer(server)) as client:
        yield client


async def test_every_recorded_message_arrives_word_for_word(
    server: ExchangeServer, rest: Rest
) -> None:
    url = f"{server.stream_url}/stream?streams={DEPTH}/btcusdt@trade"
    recorded = [one for one in _messages() if "stream" in one]
    async with (
        Socket(rest.http, url) as combined,
        Socket(rest.http, f"{server.stream_url}/ws/{DEPTH}") as raw,
    ):
        await combined.collect(2, lambda one: True)
        snapshot = (await rest.public("/api/v3/depth", symbol="BTCUSDT", limit=1000)).body
        assert snapshot == _messages()[2], "the snapshot is the recorded one"
        await combined.collect(len(recorded), lambda one: True)
        assert combined.texts[: len(recorded)] == [
            json.dumps(one, separators=(",", ":")) for one in recorded
        ]
        diffs = [one["data"] for one in recorded if one["stream"] == DEPTH]
        await raw.collect(len(diffs), lambda one: True)
        assert raw.texts == [json.dumps(one, separators=(",", ":")) for one in diffs]
    state = (await rest.public("/_exchange/state")).body
    assert (state["source"], state["ended"]) == ("capture", True)


async def test_nothing_plays_before_somebody_watches_the_book(
    server: ExchangeServer, rest: Rest
) -> None:
    async with Socket(rest.http, f"{server.stream_url}/ws") as stream:
        await stream.send({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})
        await stream.first(lambda one: one.get("id") == 1)
        before = (await rest.public("/api/v3/depth", symbol="BTCUSDT")).body
        assert before["lastUpdateId"] == SNAPSHOT_ID
        await stream.send({"method": "SUBSCRIBE", "params": [DEPTH], "id": 2})
        first = await stream.first(lambda one: one.get("e") == "depthUpdate")
        assert first["u"] == 998, "from the first recorded line on"


async def test_streams_that_were_not_recorded_are_made_from_what_was(
    server: ExchangeServer, rest: Rest
) -> None:
    names = f"{DEPTH}/btcusdt@aggTrade/btcusdt@bookTicker/btcusdt@depth5@100ms/btcusdt@kline_1m"
    async with Socket(rest.http, f"{server.stream_url}/stream?streams={names}") as stream:
        await rest.public("/api/v3/depth", symbol="BTCUSDT")
        seen: Counter[str] = Counter()

        def all_there(one: Any) -> bool:
            seen[one["stream"]] += 1
            return set(names.split("/")) <= seen.keys()

        await stream.first(all_there)
        aggregate = await stream.first(lambda one: one["stream"] == "btcusdt@aggTrade")
        assert aggregate["data"]["f"] == 500


async def test_own_orders_rest_inside_and_the_house_keeps_out(
    server: ExchangeServer, rest: Rest
) -> None:
    placed = await rest.limit("BUY", "0.01", "59950.00")
    assert placed.body["status"] == "NEW"
    book = (await rest.public("/api/v3/depth", symbol="BTCUSDT", limit=5000)).body
    sizes = dict(map(tuple, book["bids"]))
    assert sizes.get("59950.00000000", "1.00000000") == "1.00000000", "the public book is recorded"
    refused = await rest.control("market_order", side="SELL", qty="1")
    assert refused.status == 400


@pytest.mark.captures
@pytest.mark.slow
async def test_the_real_capture_arrives_whole(shared_data: Path) -> None:
    path = shared_data / "l2" / "binance_spot_BTCUSDT_20240808.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no capture at {path}")
    options = ServeOptions(capture=path, speed=100.0)
    names = f"{DEPTH}/btcusdt@bookTicker/btcusdt@trade"
    counted: Counter[str] = Counter()
    async with (
        ExchangeServer(options) as server,
        Rest(server.rest_url) as rest,
        rest.http.ws_connect(f"{server.stream_url}/stream?streams={names}") as socket,
    ):
        last, applied, gaps = 0, 0, 0
        early: list[Json] = []
        while sum(counted.values()) < 6_495 + 73_174 + 19_904:
            message = json.loads((await socket.receive(timeout=10)).data)
            counted[message["stream"]] += 1
            if message["stream"] != DEPTH:
                continue
            early.append(message["data"])
            if not last:
                snapshot = await rest.public("/api/v3/depth", symbol="BTCUSDT", limit=1000)
                last = snapshot.body["lastUpdateId"]
            for event in early:
                if event["u"] > last:
                    gaps += event["U"] != last + 1 and applied > 0
                    last, applied = event["u"], applied + 1
            early.clear()
    assert counted == {DEPTH: 6_495, "btcusdt@bookTicker": 73_174, "btcusdt@trade": 19_904}
    assert (applied, gaps) == (6_493, 0)
