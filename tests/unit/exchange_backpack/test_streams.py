"""Streams, public and private, on one socket (backpack.md §8, §9)."""

from __future__ import annotations

import time
from decimal import Decimal
from itertools import pairwise

import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.backpack_support import (
    PERP,
    SPOT,
    Backpack,
    BackpackSocket,
    Json,
)
from tests.clients.support import until

Book = dict[str, dict[Decimal, Decimal]]


def _snapshot(body: Json) -> Book:
    return {
        side: {Decimal(price): Decimal(size) for price, size in body[side]}
        for side in ("bids", "asks")
    }


def _apply(book: Book, frame: Json) -> None:
    for side, letter in (("bids", "b"), ("asks", "a")):
        for price, size in frame[letter]:
            if Decimal(size):
                book[side][Decimal(price)] = Decimal(size)
            else:
                book[side].pop(Decimal(price), None)


def _near(book: Book) -> list[list[tuple[Decimal, Decimal]]]:
    """Return the levels that both snapshots surely hold: they end after 1000 a side."""
    return [sorted(book["bids"].items())[-200:], sorted(book["asks"].items())[:200]]


@pytest.mark.parametrize("stream", [f"depth.{PERP}", f"depth.200ms.{PERP}"])
async def test_book_of_snapshot_and_deltas_is_the_exchanges(
    rest: Backpack, socket: BackpackSocket, stream: str
) -> None:
    await socket.subscribe(stream)
    await socket.frames(stream, 2)
    start = (await rest.get("/api/v1/depth", symbol=PERP)).body
    assert isinstance(start["lastUpdateId"], str)
    seen = len(socket.inbox)
    await socket.frames(stream, seen + 20)
    end = (await rest.get("/api/v1/depth", symbol=PERP)).body
    last = int(end["lastUpdateId"])
    await socket.first(lambda one: one.get("data", {}).get("u", 0) >= last)
    frames = [one["data"] for one in socket.inbox if one.get("stream") == stream]
    for before, after in pairwise(frames):
        assert after["U"] == before["u"] + 1
        assert after["U"] <= after["u"]
    book = _snapshot(start)
    at = int(start["lastUpdateId"])
    for frame in frames:
        if at < frame["u"] <= last:
            assert frame["U"] <= at + 1
            _apply(book, frame)
            at = frame["u"]
    if at == last:
        # An aggregated frame may end beyond the second snapshot; then there is no equal.
        assert _near(book) == _near(_snapshot(end))
    else:
        assert "200ms" in stream


async def test_depth_ascends_on_both_sides(rest: Backpack) -> None:
    body = (await rest.get("/api/v1/depth", symbol=PERP, limit=20)).body
    for side in ("bids", "asks"):
        prices = [Decimal(price) for price, _ in body[side]]
        assert prices == sorted(prices)
        assert len(prices) == 20
    whole = (await rest.get("/api/v1/depth", symbol=PERP)).body
    assert Decimal(whole["bids"][-1][0]) < Decimal(whole["asks"][0][0])
    assert abs(body["timestamp"] - time.time() * 1e6) < 5e6
    assert (await rest.get("/api/v1/depth", symbol=PERP, limit=7)).status == 400


async def test_public_streams_in_microseconds(rest: Backpack, socket: BackpackSocket) -> None:
    names = [f"{kind}.{PERP}" for kind in ("bookTicker", "trade", "markPrice", "ticker")]
    await socket.subscribe(*names, f"kline.1m.{PERP}")
    await rest.control("market_order", symbol=PERP, side="BUY", qty="30")
    for name in [*names, f"kline.1m.{PERP}"]:
        data = await socket.data(name)
        assert data["s"] == PERP
        assert abs(data["E"] - time.time() * 1e6) < 1e7
    trade = await socket.data(f"trade.{PERP}", m=False)
    assert {type(trade["t"]), type(trade["p"]), type(trade["a"])} == {int, str}
    mark = await socket.data(f"markPrice.{PERP}")
    assert 0 < mark["n"] - time.time() * 1000 <= 3_600_000
    assert (await socket.data(f"kline.1m.{PERP}"))["X"] is False


