"""ccxt trades on the Bybit dialect by its own code; only addresses are changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import ccxt.pro
import pytest

from obiterm.exchange.bybit.server import BybitExchange
from obiterm.exchange.serve import ExchangeServer
from tests.clients.bybit_support import bybit_options
from tests.clients.support import DEADLINE_S

SPOT, PERPETUAL = "BTC/USDT", "BTC/USDT:USDT"
WALLET = frozenset({"position", "wallet"})
BOTH = pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(bybit_options()) as running:
        yield running


@pytest.fixture
async def client(server: ExchangeServer) -> AsyncIterator[Any]:
    client = ccxt.pro.bybit(
        {"apiKey": server.api_key, "secret": server.api_secret, "enableRateLimit": False}
    )
    api = client.urls["api"]
    for name in ("spot", "futures", "v2", "public", "private"):
        api[name] = server.rest_url
    addresses = server.addresses
    for name in ("spot", "linear"):
        api["ws"]["public"][name] = f"{addresses.stream}/{name}"
    private = api["ws"]["private"]
    private["contract"] = private["spot"]["unified"] = addresses.private_stream
    private["trade"] = addresses.ws_api
    yield client
    await client.close()


async def _below(client: Any, symbol: str, share: float = 0.02) -> float:
    book = await client.fetch_order_book(symbol)
    return round(float(book["bids"][0][0]) * (1 - share), 1)


async def test_markets_with_limits_and_fees(client: Any) -> None:
    markets = await client.load_markets()
    spot, perpetual = markets[SPOT], markets[PERPETUAL]
    assert spot["spot"]
    assert spot["limits"]["cost"]["min"] == 5
    assert spot["precision"]["amount"] == 0.000001
    assert perpetual["linear"]
    assert perpetual["precision"]["price"] == 0.1
    assert perpetual["limits"]["leverage"]["max"] == 100
    fee = await client.fetch_trading_fee(PERPETUAL)
    assert (fee["taker"], fee["maker"]) == (0.00055, 0.0002)


@BOTH
async def test_book_trades_candles_and_tickers(client: Any, symbol: str) -> None:
    book = await client.fetch_order_book(symbol, 20)
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(await client.fetch_trades(symbol)) > 0
    assert len(await client.fetch_ohlcv(symbol, "1m")) >= 60
    ticker = await client.fetch_ticker(symbol)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]


async def test_funding(client: Any) -> None:
    rate = await client.fetch_funding_rate(PERPETUAL)
    assert rate["markPrice"] > 0
    assert rate["fundingTimestamp"] > client.milliseconds()
    assert await client.fetch_funding_rate_history(PERPETUAL)


@BOTH
async def test_limit_order_from_placing_to_cancel(client: Any, symbol: str) -> None:
    price = await _below(client, symbol)
    order = await client.create_order(symbol, "limit", "buy", 0.01, price)
    opened = await client.fetch_open_orders(symbol)
    assert [one["id"] for one in opened] == [order["id"]]
    assert opened[0]["price"] == price
    edited = await client.edit_order(order["id"], symbol, "limit", "buy", 0.02, price)
    assert edited["id"] == order["id"]
    assert (await client.fetch_open_order(order["id"], symbol))["amount"] == 0.02
    balance = await client.fetch_balance()
    used = price * 0.02 / (1 if symbol == SPOT else 10)
    assert balance["USDT"]["used"] == pytest.approx(used)
    await client.cancel_order(order["id"], symbol)
    assert await client.fetch_open_orders(symbol) == []
    assert (await client.fetch_closed_orders(symbol)) == []
    cancelled = await client.fetch_canceled_orders(symbol)
    assert [one["id"] for one in cancelled] == [order["id"]]


@BOTH
async def test_cancel_all_and_post_only(client: Any, symbol: str) -> None:
    price = await _below(client, symbol)
    for amount in (0.01, 0.02):
        await client.create_order(symbol, "limit", "buy", amount, price)
    await client.cancel_all_orders(symbol)
    assert await client.fetch_open_orders(symbol) == []
    above = await _below(client, symbol, -0.001)
    order = await client.create_order(symbol, "limit", "buy", 0.01, above, {"postOnly": True})
    shown = (await client.fetch_canceled_orders(symbol))[-1]
    assert shown["id"] == order["id"]
    assert shown["info"]["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"


async def test_spot_market_orders_by_value_and_by_amount(client: Any) -> None:
    bought = await client.create_market_buy_order_with_cost(SPOT, 600)
    await client.create_order(SPOT, "market", "sell", 0.005)
    trades = await client.fetch_my_trades(SPOT)
    cost = sum(one["cost"] for one in trades if one["order"] == bought["id"])
    assert cost == pytest.approx(600, abs=0.1)
    assert {one["side"] for one in trades} == {"buy", "sell"}
    fees = {one["side"]: one["fee"]["currency"] for one in trades}
    assert fees == {"buy": "BTC", "sell": "USDT"}


async def test_a_position_from_opening_to_close(client: Any) -> None:
    await client.set_leverage(4, PERPETUAL)
    await client.create_order(PERPETUAL, "market", "sell", 0.1)
    position = (await client.fetch_positions([PERPETUAL]))[0]
    assert (position["side"], position["contracts"], position["leverage"]) == ("short", 0.1, 4)
    assert position["markPrice"] > 0
    stop = await _below(client, PERPETUAL, -0.05)
    await client.create_order(
        PERPETUAL,
        "market",
        "buy",
        0.1,
        None,
        {"triggerPrice": stop, "triggerDirection": "ascending", "reduceOnly": True},
    )
    waiting = await client.fetch_open_orders(PERPETUAL)
    assert waiting[0]["triggerPrice"] == stop
    await client.create_order(PERPETUAL, "market", "buy", 0.1, None, {"reduceOnly": True})
    assert (await client.fetch_position(PERPETUAL))["contracts"] == 0
    trades = await client.fetch_my_trades(PERPETUAL)
    assert {one["fee"]["currency"] for one in trades} == {"USDT"}


async def test_refusals_become_the_errors_that_ccxt_knows(client: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        await client.create_order(SPOT, "limit", "buy", 100, await _below(client, SPOT))
    with pytest.raises(ccxt.InsufficientFunds):
        await client.create_order(PERPETUAL, "limit", "buy", 500, await _below(client, PERPETUAL))
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order("1600000000000000001", SPOT)
    client.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        await client.fetch_balance()


@BOTH
async def test_watching_book_trades_ticker_and_candles(client: Any, symbol: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(5):
            book = await client.watch_order_book(symbol, 50)
            assert book["bids"][0][0] < book["asks"][0][0]
        assert len(book["bids"]) == len(book["asks"]) == 50
        assert (await client.watch_trades(symbol))[-1]["price"] > 0
        assert (await client.watch_ticker(symbol))["last"] > 0
        assert (await client.watch_ohlcv(symbol, "1m"))[-1][4] > 0


@BOTH
async def test_watching_the_life_of_an_order(
    server: ExchangeServer, client: Any, symbol: str
) -> None:
    await client.load_markets()
    async with asyncio.timeout(DEADLINE_S):
        watching = asyncio.create_task(client.watch_orders(symbol))
        trades = asyncio.create_task(client.watch_my_trades(symbol))
        while not _subscribed(server):  # noqa: ASYNC110 - it waits for another program
            await asyncio.sleep(0.01)
        price = await _below(client, symbol)
        order = await client.create_order_ws(symbol, "limit", "buy", 0.01, price)
        seen = [(one["id"], one["status"]) for one in await watching]
        assert (order["id"], "open") in seen
        watching = asyncio.create_task(client.watch_orders(symbol))
        await asyncio.sleep(0)
        await client.cancel_order_ws(order["id"], symbol)
        assert (await watching)[-1]["status"] == "canceled"
        watching = asyncio.create_task(client.watch_orders(symbol))
        await asyncio.sleep(0)
        high = round(price * 1.03, 1)
        taken = await client.create_order_ws(symbol, "limit", "buy", 0.01, high)
        assert (await trades)[-1]["order"] == taken["id"]
        assert (await watching)[-1]["status"] == "closed"


async def test_watching_the_position_and_the_wallet(server: ExchangeServer, client: Any) -> None:
    await client.load_markets()
    async with asyncio.timeout(DEADLINE_S):
        # The first answer is what REST lists, of all products; then comes the stream.
        await client.watch_positions([PERPETUAL])
        positions = asyncio.create_task(client.watch_positions([PERPETUAL]))
        wallet = asyncio.create_task(client.watch_balance())
        while not _subscribed(server, WALLET):  # noqa: ASYNC110 - it waits for another program
            await asyncio.sleep(0.01)
        await client.create_order_ws(PERPETUAL, "market", "sell", 0.1)
        (position,) = await positions
        assert (position["side"], position["contracts"]) == ("short", 0.1)
        assert (await wallet)["USDT"]["total"] < 100_000


async def test_an_order_changes_over_the_trade_socket(client: Any) -> None:
    await client.load_markets()
    async with asyncio.timeout(DEADLINE_S):
        price = await _below(client, PERPETUAL)
        order = await client.create_order_ws(PERPETUAL, "limit", "buy", 0.01, price)
        await client.edit_order_ws(order["id"], PERPETUAL, "limit", "buy", 0.02, price - 1)
        (opened,) = await client.fetch_open_orders(PERPETUAL)
        assert (opened["id"], opened["amount"], opened["price"]) == (order["id"], 0.02, price - 1)
        await client.cancel_order_ws(order["id"], PERPETUAL)
        assert await client.fetch_open_orders(PERPETUAL) == []


def _subscribed(
    server: ExchangeServer, topics: frozenset[str] = frozenset({"order", "execution"})
) -> bool:
    """Tell whether the exchange has heard of both subscriptions."""
    assert isinstance(server.exchange, BybitExchange)
    return any(topics <= set(one.topics) for one in server.exchange.private.sessions)
