"""Conditional orders: a service of their own, their life told by ALGO_UPDATE (§10.4, §10.5)."""

from __future__ import annotations

import pytest

from tests.clients.futures_support import SYMBOL, FuturesRest
from tests.clients.support import Json, Socket, until


async def _states(private: Socket, client_id: str) -> list[str]:
    return [
        one["o"]["X"]
        for one in private.inbox
        if one["e"] == "ALGO_UPDATE" and one["o"]["caid"] == client_id
    ]


async def _wait_for(private: Socket, state: str) -> Json:
    found: Json = await private.first(
        lambda one: one["e"] == "ALGO_UPDATE" and one["o"]["X"] == state
    )
    told: Json = found["o"]
    return told


async def test_a_stop_fires_on_the_mark_and_becomes_another_order(
    rest: FuturesRest, private: Socket
) -> None:
    await rest.futures_order("BUY", "MARKET", quantity="0.01")
    bid, _ = await rest.touch()
    placed = await rest.algo(
        "SELL",
        "STOP_MARKET",
        triggerPrice=f"{bid * 0.98:.1f}",
        closePosition="true",
        workingType="MARK_PRICE",
        clientAlgoId="protect",
    )
    assert placed.body["algoStatus"] == "NEW"
    assert placed.body["orderType"] == "STOP_MARKET"
    assert (await rest.signed("GET", "/fapi/v1/openOrders")).body == []
    await rest.control("mark_price", symbol=SYMBOL, price=f"{bid * 0.97:.1f}")
    done = await _wait_for(private, "FINISHED")
    assert await _states(private, "protect") == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    order_id = int(done["ai"])
    assert order_id != placed.body["algoId"]
    fill = await private.first(
        lambda one: (
            one["e"] == "ORDER_TRADE_UPDATE"
            and (one["o"]["i"], one["o"]["X"]) == (order_id, "FILLED")
        )
    )
    assert fill["o"]["c"] != "protect"
    query = (await rest.signed("GET", "/fapi/v1/algoOrder", clientAlgoId="protect")).body
    assert (query["algoStatus"], query["actualOrderId"]) == ("FINISHED", str(order_id))
    normal = await rest.signed("GET", "/fapi/v1/order", symbol=SYMBOL, orderId=order_id)
    assert (normal.body["status"], normal.body["origType"]) == ("FILLED", "STOP_MARKET")
    assert (await rest.ledger())["positions"] == []


@pytest.mark.parametrize(
    ("kind", "share", "code"),
    [
        ("STOP_MARKET", 0.01, -2021),
        ("TAKE_PROFIT_MARKET", -0.01, -2021),
        ("STOP_MARKET", -0.01, 200),
        ("TAKE_PROFIT_MARKET", 0.01, 200),
    ],
)
async def test_the_side_of_the_trigger(
    rest: FuturesRest, kind: str, share: float, code: int
) -> None:
    reply = await rest.algo("SELL", kind, triggerPrice=await rest.away(share), quantity="0.01")
    assert (reply.status if code == 200 else reply.code) == code


@pytest.mark.parametrize(
    ("code", "kind", "fields"),
    [
        (-1102, "STOP_MARKET", {"quantity": "0.01"}),
        (-1102, "STOP", {"triggerPrice": "50000", "quantity": "0.01"}),
        (-1106, "STOP_MARKET", {"triggerPrice": "50000", "quantity": "0.01", "price": "50000"}),
        (-1116, "TRAILING_STOP_MARKET", {"quantity": "0.01", "callbackRate": "1"}),
        (
            -4136,
            "STOP",
            {"triggerPrice": "50000", "price": "50000", "closePosition": "true"},
        ),
        (
            -4137,
            "STOP_MARKET",
            {"triggerPrice": "50000", "quantity": "0.01", "closePosition": "true"},
        ),
        (
            -4138,
            "STOP_MARKET",
            {"triggerPrice": "50000", "reduceOnly": "true", "closePosition": "true"},
        ),
    ],
)
async def test_refusals(rest: FuturesRest, code: int, kind: str, fields: dict[str, str]) -> None:
    assert (await rest.algo("SELL", kind, **fields)).code == code


