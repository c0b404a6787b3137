"""The venue's own futures SDK runs unchanged but for the base address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures as Sdk,
)

from obiterm.exchange.serve import ExchangeServer
from tests.clients.futures_support import SYMBOL, FuturesRest, futures_rest, futures_server
from tests.clients.support import DEADLINE_S, ED25519_KEY

PRIVATE_PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----\n"
)


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with futures_server() as running:
        yield running


@pytest.fixture
async def rest(server: ExchangeServer) -> AsyncIterator[FuturesRest]:
    async with futures_rest(server) as client:
        yield client


def _rest_api(server: ExchangeServer) -> Any:
    return Sdk(
        config_rest_api=ConfigurationRestAPI(
            api_key=server.api_key,
            api_secret=server.api_secret,
            base_path=server.rest_url,
            timeout=5000,
        )
    ).rest_api


def _look_around(api: Any) -> None:
    info = api.exchange_information().data()
    assert {one.symbol for one in info.symbols} == {"BTCUSDT", "ETHUSDT"}
    book = api.order_book(symbol=SYMBOL, limit=5).data()
    assert float(book.bids[0][0]) < float(book.asks[0][0])
    assert len(api.kline_candlestick_data(symbol=SYMBOL, interval="1m").data()) >= 60
    assert len(api.recent_trades_list(symbol=SYMBOL).data()) > 0
    assert len(api.get_funding_rate_history(symbol=SYMBOL).data()) >= 50
    assert api.mark_price(symbol=SYMBOL).data().actual_instance.symbol == SYMBOL
    assert len(api.futures_account_balance_v3().data()) == 1
    assert float(api.account_information_v3().data().available_balance) == 100_000
    assert api.futures_account_configuration().data().dual_side_position is False
    assert api.user_commission_rate(symbol=SYMBOL).data().taker_commission_rate == "0.0005"
    assert api.symbol_configuration(symbol=SYMBOL).data()[0].leverage == 20
    assert len(api.query_user_rate_limit().data()) == 2


async def test_rest_market_and_account(server: ExchangeServer) -> None:
    await asyncio.to_thread(_look_around, _rest_api(server))


def _trade(api: Any) -> None:
    bid = float(api.order_book(symbol=SYMBOL, limit=5).data().bids[0][0])
    assert api.change_initial_leverage(symbol=SYMBOL, leverage=5).data().leverage == 5
    placed = api.new_order(
        symbol=SYMBOL,
        side="BUY",
        type="LIMIT",
        time_in_force="GTC",
        quantity=0.01,
        price=round(bid * 0.98, 1),
        new_client_order_id="sdk-1",
    ).data()
    assert placed.status == "NEW"
    changed = api.modify_order(
        symbol=SYMBOL,
        side="BUY",
        quantity=0.02,
        price=round(bid * 0.97, 1),
        order_id=placed.order_id,
    ).data()
    assert changed.orig_qty == "0.020"
    found = api.query_order(symbol=SYMBOL, orig_client_order_id="sdk-1").data()
    assert found.order_id == placed.order_id
    assert len(api.current_all_open_orders(symbol=SYMBOL).data()) == 1
    assert api.cancel_order(symbol=SYMBOL, order_id=placed.order_id).data().status == "CANCELED"
    filled = api.new_order(
        symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01, new_order_resp_type="RESULT"
    ).data()
    assert filled.status == "FILLED"
    [held] = api.position_information_v3(symbol=SYMBOL).data()
    assert held.position_amt == "0.010"
    stop = api.new_algo_order(
        algo_type="CONDITIONAL",
        symbol=SYMBOL,
        side="SELL",
        type="STOP_MARKET",
        trigger_price=round(bid * 0.98, 1),
        close_position="true",
        working_type="MARK_PRICE",
        client_algo_id="sdk-stop",
    ).data()
    assert stop.algo_status == "NEW"
    assert len(api.current_all_algo_open_orders(symbol=SYMBOL).data()) == 1
    assert api.query_algo_order(client_algo_id="sdk-stop").data().algo_id == stop.algo_id
    assert api.cancel_all_algo_open_orders(symbol=SYMBOL).data().code == 200
    timer = api.auto_cancel_all_open_orders(symbol=SYMBOL, countdown_time=60_000).data()
    assert timer.symbol == SYMBOL
    assert api.cancel_all_open_orders(symbol=SYMBOL).data().code == 200
    closed = api.new_order(
        symbol=SYMBOL,
        side="SELL",
        type="MARKET",
        quantity=0.01,
        reduce_only="true",
        new_order_resp_type="RESULT",
    ).data()
    assert closed.status == "FILLED"
    assert api.position_information_v3(symbol=SYMBOL).data() == []
    assert len(api.account_trade_list(symbol=SYMBOL).data()) >= 2
    assert {row.income_type for row in api.get_income_history().data()} == {
        "COMMISSION",
        "REALIZED_PNL",
    }


async def test_rest_trading(server: ExchangeServer) -> None:
    await asyncio.to_thread(_trade, _rest_api(server))


async def test_private_stream_tells_an_orders_life(
    server: ExchangeServer, rest: FuturesRest
) -> None:
    api = _rest_api(server)
    started = await asyncio.to_thread(api.start_user_data_stream)
    sdk = Sdk(config_ws_streams=ConfigurationWebSocketStreams(stream_url=server.stream_url))
    connection = await sdk.websocket_streams.create_connection()
    try:
        stream = await connection.user_data(listenKey=started.data().listen_key)
        heard: asyncio.Queue[Any] = asyncio.Queue()
        stream.on("message", heard.put_nowait)
        await rest.futures_order(
            "BUY", "LIMIT", timeInForce="GTX", quantity="0.01", price=await rest.away(-0.02)
        )
        await rest.signed("DELETE", "/fapi/v1/allOpenOrders", symbol=SYMBOL)
        states: list[str] = []
        async with asyncio.timeout(DEADLINE_S):
            while states != ["NEW", "CANCELED"]:
                event = await heard.get()
                # The SDK wraps events that it knows; raw ones are dictionaries.
                body = getattr(event, "actual_instance", event)
                order = body["o"] if isinstance(body, dict) else body.o
                states.append(order["X"] if isinstance(order, dict) else order.X)
    finally:
        await connection.close_connection(close_session=True)


async def test_market_streams_on_their_routes(server: ExchangeServer) -> None:
    sdk = Sdk(config_ws_streams=ConfigurationWebSocketStreams(stream_url=server.stream_url))
    connection = await sdk.websocket_streams.create_connection()
    try:
        heard: asyncio.Queue[Any] = asyncio.Queue()
        depth = await connection.diff_book_depth_streams(symbol="btcusdt", update_speed="100ms")
        depth.on("message", heard.put_nowait)
        update = await asyncio.wait_for(heard.get(), DEADLINE_S)
        assert update.s == SYMBOL
        assert update.pu <= update.U <= update.u
        marks: asyncio.Queue[Any] = asyncio.Queue()
        mark = await connection.mark_price_stream(symbol="btcusdt", update_speed="1s")
        mark.on("message", marks.put_nowait)
        assert (await asyncio.wait_for(marks.get(), DEADLINE_S)).s == SYMBOL
    finally:
        await connection.close_connection(close_session=True)


async def test_websocket_api(server: ExchangeServer, rest: FuturesRest) -> None:
    sdk = Sdk(
        config_ws_api=ConfigurationWebSocketAPI(
            api_key=ED25519_KEY, private_key=PRIVATE_PEM, stream_url=server.ws_api_url
        )
    )
    connection = await sdk.websocket_api.create_connection()
    try:
        price = float(await rest.away(-0.02))
        placed = await connection.new_order(
            symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01, price=price
        )
        order_id = placed.data().result.order_id
        assert len((await rest.ledger())["open_orders"]) == 1
        changed = await connection.modify_order(
            symbol=SYMBOL, side="BUY", quantity=0.02, price=price, order_id=order_id
        )
        assert changed.data().result.orig_qty == "0.020"
        cancelled = await connection.cancel_order(symbol=SYMBOL, order_id=order_id)
        assert cancelled.data().result.status == "CANCELED"
        balance = await connection.futures_account_balance_v2()
        assert balance.data().result[0].asset == "USDT"
    finally:
        await connection.close_connection(close_session=True)
