"""pybit, Bybit's own SDK, trades on the exchange; only addresses are changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from pybit import _websocket_trading, unified_trading
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP, WebSocket, WebSocketTrading

from obiterm.exchange.serve import ExchangeServer
from tests.clients.bybit_support import LINEAR, SPOT, SYMBOL, bybit_options
from tests.clients.support import Json, until


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(bybit_options()) as running:
        yield running


class Client:
    """pybit's HTTP session; it blocks, so every call gets a thread."""

    def __init__(self, server: ExchangeServer) -> None:
        self.session = HTTP(api_key=server.api_key, api_secret=server.api_secret)
        self.session.endpoint = server.rest_url

    async def call(self, name: str, **params: object) -> Any:
        method: Callable[..., Json] = getattr(self.session, name)
        return (await asyncio.to_thread(method, **params))["result"]

    async def below(self, category: str) -> str:
        """Return a price under the market, on the grid."""
        book = await self.call("get_orderbook", category=category, symbol=SYMBOL)
        return f"{float(book['b'][0][0]) * 0.98:.1f}"

    async def order(self, category: str, **fields: object) -> str:
        result = await self.call("place_order", category=category, symbol=SYMBOL, **fields)
        return str(result["orderId"])

    async def show(self, category: str, order_id: str) -> Json:
        result = await self.call("get_open_orders", category=category, orderId=order_id)
        found: Json = result["list"][0]
        return found


@pytest.fixture
def client(server: ExchangeServer) -> Client:
    return Client(server)