async def test_streams_of_other_markets_and_unsubscribing(
    rest: Backpack, socket: BackpackSocket
) -> None:
    await socket.subscribe(f"depth.{PERP}", f"depth.{SPOT}")
    await socket.frames(f"depth.{PERP}", 2)
    await socket.frames(f"depth.{SPOT}", 2)
    await socket.send({"method": "UNSUBSCRIBE", "params": [f"depth.{SPOT}"]})
    await socket.subscribe("nonsense.SOL_USDC")
    error = await socket.first(lambda one: "error" in one)
    assert error == {"id": None, "error": {"code": 4006, "message": "Invalid stream"}}
    seen = len(socket.inbox)
    await socket.first(lambda one: one.get("stream") == f"depth.{PERP}", skip=seen + 20)
    assert all(one.get("stream") == f"depth.{PERP}" for one in socket.inbox[seen:])


async def test_private_streams_need_a_signature(rest: Backpack, socket: BackpackSocket) -> None:
    await socket.subscribe("account.orderUpdate")
    assert (await socket.first(lambda one: "error" in one))["error"]["message"]
    stale = rest.signer.subscribe("account.orderUpdate")
    stale["signature"][2] = "1750793021519"
    await socket.send(stale)
    await socket.collect(2, lambda one: "error" in one)
    await rest.limit(SPOT, "Bid", "1", await rest.away(SPOT, -0.05))
    assert (await rest.send("GET", "/_exchange/state")).body["user_streams"] == 0


async def test_life_of_an_order(rest: Backpack, socket: BackpackSocket) -> None:
    await socket.subscribe_private("account.orderUpdate", f"account.orderUpdate.{SPOT}")
    price = await rest.away(SPOT, -0.05)
    placed = (await rest.limit(SPOT, "Bid", "1", price, clientId=9, postOnly=True)).body
    await rest.call("DELETE", "/api/v1/order", symbol=SPOT, clientId=9)
    for stream in ("account.orderUpdate", f"account.orderUpdate.{SPOT}"):
        accepted = await socket.data(stream, "orderAccepted")
        assert (accepted["i"], accepted["c"], accepted["o"]) == (placed["id"], 9, "LIMIT")
        assert (accepted["X"], accepted["p"], accepted["y"]) == ("New", price, True)
        assert (await socket.data(stream, "orderCancelled"))["X"] == "Cancelled"
    bought = (await rest.order(SPOT, "Bid", "Market", quantity="1")).body
    fill = await socket.data("account.orderUpdate", "orderFill", i=bought["id"])
    # A spot buy pays its fee in what it buys.
    assert (fill["N"], fill["m"], fill["S"]) == ("SOL", False, "Bid")
    fills = (await rest.get("/wapi/v1/history/fills", orderId=bought["id"])).body
    assert fill["t"] in {row["tradeId"] for row in fills}


async def test_positions_begin_with_a_snapshot_without_a_name(
    rest: Backpack, socket: BackpackSocket
) -> None:
    await rest.order(PERP, "Bid", "Market", quantity="2")
    await socket.subscribe_private("account.positionUpdate")
    snapshot = await socket.data("account.positionUpdate")
    assert "e" not in snapshot
    assert (snapshot["s"], snapshot["q"], snapshot["l"]) == (PERP, "2.00", "0")
    await rest.order(PERP, "Bid", "Market", quantity="1")
    await socket.data("account.positionUpdate", "positionAdjusted", q="3.00")
    await rest.order(PERP, "Ask", "Market", quantity="3")
    closed = await socket.data("account.positionUpdate", "positionClosed")
    assert (closed["i"], closed["q"]) == (snapshot["i"], "0.00")


async def test_accounts_do_not_hear_each_other(
    server: ExchangeServer, rest: Backpack, socket: BackpackSocket
) -> None:
    await socket.subscribe_private("account.orderUpdate")
    async with Backpack(server, 1) as other:
        await other.limit(SPOT, "Bid", "1", await rest.away(SPOT, -0.05), clientId=1)
    await rest.limit(SPOT, "Bid", "1", await rest.away(SPOT, -0.05), clientId=2)
    await socket.data("account.orderUpdate", "orderAccepted", c=2)
    assert all(one["data"]["c"] == 2 for one in socket.inbox)


async def test_restart_is_announced_by_a_close_frame(
    rest: Backpack, socket: BackpackSocket
) -> None:
    await socket.subscribe(f"depth.{PERP}")
    await socket.frames(f"depth.{PERP}", 1)
    await rest.control("shutdown_notice")

    async def closed() -> bool:
        return socket.closed.is_set()

    await until(closed)
    assert socket.socket.close_code == 1012
