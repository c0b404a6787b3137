"""What answers to cancels, questions and cancel-replaces mean."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from obiterm.core.events import (
    BalanceChanged,
    CancelRefused,
    Filled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderKind,
    OrderState,
    Side,
    VenueOrderId,
)
from obiterm.venues.binance import UserSession
from tests.unit.venues_binance.payloads import (
    AT,
    ETH,
    MINE,
    NOW_MS,
    NOW_NS,
    ORDER,
    error,
    ok,
    order_reply,
    reported,
)

# ── cancelling, asking ──────────────────────────────────────────────────────


def test_a_cancel_speaks_of_the_order_not_of_itself(session: UserSession) -> None:
    session.cancel(ETH, MINE, NOW_MS, NOW_NS, VenueOrderId("28"))
    reply = order_reply(origClientOrderId=MINE, clientOrderId="cancelMyOrder1", status="CANCELED")
    assert session.receive(ok(1, reply), AT) == [reported(OrderState.CANCELLED)]


def test_a_refused_cancel_is_a_reason_to_ask(session: UserSession) -> None:
    session.cancel(ETH, MINE, NOW_MS, NOW_NS)
    assert session.receive(error(1, 400, -2011, "Unknown order sent."), AT) == [
        CancelRefused(ETH, MINE, "-2011", "Unknown order sent.", AT)
    ]


def test_a_query(session: UserSession) -> None:
    session.query(ETH, MINE, NOW_MS, NOW_NS)
    told = order_reply(status="PARTIALLY_FILLED", executedQty="0.4", time=1, updateTime=2)
    del told["transactTime"]
    assert session.receive(ok(1, told), AT) == [
        reported(OrderState.PARTIAL, filled_lots=4000, event_ns=2 * NS_PER_MS)
    ]


def test_a_query_for_an_order_that_does_not_exist(session: UserSession) -> None:
    session.query(ETH, MINE, NOW_MS, NOW_NS)
    assert session.receive(error(1, 400, -2013, "Order does not exist."), AT) == [
        OrderNotFound(ETH, MINE, AT)
    ]


def test_a_query_that_fails_leaves_the_order_unknown(session: UserSession) -> None:
    session.query(ETH, MINE, NOW_MS, NOW_NS)
    [told] = session.receive(error(1, 429, -1003, "Too many requests"), AT)
    assert isinstance(told, OrderOutcomeLost)


def test_cancel_all_tells_of_every_order(session: UserSession) -> None:
    session.cancel_all(ETH, NOW_MS, NOW_NS)
    replies = [
        order_reply(origClientOrderId="a", clientOrderId="x", status="CANCELED"),
        order_reply(origClientOrderId="b", clientOrderId="x", status="CANCELED"),
    ]
    told = session.receive(ok(1, replies), AT)
    assert [event.client_id for event in told if isinstance(event, OrderReported)] == ["a", "b"]


def test_cancel_all_tells_of_the_legs_of_order_lists(session: UserSession) -> None:
    session.cancel_all(ETH, NOW_MS, NOW_NS)
    legs = [
        order_reply(origClientOrderId=name, clientOrderId="x", status="CANCELED")
        for name in ("above", "below")
    ]
    listed = {"orderListId": 1929, "contingencyType": "OCO", "symbol": "ETHBTC",
              "orders": [], "orderReports": legs}  # fmt: skip
    told = session.receive(ok(1, [listed]), AT)
    assert [each.client_id for each in told if isinstance(each, OrderReported)] == [
        "above",
        "below",
    ]


def test_cancel_all_of_nothing_is_an_answer(session: UserSession) -> None:
    session.cancel_all(ETH, NOW_MS, NOW_NS)
    assert session.receive(error(1, 400, -2011, "Unknown order sent."), AT) == []
    [answer] = session.take_answers()
    assert answer.failure is not None
    assert answer.failure.code == -2011


def test_open_orders_come_in_the_answer(session: UserSession) -> None:
    session.open_orders(None, NOW_MS, NOW_NS)
    foreign = order_reply(symbol="XRPBTC", clientOrderId="z")
    stop = order_reply(type="STOP_LOSS", stopPrice="0.1", price="0.0", time=5)
    assert session.receive(ok(1, [stop, foreign]), AT) == []
    [answer] = session.take_answers()
    [live] = answer.open_orders
    assert (live.kind, live.trigger_ticks, live.price_ticks) == (OrderKind.STOP_MARKET, 10_000, 0)
    assert live.created_ns == 5 * NS_PER_MS


def test_balances_by_request(session: UserSession) -> None:
    session.account(NOW_MS, NOW_NS)
    balances = [{"asset": "BTC", "free": "0.5", "locked": "0.1"}]
    assert session.receive(ok(1, {"balances": balances, "canTrade": True}), AT) == [
        BalanceChanged("BTC", Decimal("0.5"), Decimal("0.1"), AT, AT)
    ]


def test_trades_by_request_get_their_client_ids(session: UserSession) -> None:
    row = {
        "symbol": "ETHBTC", "id": 28457, "orderId": 28, "orderListId": -1, "price": "0.1",
        "qty": "1.0", "quoteQty": "0.1", "commission": "0.001", "commissionAsset": "BNB",
        "time": 1499865549590, "isBuyer": True, "isMaker": True, "isBestMatch": True,
    }  # fmt: skip
    session.my_trades(ETH, 28457, {VenueOrderId("28"): MINE}, NOW_MS, NOW_NS)
    mine, foreign = session.receive(ok(1, [row, {**row, "orderId": 29, "isBuyer": False}]), AT)
    assert isinstance(mine, Filled)
    assert isinstance(foreign, Filled)
    assert (mine.client_id, mine.side, mine.is_maker) == (MINE, Side.BUY, True)
    assert (foreign.client_id, foreign.side) == ("", Side.SELL)


# ── cancel-replace ──────────────────────────────────────────────────────────

NEW = ClientOrderId("new")
CANCELLED = order_reply(origClientOrderId="old", clientOrderId="x", status="CANCELED")


def replace(session: UserSession) -> None:
    intent = msgspec.structs.replace(ORDER.intent, client_id=NEW)
    session.replace(ClientOrderId("old"), ApprovedOrder(intent, 1), NOW_MS, NOW_NS)


def test_both_halves_succeed(session: UserSession) -> None:
    replace(session)
    result = {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": CANCELLED,
        "newOrderResponse": order_reply(clientOrderId="new"),
    }
    old, new = session.receive(ok(1, result), AT)
    assert old == reported(OrderState.CANCELLED, client_id="old")
    assert new == reported(OrderState.OPEN, client_id="new")


def test_the_old_order_is_gone_so_nothing_is_placed(session: UserSession) -> None:
    replace(session)
    data = {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
        "newOrderResponse": None,
    }
    told = session.receive(error(1, 400, -2022, "Order cancel-replace failed.", data), AT)
    assert told == [
        CancelRefused(ETH, ClientOrderId("old"), "-2011", "Unknown order sent.", AT),
        OrderRefused(ETH, NEW, "400", "not attempted", AT),
    ]


def test_the_old_order_is_cancelled_but_the_new_one_refused(session: UserSession) -> None:
    replace(session)
    data = {
        "cancelResult": "SUCCESS",
        "newOrderResult": "FAILURE",
        "cancelResponse": CANCELLED,
        "newOrderResponse": {"code": -2010, "msg": "Order would immediately match and take."},
    }
    text = "Order cancel-replace partially failed."
    old, new = session.receive(error(1, 409, -2021, text, data), AT)
    assert old == reported(OrderState.CANCELLED, client_id="old")
    assert isinstance(new, OrderRefused)
    assert (new.client_id, new.code) == (NEW, "-2010")


@pytest.mark.parametrize("data", ["", ',"data":null'])
def test_nobody_knows_about_either_half(session: UserSession, data: str) -> None:
    replace(session)
    frame = f'{{"id":1,"status":504,"error":{{"code":-1007,"msg":"Timeout"{data}}}}}'
    old, new = session.receive(frame, AT)
    assert isinstance(old, CancelRefused)
    assert isinstance(new, OrderOutcomeLost)
    assert (old.client_id, new.client_id) == ("old", NEW)
