"""Limits, signatures, unknown outcomes and the WebSocket API of the futures (§5, §9.2, §11.4)."""

from __future__ import annotations

import time

import pytest

from obiterm.core.errors import UsageError
from obiterm.exchange.binance.limits import LimitOptions
from obiterm.exchange.serve import ExchangeServer, ServeOptions
from tests.clients.futures_support import (
    SYMBOL,
    VENUE,
    FuturesRest,
    futures_rest,
    futures_server,
)
from tests.clients.support import Signer, Socket, WsApi, hmac_signer


async def test_the_announcement_fills_every_address(server: ExchangeServer) -> None:
    told = server.announcement()
    assert told.venue == VENUE
    assert told.symbols == ["BTCUSDT", "ETHUSDT"]
    assert told.private_stream == f"{told.stream}/private"
    assert told.ws_api == f"{told.stream}/ws-fapi/v1"
    assert [keys.name for keys in told.accounts] == ["main", "other", "hedger"]


def test_a_capture_cannot_be_served(tmp_path: object) -> None:
    with pytest.raises(UsageError):
        ExchangeServer(ServeOptions(venue=VENUE, capture=tmp_path))  # type: ignore[arg-type]


async def test_the_pools_are_told(rest: FuturesRest) -> None:
    info = (await rest.public("/fapi/v1/exchangeInfo")).body
    assert {(rule["rateLimitType"], rule["limit"]) for rule in info["rateLimits"]} == {
        ("REQUEST_WEIGHT", 2400),
        ("ORDERS", 300),
        ("ORDERS", 1200),
    }
    names = {one["filterType"] for one in info["symbols"][0]["filters"]}
    assert "MIN_NOTIONAL" in names
    assert "MAX_NUM_ALGO_ORDERS" not in names


async def test_order_placing_costs_no_weight_and_a_cancel_one(rest: FuturesRest) -> None:
    before = int((await rest.public("/fapi/v1/ping")).headers["X-MBX-USED-WEIGHT-1M"])
    placed = await rest.futures_order(
        "BUY", "LIMIT", timeInForce="GTC", quantity="0.01", price="58000"
    )
    assert int(placed.headers["X-MBX-USED-WEIGHT-1M"]) == before
    cancelled = await rest.signed(
        "DELETE", "/fapi/v1/order", symbol=SYMBOL, orderId=placed.body["orderId"]
    )
    assert int(cancelled.headers["X-MBX-USED-WEIGHT-1M"]) == before + 1


async def test_over_the_limits() -> None:
    tight = LimitOptions(
        weight_per_minute=60, orders_per_10s=2, orders_per_day=0, fill_gives_back=False
    )
    options = ServeOptions(venue=VENUE, limits=tight)
    async with futures_server(options) as server, futures_rest(server) as rest:
        for side in ("BUY", "SELL"):
            assert (await rest.futures_order(side, "MARKET", quantity="0.01")).status == 200
        third = await rest.futures_order("BUY", "MARKET", quantity="0.01")
        assert (third.status, third.code) == (429, -1015)
        assert int(third.headers["Retry-After"]) >= 1
        while (
            reply := await rest.public("/fapi/v1/depth", symbol=SYMBOL, limit=1000)
        ).status == 200:
            pass
        assert (reply.status, reply.code) == (429, -1003)


@pytest.mark.parametrize("status", [503, 504])
async def test_an_order_whose_outcome_is_unknown(rest: FuturesRest, status: int) -> None:
    words = "Unknown error, please check your request or try again later."
    await rest.fault("status", match="order.place", status=status, executed=True, msg=words)
    reply = await rest.futures_order("BUY", "MARKET", quantity="0.01", newClientOrderId="lost")
    assert (reply.status, reply.msg) == (status, words)
    found = await rest.signed("GET", "/fapi/v1/order", symbol=SYMBOL, origClientOrderId="lost")
    assert found.body["status"] == "FILLED"


async def test_time_and_signature(server: ExchangeServer, rest: FuturesRest) -> None:
    late = await rest.signed("GET", "/fapi/v3/balance", timestamp=int(time.time() * 1000) - 60_000)
    assert late.code == -1021
    wrong = FuturesRest(server.rest_url, Signer(server.api_key, "wrong"))
    async with wrong:
        assert (await wrong.signed("GET", "/fapi/v3/balance")).code == -1022
    unknown = FuturesRest(server.rest_url, Signer("nobody", "x"))
    async with unknown:
        assert (await unknown.signed("GET", "/fapi/v3/balance")).code == -2015
    assert (await rest.signed("GET", "/fapi/v3/balance", what="1")).code == -1104


async def test_websocket_api_with_hmac_and_without_a_session(
    server: ExchangeServer, rest: FuturesRest
) -> None:
    async with WsApi(rest.http, server.ws_api_url, hmac_signer(server)) as api:
        price = await rest.away(-0.02)
        placed = await api.signed(
            "order.place",
            symbol=SYMBOL,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity="0.01",
            price=price,
        )
        assert placed["status"] == 200
        order_id = placed["result"]["orderId"]
        kinds = {rule["rateLimitType"] for rule in placed["rateLimits"]}
        assert kinds == {"ORDERS", "REQUEST_WEIGHT"}
        status = await api.signed("order.status", symbol=SYMBOL, orderId=order_id)
        assert status["result"]["status"] == "NEW"
        cancelled = await api.signed("order.cancel", symbol=SYMBOL, orderId=order_id)
        assert cancelled["result"]["status"] == "CANCELED"
        refused = await api.signed("order.cancel", symbol=SYMBOL, orderId=order_id)
        assert refused["error"]["code"] == -2011
        stop = await api.signed(
            "algoOrder.place",
            algoType="CONDITIONAL",
            symbol=SYMBOL,
            side="SELL",
            type="STOP_MARKET",
            triggerPrice=price,
            quantity="0.01",
        )
        gone = await api.signed("algoOrder.cancel", algoId=stop["result"]["algoId"])
        assert gone["result"]["msg"] == "success"
        for method in ("account.balance", "v2/account.balance", "account.status"):
            assert (await api.signed(method))["status"] == 200
        assert (await api.signed("account.position"))["result"][0]["positionAmt"] == "0.000"
        key = (await api.plain("userDataStream.start", apiKey=server.api_key))["result"]
        assert key == {"listenKey": await rest.listen_key()}
        assert (await api.plain("no.such.method"))["error"]["code"] == -1020


async def test_session_logon_takes_ed25519_only(
    server: ExchangeServer, rest: FuturesRest, ed_api: WsApi
) -> None:
    logged = await ed_api.signed("session.logon")
    assert logged["status"] == 200
    assert "userDataStream" not in logged["result"]
    placed = await ed_api.plain(
        "order.place",
        symbol=SYMBOL,
        side="BUY",
        type="MARKET",
        quantity="0.01",
        timestamp=int(time.time() * 1000),
    )
    assert placed["status"] == 200
    async with WsApi(rest.http, server.ws_api_url, hmac_signer(server)) as api:
        assert (await api.signed("session.logon"))["error"]["code"] == -4056


async def test_shutdown_notice_reaches_streams(server: ExchangeServer, rest: FuturesRest) -> None:
    async with Socket(rest.http, f"{server.stream_url}/public/ws/btcusdt@bookTicker") as stream:
        await stream.first(lambda one: one["e"] == "bookTicker")
        await rest.control("shutdown_notice")
        assert await stream.first(lambda one: one["e"] == "serverShutdown")
