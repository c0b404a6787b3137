"""ccxt trades USDⓈ-M futures on the exchange by its own code; only addresses are changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import ccxt.pro
import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.futures_support import FuturesRest, futures_rest, futures_server
from tests.clients.support import DEADLINE_S, until

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with futures_server() as running:
        yield running


@pytest.fixture
async def rest(server: ExchangeServer) -> AsyncIterator[FuturesRest]:
    async with futures_rest(server) as client:
        yield client


def _client(server: ExchangeServer, secret: str = "") -> Any:
    client = ccxt.pro.binanceusdm(
        {
            "apiKey": server.api_key,
            "secret": secret or server.api_secret,
            "enableRateLimit": False,
            # The currencies of a spot account are not the futures' business.
            "options": {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False},
        }
    )
    api = client.urls["api"]
    for name, path in (
        ("fapiPublic", "v1"),
        ("fapiPublicV2", "v2"),
        ("fapiPublicV3", "v3"),
        ("fapiPrivate", "v1"),
        ("fapiPrivateV2", "v2"),
        ("fapiPrivateV3", "v3"),
    ):
        api[name] = f"{server.rest_url}/fapi/{path}"
    api["ws"]["linear"] = f"{server.stream_url}/ws"
    api["ws"]["ws-api"]["linear"] = server.ws_api_url
    return client


@pytest.fixture
async def client(server: ExchangeServer) -> AsyncIterator[Any]:
    client = _client(server)
    yield client
    await client.close()


async def test_markets_with_limits_and_leverage(client: Any) -> None:
    markets = await client.load_markets()
    market = markets[SYMBOL]
    assert market["swap"]
    assert market["linear"]
    assert market["settle"] == "USDT"
    assert market["precision"]["price"] == 0.1
    assert market["precision"]["amount"] == 0.001
    assert market["limits"]["cost"]["min"] == 100
    tiers = await client.fetch_leverage_tiers([SYMBOL])
    assert tiers[SYMBOL][0]["maxLeverage"] == 125
    fees = await client.fetch_trading_fee(SYMBOL)
    assert fees["taker"] == 0.0005


async def test_book_trades_candles_tickers_and_funding(client: Any) -> None:
    book = await client.fetch_order_book(SYMBOL, 20)
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(await client.fetch_trades(SYMBOL)) > 0
    assert len(await client.fetch_ohlcv(SYMBOL, "1m")) >= 60
    ticker = await client.fetch_ticker(SYMBOL)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    funding = await client.fetch_funding_rate(SYMBOL)
    assert abs(funding["markPrice"] / funding["indexPrice"] - 1) < 0.01
    assert abs(funding["fundingRate"]) < 0.01
    assert len(await client.fetch_funding_rate_history(SYMBOL)) >= 50


async def test_a_position_from_opening_to_closing(client: Any) -> None:
    opened = await client.create_order(
        SYMBOL, "market", "buy", 0.01, None, {"newOrderRespType": "RESULT"}
    )
    assert opened["status"] == "closed"
    [held] = await client.fetch_positions([SYMBOL])
    assert held["side"] == "long"
    assert held["contracts"] == 0.01
    assert held["entryPrice"] > 0
    assert held["initialMargin"] > 0
    balance = await client.fetch_balance()
    assert balance["USDT"]["used"] > 0
    closed = await client.create_order(SYMBOL, "market", "sell", 0.01, None, {"reduceOnly": True})
    assert (await client.fetch_order(closed["id"], SYMBOL))["status"] == "closed"
    assert await client.fetch_positions([SYMBOL]) == []
    trades = await client.fetch_my_trades(SYMBOL)
    assert {trade["order"] for trade in trades} == {opened["id"], closed["id"]}
    assert all(trade["fee"]["currency"] == "USDT" for trade in trades)
    kinds = {row["info"]["incomeType"] for row in await client.fetch_ledger("USDT")}
    assert kinds == {"COMMISSION", "REALIZED_PNL"}


async def test_limit_order_placed_changed_and_cancelled(client: Any) -> None:
    book = await client.fetch_order_book(SYMBOL, 5)
    price = round(book["bids"][0][0] * 0.98, 1)
    order = await client.create_order(SYMBOL, "limit", "buy", 0.01, price, {"postOnly": True})
    assert order["status"] == "open"
    changed = await client.edit_order(order["id"], SYMBOL, "limit", "buy", 0.02, price - 1)
    assert (changed["amount"], changed["price"]) == (0.02, price - 1)
    assert [one["id"] for one in await client.fetch_open_orders(SYMBOL)] == [order["id"]]
    assert (await client.cancel_order(order["id"], SYMBOL))["status"] == "canceled"
    for step in range(3):
        await client.create_order(SYMBOL, "limit", "buy", 0.01, price - step)
    await client.cancel_all_orders(SYMBOL)
    assert await client.fetch_open_orders(SYMBOL) == []
    batch = await client.create_orders(
        [
            {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.01, "price": price},
            {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.01, "price": price - 1},
        ]
    )
    ids = [one["id"] for one in batch]
    await client.cancel_orders(ids, SYMBOL)
    assert await client.fetch_open_orders(SYMBOL) == []


async def test_conditional_orders_go_to_the_algo_service(client: Any, rest: FuturesRest) -> None:
    await client.create_order(SYMBOL, "market", "buy", 0.01)
    bid = (await client.fetch_order_book(SYMBOL, 5))["bids"][0][0]
    stop = await client.create_order(
        SYMBOL,
        "market",
        "sell",
        0.01,
        None,
        {"stopLossPrice": round(bid * 0.98, 1), "reduceOnly": True, "workingType": "MARK_PRICE"},
    )
    assert await client.fetch_open_orders(SYMBOL) == []
    waiting = await client.fetch_open_orders(SYMBOL, None, None, {"trigger": True})
    assert [one["id"] for one in waiting] == [stop["id"]]
    await rest.control("mark_price", price=f"{bid * 0.97:.1f}")

    async def flat() -> bool:
        return bool(await client.fetch_positions([SYMBOL]) == [])

    await until(flat)
    assert await client.fetch_open_orders(SYMBOL, None, None, {"trigger": True}) == []


async def test_settings(client: Any) -> None:
    await client.set_leverage(7, SYMBOL)
    assert (await client.fetch_leverage(SYMBOL))["longLeverage"] == 7
    assert (await client.fetch_position_mode(SYMBOL))["hedged"] is False
    await client.set_position_mode(True)
    assert (await client.fetch_position_mode(SYMBOL))["hedged"] is True
    await client.set_position_mode(False)


@pytest.mark.parametrize(
    ("code", "order"),
    [
        (-2019, ("market", "buy", 100, None, {})),
        (-2022, ("market", "sell", 0.01, None, {"reduceOnly": True})),
        (-4164, ("market", "buy", 0.001, None, {})),
        (-5022, ("limit", "buy", 0.01, 1.01, {"postOnly": True})),
        (-2021, ("market", "sell", 0.01, None, {"stopLossPrice": 1.02})),
        (-4016, ("limit", "buy", 0.01, 1.2, {})),
    ],
)
async def test_refusals_carry_the_venues_codes(client: Any, code: int, order: Any) -> None:
    """ccxt knows what they mean by the venue's own host name only, so the code is compared."""
    kind, side, amount, share, params = order
    bid = (await client.fetch_order_book(SYMBOL, 5))["bids"][0][0]
    price = None if share is None else round(bid * share, 1)
    if "stopLossPrice" in params:
        params = {"stopLossPrice": round(bid * params["stopLossPrice"], 1)}
    with pytest.raises(ccxt.BaseError, match=f'"code":{code}'):
        await client.create_order(SYMBOL, kind, side, amount, price, params)