async def test_no_margin_is_checked_until_it_fires(rest: FuturesRest, private: Socket) -> None:
    bid, _ = await rest.touch()
    placed = await rest.algo(
        "BUY",
        "STOP_MARKET",
        triggerPrice=f"{bid * 1.01:.1f}",
        quantity="90",
        workingType="MARK_PRICE",
    )
    assert placed.status == 200
    await rest.control("mark_price", symbol=SYMBOL, price=f"{bid * 1.02:.1f}")
    rejected = await _wait_for(private, "REJECTED")
    assert rejected["rm"] == "Margin is insufficient."
    query = await rest.signed("GET", "/fapi/v1/algoOrder", algoId=placed.body["algoId"])
    assert query.body["algoStatus"] == "REJECTED"
    assert (await rest.ledger())["fills"] == []


async def test_a_close_position_stop_vanishes_with_the_position(
    rest: FuturesRest, private: Socket
) -> None:
    await rest.futures_order("BUY", "MARKET", quantity="0.01")
    trigger = await rest.away(-0.02)
    await rest.algo("SELL", "STOP_MARKET", triggerPrice=trigger, closePosition="true")
    # Without closePosition a stop outlives the position that it was meant for.
    await rest.algo("SELL", "STOP_MARKET", triggerPrice=trigger, quantity="0.01", reduceOnly="true")
    await rest.futures_order("SELL", "MARKET", quantity="0.01", reduceOnly="true")
    expired = await _wait_for(private, "EXPIRED")
    assert expired["cp"] is True
    left = (await rest.signed("GET", "/fapi/v1/openAlgoOrders", symbol=SYMBOL)).body
    assert [row["closePosition"] for row in left] == [False]


async def test_two_books_a_kill_switch_needs_both(rest: FuturesRest) -> None:
    price = await rest.away(-0.02)
    await rest.futures_order("BUY", "LIMIT", timeInForce="GTC", quantity="0.01", price=price)
    stop = await rest.algo("SELL", "STOP_MARKET", triggerPrice=price, quantity="0.01")
    await rest.signed("DELETE", "/fapi/v1/allOpenOrders", symbol=SYMBOL)
    assert len((await rest.signed("GET", "/fapi/v1/openAlgoOrders")).body) == 1
    assert len((await rest.ledger())["open_orders"]) == 1
    await rest.signed("DELETE", "/fapi/v1/algoOpenOrders", symbol=SYMBOL)
    assert (await rest.ledger())["open_orders"] == []
    again = await rest.signed("DELETE", "/fapi/v1/algoOrder", algoId=stop.body["algoId"])
    assert again.code == -2011
    history = await rest.signed("GET", "/fapi/v1/allAlgoOrders", symbol=SYMBOL)
    assert [row["algoStatus"] for row in history.body] == ["CANCELED"]


async def test_client_ids_collide_instead_of_doubling(rest: FuturesRest) -> None:
    price = await rest.away(-0.02)
    fields = {"triggerPrice": price, "quantity": "0.01", "clientAlgoId": "intent-7"}
    assert (await rest.algo("SELL", "STOP_MARKET", **fields)).status == 200
    assert (await rest.algo("SELL", "STOP_MARKET", **fields)).code == -4116
    cancelled = await rest.signed("DELETE", "/fapi/v1/algoOrder", clientAlgoId="intent-7")
    assert (cancelled.body["code"], cancelled.body["msg"]) == ("200", "success")


async def test_a_waiting_order_is_no_normal_order(rest: FuturesRest) -> None:
    stop = await rest.algo(
        "SELL", "STOP_MARKET", triggerPrice=await rest.away(-0.02), quantity="0.01"
    )
    [entry] = (await rest.ledger())["open_orders"]
    core_id = entry["order_id"]
    assert stop.body["algoId"] != core_id
    for method in ("GET", "DELETE"):
        reply = await rest.signed(method, "/fapi/v1/order", symbol=SYMBOL, orderId=core_id)
        assert reply.code == -2013
    assert (await rest.signed("GET", "/fapi/v1/allOrders", symbol=SYMBOL)).body == []


async def test_a_stop_limit_rests_after_it_fired(rest: FuturesRest, private: Socket) -> None:
    bid, _ = await rest.touch()
    await rest.algo(
        "SELL",
        "STOP",
        triggerPrice=f"{bid * 0.98:.1f}",
        price=f"{bid * 1.02:.1f}",
        quantity="0.01",
        workingType="MARK_PRICE",
    )
    await rest.control("mark_price", symbol=SYMBOL, price=f"{bid * 0.979:.1f}")
    await _wait_for(private, "TRIGGERED")

    async def rests() -> bool:
        found = (await rest.signed("GET", "/fapi/v1/openOrders")).body
        return [row["type"] for row in found] == ["LIMIT"]

    await until(rests)
