"""The life of orders over REST, in the venue's own fields (binance.md §6)."""

from __future__ import annotations

from decimal import Decimal

from tests.clients.support import Json, Rest

ORDER = "/api/v3/order"


async def test_a_market_buy_fills_pays_its_fee_in_base_and_shows_everywhere(rest: Rest) -> None:
    before = await _free(rest)
    reply = await rest.order("BUY", "MARKET", quantity="0.02000", newClientOrderId="mkt-1")
    body = reply.body
    assert reply.status == 200
    assert body["status"] == "FILLED"
    assert body["clientOrderId"] == "mkt-1"
    assert body["type"] == "MARKET"
    assert body["timeInForce"] == "GTC"
    assert body["executedQty"] == body["origQty"] == "0.02000000"
    assert body["price"] == "0.00000000"
    fills = body["fills"]
    assert sum(Decimal(fill["qty"]) for fill in fills) == Decimal("0.02")
    paid = sum(Decimal(fill["price"]) * Decimal(fill["qty"]) for fill in fills)
    assert Decimal(body["cummulativeQuoteQty"]) == paid
    assert {fill["commissionAsset"] for fill in fills} == {"BTC"}
    fee = sum(Decimal(fill["commission"]) for fill in fills)
    after = await _free(rest)
    assert after["BTC"] == before["BTC"] + Decimal("0.02") - fee
    assert after["USDT"] == before["USDT"] - paid

    trades = (await rest.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT")).body
    assert [trade["id"] for trade in trades] == [fill["tradeId"] for fill in fills]
    assert all(trade["isBuyer"] and not trade["isMaker"] for trade in trades)
    ledger = await rest.ledger()
    assert len(ledger["fills"]) == len(fills)


async def _free(rest: Rest) -> dict[str, Decimal]:
    body = (await rest.signed("GET", "/api/v3/account")).body
    assert body["canTrade"] is True
    assert body["canWithdraw"] is False
    return {row["asset"]: Decimal(row["free"]) for row in body["balances"]}


async def test_a_resting_order_locks_funds_and_a_cancel_frees_them(rest: Rest) -> None:
    price = await rest.away(-0.03)
    placed = (await rest.limit("BUY", "0.01", price, newClientOrderId="rest-1")).body
    assert placed["status"] == "NEW"
    assert placed["fills"] == []
    assert placed["workingTime"] == placed["transactTime"]
    assert placed["selfTradePreventionMode"] == "EXPIRE_MAKER"
    locked = (await rest.ledger())["balances"]["USDT"]["locked"]
    assert Decimal(locked) == Decimal(price) * Decimal("0.01")

    by_client = (await rest.signed("GET", ORDER, symbol="BTCUSDT", origClientOrderId="rest-1")).body
    assert by_client["orderId"] == placed["orderId"]
    assert by_client["isWorking"] is True
    assert by_client["stopPrice"] == "0.00000000"
    open_orders = (await rest.signed("GET", "/api/v3/openOrders")).body
    assert open_orders == [by_client]

    cancelled = (
        await rest.signed(
            "DELETE",
            ORDER,
            symbol="BTCUSDT",
            origClientOrderId="rest-1",
            newClientOrderId="cancel-1",
        )
    ).body
    assert cancelled["origClientOrderId"] == "rest-1"
    assert cancelled["clientOrderId"] == "cancel-1", "the id of the cancel, not of the order"
    assert cancelled["status"] == "CANCELED"
    assert Decimal((await rest.ledger())["balances"]["USDT"]["locked"]) == 0
    history = (await rest.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT")).body
    assert [order["status"] for order in history] == ["CANCELED"]


async def test_response_types(rest: Rest) -> None:
    price = await rest.away(-0.03)
    ack = (await rest.limit("BUY", "0.01", price, newOrderRespType="ACK")).body
    assert set(ack) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    assert len(ack["clientOrderId"]) == 22, "the venue makes an id when none is sent"
    result = (await rest.limit("BUY", "0.01", price, newOrderRespType="RESULT")).body
    assert "fills" not in result
    assert result["status"] == "NEW"
    maker = (await rest.order("BUY", "LIMIT_MAKER", quantity="0.01", price=price)).body
    assert set(maker) == set(ack), "all types but MARKET and LIMIT answer ACK by default"


async def test_echoed_strategy_fields(rest: Rest) -> None:
    placed = await rest.limit(
        "BUY", "0.01", await rest.away(-0.03), strategyId=7, strategyType=1_000_001
    )
    assert placed.body["strategyId"] == 7
    query = await rest.signed("GET", ORDER, symbol="BTCUSDT", orderId=placed.body["orderId"])
    assert query.body["strategyType"] == 1_000_001


async def test_quote_sized_market_order(rest: Rest) -> None:
    body = (await rest.order("BUY", "MARKET", quoteOrderQty="500")).body
    assert body["origQuoteOrderQty"] == "500.00000000"
    assert Decimal("490") < Decimal(body["cummulativeQuoteQty"]) <= Decimal("500")


async def test_ioc_and_fok_end_at_once(rest: Rest) -> None:
    price = await rest.away(-0.03)
    for tif in ("IOC", "FOK"):
        body = (
            await rest.order("BUY", "LIMIT", quantity="0.01", price=price, timeInForce=tif)
        ).body
        assert body["status"] == "EXPIRED"
        assert body["executedQty"] == "0.00000000"
    assert (await rest.ledger())["open_orders"] == []


async def test_cancel_all_of_a_symbol(rest: Rest) -> None:
    price = await rest.away(-0.03)
    for _ in range(3):
        assert (await rest.limit("BUY", "0.001", price)).status == 200
    reply = await rest.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert [order["status"] for order in reply.body] == ["CANCELED"] * 3
    assert (await rest.ledger())["open_orders"] == []


async def test_cancel_all_takes_lists_along(rest: Rest) -> None:
    await rest.limit("BUY", "0.001", await rest.away(-0.03))
    placed = (await _oco(rest))["body"]
    reply = await rest.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    single, pair = reply.body
    assert single["status"] == "CANCELED"
    assert pair["orderListId"] == placed["orderListId"]
    assert [leg["status"] for leg in pair["orderReports"]] == ["CANCELED"] * 2
    assert (await rest.ledger())["open_orders"] == []


async def test_a_stop_waits_triggers_and_sells(rest: Rest) -> None:
    bid, _ = await rest.touch()
    stop = await rest.order(
        "SELL",
        "STOP_LOSS",
        quantity="0.01",
        stopPrice=f"{bid - 60:.2f}",
        newOrderRespType="RESULT",
    )
    assert stop.body["type"] == "STOP_LOSS"
    assert stop.body["workingTime"] == -1
    waiting = (await rest.signed("GET", ORDER, symbol="BTCUSDT", orderId=stop.body["orderId"])).body
    assert waiting["isWorking"] is False
    for _ in range(40):
        await rest.control("market_order", side="SELL", qty="2")
        state = (
            await rest.signed("GET", ORDER, symbol="BTCUSDT", orderId=stop.body["orderId"])
        ).body
        if state["status"] == "FILLED":
            break
    assert state["status"] == "FILLED"
    assert state["type"] == "STOP_LOSS"


async def _replace(rest: Rest, cancel_id: object, mode: str, **more: object) -> Json:
    price = await rest.away(-0.04)
    params: dict[str, object] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": price,
        "cancelReplaceMode": mode,
        "cancelOrderId": cancel_id,
    }
    reply = await rest.signed("POST", "/api/v3/order/cancelReplace", **(params | more))
    return {"status": reply.status, "body": reply.body}


async def test_cancel_replace_in_all_four_outcomes(rest: Rest) -> None:
    """200, 400 -2022 and both forms of 409 -2021 (binance.md §6.4)."""
    first = (await rest.limit("BUY", "0.01", await rest.away(-0.03))).body
    done = await _replace(rest, first["orderId"], "STOP_ON_FAILURE")
    assert done["status"] == 200
    assert done["body"]["cancelResult"] == done["body"]["newOrderResult"] == "SUCCESS"
    assert done["body"]["cancelResponse"]["status"] == "CANCELED"
    new_id = done["body"]["newOrderResponse"]["orderId"]

    stopped = await _replace(rest, 1, "STOP_ON_FAILURE")
    assert (stopped["status"], stopped["body"]["code"]) == (400, -2022)
    assert stopped["body"]["data"] == {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
        "newOrderResponse": None,
    }

    half = await _replace(rest, 1, "ALLOW_FAILURE")
    assert (half["status"], half["body"]["code"]) == (409, -2021)
    assert half["body"]["msg"] == "Order cancel-replace partially failed."
    assert half["body"]["data"]["newOrderResult"] == "SUCCESS"

    poor = await _replace(rest, new_id, "STOP_ON_FAILURE", quantity="8")
    assert (poor["status"], poor["body"]["code"]) == (409, -2021)
    assert poor["body"]["data"]["cancelResult"] == "SUCCESS"
    assert poor["body"]["data"]["newOrderResponse"]["code"] == -2010

    both = await _replace(rest, 1, "ALLOW_FAILURE", quantity="8")
    assert (both["status"], both["body"]["code"]) == (400, -2022)
    assert len((await rest.ledger())["open_orders"]) == 1


async def test_cancel_replace_checks_filters_before_it_cancels(rest: Rest) -> None:
    first = (await rest.limit("BUY", "0.01", await rest.away(-0.03))).body
    refused = await _replace(rest, first["orderId"], "STOP_ON_FAILURE", quantity="0.000001")
    assert refused["body"]["code"] == -1013
    assert len((await rest.ledger())["open_orders"]) == 1


async def _oco(rest: Rest, **more: object) -> Json:
    bid, ask = await rest.touch()
    params: dict[str, object] = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.01",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": f"{ask * 1.02:.2f}",
        "belowType": "STOP_LOSS",
        "belowStopPrice": f"{bid * 0.98:.2f}",
        "listClientOrderId": "bracket",
    }
    reply = await rest.signed("POST", "/api/v3/orderList/oco", **(params | more))
    return {"status": reply.status, "body": reply.body}


