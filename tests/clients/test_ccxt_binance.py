"""ccxt trades on the exchange by its own code; only addresses are changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import ccxt.pro
import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.support import DEADLINE_S, ED25519_KEY, Rest, until

SYMBOL = "BTC/USDT"
PRIVATE_PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----"
)


def _client(server: ExchangeServer, api_key: str, secret: str) -> Any:
    client = ccxt.pro.binance(
        {
            "apiKey": api_key,
            "secret": secret,
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}},
        }
    )
    api = client.urls["api"]
    api["public"] = api["private"] = f"{server.rest_url}/api/v3"
    api["sapi"] = f"{server.rest_url}/sapi/v1"
    # ccxt tells spot from futures by "/stream" in the address; an unknown stream is harmless.
    api["ws"]["spot"] = f"{server.stream_url}/ws/stream"
    api["ws"]["ws-api"]["spot"] = server.ws_api_url
    return client


@pytest.fixture
async def client(server: ExchangeServer) -> AsyncIterator[Any]:
    client = _client(server, server.api_key, server.api_secret)
    yield client
    await client.close()


async def test_markets_with_limits_and_fees(client: Any) -> None:
    markets = await client.load_markets()
    market = markets[SYMBOL]
    assert market["spot"]
    assert market["active"]
    assert market["precision"]["price"] == 0.01
    assert market["precision"]["amount"] == 0.00001
    assert market["limits"]["cost"]["min"] == 5
    fees = await client.fetch_trading_fee(SYMBOL)
    assert fees["taker"] == 0.001


async def test_book_trades_candles_and_tickers(client: Any) -> None:
    book = await client.fetch_order_book(SYMBOL, 20)
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(await client.fetch_trades(SYMBOL)) > 0
    candles = await client.fetch_ohlcv(SYMBOL, "1m")
    assert len(candles) >= 60
    ticker = await client.fetch_ticker(SYMBOL)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert (await client.fetch_bids_asks([SYMBOL]))[SYMBOL]["bid"] > 0


async def test_limit_order_from_placing_to_cancel(client: Any) -> None:
    book = await client.fetch_order_book(SYMBOL)
    price = round(book["bids"][0][0] * 0.97, 2)
    order = await client.create_order(SYMBOL, "limit", "buy", 0.01, price)
    assert order["status"] == "open"
    assert order["price"] == price
    assert [one["id"] for one in await client.fetch_open_orders(SYMBOL)] == [order["id"]]
    balance = await client.fetch_balance()
    assert balance["USDT"]["used"] == pytest.approx(price * 0.01)
    assert (await client.cancel_order(order["id"], SYMBOL))["status"] == "canceled"
    assert await client.fetch_open_orders(SYMBOL) == []
    assert (await client.fetch_order(order["id"], SYMBOL))["status"] == "canceled"


async def test_an_order_changes_by_cancelling_and_replacing_it(client: Any) -> None:
    """Spot has no other way to change a price; ccxt calls it editing."""
    book = await client.fetch_order_book(SYMBOL)
    price = round(book["bids"][0][0] * 0.97, 2)
    order = await client.create_order(SYMBOL, "limit", "buy", 0.01, price)
    edited = await client.edit_order(order["id"], SYMBOL, "limit", "buy", 0.02, price - 1)
    assert edited["id"] != order["id"]
    (opened,) = await client.fetch_open_orders(SYMBOL)
    assert (opened["id"], opened["amount"], opened["price"]) == (edited["id"], 0.02, price - 1)
    again = await client.edit_order_ws(edited["id"], SYMBOL, "limit", "buy", 0.03, price - 2)
    (opened,) = await client.fetch_open_orders(SYMBOL)
    assert (opened["id"], opened["amount"]) == (again["id"], 0.03)
    await client.cancel_all_orders_ws(SYMBOL)
    assert await client.fetch_open_orders(SYMBOL) == []


async def test_market_order_fills_and_shows_in_my_trades(client: Any) -> None:
    order = await client.create_order(SYMBOL, "market", "buy", 0.01)
    assert order["status"] == "closed"
    assert order["filled"] == 0.01
    trades = await client.fetch_my_trades(SYMBOL)
    assert {trade["order"] for trade in trades} == {order["id"]}
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.01)
    assert trades[0]["fee"]["currency"] == "BTC"
    balance = await client.fetch_balance()
    assert balance["BTC"]["free"] == pytest.approx(1.01 - 0.00001)


async def test_stop_and_post_only_orders(client: Any) -> None:
    book = await client.fetch_order_book(SYMBOL)
    bid = book["bids"][0][0]
    stop = await client.create_order(
        SYMBOL, "market", "sell", 0.01, None, {"stopLossPrice": round(bid * 0.95, 2)}
    )
    assert (await client.fetch_order(stop["id"], SYMBOL))["triggerPrice"] == round(bid * 0.95, 2)
    crossing = round(book["asks"][0][0] * 1.01, 2)
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        await client.create_order(SYMBOL, "limit", "buy", 0.01, crossing, {"postOnly": True})
    await client.cancel_all_orders(SYMBOL)
    assert await client.fetch_open_orders(SYMBOL) == []


async def test_refusals_become_ccxts_own_errors(client: Any, server: ExchangeServer) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        await client.create_order(SYMBOL, "market", "sell", 5)
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order("1", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        await client.fetch_order("1", SYMBOL)
    wrong = _client(server, server.api_key, "wrong")
    try:
        with pytest.raises(ccxt.AuthenticationError):
            await wrong.fetch_balance()
    finally:
        await wrong.close()


async def test_ed25519_key_signs_rest(server: ExchangeServer) -> None:
    client = _client(server, ED25519_KEY, PRIVATE_PEM)
    try:
        assert (await client.fetch_balance())["USDT"]["free"] == 100_000
    finally:
        await client.close()


async def test_pro_keeps_a_book_that_equals_the_exchanges(client: Any, rest: Rest) -> None:
    book = await client.watch_order_book(SYMBOL)
    for _ in range(5):
        book = await asyncio.wait_for(client.watch_order_book(SYMBOL), DEADLINE_S)
        assert book["bids"][0][0] < book["asks"][0][0]
    seen = book["nonce"]
    await rest.control("market_order", side="SELL", qty="1")
    while book["nonce"] <= seen:
        book = await asyncio.wait_for(client.watch_order_book(SYMBOL), DEADLINE_S)
    trades = await asyncio.wait_for(client.watch_trades(SYMBOL), DEADLINE_S)
    assert trades[-1]["price"] > 0


async def test_pro_watches_its_own_orders_and_balance(client: Any, rest: Rest) -> None:
    await client.load_markets()
    watching = asyncio.create_task(client.watch_orders(SYMBOL))
    balance = asyncio.create_task(client.watch_balance())
    # The order must come after the subscription, or its event has nobody to hear it.
    await until(lambda: _user_streams(rest))
    placed = await rest.limit("BUY", "0.01", await rest.away(-0.03), newClientOrderId="watched")
    orders = await asyncio.wait_for(watching, DEADLINE_S)
    assert orders[-1]["clientOrderId"] == "watched"
    assert orders[-1]["status"] == "open"
    assert (await asyncio.wait_for(balance, DEADLINE_S))["USDT"]["used"] > 0
    assert placed.status == 200
    fills = asyncio.create_task(client.watch_my_trades(SYMBOL))
    await asyncio.sleep(0)
    await rest.order("BUY", "MARKET", quantity="0.01")
    async with asyncio.timeout(DEADLINE_S):
        while not any(order["status"] == "closed" for order in orders):
            orders = await client.watch_orders(SYMBOL)
        await client.cancel_all_orders(SYMBOL)
        while not any(order["status"] == "canceled" for order in orders):
            orders = await client.watch_orders(SYMBOL)
        assert {fill["side"] for fill in await fills} == {"buy"}


async def _user_streams(rest: Rest) -> int:
    return int((await rest.public("/_exchange/state")).body["user_streams"])


async def test_pro_places_and_cancels_over_the_websocket_api(client: Any) -> None:
    await client.load_markets()
    book = await client.fetch_order_book(SYMBOL)
    price = round(book["bids"][0][0] * 0.97, 2)
    order = await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, price)
    assert order["status"] == "open"
    opened = await client.fetch_open_orders_ws(SYMBOL)
    assert [one["id"] for one in opened] == [order["id"]]
    assert (await client.cancel_order_ws(order["id"], SYMBOL))["status"] == "canceled"
