"""ccxt trades on the exchange by its own code; only addresses are changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import ccxt.pro
import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.backpack_support import PERP, SPOT, Backpack, backpack_options
from tests.clients.support import DEADLINE_S, until

SYMBOL = "SOL/USDC:USDC"
SPOT_SYMBOL = "SOL/USDC"


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(backpack_options()) as running:
        yield running


@pytest.fixture
async def rest(server: ExchangeServer) -> AsyncIterator[Backpack]:
    async with Backpack(server) as client:
        yield client


def _client(server: ExchangeServer, api_key: str, secret: str) -> Any:
    client = ccxt.pro.backpack({"apiKey": api_key, "secret": secret, "enableRateLimit": False})
    api = client.urls["api"]
    api["public"] = api["private"] = server.rest_url
    api["ws"]["public"] = api["ws"]["private"] = server.stream_url
    return client


@pytest.fixture
async def client(server: ExchangeServer) -> AsyncIterator[Any]:
    client = _client(server, server.api_key, server.api_secret)
    yield client
    await client.close()


async def test_markets_of_both_kinds(client: Any) -> None:
    markets = await client.load_markets()
    assert {SYMBOL, SPOT_SYMBOL, "BTC/USDC", "BTC/USDC:USDC"} <= markets.keys()
    assert markets[SYMBOL]["swap"]
    assert markets[SPOT_SYMBOL]["spot"]
    assert markets[SYMBOL]["precision"] == {"price": 0.01, "amount": 0.01} | {
        name: value
        for name, value in markets[SYMBOL]["precision"].items()
        if name not in ("price", "amount")
    }
    assert (await client.fetch_status())["status"] == "ok"


async def test_book_trades_candles_tickers_and_funding(client: Any) -> None:
    book = await client.fetch_order_book(SYMBOL, 20)
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert book["bids"][0][0] < book["asks"][0][0]
    assert book["bids"][0][0] > book["bids"][-1][0]
    assert len(await client.fetch_trades(SYMBOL)) > 0
    since = client.milliseconds() - 30 * 60_000
    candles = await client.fetch_ohlcv(SYMBOL, "1m", since)
    assert len(candles) >= 29
    ticker = await client.fetch_ticker(SYMBOL)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    rate = await client.fetch_funding_rate(SYMBOL)
    assert rate["markPrice"] > 0
    assert len(await client.fetch_funding_rate_history(SYMBOL)) > 0
    assert await client.fetch_open_interest(SYMBOL)


async def test_limit_order_from_placing_to_cancel(client: Any) -> None:
    await client.load_markets()
    book = await client.fetch_order_book(SPOT_SYMBOL)
    price = round(book["bids"][0][0] * 0.97, 2)
    order = await client.create_order(
        SPOT_SYMBOL, "limit", "buy", 2, price, {"clientOrderId": 4_000_000_001}
    )
    assert order["status"] == "open"
    assert order["price"] == price
    assert order["clientOrderId"] == "4000000001"
    assert [one["id"] for one in await client.fetch_open_orders(SPOT_SYMBOL)] == [order["id"]]
    balance = await client.fetch_balance()
    assert balance["USDC"]["used"] == pytest.approx(price * 2)
    assert (await client.cancel_order(order["id"], SPOT_SYMBOL))["status"] == "canceled"
    assert await client.fetch_open_orders(SPOT_SYMBOL) == []
    history = await client.fetch_orders(SPOT_SYMBOL)
    assert [one["status"] for one in history] == ["canceled"]


async def test_market_order_opens_a_position_that_reduce_only_closes(client: Any) -> None:
    order = await client.create_order(SYMBOL, "market", "buy", 1.5)
    assert order["status"] == "closed"
    assert order["filled"] == 1.5
    (position,) = await client.fetch_positions()
    assert position["symbol"] == SYMBOL
    assert (position["side"], float(position["contracts"])) == ("long", 1.5)
    trades = await client.fetch_my_trades(SYMBOL)
    assert sum(one["amount"] for one in trades) == pytest.approx(1.5)
    assert trades[0]["fee"]["currency"] == "USDC"
    await client.create_order(SYMBOL, "market", "sell", 1.5, None, {"reduceOnly": True})
    assert await client.fetch_positions() == []


async def test_stops_brackets_and_cancel_all(client: Any) -> None:
    await client.load_markets()
    bid = (await client.fetch_order_book(SYMBOL))["bids"][0][0]
    await client.create_order(
        SYMBOL,
        "market",
        "buy",
        1,
        None,
        {
            "stopLoss": {"triggerPrice": round(bid * 0.95, 2)},
            "takeProfit": {"triggerPrice": round(bid * 1.05, 2)},
        },
    )
    await client.create_order(
        SYMBOL,
        "market",
        "sell",
        1,
        None,
        {"triggerPrice": round(bid * 0.9, 2), "triggerBy": "MarkPrice", "reduceOnly": True},
    )
    opened = await client.fetch_open_orders(SYMBOL)
    assert sorted(one["triggerPrice"] for one in opened) == sorted(
        round(bid * share, 2) for share in (0.9, 0.95, 1.05)
    )
    crossing = round(bid * 1.02, 2)
    with pytest.raises(ccxt.InvalidOrder):
        await client.create_order(SYMBOL, "limit", "buy", 1, crossing, {"postOnly": True})
    await client.cancel_all_orders(SYMBOL)
    assert await client.fetch_open_orders(SYMBOL) == []


async def test_an_order_is_changed_by_a_new_one(client: Any) -> None:
    """The venue has no amending; ccxt cancels and places anew."""
    await client.load_markets()
    bid = (await client.fetch_order_book(SYMBOL))["bids"][0][0]
    price = round(bid * 0.97, 2)
    order = await client.create_order(SYMBOL, "limit", "buy", 1, price)
    edited = await client.edit_order(order["id"], SYMBOL, "limit", "buy", 2, round(price - 0.1, 2))
    (opened,) = await client.fetch_open_orders(SYMBOL)
    assert (opened["id"], opened["amount"]) == (edited["id"], 2)
    assert edited["id"] != order["id"]


async def test_batch_of_orders(client: Any) -> None:
    await client.load_markets()
    bid = (await client.fetch_order_book(SYMBOL))["bids"][0][0]
    orders = [
        {
            "symbol": SYMBOL,
            "type": "limit",
            "side": "buy",
            "amount": 1,
            "price": round(bid * share, 2),
        }
        for share in (0.96, 0.97)
    ]
    made = await client.create_orders(orders)
    assert [one["status"] for one in made] == ["open", "open"]


async def test_refusals_become_ccxts_own_errors(client: Any, server: ExchangeServer) -> None:
    await client.load_markets()
    with pytest.raises(ccxt.InsufficientFunds):
        await client.create_order(SPOT_SYMBOL, "market", "sell", 5000)
    with pytest.raises(ccxt.InsufficientFunds):
        await client.create_order(SYMBOL, "market", "buy", 8000)
    with pytest.raises(ccxt.ExchangeNotAvailable):
        # ccxt's own reading of RESOURCE_NOT_FOUND.
        await client.cancel_order("1", SYMBOL)
    unknown = _client(server, "A" * 43 + "=", server.api_secret)
    try:
        with pytest.raises(ccxt.AuthenticationError):
            await unknown.fetch_balance()
    finally:
        await unknown.close()


async def test_pro_keeps_a_book_that_equals_the_exchanges(client: Any, rest: Backpack) -> None:
    book = await asyncio.wait_for(client.watch_order_book(SYMBOL), DEADLINE_S)
    for _ in range(20):
        book = await asyncio.wait_for(client.watch_order_book(SYMBOL), DEADLINE_S)
        assert book["bids"][0][0] < book["asks"][0][0]
    seen = book["nonce"]
    await rest.control("market_order", symbol=PERP, side="SELL", qty="50")
    while book["nonce"] <= seen:
        book = await asyncio.wait_for(client.watch_order_book(SYMBOL), DEADLINE_S)
    assert (await asyncio.wait_for(client.watch_trades(SYMBOL), DEADLINE_S))[-1]["price"] > 0
    ticker = await asyncio.wait_for(client.watch_bids_asks([SYMBOL]), DEADLINE_S)
    assert ticker[SYMBOL]["bid"] > 0
    assert (await asyncio.wait_for(client.watch_ticker(SYMBOL), DEADLINE_S))["last"] > 0


async def test_pro_watches_an_orders_life_and_its_position(client: Any, rest: Backpack) -> None:
    await client.load_markets()
    watching = asyncio.create_task(client.watch_orders(SPOT_SYMBOL))
    await until(lambda: _private_streams(rest, 1))
    placed = await rest.limit(SPOT, "Bid", "1", await rest.away(SPOT, -0.03), clientId=77)
    orders = await asyncio.wait_for(watching, DEADLINE_S)
    assert (orders[-1]["clientOrderId"], orders[-1]["status"]) == ("77", "open")
    await rest.call("DELETE", "/api/v1/order", symbol=SPOT, orderId=placed.body["id"])
    async with asyncio.timeout(DEADLINE_S):
        while orders[-1]["status"] != "canceled":
            orders = await client.watch_orders(SPOT_SYMBOL)
        await rest.order(SPOT, "Bid", "Market", quantity="1")
        while orders[-1]["status"] != "closed":
            orders = await client.watch_orders(SPOT_SYMBOL)
    positions = asyncio.create_task(client.watch_positions([SYMBOL]))
    await until(lambda: _private_streams(rest, 2))
    await rest.order(PERP, "Ask", "Market", quantity="2")
    (position,) = await asyncio.wait_for(positions, DEADLINE_S)
    assert (position["symbol"], float(position["contracts"])) == (SYMBOL, -2)


async def _private_streams(rest: Backpack, count: int) -> bool:
    return bool((await rest.send("GET", "/_exchange/state")).body["user_streams"] >= count)
