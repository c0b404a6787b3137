"""Orders in Bybit's words, as exact bytes (bybit.md §5)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import UsageError
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import (
    ClientOrderId,
    OrderKind,
    OrderRole,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
)
from obiterm.venues.bybit import (
    AccountRequests,
    Category,
    HttpRequest,
    MarketRequests,
    OrderPolicy,
    OrderRequests,
    Signer,
    amend_fields,
)
from obiterm.venues.bybit.order_fields import order_fields
from tests.unit.venues_bybit.payloads import (
    BTC,
    BTC_SPOT,
    KEY,
    MINE,
    NOW_MS,
    PERP,
    SPOT,
    approved,
)

ORDERS = OrderRequests(Signer(KEY))
ACCOUNT = AccountRequests(Signer(KEY))
MARKET = MarketRequests()


def fields(order: ApprovedOrder, policy: OrderPolicy | None = None) -> dict[str, Any]:
    instrument = BTC if order.intent.symbol == PERP else BTC_SPOT
    return dict(order_fields(order, instrument, policy or OrderPolicy()))


def body(request: HttpRequest) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(request.body)
    return told


def test_a_perpetual_limit_order() -> None:
    assert fields(approved(time_in_force=TimeInForce.IOC)) == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.123",
        "price": "60000.5",
        "timeInForce": "IOC",
        "positionIdx": 0,
        "reduceOnly": False,
        "smpType": "CancelTaker",
        "orderLinkId": MINE,
    }


def test_a_spot_limit_order_has_no_perpetual_fields() -> None:
    sent = fields(approved(symbol=SPOT, price_ticks=6_000_050, post_only=True, reduce_only=True))
    assert sent == {
        "category": "spot",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.000123",
        "price": "60000.5",
        "timeInForce": "PostOnly",
        "smpType": "CancelTaker",
        "orderLinkId": MINE,
    }


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize("kind", [OrderKind.MARKET, OrderKind.STOP_MARKET])
def test_t49_a_spot_market_order_always_tells_its_unit(kind: OrderKind, side: Side) -> None:
    sent = fields(approved(kind, symbol=SPOT, side=side, trigger_ticks=5_900_000))
    assert sent["marketUnit"] == "baseCoin"
    assert sent["qty"] == "0.000123"
    assert "price" not in sent
    assert sent["timeInForce"] == "IOC"


def test_a_spot_stop_is_told_as_one_or_it_would_be_a_plain_order() -> None:
    sent = fields(approved(OrderKind.STOP_MARKET, symbol=SPOT, trigger_ticks=5_900_000))
    assert (sent["orderFilter"], sent["triggerPrice"]) == ("StopOrder", "59000")
    assert not sent.keys() & {"triggerDirection", "triggerBy", "closeOnTrigger"}


@pytest.mark.parametrize(("side", "direction"), [(Side.SELL, 2), (Side.BUY, 1)])
def test_a_perpetual_stop_tells_its_direction(side: Side, direction: int) -> None:
    order = approved(
        OrderKind.STOP_MARKET,
        side=side,
        trigger_ticks=590_000,
        reduce_only=True,
        role=OrderRole.STOP,
    )
    sent = fields(order, OrderPolicy(trigger_by="MarkPrice"))
    assert sent["orderType"] == "Market"
    assert (sent["triggerPrice"], sent["triggerDirection"]) == ("59000", direction)
    assert sent["triggerBy"] == "MarkPrice"
    assert sent["reduceOnly"] is sent["closeOnTrigger"] is True
    assert "orderFilter" not in sent
    assert "marketUnit" not in sent
    assert fields(order)["triggerBy"] == "LastPrice", "told always, the venue's default is vague"


@pytest.mark.parametrize(
    ("side", "reduce_only", "leg"),
    [
        (Side.BUY, False, 1),
        (Side.SELL, False, 2),
        (Side.SELL, True, 1),
        (Side.BUY, True, 2),
    ],
)
def test_t31_a_hedge_account_is_told_the_leg(side: Side, reduce_only: bool, leg: int) -> None:
    order = approved(side=side, reduce_only=reduce_only)
    assert fields(order)["positionIdx"] == 0
    assert fields(order, OrderPolicy(hedged=frozenset({PERP})))["positionIdx"] == leg
    assert fields(order, OrderPolicy(hedged=frozenset({Symbol("X")})))["positionIdx"] == 0


@pytest.mark.parametrize("role", list(OrderRole))
def test_r15_every_order_prevents_self_trades(role: OrderRole) -> None:
    leaves = role in (OrderRole.STOP, OrderRole.EXIT, OrderRole.PANIC)
    for symbol in (PERP, SPOT):
        sent = fields(approved(symbol=symbol, role=role))
        assert sent["smpType"] == ("CancelMaker" if leaves else "CancelTaker")


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_numbers_are_exact_and_never_have_an_exponent(ticks: int, lots: int) -> None:
    pepe = msgspec.structs.replace(BTC, tick_size=Decimal("1E-10"), lot_size=Decimal(100))
    for instrument in (BTC, pepe):
        order = approved(price_ticks=ticks, lots=lots)
        sent = order_fields(order, instrument, OrderPolicy())
        price, quantity = str(sent["price"]), str(sent["qty"])
        assert instrument.ticks(Decimal(price)) == ticks
        assert instrument.lots(Decimal(quantity)) == lots
        assert "e" not in (price + quantity).lower()


def test_an_order_goes_out_signed_in_the_body_and_is_counted() -> None:
    request = ORDERS.place(approved(), BTC, NOW_MS)
    assert (request.method, request.target) == ("POST", b"/v5/order/create")
    assert (request.endpoint, request.category, request.cost) == ("create", Category.LINEAR, 1)
    assert b" " not in request.body
    spot = ORDERS.place(approved(symbol=SPOT), BTC_SPOT, NOW_MS)
    assert spot.category is Category.SPOT


def test_a_cancel_names_one_id_and_a_spot_stop_its_kind() -> None:
    assert body(ORDERS.cancel(PERP, MINE, NOW_MS)) == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderLinkId": MINE,
    }
    orders = OrderRequests(Signer(KEY))
    stop = approved(OrderKind.STOP_MARKET, symbol=SPOT, side=Side.SELL, trigger_ticks=5)
    orders.place(stop, BTC_SPOT, NOW_MS)
    told = body(orders.cancel(SPOT, MINE, NOW_MS, VenueOrderId("17")))
    assert told == {
        "category": "spot",
        "symbol": "BTCUSDT",
        "orderId": "17",
        "orderFilter": "StopOrder",
    }


def test_an_amendment_sends_only_what_changes() -> None:
    request = ORDERS.amend(BTC, MINE, NOW_MS, price_ticks=600_010)
    assert request.target == b"/v5/order/amend"
    assert body(request) == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderLinkId": MINE,
        "price": "60001",
    }
    request = ORDERS.amend(
        BTC_SPOT, MINE, NOW_MS, VenueOrderId("17"), lots=5, trigger_ticks=5_900_000
    )
    assert body(request) == {
        "category": "spot",
        "symbol": "BTCUSDT",
        "orderId": "17",
        "qty": "0.000005",
        "triggerPrice": "59000",
    }


def test_cancel_all_takes_every_kind_of_order() -> None:
    [request] = ORDERS.cancel_all(PERP, NOW_MS)
    assert request.target == b"/v5/order/cancel-all"
    assert body(request) == {"category": "linear", "symbol": "BTCUSDT"}
    kinds = [body(each) for each in ORDERS.cancel_all(SPOT, NOW_MS)]
    assert [kind["orderFilter"] for kind in kinds] == [
        "Order",
        "StopOrder",
        "tpslOrder",
        "OcoOrder",
        "BidirectionalTpslOrder",
    ]
    assert {kind["symbol"] for kind in kinds} == {"BTCUSDT"}
    everything = [body(each) for each in ORDERS.cancel_everything(Category.LINEAR, NOW_MS)]
    assert everything == [
        {"category": "linear", "settleCoin": "USDT"},
        {"category": "linear", "settleCoin": "USDC"},
    ]
    assert len(ORDERS.cancel_everything(Category.SPOT, NOW_MS)) == 5


def test_a_batch_holds_one_category_and_costs_its_orders() -> None:
    request = ORDERS.place_batch([(approved(), BTC), (approved(side=Side.SELL), BTC)], NOW_MS)
    assert (request.target, request.cost) == (b"/v5/order/create-batch", 2)
    told = body(request)
    assert told["category"] == "linear"
    assert [item["side"] for item in told["request"]] == ["Buy", "Sell"]
    assert all("category" not in item for item in told["request"])
    gone = body(ORDERS.cancel_batch([(PERP, MINE, None), (PERP, MINE, VenueOrderId("7"))], NOW_MS))
    assert gone["request"] == [
        {"symbol": "BTCUSDT", "orderLinkId": MINE},
        {"symbol": "BTCUSDT", "orderId": "7"},
    ]
    moved = body(ORDERS.amend_batch([(BTC, MINE, amend_fields(BTC, lots=2))], NOW_MS))
    assert moved["request"] == [{"symbol": "BTCUSDT", "orderLinkId": MINE, "qty": "0.002"}]
    mixed = [(approved(), BTC), (approved(symbol=SPOT), BTC_SPOT)]
    for wrong in (mixed, [], [(approved(), BTC)] * 11):
        with pytest.raises(UsageError, match="one category"):
            ORDERS.place_batch(wrong, NOW_MS)


def test_a_whole_position_is_closed_without_its_size() -> None:
    request = ORDERS.close_position(PERP, Side.SELL, ClientOrderId("x-1"), NOW_MS)
    assert body(request) == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Sell",
        "orderType": "Market",
        "qty": "0",
        "timeInForce": "IOC",
        "positionIdx": 0,
        "reduceOnly": True,
        "closeOnTrigger": True,
        "smpType": "CancelMaker",
        "orderLinkId": "x-1",
    }
