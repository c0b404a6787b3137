"""REST replies: what became of an order (bybit.md §3, §5)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.errors import AccountStopped, OutcomeUnknown, Refused, RetryLater
from obiterm.core.events import (
    CancelRefused,
    Filled,
    FundingPaid,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderKind,
    OrderState,
    VenueOrderId,
)
from obiterm.venues.bybit import (
    Ask,
    Asked,
    Category,
    KnownOrders,
    Outcome,
    RestCodec,
    check,
    trade_id,
)
from tests.unit.venues_bybit.payloads import (
    AT,
    BOTH,
    MINE,
    NOW_MS,
    PERP,
    answer,
    execution_row,
    order_row,
)

PLACE = Asked(Ask.PLACE, PERP, MINE)
CANCEL = Asked(Ask.CANCEL, PERP, MINE)
AMEND = Asked(Ask.AMEND, PERP, MINE)
QUERY = Asked(Ask.QUERY, PERP, MINE)
HISTORY = Asked(Ask.HISTORY, PERP, MINE)


@pytest.fixture
def codec() -> RestCodec:
    return RestCodec(BOTH)


def outcome(codec: RestCodec, asked: Asked, body: bytes, status: int = 200) -> Outcome:
    return codec.outcome(asked, status, body, AT)


@pytest.mark.parametrize("msg", ["OK", "success", "SUCCESS", ""])
@pytest.mark.parametrize("asked", [PLACE, AMEND, CANCEL])
def test_an_accepted_request_is_no_state(asked: Asked, msg: str) -> None:
    known = KnownOrders()
    codec = RestCodec(BOTH, known)
    body = answer({"orderId": "1321003749386327552", "orderLinkId": MINE}, 0, msg)
    told = outcome(codec, asked, body)
    assert (told.events, told.venue_id) == ([], "1321003749386327552")
    assert known.client_id(VenueOrderId("1321003749386327552")) == MINE


@pytest.mark.parametrize(
    ("asked", "status", "body", "kind"),
    [
        (PLACE, 200, answer({}, 110007, "ab not enough for new order"), OrderRefused),
        (PLACE, 200, answer({}, 170140, "Order value exceeded lower limit."), OrderRefused),
        (PLACE, 200, answer({}, 10002, "timestamp"), OrderRefused),
        (PLACE, 200, answer({}, 110072, "OrderLinkedID is duplicate"), OrderOutcomeLost),
        (PLACE, 200, answer({}, 10016, "Server error"), OrderOutcomeLost),
        (PLACE, 200, b'{"ret_code":110007,"ret_msg":"ab not enough"}', OrderRefused),
        (PLACE, 502, b"<html>Bad gateway</html>", OrderOutcomeLost),
        (PLACE, 200, b"<html>maintenance</html>", OrderOutcomeLost),
        (PLACE, 200, b"", OrderOutcomeLost),
        (PLACE, 403, b"access too frequent", OrderRefused),
        (PLACE, 429, b"", OrderOutcomeLost),
        (CANCEL, 200, answer({}, 110001, "order not exists or too late"), CancelRefused),
        (AMEND, 200, answer({}, 110064, "below filled"), CancelRefused),
        (CANCEL, 0, b"", CancelRefused),
        (QUERY, 200, answer({}, 10006, "Too many visits!"), OrderOutcomeLost),
        (HISTORY, 500, b"", OrderOutcomeLost),
    ],
)
def test_r13_what_a_refusal_means_for_the_order(
    codec: RestCodec, asked: Asked, status: int, body: bytes, kind: type
) -> None:
    [event] = outcome(codec, asked, body, status).events
    assert type(event) is kind
    assert isinstance(event, OrderRefused | OrderOutcomeLost | CancelRefused)
    assert (event.symbol, event.client_id) == (PERP, MINE)


def test_cancel_all_tells_how_many(codec: RestCodec) -> None:
    asked = Asked(Ask.CANCEL_ALL, PERP)
    two = {"list": [{"orderId": "1", "orderLinkId": ""}, {"orderId": "2"}], "success": "1"}
    assert outcome(codec, asked, answer(two)) == Outcome(cancelled=2)
    assert outcome(codec, asked, answer({"success": "1"})).cancelled == 0
    assert outcome(codec, asked, answer({"list": None, "success": "1"})).cancelled == 0
    assert outcome(codec, asked, answer(None)).cancelled == 0


@pytest.mark.parametrize("what", [Ask.CANCEL_ALL, Ask.OPEN_ORDERS, Ask.EXECUTIONS])
def test_a_refused_list_is_no_empty_list(codec: RestCodec, what: Ask) -> None:
    asked = Asked(what, PERP)
    for status, body in ((200, answer({}, 10016, "Server error")), (502, b"<html>")):
        with pytest.raises(OutcomeUnknown):
            outcome(codec, asked, body, status)
    with pytest.raises(RetryLater):
        outcome(codec, asked, answer({}, 10006, "Too many visits!"))


def test_a_query_that_finds(codec: RestCodec) -> None:
    row = order_row(orderStatus="Filled", cumExecQty="0.1")
    del row["category"]
    body = answer({"list": [row], "nextPageCursor": "", "category": "linear"})
    for asked in (QUERY, HISTORY):
        told = outcome(codec, asked, body)
        assert told.found
        [event] = told.events
        assert isinstance(event, OrderReported)
        assert (event.state, event.filled_lots) == (OrderState.FILLED, 100)


def test_t8_an_order_is_gone_only_when_the_history_says_so(codec: RestCodec) -> None:
    empty = answer({"list": [], "nextPageCursor": "", "category": "linear"})
    other = answer({"list": [order_row(orderLinkId="other")], "category": "linear"})
    assert not outcome(codec, QUERY, other).found
    by_venue_id = Asked(Ask.QUERY, PERP)
    [event] = outcome(codec, by_venue_id, other).events
    assert isinstance(event, OrderReported)
    assert event.client_id == "other"
    told = outcome(codec, QUERY, empty)
    assert (told.events, told.found) == ([], False)
    assert outcome(codec, HISTORY, empty).events == [OrderNotFound(PERP, MINE, AT)]


def test_open_orders_come_in_pages(codec: RestCodec) -> None:
    stop = order_row(
        orderId="2", orderLinkId="", orderType="Market", side="Sell", triggerPrice="29000",
        orderStatus="Untriggered", reduceOnly=True, price="0", stopOrderType="Stop",
    )  # fmt: skip
    rows = [order_row(timeInForce="PostOnly"), stop, order_row(symbol="XRPUSDT")]
    body = answer({"list": rows, "nextPageCursor": "a%3D1", "category": "linear"})
    asked = Asked(Ask.OPEN_ORDERS, category=Category.LINEAR)
    told = outcome(codec, asked, body)
    assert told.cursor == "a%3D1"
    limit, stop_order = told.open_orders
    assert (limit.client_id, limit.post_only, limit.price_ticks) == (MINE, True, 300_005)
    assert limit.created_ns == 1_672_364_262_444 * NS_PER_MS
    assert (stop_order.kind, stop_order.trigger_ticks) == (OrderKind.STOP_MARKET, 290_000)
    assert (stop_order.client_id, stop_order.reduce_only) == ("", True)
    end = answer({"list": [], "nextPageCursor": "a%3D2", "category": "linear"})
    assert outcome(codec, asked, end) == Outcome(cursor="")


def test_closed_orders_in_a_list_are_not_open(codec: RestCodec) -> None:
    rows = [order_row(orderStatus="Filled", cumExecQty="0.1"), order_row(orderStatus="Cancelled")]
    asked = Asked(Ask.OPEN_ORDERS, PERP)
    assert outcome(codec, asked, answer({"list": rows})).open_orders == []


def test_a_spot_stop_that_was_found_is_cancelled_as_one() -> None:
    known = KnownOrders()
    codec = RestCodec(BOTH, known)
    row = order_row(
        category="spot", orderType="Market", side="Sell", triggerPrice="29000",
        orderStatus="Untriggered", stopOrderType="Stop", qty="0.1", marketUnit="baseCoin",
    )  # fmt: skip
    asked = Asked(Ask.OPEN_ORDERS, category=Category.SPOT)
    outcome(codec, asked, answer({"list": [row], "category": "spot"}))
    assert known.is_spot_stop(MINE)
    outcome(codec, asked, answer({"list": [{**row, "orderStatus": "New"}], "category": "spot"}))
    assert not known.is_spot_stop(MINE)


def test_executions_oldest_first_with_funding_among_them(codec: RestCodec) -> None:
    rows = [
        execution_row(execId="e-3", execType="Funding", execFee="0.5", feeCurrency=""),
        execution_row(execId="e-2", execType="Settle"),
        execution_row(execId="e-1"),
    ]
    for row in rows:
        del row["category"]
    body = answer({"list": rows, "nextPageCursor": "132766%3A2", "category": "linear"})
    told = outcome(codec, Asked(Ask.EXECUTIONS, category=Category.LINEAR), body)
    assert told.cursor == "132766%3A2"
    fill, funding = told.events
    assert isinstance(fill, Filled)
    assert (fill.trade_id, fill.client_id) == (trade_id("e-1"), MINE)
    assert isinstance(funding, FundingPaid)
    assert (funding.amount, funding.asset) == (Decimal("-0.5"), "USDT")
    assert "Settle" in codec.doubt


def test_a_batch_is_judged_item_by_item(codec: RestCodec) -> None:
    asked = [Asked(Ask.PLACE, PERP, ClientOrderId(f"m-{n}")) for n in range(4)]
    items = [{"orderId": "1", "orderLinkId": "m-0", "category": "linear"}, {"orderId": ""}]
    codes = {
        "list": [
            {"code": 0, "msg": "OK"},
            {"code": 110007, "msg": "ab not enough"},
            {"code": 10016, "msg": "Server error"},
        ]
    }
    good, refused, busy, missing = codec.batch(asked, 200, answer({"list": items}, extra=codes), AT)
    assert (good.events, good.venue_id) == ([], "1")
    assert [type(each.events[0]) for each in (refused, busy, missing)] == [
        OrderRefused,
        OrderOutcomeLost,
        OrderOutcomeLost,
    ]
    for each in codec.batch(asked, 200, answer({}, 10006, "Too many visits!"), AT):
        assert isinstance(each.events[0], OrderRefused)


@pytest.mark.parametrize("code", [0, 110043, 110025, 110026, 34040])
def test_what_is_so_already_is_a_success(code: int) -> None:
    check(200, {}, answer({}, code, "leverage not modified"))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, answer({}, 110028, "has position"), Refused),
        (200, answer({}, 10006, "Too many visits!"), RetryLater),
        (200, answer({}, 10003, "API key is invalid."), AccountStopped),
        (401, b"", AccountStopped),
        (404, b"nothing", Refused),
        (503, b"<html>\n busy </html>", OutcomeUnknown),
    ],
)
def test_r13_refusals_are_raised_in_the_venues_words(
    status: int, body: bytes, error: type[Exception]
) -> None:
    headers = {"x-bapi-limit-reset-timestamp": str(NOW_MS + 250)}
    with pytest.raises(error) as refused:
        check(status, headers, body)
    if isinstance(refused.value, RetryLater):
        assert refused.value.retry_after_ms == 250
    if status == 503:
        assert "HTTP 503 <html> busy </html>" in str(refused.value)


def test_a_body_whose_time_is_missing_is_read() -> None:
    check(200, {}, b'{"retCode":0,"retMsg":null,"result":null,"retExtInfo":null,"time":null}')
    check(200, {}, b'{"ret_code":0,"ret_msg":"OK"}')
