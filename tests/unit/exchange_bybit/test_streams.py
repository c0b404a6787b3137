"""Public, private and trade sockets (bybit.md §7 - §10)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.exchange.bybit.book_topic import BookTopic
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.limits import BybitLimits, Limits
from obiterm.exchange.bybit.office import BackOffice
from obiterm.exchange.bybit.topics import parse
from obiterm.exchange.venue import SimVenue
from tests.clients.bybit_support import LINEAR, SPOT, SYMBOL, BybitRest
from tests.clients.support import Json

BOTH = pytest.mark.parametrize("category", [SPOT, LINEAR])


class Book:
    """A book kept by the rules of the document."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
        self.update = 0
        self.seq = 0
        self.deltas = 0

    def take(self, frame: Json) -> None:
        data = frame["data"]
        if frame["type"] == "snapshot":
            self.sides = {"b": {}, "a": {}}
        else:
            assert data["u"] == self.update + 1
            self.deltas += 1
        self.update, self.seq = data["u"], data["seq"]
        for side, levels in self.sides.items():
            for price, size in data[side]:
                if Decimal(size):
                    levels[Decimal(price)] = Decimal(size)
                else:
                    del levels[Decimal(price)]

    def rows(self) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        bids = sorted(self.sides["b"].items(), reverse=True)
        return bids, sorted(self.sides["a"].items())


def _frames(inbox: list[Any], topic: str) -> list[Json]:
    return [one for one in inbox if one.get("topic") == topic]


@BOTH
@pytest.mark.parametrize("depth", [50, 200, 1000])
def test_snapshot_and_deltas_give_the_venues_window(category: str, depth: int) -> None:
    start_ns = 1_790_000_000 * NS_PER_S
    venue = SimVenue.named([SYMBOL], seed=3, start_ns=start_ns, venue="bybit")
    office = BackOffice(venue, Limits(BybitLimits()))
    stream = BookTopic(
        office, parse(office, Category(category), f"orderbook.{depth}.{SYMBOL}"), start_ns
    )
    symbol = stream.topic.scale.spec.symbol
    book = Book()
    book.take(json.loads(stream.snapshot(start_ns)))
    for step in range(1, 400):
        now_ns = start_ns + step * 20 * NS_PER_MS
        venue.advance(now_ns)
        frame = stream.poll(now_ns)
        if frame is None:
            continue
        book.take(json.loads(frame))
        seq, *sides = venue.peek(symbol, depth)
        assert book.seq == seq
        told = [
            [(Decimal(price), Decimal(size)) for price, size in stream.topic.scale.levels(side)]
            for side in sides
        ]
        assert list(book.rows()) == told
    assert book.deltas > 20


@BOTH
async def test_books_arrive_without_gaps(rest: BybitRest, category: str) -> None:
    topic = f"orderbook.50.{SYMBOL}"
    async with rest.public_socket(category) as socket:
        await socket.ask("subscribe", topic)
        frames = await socket.collect(20, lambda one: one.get("topic") == topic)
    book = Book()
    for frame in frames:
        book.take(frame)
        bids, asks = book.rows()
        assert len(bids) == len(asks) == 50
        assert bids[0][0] < asks[0][0]


@BOTH
async def test_depth_one_sends_snapshots_only(rest: BybitRest, category: str) -> None:
    topic = f"orderbook.1.{SYMBOL}"
    async with rest.public_socket(category) as socket:
        await socket.ask("subscribe", topic)
        frames = await socket.collect(5, lambda one: one.get("topic") == topic)
    assert {one["type"] for one in frames} == {"snapshot"}
    assert all(len(one["data"]["b"]) == len(one["data"]["a"]) == 1 for one in frames)


async def test_a_second_listener_joins_in_step(rest: BybitRest) -> None:
    topic = f"orderbook.50.{SYMBOL}"
    async with rest.public_socket(LINEAR) as first:
        await first.ask("subscribe", topic)
        await first.collect(5, lambda one: one.get("topic") == topic)
        async with rest.public_socket(LINEAR) as second:
            await second.ask("subscribe", topic)
            frames = await second.collect(5, lambda one: one.get("topic") == topic)
    book = Book()
    for frame in frames:
        book.take(frame)
    assert book.deltas == 4


@BOTH
async def test_trades_ticker_and_candles(rest: BybitRest, category: str) -> None:
    topics = [f"publicTrade.{SYMBOL}", f"tickers.{SYMBOL}", f"kline.1.{SYMBOL}"]
    async with rest.public_socket(category) as socket:
        await socket.ask("subscribe", *topics)
        trade, ticker, candle = [
            (await socket.first(lambda one, t=topic: one.get("topic") == t))  # type: ignore[misc]
            for topic in topics
        ]
        changed = (await socket.collect(2, lambda one: one.get("topic") == topics[1]))[1]
    assert trade["data"][0]["S"] in ("Buy", "Sell")
    assert ("L" in trade["data"][0]) is (category == LINEAR)
    assert ticker["type"] == "snapshot"
    assert ("bid1Price" in ticker["data"]) is (category == LINEAR)
    assert changed["type"] == ("delta" if category == LINEAR else "snapshot")
    assert (len(changed["data"]) < len(ticker["data"])) is (category == LINEAR)
    assert candle["data"][-1]["confirm"] is False


