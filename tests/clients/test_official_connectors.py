"""The venue's own Python clients run unchanged but for the base address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from binance.error import ClientError
from binance.spot import Spot as Connector
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot as Sdk

from obiterm.exchange.serve import ExchangeServer
from tests.clients.support import DEADLINE_S, ED25519_KEY, Rest

PRIVATE_PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----\n"
)


def _trade_with_connector(connector: Any) -> None:
    assert connector.ping() == {}
    assert abs(connector.time()["serverTime"] - time.time() * 1000) < 1000
    info = connector.exchange_info(symbol="BTCUSDT")
    assert info["symbols"][0]["baseAsset"] == "BTC"
    depth = connector.depth("BTCUSDT", limit=5)
    price = f"{float(depth['bids'][0][0]) * 0.97:.2f}"
    placed = connector.new_order(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.01",
        price=price,
        newClientOrderId="official-1",
    )
    assert placed["status"] == "NEW"
    assert [one["orderId"] for one in connector.get_open_orders("BTCUSDT")] == [placed["orderId"]]
    replaced = connector.cancel_and_replace(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=placed["orderId"],
        timeInForce="GTC",
        quantity="0.02",
        price=price,
    )
    assert replaced["newOrderResponse"]["status"] == "NEW"
    assert len(connector.cancel_open_orders("BTCUSDT")) == 1
    filled = connector.new_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
    assert filled["status"] == "FILLED"
    assert len(connector.my_trades("BTCUSDT")) == len(filled["fills"])
    assert {row["asset"] for row in connector.account()["balances"]} == {"BTC", "USDT"}
    assert connector.api_key_permissions()["enableWithdrawals"] is False
    with pytest.raises(ClientError) as refused:
        connector.cancel_order("BTCUSDT", orderId=1)
    assert (refused.value.status_code, refused.value.error_code) == (400, -2011)


async def test_connector_with_hmac(server: ExchangeServer) -> None:
    connector = Connector(
        api_key=server.api_key, api_secret=server.api_secret, base_url=server.rest_url
    )
    try:
        await asyncio.to_thread(_trade_with_connector, connector)
    finally:
        connector.session.close()


async def test_connector_with_ed25519(server: ExchangeServer) -> None:
    connector = Connector(api_key=ED25519_KEY, private_key=PRIVATE_PEM, base_url=server.rest_url)
    try:
        await asyncio.to_thread(_trade_with_connector, connector)
    finally:
        connector.session.close()


def _trade_with_sdk(sdk: Any) -> None:
    api = sdk.rest_api
    info = api.exchange_info(symbol="BTCUSDT").data()
    assert info.symbols[0].symbol == "BTCUSDT"
    book = api.depth(symbol="BTCUSDT", limit=5).data()
    assert float(book.bids[0][0]) < float(book.asks[0][0])
    assert len(api.klines(symbol="BTCUSDT", interval="1m").data()) >= 60
    price = round(float(book.bids[0][0]) * 0.97, 2)
    placed = api.new_order(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        time_in_force="GTC",
        quantity=0.01,
        price=price,
        new_client_order_id="sdk-1",
    ).data()
    assert placed.status == "NEW"
    found = api.get_order(symbol="BTCUSDT", orig_client_order_id="sdk-1").data()
    assert found.order_id == placed.order_id
    assert len(api.get_open_orders(symbol="BTCUSDT").data()) == 1
    bracket = api.order_list_oco(
        symbol="BTCUSDT",
        side="SELL",
        quantity=0.01,
        above_type="LIMIT_MAKER",
        above_price=round(price * 1.05, 2),
        below_type="STOP_LOSS",
        below_stop_price=round(price * 0.98, 2),
    ).data()
    assert bracket.contingency_type == "OCO"
    assert (
        api.delete_order_list(symbol="BTCUSDT", order_list_id=bracket.order_list_id)
        .data()
        .list_order_status
        == "ALL_DONE"
    )
    assert api.delete_order(symbol="BTCUSDT", order_id=placed.order_id).data().status == "CANCELED"
    filled = api.new_order(symbol="BTCUSDT", side="SELL", type="MARKET", quantity=0.01).data()
    assert filled.status == "FILLED"
    assert len(api.my_trades(symbol="BTCUSDT").data()) == len(filled.fills)
    assert api.get_account().data().can_trade is True


async def test_sdk_rest(server: ExchangeServer) -> None:
    sdk = Sdk(
        config_rest_api=ConfigurationRestAPI(
            api_key=server.api_key,
            api_secret=server.api_secret,
            base_path=server.rest_url,
            timeout=5000,
        )
    )
    await asyncio.to_thread(_trade_with_sdk, sdk)


@pytest.fixture
async def sdk_api(server: ExchangeServer) -> AsyncIterator[Any]:
    sdk = Sdk(
        config_ws_api=ConfigurationWebSocketAPI(
            api_key=ED25519_KEY, private_key=PRIVATE_PEM, stream_url=server.ws_api_url
        )
    )
    connection = await sdk.websocket_api.create_connection()
    yield connection
    await connection.close_connection(close_session=True)


async def test_sdk_websocket_api_session_orders_and_user_data(sdk_api: Any, rest: Rest) -> None:
    await sdk_api.session_logon()
    subscribed = await sdk_api.user_data_stream_subscribe()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    subscribed.stream.on("message", heard.put_nowait)
    price = float(await rest.away(-0.03))
    placed = await sdk_api.order_place(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        time_in_force="GTC",
        quantity=0.01,
        price=price,
    )
    order_id = placed.data().result.order_id
    assert len((await rest.ledger())["open_orders"]) == 1
    event = await asyncio.wait_for(heard.get(), DEADLINE_S)
    assert event is not None
    cancelled = await sdk_api.order_cancel(symbol="BTCUSDT", order_id=order_id)
    assert cancelled.data().result.status == "CANCELED"
    status = await sdk_api.account_status()
    assert status.data().result.can_trade is True


async def test_sdk_market_streams(server: ExchangeServer) -> None:
    sdk = Sdk(config_ws_streams=ConfigurationWebSocketStreams(stream_url=server.stream_url))
    connection = await sdk.websocket_streams.create_connection()
    try:
        stream = await connection.diff_book_depth(symbol="btcusdt", update_speed="100ms")
        heard: asyncio.Queue[Any] = asyncio.Queue()
        stream.on("message", heard.put_nowait)
        update = await asyncio.wait_for(heard.get(), DEADLINE_S)
        assert update.s == "BTCUSDT"
        assert update.u >= update.U
    finally:
        await connection.close_connection(close_session=True)
