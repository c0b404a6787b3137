"""Normal orders of the futures: answers, refusals, batches, the dead-man timer (§10.1)."""

from __future__ import annotations

import json

import pytest

from tests.clients.futures_support import SYMBOL, FuturesRest
from tests.clients.support import until

ACK_FIELDS = {
    *("clientOrderId", "cumQty", "executedQty", "orderId", "origQty", "price", "reduceOnly"),
    *("side", "positionSide", "status", "stopPrice", "closePosition", "symbol", "timeInForce"),
    *("type", "origType", "updateTime", "workingType", "priceProtect", "priceMatch"),
    *("selfTradePreventionMode", "goodTillDate"),
}


async def test_an_acknowledgement_tells_no_fill_a_result_does(rest: FuturesRest) -> None:
    ack = (await rest.futures_order("BUY", "MARKET", quantity="0.01")).body
    assert set(ack) == ACK_FIELDS
    assert (ack["status"], ack["executedQty"]) == ("NEW", "0.000")
    query = (await rest.signed("GET", "/fapi/v1/order", symbol=SYMBOL, orderId=ack["orderId"])).body
    assert (query["status"], query["executedQty"]) == ("FILLED", "0.010")
    assert float(query["avgPrice"]) > 0
    assert float(query["cumQuote"]) > 0
    result = await rest.futures_order("SELL", "MARKET", quantity="0.01", newOrderRespType="RESULT")
    assert (result.body["status"], result.body["executedQty"]) == ("FILLED", "0.010")
    assert result.headers["X-MBX-ORDER-COUNT-10S"] == "2"
    assert result.headers["X-MBX-ORDER-COUNT-1M"] == "2"


@pytest.mark.parametrize(
    ("code", "kind", "fields"),
    [
        (-1102, "LIMIT", {"quantity": "0.01"}),
        (-1102, "MARKET", {}),
        (-1106, "MARKET", {"quantity": "0.01", "timeInForce": "GTC"}),
        (-1106, "MARKET", {"quantity": "0.01", "price": "50000"}),
        (-1111, "MARKET", {"quantity": "0.00001"}),
        (-1116, "LIMIT_MAKER", {"quantity": "0.01"}),
        (-2019, "MARKET", {"quantity": "90"}),
        (-2022, "MARKET", {"quantity": "0.01", "reduceOnly": "true"}),
        (-4003, "MARKET", {"quantity": "0"}),
        (-4005, "MARKET", {"quantity": "100000"}),
        (-4015, "MARKET", {"quantity": "0.01", "newClientOrderId": "x" * 37}),
        (-4061, "MARKET", {"quantity": "0.01", "positionSide": "LONG"}),
        (-4120, "STOP_MARKET", {"quantity": "0.01", "stopPrice": "50000"}),
        (-4120, "TRAILING_STOP_MARKET", {"quantity": "0.01"}),
        (-4136, "MARKET", {"quantity": "0.01", "closePosition": "true"}),
        (-4164, "MARKET", {"quantity": "0.001"}),
    ],
)
async def test_refusals(rest: FuturesRest, code: int, kind: str, fields: dict[str, str]) -> None:
    refused = await rest.futures_order("BUY", kind, **fields)
    assert (refused.status, refused.code) == (400, code)
    assert refused.msg


@pytest.mark.parametrize(
    ("code", "share", "fields"),
    [
        (-1115, -0.01, {"timeInForce": "DAY"}),
        (-4016, 0.2, {"timeInForce": "GTC"}),
        (-5022, 0.01, {"timeInForce": "GTX"}),
        (-5038, -0.01, {"timeInForce": "GTC", "priceMatch": "QUEUE"}),
    ],
)
async def test_refusals_of_limit_orders(
    rest: FuturesRest, code: int, share: float, fields: dict[str, str]
) -> None:
    price = await rest.away(share)
    assert (
        await rest.futures_order("BUY", "LIMIT", quantity="0.01", price=price, **fields)
    ).code == code


async def test_off_the_tick(rest: FuturesRest) -> None:
    reply = await rest.futures_order(
        "BUY", "LIMIT", timeInForce="GTC", quantity="0.01", price="50000.05"
    )
    assert reply.code == -4014


async def test_client_ids_are_unique_among_open_orders(rest: FuturesRest) -> None:
    fields = {
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": await rest.away(-0.02),
        "newClientOrderId": "a.b:c/D-1",
    }
    assert (await rest.futures_order("BUY", "LIMIT", **fields)).status == 200
    assert (await rest.futures_order("BUY", "LIMIT", **fields)).code == -4116
    found = await rest.signed(
        "DELETE", "/fapi/v1/order", symbol=SYMBOL, origClientOrderId="a.b:c/D-1"
    )
    assert found.body["status"] == "CANCELED"
    assert (await rest.futures_order("BUY", "LIMIT", **fields)).status == 200


