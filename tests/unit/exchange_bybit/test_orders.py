"""The life of orders, in the venue's own fields, codes and words (bybit.md §5, §12)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.clients.bybit_support import LINEAR, SPOT, SYMBOL, BybitRest
from tests.clients.support import until

BOTH = pytest.mark.parametrize("category", [SPOT, LINEAR])


@BOTH
async def test_an_order_rests_changes_and_is_cancelled(rest: BybitRest, category: str) -> None:
    price = await rest.away(category, -0.02)
    ack = (await rest.limit(category, "Buy", "0.01", price, orderLinkId="one")).result
    assert ack["orderLinkId"] == "one"
    shown = await rest.find(category, ack["orderId"])
    assert shown["orderStatus"] == "New"
    assert Decimal(shown["leavesQty"]) == Decimal("0.01")
    same = await rest.post(
        "order/amend", category=category, symbol=SYMBOL, orderLinkId="one", price=price
    )
    assert same.code == 10001
    lower = await rest.away(category, -0.03)
    amended = await rest.post(
        "order/amend", category=category, symbol=SYMBOL, orderLinkId="one", price=lower, qty="0.02"
    )
    assert amended.result == ack
    shown = await rest.find(category, ack["orderId"])
    assert (Decimal(shown["price"]), Decimal(shown["qty"])) == (Decimal(lower), Decimal("0.02"))
    gone = {"category": category, "symbol": SYMBOL, "orderId": ack["orderId"]}
    assert (await rest.post("order/cancel", **gone)).result == ack
    shown = await rest.find(category, ack["orderId"])
    assert (shown["orderStatus"], shown["cancelType"]) == ("Cancelled", "CancelByUser")
    again = await rest.post("order/cancel", **gone)
    assert again.code == (170213 if category == SPOT else 110001)
    history = (await rest.get("order/history", category=category)).rows
    assert [one["orderId"] for one in history] == [ack["orderId"]]


@BOTH
async def test_post_only_that_would_take_is_accepted_then_cancelled(
    rest: BybitRest, category: str
) -> None:
    price = await rest.away(category, 0.002)
    async with rest.private_socket() as socket:
        await socket.log_on()
        await socket.ask("subscribe", "order")
        ack = (await rest.limit(category, "Buy", "0.01", price, timeInForce="PostOnly")).result
        row = await socket.row("order", orderId=ack["orderId"])
    assert row["orderStatus"] == "Cancelled"
    assert row["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"
    assert (await rest.ledger())["open_orders"] == []


@BOTH
async def test_an_order_link_id_serves_once(rest: BybitRest, category: str) -> None:
    price = await rest.away(category, -0.02)
    assert (await rest.limit(category, "Buy", "0.01", price, orderLinkId="x")).code == 0
    again = await rest.limit(category, "Buy", "0.01", price, orderLinkId="x")
    assert again.code == (170141 if category == SPOT else 110072)
    assert len((await rest.ledger())["open_orders"]) == 1
    assert (await rest.limit(category, "Buy", "0.01", price, orderLinkId="x y")).code == 10001


@pytest.mark.parametrize(
    ("category", "fields", "code"),
    [
        (SPOT, {"qty": "0.0000001"}, 170137),
        (SPOT, {"price": "50000.001"}, 170134),
        (SPOT, {"qty": "0.00005", "price": "50000"}, 170140),
        (SPOT, {"qty": "50", "price": "50000"}, 170131),
        (SPOT, {"symbol": "NOUSDT"}, 170121),
        (LINEAR, {"qty": "0.0001"}, 10001),
        (LINEAR, {"price": "59000.05"}, 10001),
        (LINEAR, {"qty": "500"}, 110007),
        (LINEAR, {"symbol": "NOUSDT"}, 10001),
        (LINEAR, {"positionIdx": 1}, 10001),
        (LINEAR, {"reduceOnly": True}, 110017),
        (LINEAR, {"side": "buy"}, 10001),
        (LINEAR, {"qty": ""}, 10001),
        (LINEAR, {"qty": "0"}, 10001),
        ("option", {}, 10001),
    ],
)
async def test_refusals(
    rest: BybitRest, category: str, fields: dict[str, object], code: int
) -> None:
    asked: dict[str, Any] = {
        "category": category,
        "symbol": SYMBOL,
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.01",
        "price": "59000",
    }
    reply = await rest.post("order/create", **(asked | fields))
    assert reply.status == 200
    assert reply.code == code, reply.msg
    assert reply.msg
    assert (await rest.ledger())["open_orders"] == []


async def test_a_spot_market_buy_is_by_value_unless_told_otherwise(rest: BybitRest) -> None:
    plain = (await rest.order(SPOT, "Buy", "Market", qty="600")).result["orderId"]
    shown = await rest.find(SPOT, plain)
    assert (shown["marketUnit"], shown["qty"]) == ("quoteCoin", "600")
    assert shown["orderStatus"] in ("Filled", "PartiallyFilledCanceled")
    assert Decimal("599.9") < Decimal(shown["cumExecValue"]) <= 600
    by_base = await rest.order(SPOT, "Buy", "Market", qty="0.01", marketUnit="baseCoin")
    shown = await rest.find(SPOT, by_base.result["orderId"])
    assert Decimal(shown["cumExecQty"]) == Decimal("0.01")
    assert shown["orderStatus"] == "Filled"
    assert list(shown["cumFeeDetail"]) == ["BTC"], "a spot buy pays its fee in what it buys"
    sold = (await rest.order(SPOT, "Sell", "Market", qty="0.005")).result["orderId"]
    assert list((await rest.find(SPOT, sold))["cumFeeDetail"]) == ["USDT"]


async def test_ioc_and_fok_that_find_nothing(rest: BybitRest) -> None:
    price = await rest.away(LINEAR, -0.02)
    for tif, reason in (("IOC", "EC_NoImmediateQtyToFill"), ("FOK", "EC_CancelForNoFullFill")):
        ack = (await rest.limit(LINEAR, "Buy", "0.01", price, timeInForce=tif)).result
        shown = await rest.find(LINEAR, ack["orderId"])
        assert (shown["orderStatus"], shown["rejectReason"]) == ("Cancelled", reason)


async def test_a_linear_price_beyond_the_limit_is_moved_to_it(rest: BybitRest) -> None:
    limits = (await rest.public("price-limit", category=LINEAR, symbol=SYMBOL)).result
    far = f"{float(limits['sellLmt']) * 0.5:.1f}"
    ack = (await rest.limit(LINEAR, "Sell", "0.01", far, timeInForce="IOC")).result
    shown = await rest.find(LINEAR, ack["orderId"])
    assert Decimal(shown["price"]) > Decimal(far)
    assert shown["orderStatus"] == "Filled"


async def test_cancel_all_scopes(rest: BybitRest) -> None:
    spot, linear = await rest.away(SPOT, -0.02), await rest.away(LINEAR, -0.02)
    for category, price in ((SPOT, spot), (SPOT, spot), (LINEAR, linear)):
        await rest.limit(category, "Buy", "0.01", price)
    stop = await rest.away(SPOT, -0.05)
    await rest.order(SPOT, "Sell", "Market", qty="0.01", triggerPrice=stop, orderFilter="StopOrder")
    assert (await rest.post("order/cancel-all", category=LINEAR)).code == 10001
    gone = (await rest.post("order/cancel-all", category=SPOT)).rows
    assert len(gone) == 2, "spot stops stay unless they are named"
    gone = (await rest.post("order/cancel-all", category=LINEAR, settleCoin="USDT")).rows
    assert len(gone) == 1
    left = (await rest.get("order/realtime", category=SPOT)).rows
    assert [one["orderStatus"] for one in left] == ["Untriggered"]
    stop_order = {"category": SPOT, "symbol": SYMBOL, "orderId": left[0]["orderId"]}
    assert (await rest.post("order/cancel", **stop_order)).code == 170213
    done = await rest.post("order/cancel", **stop_order, orderFilter="StopOrder")
    assert done.code == 0
    assert (await rest.find(SPOT, left[0]["orderId"]))["orderStatus"] == "Deactivated"


async def test_a_batch_lets_each_order_stand_alone(rest: BybitRest) -> None:
    price = await rest.away(LINEAR, -0.02)
    good = {"symbol": SYMBOL, "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": price}
    reply = await rest.post(
        "order/create-batch", category=LINEAR, request=[good, good | {"qty": "0"}]
    )
    assert [one["code"] for one in reply.body["retExtInfo"]["list"]] == [0, 10001]
    assert [bool(one["orderId"]) for one in reply.rows] == [True, False]
    gone = {"symbol": SYMBOL, "orderId": reply.rows[0]["orderId"]}
    reply = await rest.post("order/cancel-batch", category=LINEAR, request=[gone, gone])
    assert [one["code"] for one in reply.body["retExtInfo"]["list"]] == [0, 110001]


async def test_a_conditional_order_waits_for_its_price(rest: BybitRest) -> None:
    trigger = await rest.away(LINEAR, 0.001)
    ack = await rest.order(
        LINEAR,
        "Buy",
        "Market",
        qty="0.01",
        triggerPrice=trigger,
        triggerDirection=1,
        triggerBy="LastPrice",
    )
    order_id = ack.result["orderId"]
    shown = await rest.find(LINEAR, order_id)
    assert (shown["orderStatus"], shown["stopOrderType"]) == ("Untriggered", "Stop")
    wrong = await rest.order(
        LINEAR, "Buy", "Market", qty="0.01", triggerPrice=trigger, triggerDirection=2
    )
    assert wrong.code == 110093
    assert "Falling" in wrong.msg
    await rest.control("market_order", symbol="BTCUSDT.P", side="BUY", qty="60")

    async def filled() -> bool:
        return str((await rest.find(LINEAR, order_id))["orderStatus"]) == "Filled"

    await until(filled)


async def test_self_match_prevention_is_the_takers_choice(rest: BybitRest) -> None:
    _, ask = await rest.touch(SPOT)
    maker = (await rest.limit(SPOT, "Sell", "0.01", f"{ask - 0.01:.2f}")).result["orderId"]
    taker = await rest.limit(
        SPOT, "Buy", "0.01", f"{ask:.2f}", timeInForce="IOC", smpType="CancelMaker"
    )
    assert taker.code == 0
    shown = await rest.find(SPOT, maker)
    if shown["orderStatus"] == "Cancelled":
        assert shown["cancelType"] == "CancelBySmp"
    async with rest.http.get(f"{rest.base}/_exchange/ledger") as response:
        assert (await response.json())["self_trades"] == []
