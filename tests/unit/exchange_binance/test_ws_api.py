"""The WebSocket API: sessions, orders, user data (binance.md §7)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.serve import ExchangeServer
from tests.clients.support import Rest, Socket, WsApi, hmac_signer

REPORT_FIELDS = set("eEscSofqpPFgCxXrilzLnNTtIwmMOZYQWV")


async def _limit(api: WsApi, rest: Rest, share: float = -0.03, **more: object) -> dict[str, object]:
    return {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000",
        "price": await rest.away(share),
    } | more


async def test_public_methods(api: WsApi) -> None:
    assert (await api.plain("ping"))["result"] == {}
    assert (await api.plain("time"))["result"]["serverTime"] > 0
    info = (await api.plain("exchangeInfo", symbols=["BTCUSDT"]))["result"]
    assert [one["symbol"] for one in info["symbols"]] == ["BTCUSDT"]
    depth = (await api.plain("depth", symbol="BTCUSDT", limit=5))["result"]
    assert len(depth["bids"]) == 5


async def test_orders_signed_one_by_one(api: WsApi, rest: Rest) -> None:
    placed = await api.signed("order.place", **await _limit(api, rest, newClientOrderId="ws-1"))
    assert placed["status"] == 200
    assert placed["result"]["status"] == "NEW"
    status = await api.signed("order.status", symbol="BTCUSDT", origClientOrderId="ws-1")
    assert status["result"]["orderId"] == placed["result"]["orderId"]
    opened = await api.signed("openOrders.status", symbol="BTCUSDT")
    assert len(opened["result"]) == 1
    cancelled = await api.signed("order.cancel", symbol="BTCUSDT", origClientOrderId="ws-1")
    assert cancelled["result"]["status"] == "CANCELED"
    none = await api.signed("openOrders.cancelAll", symbol="BTCUSDT")
    assert none["status"] == 400
    assert none["error"] == {"code": -2011, "msg": "Unknown order sent."}


async def test_numbers_are_signed_as_they_stand_in_the_json(api: WsApi, rest: Rest) -> None:
    """binance.md §4.2: a recvWindow of 5000.5 is signed as ``5000.5``."""
    answer = await api.signed("account.status", recvWindow=5000.5, omitZeroBalances="true")
    assert answer["status"] == 200
    assert {row["asset"] for row in answer["result"]["balances"]} == {"BTC", "USDT"}


async def test_session_logon_is_for_ed25519_only(api: WsApi, ed_api: WsApi, rest: Rest) -> None:
    refused = await api.signed("session.logon")
    assert refused["status"] == 400
    assert refused["error"]["msg"] == "HMAC_SHA256 API key is not supported."

    nobody = await ed_api.plain("session.status")
    assert nobody["result"]["apiKey"] is None
    logged = await ed_api.signed("session.logon")
    assert logged["result"]["apiKey"] == "TESTKEY"
    assert logged["result"]["authorizedSince"] >= logged["result"]["connectedSince"]
    order = await _limit(ed_api, rest)
    stamped = order | {"timestamp": logged["result"]["serverTime"]}
    assert (await ed_api.plain("order.place", **stamped))["status"] == 200
    unstamped = await ed_api.plain("order.place", **order)
    assert unstamped["error"]["code"] == -1102, "the time stays mandatory"
    out = await ed_api.plain("session.logout")
    assert out["result"]["apiKey"] is None
    assert (await ed_api.plain("account.status"))["error"]["code"] == -1102


async def test_a_signature_of_its_own_beats_the_session(
    server: ExchangeServer, ed_api: WsApi, rest: Rest
) -> None:
    await ed_api.signed("session.logon")
    ed_api.signer = hmac_signer(server, account=1)
    await ed_api.signed("order.place", **await _limit(ed_api, rest))
    assert len((await rest.ledger("other"))["open_orders"]) == 1
    assert (await rest.ledger("main"))["open_orders"] == []


async def test_user_events_of_an_orders_life(api: WsApi, rest: Rest) -> None:
    subscribed = await api.signed("userDataStream.subscribe.signature")
    assert subscribed["result"] == {"subscriptionId": 0}
    again = await api.signed("userDataStream.subscribe.signature")
    assert again["error"]["code"] == -2035

    await rest.limit("BUY", "0.01", await rest.away(-0.03), newClientOrderId="life")
    new = await api.event("executionReport", x="NEW")
    assert set(new) == REPORT_FIELDS
    assert (new["c"], new["C"], new["X"], new["w"]) == ("life", "", "NEW", True)
    assert (new["t"], new["N"], new["n"]) == (-1, None, "0")
    position = await api.event("outboundAccountPosition")
    usdt = next(row for row in position["B"] if row["a"] == "USDT")
    assert Decimal(usdt["l"]) == Decimal(new["p"]) * Decimal(new["q"])

    await rest.signed(
        "DELETE",
        "/api/v3/order",
        symbol="BTCUSDT",
        origClientOrderId="life",
        newClientOrderId="undo",
    )
    cancelled = await api.event("executionReport", x="CANCELED")
    assert (cancelled["c"], cancelled["C"], cancelled["w"]) == ("undo", "life", False)
    assert cancelled["I"] > new["I"]

    filled = (await rest.order("BUY", "MARKET", quantity="0.01")).body
    trade = await api.event("executionReport", x="TRADE", X="FILLED")
    assert trade["i"] == filled["orderId"]
    assert Decimal(trade["z"]) == Decimal("0.01")
    assert Decimal(trade["Z"]) == Decimal(filled["cummulativeQuoteQty"])
    assert (trade["N"], trade["m"]) == ("BTC", False)
    assert trade["t"] == filled["fills"][-1]["tradeId"]


async def test_a_maker_fill_arrives_by_event(api: WsApi, rest: Rest) -> None:
    await api.signed("userDataStream.subscribe.signature")
    bid, _ = await rest.touch()
    placed = await rest.limit("BUY", "0.01", f"{bid - 30:.2f}")
    assert placed.body["status"] == "NEW"
    for _ in range(40):
        await rest.control("market_order", side="SELL", qty="2")
        if not (await rest.ledger())["open_orders"]:
            break
    trade = await api.event("executionReport", x="TRADE", X="FILLED")
    assert trade["m"] is True
    assert Decimal(trade["L"]) == Decimal(trade["p"])


async def test_lists_report_their_legs(api: WsApi, rest: Rest) -> None:
    await api.signed("userDataStream.subscribe.signature")
    bid, ask = await rest.touch()
    placed = await api.signed(
        "orderList.place.oco",
        symbol="BTCUSDT",
        side="SELL",
        quantity="0.01",
        aboveType="LIMIT_MAKER",
        abovePrice=f"{ask * 1.02:.2f}",
        belowType="STOP_LOSS_LIMIT",
        belowPrice=f"{bid * 0.97:.2f}",
        belowStopPrice=f"{bid * 0.98:.2f}",
        belowTimeInForce="GTC",
    )
    assert placed["status"] == 200, placed
    started = await api.event("listStatus", L="EXECUTING")
    assert started["g"] == placed["result"]["orderListId"]
    assert len(started["O"]) == 2
    await api.signed("orderList.cancel", symbol="BTCUSDT", orderListId=started["g"])
    assert (await api.event("listStatus", L="ALL_DONE"))["g"] == started["g"]


async def test_one_socket_serves_several_accounts(
    server: ExchangeServer, api: WsApi, rest: Rest
) -> None:
    await api.signed("userDataStream.subscribe.signature")
    api.signer = hmac_signer(server, account=1)
    second = await api.signed("userDataStream.subscribe.signature")
    assert second["result"] == {"subscriptionId": 1}
    await api.signed("order.place", **await _limit(api, rest))
    wrapped = await api.first(lambda one: one.get("event", {}).get("e") == "executionReport")
    assert wrapped["subscriptionId"] == 1
    listed = await api.plain("session.subscriptions")
    assert listed["result"] == [{"subscriptionId": 0}, {"subscriptionId": 1}]
    assert (await api.plain("userDataStream.unsubscribe", subscriptionId=0))["status"] == 200
    gone = await api.plain("userDataStream.unsubscribe", subscriptionId=0)
    assert gone["error"]["code"] == -2036
    assert (await api.plain("userDataStream.unsubscribe"))["status"] == 200
    assert (await api.plain("session.subscriptions"))["result"] == []


async def test_subscribe_without_signature_needs_a_session(api: WsApi, ed_api: WsApi) -> None:
    assert (await api.plain("userDataStream.subscribe"))["status"] == 401
    await ed_api.signed("session.logon")
    assert (await ed_api.plain("userDataStream.subscribe"))["result"] == {"subscriptionId": 0}
    status = await ed_api.plain("session.status")
    assert status["result"]["userDataStream"] is True
    await ed_api.plain("session.logout")
    assert (await ed_api.plain("session.subscriptions"))["result"] == []


async def test_cancel_replace_partial_failure_is_409(api: WsApi, rest: Rest) -> None:
    params = await _limit(api, rest, cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=1)
    half = await api.signed("order.cancelReplace", **params)
    assert half["status"] == 409
    assert half["error"]["code"] == -2021
    assert half["error"]["data"]["newOrderResult"] == "SUCCESS"


async def test_ill_formed_requests(api: WsApi) -> None:
    await api.socket.send_str("{")
    bad = await api.first(lambda one: one.get("id") is None)
    assert bad["error"] == {"code": -1135, "msg": "Invalid JSON Request"}
    unknown = await api.plain("order.dream")
    assert unknown["status"] == 400
    await api.send({"id": "text-id", "method": "ping"})
    assert (await api.first(lambda one: one.get("id") == "text-id"))["status"] == 200


async def test_counters_can_be_hidden(server: ExchangeServer, rest: Rest, api: WsApi) -> None:
    assert "rateLimits" in await api.plain("ping")
    async with WsApi(rest.http, f"{server.ws_api_url}?returnRateLimits=false", api.signer) as quiet:
        assert "rateLimits" not in await quiet.plain("ping")


async def test_a_revoked_key_is_refused_from_the_next_request_on(api: WsApi, rest: Rest) -> None:
    assert (await api.signed("account.status"))["status"] == 200
    await rest.control("revoke_key", api_key=api.signer.api_key)
    refused = await api.signed("account.status")
    assert (refused["status"], refused["error"]["code"]) == (401, -2015)


async def test_shutdown_notice_reaches_everybody(
    server: ExchangeServer, rest: Rest, api: WsApi
) -> None:
    async with Socket(rest.http, f"{server.stream_url}/ws") as stream:
        await api.plain("ping")
        await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        await stream.first(lambda one: one.get("id") == 1)
        await rest.control("shutdown_notice")
        assert (await api.event("serverShutdown"))["E"] > 0
        await stream.first(lambda one: one.get("e") == "serverShutdown")


async def test_a_revoked_session_is_told_without_an_id(ed_api: WsApi, rest: Rest) -> None:
    logged = await ed_api.signed("session.logon")
    await rest.control("revoke_key", api_key="TESTKEY")
    stamp = logged["result"]["serverTime"]
    await ed_api.start("account.status", {"timestamp": stamp})
    told = await ed_api.first(lambda one: one.get("id", 0) is None)
    assert (told["status"], told["error"]["code"]) == (401, -2015)
