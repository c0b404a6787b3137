"""Orders of a futures account, from the wish to the last fill, over real sockets."""

from __future__ import annotations

import json

from aiohttp import web
from msgspec.structs import replace

from obiterm.config.keys import ApiKeys
from obiterm.core.events import (
    BalanceChanged,
    Filled,
    OrderRefused,
    OrderReported,
    PositionReported,
)
from obiterm.core.values import OrderKind, OrderRole, OrderState, Side
from obiterm.exchange.serve import ExchangeServer
from tests.engine_binance_futures.conftest import BTC, Trader, trader_of


async def test_an_order_rests_and_is_cancelled_over_the_socket(trader: Trader) -> None:
    mine = trader.send(trader.order(ticks=trader.bid_ticks() - 5_000, post_only=True))
    report = await trader.event(OrderReported, client_id=mine, state=OrderState.OPEN)
    assert await trader.open_at_exchange() == 1
    trader.gateway.cancel(BTC, mine, report.venue_id)
    await trader.event(OrderReported, client_id=mine, state=OrderState.CANCELLED)
    assert await trader.open_at_exchange() == 0
    await trader.until(lambda: len(trader.gateway.health().round_trips_ms) == 2)


async def test_a_market_order_fills_and_moves_the_position(trader: Trader) -> None:
    mine = trader.send(trader.order(kind=OrderKind.MARKET, lots=20))
    await trader.event(OrderReported, client_id=mine, state=OrderState.FILLED)
    await trader.until(lambda: sum(f.lots for f in trader.of(Filled, client_id=mine)) == 20)
    await trader.event(PositionReported, symbol=BTC, lots=20)
    await trader.event(BalanceChanged, asset="USDT")
    [position] = await trader.gateway.positions()
    assert (position.symbol, position.lots) == (BTC, 20)
    fills = await trader.gateway.fills_since(BTC, -1)
    told = trader.of(Filled, client_id=mine)
    assert [fill.trade_id for fill in fills] == [fill.trade_id for fill in told]
    assert [replace(fill, received_ns=0) for fill in fills] == [
        replace(fill, received_ns=0) for fill in told
    ]


async def test_what_the_venue_refuses_is_told_in_its_words(trader: Trader) -> None:
    ask = trader.server.venue.top("BTCUSDT").ask_ticks
    mine = trader.send(trader.order(ticks=ask + 100, post_only=True))
    refusal = await trader.event(OrderRefused, client_id=mine)
    assert refusal.code == "-5022"


async def test_orders_go_by_rest_while_the_order_connection_is_down(trader: Trader) -> None:
    assert (await trader.rest.fault("status", match="session.logon", status=503, count=0)).status
    trader.gateway._ready().line._socket.reconnect("a test cuts it")
    await trader.until(lambda: trader.gateway.health().sockets["orders"] == "down")
    mine = trader.send(trader.order(ticks=trader.bid_ticks() - 5_000))
    report = await trader.event(OrderReported, client_id=mine, state=OrderState.OPEN)
    trader.gateway.cancel(BTC, mine, report.venue_id)
    await trader.event(OrderReported, client_id=mine, state=OrderState.CANCELLED)


async def test_a_stop_is_placed_listed_and_cancelled(trader: Trader) -> None:
    trader.send(trader.order(kind=OrderKind.MARKET, lots=20))
    stop = trader.send(
        trader.order(
            Side.SELL,
            OrderKind.STOP_MARKET,
            lots=20,
            ticks=trader.bid_ticks() - 20_000,
            reduce_only=True,
            role=OrderRole.STOP,
        )
    )
    report = await trader.event(OrderReported, client_id=stop, state=OrderState.OPEN)
    [listed] = await trader.gateway.open_orders()
    assert (listed.client_id, listed.kind, listed.reduce_only) == (
        stop,
        OrderKind.STOP_MARKET,
        True,
    )
    trader.gateway.cancel(BTC, stop, report.venue_id)
    await trader.event(OrderReported, client_id=stop, state=OrderState.CANCELLED)
    assert await trader.gateway.open_orders() == []


async def test_a_stop_fires_and_its_fills_come_under_our_id(trader: Trader) -> None:
    trader.send(trader.order(kind=OrderKind.MARKET, lots=20))
    await trader.event(PositionReported, symbol=BTC, lots=20)
    stop = trader.send(
        trader.order(
            Side.SELL,
            OrderKind.STOP_MARKET,
            lots=20,
            ticks=trader.bid_ticks() - 300,
            reduce_only=True,
            role=OrderRole.STOP,
        )
    )
    await trader.event(OrderReported, client_id=stop, state=OrderState.OPEN)
    while not trader.of(OrderReported, client_id=stop, state=OrderState.FILLED):
        await trader.rest.control("market_order", side="SELL", qty="2")
    assert sum(fill.lots for fill in trader.of(Filled, client_id=stop)) == 20
    assert await trader.gateway.positions() == []
    fills = await trader.gateway.fills_since(BTC, -1)
    assert sum(fill.lots for fill in fills if fill.client_id == stop) == 20


async def test_hmac_and_ed25519_keys_trade(server: ExchangeServer) -> None:
    keys = ApiKeys("TESTKEY", ED25519_PEM)
    async with trader_of(server, keys) as one:
        assert one.gateway._ready().line._session._frames.logged_on
        mine = one.send(one.order(kind=OrderKind.MARKET, lots=5))
        await one.event(OrderReported, client_id=mine, state=OrderState.FILLED)


ED25519_PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----"""


async def test_a_stop_that_was_taken_is_no_failure_when_what_it_became_is_not_told(
    trader: Trader,
) -> None:
    """It fired at once; the question for the order that it became is cut (T7)."""
    entry = trader.send(trader.order(kind=OrderKind.MARKET, lots=20))
    await trader.event(OrderReported, client_id=entry, state=OrderState.FILLED)
    serve = trader.server.exchange.dispatch
    asked: list[str] = []

    async def dispatch(request: web.Request) -> web.StreamResponse:
        asked.append(f"{request.method} {request.path}")
        if request.method == "GET" and request.path == "/fapi/v1/order":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        reply = await serve(request)
        if request.method == "POST" and request.path == "/fapi/v1/algoOrder":
            assert isinstance(reply, web.Response)
            assert isinstance(reply.body, bytes)
            told = json.loads(reply.body) | {"algoStatus": "TRIGGERED", "actualOrderId": "77"}
            return web.json_response(told)
        return reply

    trader.server.exchange.dispatch = dispatch  # type: ignore[method-assign]
    stop = trader.order(
        Side.SELL,
        OrderKind.STOP_MARKET,
        lots=20,
        ticks=trader.bid_ticks() - 20_000,
        reduce_only=True,
        role=OrderRole.STOP,
    )
    await trader.gateway.rest.place(stop)
    assert "GET /fapi/v1/order" in asked
    assert asked.count("POST /fapi/v1/algoOrder") == 1