async def test_oco_rests_as_a_pair_and_ends_as_one(rest: Rest) -> None:
    placed = (await _oco(rest))["body"]
    assert placed["contingencyType"] == "OCO"
    assert placed["listOrderStatus"] == "EXECUTING"
    assert {report["type"] for report in placed["orderReports"]} == {"LIMIT_MAKER", "STOP_LOSS"}
    locked = Decimal((await rest.ledger())["balances"]["BTC"]["locked"])
    assert locked == Decimal("0.01"), "both legs share one lock"

    found = await rest.signed("GET", "/api/v3/orderList", origClientOrderId="bracket")
    assert found.body["orderListId"] == placed["orderListId"]
    assert len((await rest.signed("GET", "/api/v3/openOrderList")).body) == 1

    again = await _oco(rest)
    assert (again["status"], again["body"]["msg"]) == (400, "Duplicate order sent.")

    ended = await rest.signed(
        "DELETE", "/api/v3/orderList", symbol="BTCUSDT", listClientOrderId="bracket"
    )
    assert ended.body["listOrderStatus"] == "ALL_DONE"
    assert {report["status"] for report in ended.body["orderReports"]} == {"CANCELED"}
    assert (await rest.ledger())["open_orders"] == []
    gone = await rest.signed(
        "DELETE", "/api/v3/orderList", symbol="BTCUSDT", listClientOrderId="bracket"
    )
    assert gone.code == -2011
    assert (await rest.signed("GET", "/api/v3/openOrderList")).body == []