async def test_replies_and_failures_of_public_sockets(rest: BybitRest) -> None:
    async with rest.public_socket(SPOT) as socket:
        assert (await socket.ask("ping"))["ret_msg"] == "pong"
        old = await socket.ask("subscribe", f"orderbook.500.{SYMBOL}")
        assert old["success"] is False
        assert old["ret_msg"] == f"error:handler not found,topic:orderbook.500.{SYMBOL}"
        assert (await socket.ask("subscribe", "tickers.NOUSDT"))["success"] is False
        many = [f"kline.{one}.{SYMBOL}" for one in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, "D")]
        assert (await socket.ask("subscribe", *many))["success"] is False
        topic = f"publicTrade.{SYMBOL}"
        assert (await socket.ask("subscribe", topic))["ret_msg"] == "subscribe"
        await socket.first(lambda one: one.get("topic") == topic)
        assert (await socket.ask("unsubscribe", topic))["success"] is True
        await socket.socket.send_str("{")
        await socket.first(lambda one: one.get("ret_msg") == "error:invalid JSON")


async def test_the_private_stream_tells_an_orders_life(rest: BybitRest) -> None:
    async with rest.private_socket() as socket:
        early = await socket.ask("subscribe", "order")
        assert early["success"] is False, "nothing before the key is known"
        assert (await socket.log_on())["success"] is True
        assert (await socket.ask("ping"))["op"] == "pong"
        await socket.ask("subscribe", "order", "execution", "position", "wallet")
        price = await rest.away(LINEAR, -0.02)
        ack = (await rest.limit(LINEAR, "Buy", "0.01", price, orderLinkId="life")).result
        new = await socket.row("order", orderId=ack["orderId"], orderStatus="New")
        assert new["category"] == LINEAR
        await rest.post("order/cancel", category=LINEAR, symbol=SYMBOL, orderLinkId="life")
        await socket.row("order", orderId=ack["orderId"], orderStatus="Cancelled")
        taken = (await rest.order(LINEAR, "Sell", "Market", qty="0.01")).result["orderId"]
        await socket.row("order", orderId=taken, orderStatus="Filled")
        fill = await socket.row("execution", orderId=taken)
        assert (fill["execType"], fill["isMaker"], fill["feeCurrency"]) == ("Trade", False, "USDT")
        held = await socket.row("position", side="Sell", size="0.010")
        assert Decimal(held["entryPrice"]) > 0
        wallet = await socket.row("wallet", accountType="UNIFIED")
        assert [one["coin"] for one in wallet["coin"]] == ["USDT"]


async def test_private_streams_keep_accounts_and_products_apart(rest: BybitRest) -> None:
    async with rest.private_socket() as spot, rest.private_socket() as fast:
        for socket, topics in ((spot, ["order.spot"]), (fast, ["execution.fast"])):
            await socket.log_on()
            assert (await socket.ask("subscribe", *topics))["success"] is True
        both = await spot.ask("subscribe", "position", "position.linear")
        assert both["success"] is False
        await rest.order(LINEAR, "Buy", "Market", qty="0.01")
        bought = (await rest.order(SPOT, "Buy", "Market", qty="100")).result["orderId"]
        await spot.row("order.spot", orderId=bought)
        row = await fast.row("execution.fast", category=LINEAR)
        assert "execFee" not in row
        orders = _frames(spot.inbox, "order.spot")
        assert {row["category"] for one in orders for row in one["data"]} == {SPOT}


async def test_auth_that_is_expired_or_wrong_is_refused(rest: BybitRest) -> None:
    async with rest.private_socket() as socket:
        await socket.send({"op": "auth", "args": [rest.key, 1, rest.sign("GET/realtime1")]})
        reply = await socket.first(lambda one: one.get("op") == "auth")
        assert (reply["success"], reply["ret_msg"]) == (False, "Params Error")


async def test_the_trade_socket_places_changes_and_cancels(rest: BybitRest) -> None:
    price = await rest.away(LINEAR, -0.02)
    order = {"category": LINEAR, "symbol": SYMBOL, "side": "Buy", "orderType": "Limit"}
    async with rest.trade_socket() as socket:
        early = await socket.trade("order.create", **order, qty="0.01", price=price)
        assert early["retCode"] == 10007
        assert (await socket.log_on())["retCode"] == 0
        ack = await socket.trade("order.create", **order, qty="0.01", price=price)
        assert ack["retCode"] == 0
        assert ack["header"]["X-Bapi-Limit-Status"] == "9"
        one = {"category": LINEAR, "symbol": SYMBOL, "orderId": ack["data"]["orderId"]}
        assert (await socket.trade("order.amend", **one, qty="0.02"))["data"] == ack["data"]
        assert (await socket.trade("order.cancel", **one))["retCode"] == 0
        assert (await socket.trade("order.cancel", **one))["retCode"] == 110001
        assert (await socket.trade("order.cancel-all", **one))["retCode"] == 10404
        await socket.send({"op": "ping"})
        assert (await socket.first(lambda frame: frame["op"] == "pong"))["retCode"] == 0
        await socket.send({"op": "auth", "args": []})
        await socket.first(lambda frame: frame.get("retCode") == 20001)
        await socket.send({"op": "order.create", "reqId": "t2", "args": [one], "header": {}})
        await socket.first(lambda frame: frame.get("retCode") == 20006)
        await rest.control("shutdown_notice")
        assert (await socket.trade("order.cancel", **one))["retCode"] == 10019


async def test_orders_outlive_the_trade_socket(rest: BybitRest) -> None:
    price = await rest.away(SPOT, -0.02)
    async with rest.trade_socket() as socket:
        await socket.log_on()
        ack = await socket.trade(
            "order.create",
            category=SPOT,
            symbol=SYMBOL,
            side="Buy",
            orderType="Limit",
            qty="0.01",
            price=price,
        )
        assert (await rest.fault("cut", match="ws_api"))["cut"] == 1
        await socket.closed.wait()
    assert (await rest.find(SPOT, ack["data"]["orderId"]))["orderStatus"] == "New"