async def test_modify(rest: FuturesRest) -> None:
    price = await rest.away(-0.02)
    placed = await rest.futures_order(
        "BUY", "LIMIT", timeInForce="GTC", quantity="0.01", price=price
    )
    fields: dict[str, object] = {
        "symbol": SYMBOL,
        "side": "BUY",
        "quantity": "0.02",
        "price": await rest.away(-0.03),
        "orderId": placed.body["orderId"],
    }
    changed = await rest.signed("PUT", "/fapi/v1/order", **fields)
    assert (changed.body["origQty"], changed.body["orderId"]) == ("0.020", fields["orderId"])
    assert (await rest.signed("PUT", "/fapi/v1/order", **fields)).code == -5027
    assert (await rest.signed("PUT", "/fapi/v1/order", **fields | {"orderId": 1})).code == -2013


async def test_cancel_all_succeeds_also_when_there_is_nothing(rest: FuturesRest) -> None:
    for _ in range(2):
        done = await rest.signed("DELETE", "/fapi/v1/allOpenOrders", symbol=SYMBOL)
        assert done.body == {
            "code": 200,
            "msg": "The operation of cancel all open order is done.",
        }
    assert (await rest.signed("DELETE", "/fapi/v1/order", symbol=SYMBOL, orderId=1)).code == -2011


async def test_batches_answer_element_by_element(rest: FuturesRest) -> None:
    price = await rest.away(-0.02)
    order = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": price,
    }
    stop = {"symbol": SYMBOL, "side": "SELL", "type": "STOP_MARKET", "quantity": "0.01"}
    batch = [order, stop, order | {"quantity": "0.001"}]
    placed = await rest.signed("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(batch))
    assert [row.get("code") for row in placed.body] == [None, -4120, -4164]
    assert placed.headers["X-MBX-ORDER-COUNT-10S"] == "5"
    order_id = placed.body[0]["orderId"]
    cancelled = await rest.signed(
        "DELETE", "/fapi/v1/batchOrders", symbol=SYMBOL, orderIdList=f"[{order_id},1]"
    )
    assert cancelled.body[0]["status"] == "CANCELED"
    assert cancelled.body[1]["code"] == -2011
    six = json.dumps([order] * 6)
    assert (await rest.signed("POST", "/fapi/v1/batchOrders", batchOrders=six)).code == -4082


async def test_the_dead_man_timer_cancels_orders_and_nothing_else(rest: FuturesRest) -> None:
    await rest.futures_order("BUY", "MARKET", quantity="0.01")
    price = await rest.away(-0.02)
    await rest.futures_order("BUY", "LIMIT", timeInForce="GTC", quantity="0.01", price=price)
    await rest.algo("SELL", "STOP_MARKET", triggerPrice=price, quantity="0.01")
    timer = await rest.signed(
        "POST", "/fapi/v1/countdownCancelAll", symbol=SYMBOL, countdownTime=60_000
    )
    assert timer.body == {"symbol": SYMBOL, "countdownTime": "60000"}
    assert len((await rest.signed("GET", "/fapi/v1/openOrders")).body) == 1
    await rest.signed("POST", "/fapi/v1/countdownCancelAll", symbol=SYMBOL, countdownTime=100)

    async def none_open() -> bool:
        return not (await rest.signed("GET", "/fapi/v1/openOrders")).body

    await until(none_open)
    # Positions and conditional orders stand (binance.md §10.6 leaves the latter open).
    assert len((await rest.signed("GET", "/fapi/v3/positionRisk")).body) == 1
    assert len((await rest.signed("GET", "/fapi/v1/openAlgoOrders")).body) == 1


async def test_a_timer_can_be_stopped(rest: FuturesRest) -> None:
    price = await rest.away(-0.02)
    await rest.futures_order("BUY", "LIMIT", timeInForce="GTC", quantity="0.01", price=price)
    for length_ms in (300, 0):
        await rest.signed(
            "POST", "/fapi/v1/countdownCancelAll", symbol=SYMBOL, countdownTime=length_ms
        )
    # Nothing tells that a timer is off; the exchange's own clock shows that its time has passed.
    start = (await rest.public("/fapi/v1/time")).body["serverTime"]

    async def time_is_over() -> bool:
        now = (await rest.public("/fapi/v1/time")).body["serverTime"]
        return int(now) > int(start) + 600

    await until(time_is_over)
    assert len((await rest.signed("GET", "/fapi/v1/openOrders")).body) == 1


async def test_history_by_id_and_time(rest: FuturesRest) -> None:
    first = (await rest.futures_order("BUY", "MARKET", quantity="0.01")).body
    second = (await rest.futures_order("SELL", "MARKET", quantity="0.01")).body
    every = (await rest.signed("GET", "/fapi/v1/allOrders", symbol=SYMBOL)).body
    assert [row["orderId"] for row in every] == [first["orderId"], second["orderId"]]
    later = await rest.signed("GET", "/fapi/v1/allOrders", symbol=SYMBOL, orderId=second["orderId"])
    assert len(later.body) == 1
    trades = await rest.signed(
        "GET", "/fapi/v1/userTrades", symbol=SYMBOL, orderId=first["orderId"]
    )
    assert {row["orderId"] for row in trades.body} == {first["orderId"]}
    week = 8 * 86_400_000
    too_long = await rest.signed(
        "GET", "/fapi/v1/userTrades", symbol=SYMBOL, startTime=1, endTime=1 + week
    )
    assert too_long.code == -4166
    open_only = await rest.signed(
        "GET", "/fapi/v1/openOrder", symbol=SYMBOL, orderId=first["orderId"]
    )
    assert open_only.code == -2013