async def test_cancelling_a_leg_ends_the_list(rest: Rest) -> None:
    placed = (await _oco(rest))["body"]
    leg = placed["orders"][0]["orderId"]
    ended = await rest.signed("DELETE", ORDER, symbol="BTCUSDT", orderId=leg)
    assert ended.body["orderListId"] == placed["orderListId"]
    assert ended.body["listStatusType"] == "ALL_DONE"
    assert (await rest.ledger())["open_orders"] == []


async def test_oco_with_prices_on_the_wrong_side(rest: Rest) -> None:
    _, ask = await rest.touch()
    wrong = await _oco(rest, belowStopPrice=f"{ask * 1.01:.2f}")
    assert wrong["status"] == 400
    assert wrong["body"]["code"] == -2010
    two_stops = await _oco(
        rest, aboveType="STOP_LOSS", aboveStopPrice=f"{ask * 1.02:.2f}", abovePrice=""
    )
    assert two_stops["status"] == 400


async def test_accounts_see_only_themselves(rest: Rest) -> None:
    await rest.limit("BUY", "0.01", await rest.away(-0.03))
    assert (await rest.ledger("other"))["open_orders"] == []


async def test_commission_restrictions_and_coins(rest: Rest) -> None:
    commission = (await rest.signed("GET", "/api/v3/account/commission", symbol="BTCUSDT")).body
    assert commission["standardCommission"]["taker"] == "0.00100000"
    rights = (await rest.signed("GET", "/sapi/v1/account/apiRestrictions")).body
    assert rights["enableWithdrawals"] is False
    assert rights["enableSpotAndMarginTrading"] is True
    coins = (await rest.signed("GET", "/sapi/v1/capital/config/getall")).body
    assert {coin["coin"] for coin in coins} == {"BTC", "USDT"}


async def test_my_trades_pages(rest: Rest) -> None:
    ids: list[int] = []
    for _ in range(4):
        body = (await rest.order("BUY", "MARKET", quantity="0.001")).body
        ids += [fill["tradeId"] for fill in body["fills"]]
    path = "/api/v3/myTrades"

    async def got(**params: object) -> list[int]:
        rows = (await rest.signed("GET", path, symbol="BTCUSDT", **params)).body
        return [row["id"] for row in rows]

    assert await got() == ids
    assert await got(limit=2) == ids[-2:], "without a start: the newest"
    assert await got(fromId=ids[1], limit=2) == ids[1:3]
    assert await got(orderId=body["orderId"]) == [fill["tradeId"] for fill in body["fills"]]
    assert await got(startTime=1, endTime=2) == []
    wide = await rest.signed("GET", path, symbol="BTCUSDT", startTime=1, endTime=90_000_000)
    assert wide.code == -1127