async def test_unknown_orders_and_keys_become_ccxts_own_errors(
    client: Any, server: ExchangeServer
) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order("1", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        await client.fetch_order("1", SYMBOL)
    wrong = _client(server, "wrong")
    try:
        with pytest.raises(ccxt.AuthenticationError):
            await wrong.fetch_balance()
    finally:
        await wrong.close()


async def test_pro_keeps_a_book_that_equals_the_exchanges(client: Any, rest: FuturesRest) -> None:
    book = await client.watch_order_book(SYMBOL)
    for _ in range(5):
        book = await asyncio.wait_for(client.watch_order_book(SYMBOL), DEADLINE_S)
        assert book["bids"][0][0] < book["asks"][0][0]
    seen = book["nonce"]
    await rest.control("market_order", symbol="BTCUSDT", side="SELL", qty="1")
    while book["nonce"] <= seen:
        book = await asyncio.wait_for(client.watch_order_book(SYMBOL), DEADLINE_S)
    trades = await asyncio.wait_for(client.watch_trades(SYMBOL), DEADLINE_S)
    assert trades[-1]["price"] > 0
    mark = await asyncio.wait_for(client.watch_mark_price(SYMBOL), DEADLINE_S)
    assert mark["markPrice"] > 0


async def test_pro_watches_an_orders_life_its_position_and_balance(
    client: Any, rest: FuturesRest
) -> None:
    await client.load_markets()
    watching = asyncio.create_task(client.watch_orders(SYMBOL))

    async def listens() -> int:
        return int((await rest.public("/_exchange/state")).body["user_streams"])

    await until(listens)
    await rest.futures_order(
        "BUY",
        "LIMIT",
        timeInForce="GTC",
        quantity="0.01",
        price=await rest.away(-0.02),
        newClientOrderId="watched",
    )
    orders = await asyncio.wait_for(watching, DEADLINE_S)
    assert orders[-1]["clientOrderId"] == "watched"
    assert orders[-1]["status"] == "open"
    balance = asyncio.create_task(client.watch_balance())
    positions = asyncio.create_task(client.watch_positions([SYMBOL]))
    await asyncio.sleep(0)
    await rest.futures_order("SELL", "MARKET", quantity="0.01")
    async with asyncio.timeout(DEADLINE_S):
        while not any(order["status"] == "closed" for order in orders):
            orders = await client.watch_orders(SYMBOL)
    await rest.signed("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
    async with asyncio.timeout(DEADLINE_S):
        while not any(order["status"] == "canceled" for order in orders):
            orders = await client.watch_orders(SYMBOL)
        assert (await positions)[-1]["side"] == "short"
        assert (await balance)["USDT"]["total"] < 100_000


async def test_pro_places_and_cancels_over_the_websocket_api(client: Any) -> None:
    await client.load_markets()
    book = await client.fetch_order_book(SYMBOL, 5)
    price = round(book["bids"][0][0] * 0.98, 1)
    order = await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, price)
    assert order["status"] == "open"
    assert (await client.fetch_order_ws(order["id"], SYMBOL))["id"] == order["id"]
    edited = await client.edit_order_ws(order["id"], SYMBOL, "limit", "buy", 0.02, price)
    assert (edited["id"], edited["amount"]) == (order["id"], 0.02)
    assert (await client.cancel_order_ws(order["id"], SYMBOL))["status"] == "canceled"
    await client.create_order_ws(SYMBOL, "market", "buy", 0.01)
    [held] = await client.fetch_positions_ws([SYMBOL])
    assert (held["side"], held["contracts"]) == ("long", 0.01)