@pytest.fixture
def addresses(server: ExchangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point pybit's sockets at the exchange."""
    stream, private = server.addresses.stream, server.addresses.private_stream
    monkeypatch.setattr(unified_trading, "PUBLIC_WSS", stream + "/{CHANNEL_TYPE}")
    monkeypatch.setattr(unified_trading, "PRIVATE_WSS", private)
    monkeypatch.setattr(_websocket_trading, "TRADE_WSS", server.addresses.ws_api)


@pytest.mark.parametrize("category", [SPOT, LINEAR])
async def test_markets_and_market_data(client: Client, category: str) -> None:
    info = (await client.call("get_instruments_info", category=category))["list"]
    assert [one["symbol"] for one in info] == [SYMBOL]
    assert Decimal(info[0]["priceFilter"]["tickSize"]) > 0
    book = await client.call("get_orderbook", category=category, symbol=SYMBOL, limit=20)
    assert len(book["a"]) == len(book["b"]) == 20
    assert Decimal(book["b"][0][0]) < Decimal(book["a"][0][0])
    ticker = (await client.call("get_tickers", category=category, symbol=SYMBOL))["list"][0]
    assert Decimal(ticker["bid1Price"]) < Decimal(ticker["ask1Price"])
    candles = await client.call("get_kline", category=category, symbol=SYMBOL, interval="1")
    assert len(candles["list"]) >= 60
    trades = await client.call("get_public_trade_history", category=category, symbol=SYMBOL)
    assert trades["list"][0]["side"] in ("Buy", "Sell")
    if category == LINEAR:
        rates = await client.call("get_funding_rate_history", category=LINEAR, symbol=SYMBOL)
        assert rates["list"]


@pytest.mark.parametrize("category", [SPOT, LINEAR])
async def test_an_order_from_placing_to_cancel(client: Client, category: str) -> None:
    price = await client.below(category)
    order_id = await client.order(
        category,
        side="Buy",
        orderType="Limit",
        qty="0.01",
        price=price,
        timeInForce="PostOnly",
        orderLinkId="life-1",
    )
    assert (await client.show(category, order_id))["orderStatus"] == "New"
    await client.call(
        "amend_order", category=category, symbol=SYMBOL, orderLinkId="life-1", qty="0.02"
    )
    shown = await client.show(category, order_id)
    assert Decimal(shown["qty"]) == Decimal("0.02")
    assert shown["orderLinkId"] == "life-1"
    await client.call("cancel_order", category=category, symbol=SYMBOL, orderId=order_id)
    assert (await client.show(category, order_id))["orderStatus"] == "Cancelled"
    with pytest.raises(InvalidRequestError) as refused:
        await client.call("cancel_order", category=category, symbol=SYMBOL, orderId=order_id)
    assert refused.value.status_code == (170213 if category == SPOT else 110001)


@pytest.mark.parametrize("category", [SPOT, LINEAR])
async def test_cancel_all(client: Client, category: str) -> None:
    price = await client.below(category)
    placed = {
        await client.order(category, side="Buy", orderType="Limit", qty=qty, price=price)
        for qty in ("0.01", "0.02", "0.03")
    }
    result = await client.call("cancel_all_orders", category=category, symbol=SYMBOL)
    assert {one["orderId"] for one in result["list"]} == placed
    left = await client.call("get_open_orders", category=category, symbol=SYMBOL)
    assert left["list"] == []


async def test_a_position_its_stops_its_fills_and_the_wallet(client: Client) -> None:
    await client.call(
        "set_leverage", category=LINEAR, symbol=SYMBOL, buyLeverage="5", sellLeverage="5"
    )
    order_id = await client.order(LINEAR, side="Buy", orderType="Market", qty="0.1")
    assert (await client.show(LINEAR, order_id))["orderStatus"] == "Filled"
    held = (await client.call("get_positions", category=LINEAR, symbol=SYMBOL))["list"][0]
    assert (held["side"], Decimal(held["size"]), held["leverage"]) == ("Buy", Decimal("0.1"), "5")
    await client.call(
        "set_trading_stop",
        category=LINEAR,
        symbol=SYMBOL,
        positionIdx=0,
        tpslMode="Full",
        stopLoss="50000",
    )
    held = (await client.call("get_positions", category=LINEAR, symbol=SYMBOL))["list"][0]
    assert Decimal(held["stopLoss"]) == 50000
    fills = (await client.call("get_executions", category=LINEAR, symbol=SYMBOL))["list"]
    assert sum(Decimal(one["execQty"]) for one in fills) == Decimal("0.1")
    wallet = (await client.call("get_wallet_balance", accountType="UNIFIED"))["list"][0]
    coins = {one["coin"]: one for one in wallet["coin"]}
    assert Decimal(coins["USDT"]["totalPositionIM"]) > 1000
    await client.order(LINEAR, side="Sell", orderType="Market", qty="0.1", reduceOnly=True)
    held = (await client.call("get_positions", category=LINEAR, symbol=SYMBOL))["list"][0]
    assert held["side"] == ""
    assert Decimal(held["size"]) == 0
    left = await client.call("get_open_orders", category=LINEAR, symbol=SYMBOL)
    assert left["list"] == [], "the stop ends with its position"


async def test_public_streams(client: Client, addresses: None) -> None:
    frames: list[Json] = []
    socket = await asyncio.to_thread(WebSocket, testnet=False, channel_type=LINEAR)
    try:
        socket.orderbook_stream(50, SYMBOL, frames.append)
        socket.trade_stream(SYMBOL, frames.append)
        socket.ticker_stream(SYMBOL, frames.append)

        async def all_heard() -> bool:
            return len({str(one["topic"]) for one in list(frames)}) == 3

        await until(all_heard)
        book = next(one for one in frames if one["topic"] == f"orderbook.50.{SYMBOL}")
        assert len(book["data"]["b"]) == len(book["data"]["a"]) == 50
    finally:
        await asyncio.to_thread(socket.exit)


async def test_private_stream_and_trade_socket(
    server: ExchangeServer, client: Client, addresses: None
) -> None:
    keys = {"api_key": server.api_key, "api_secret": server.api_secret}
    orders: list[Json] = []
    fills: list[Json] = []
    acks: list[Json] = []
    socket = await asyncio.to_thread(WebSocket, testnet=False, channel_type="private", **keys)
    trading = await asyncio.to_thread(WebSocketTrading, testnet=False, **keys)
    try:
        socket.order_stream(lambda frame: orders.extend(frame["data"]))
        socket.execution_stream(lambda frame: fills.extend(frame["data"]))

        async def ready() -> bool:
            return server.exchange.private_streams() == 1 and trading.auth

        await until(ready)
        await asyncio.to_thread(
            trading.place_order,
            acks.append,
            category=LINEAR,
            symbol=SYMBOL,
            side="Buy",
            orderType="Market",
            qty="0.01",
            orderLinkId="ws-1",
        )

        async def filled() -> bool:
            return bool(acks) and bool(fills) and orders[-1]["orderStatus"] == "Filled"

        await until(filled)
        assert acks[0]["data"]["orderLinkId"] == fills[0]["orderLinkId"] == "ws-1"
        assert orders[-1]["orderId"] == acks[0]["data"]["orderId"]
    finally:
        await asyncio.to_thread(socket.exit)
        await asyncio.to_thread(trading.exit)
