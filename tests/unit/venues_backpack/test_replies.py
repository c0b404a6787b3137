"""Answers to order requests: success, refusal, half an answer, none."""

from __future__ import annotations

from typing import Any

import pytest

from obiterm.core.errors import DataError
from obiterm.core.events import (
    AccountEvent,
    CancelRefused,
    Filled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.orders import LiveOrder
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderKind,
    OrderState,
    Side,
    VenueOrderId,
)
from obiterm.venues.backpack import Ask, Asked, ClientIds, Outcome, is_ours, unanswered
from tests.unit.venues_backpack.payloads import (
    AT,
    ETH,
    MINE,
    SOL,
    SOL_PERP,
    body,
    codec,
    order_row,
    refusal,
)

SECOND = ClientOrderId("ob-swsf9tk3-8s-surf-stop")
NUMBER = ClientIds().number(MINE)
PLACE = Asked(Ask.PLACE, SOL_PERP, MINE)
CANCEL = Asked(Ask.CANCEL, SOL_PERP, MINE)
QUERY = Asked(Ask.QUERY, SOL_PERP, MINE)
HISTORY = Asked(Ask.HISTORY, SOL_PERP, MINE)
NOT_FOUND = refusal("RESOURCE_NOT_FOUND", "Not Found")


def ids() -> ClientIds:
    """Ids of an account that has sent both orders."""
    known = ClientIds()
    known.assign(MINE)
    known.assign(SECOND)
    return known


def outcome(asked: Asked, status: int, answer: bytes) -> Outcome:
    return codec(ids()).outcome(asked, status, answer, AT)


def one(asked: Asked, status: int, answer: bytes) -> AccountEvent:
    (event,) = outcome(asked, status, answer).events
    return event


def reported(asked: Asked, **changes: Any) -> OrderReported:
    event = one(asked, 200, body(order_row(**changes)))
    assert isinstance(event, OrderReported)
    return event


# ── placing ───────────────────────────────────────────────────────────────────


def test_a_resting_order() -> None:
    assert reported(PLACE, clientId=NUMBER) == OrderReported(
        symbol=SOL_PERP,
        client_id=MINE,
        venue_id=VenueOrderId("4228978331"),
        state=OrderState.OPEN,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        lots=50,
        filled_lots=0,
        price_ticks=14_125,
        trigger_ticks=0,
        event_ns=1753626206762 * NS_PER_MS,
        received_ns=AT,
    )


def test_an_answer_without_our_id_is_still_about_our_order() -> None:
    assert reported(PLACE, clientId=None).client_id == MINE


def test_a_market_order_tells_how_much_but_not_by_which_trades() -> None:
    report = reported(
        PLACE, orderType="Market", status="Filled", clientId=NUMBER, executedQuantity="0.5",
        price=None, quantity="0.5",
    )  # fmt: skip
    assert (report.state, report.kind, report.filled_lots) == (
        OrderState.FILLED, OrderKind.MARKET, 50,
    )  # fmt: skip
    assert report.price_ticks == 0


@pytest.mark.parametrize("status", ["Expired", "Cancelled"])
def test_the_rest_of_a_market_order_may_end_in_two_ways(status: str) -> None:
    report = reported(
        PLACE, orderType="Market", status=status, executedQuantity="0.2",
        expiryReason="PriceImpact",
    )  # fmt: skip
    assert report.state in (OrderState.EXPIRED, OrderState.CANCELLED)
    assert report.filled_lots == 20
    assert report.code == "PriceImpact"
    assert "impact band" in report.text


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("New", OrderState.OPEN),
        ("TriggerPending", OrderState.OPEN),
        ("Triggered", OrderState.OPEN),
        ("PartiallyFilled", OrderState.PARTIAL),
        ("Filled", OrderState.FILLED),
        ("Cancelled", OrderState.CANCELLED),
        ("Expired", OrderState.EXPIRED),
        ("TriggerFailed", OrderState.EXPIRED),
        ("A_STATE_OF_NEXT_YEAR", OrderState.UNKNOWN),
    ],
)
def test_states(told: str, state: OrderState) -> None:
    assert reported(PLACE, status=told).state is state


def test_a_stop_waits_with_the_size_of_its_trigger() -> None:
    report = reported(
        PLACE, orderType="Market", status="TriggerPending", side="Ask", price=None, quantity=None,
        triggerPrice="139.5", triggerQuantity="0.5",
    )  # fmt: skip
    assert (report.kind, report.trigger_ticks, report.lots) == (OrderKind.STOP_MARKET, 13_950, 50)
    assert reported(PLACE, quantity=None, triggerQuantity="100%", triggerPrice="1").lots == 0
    assert reported(PLACE, triggerPrice="139.5").kind is OrderKind.LIMIT


def test_a_refusal_in_the_venues_words() -> None:
    answer = refusal("INSUFFICIENT_MARGIN", "Insufficient margin")
    told = outcome(PLACE, 400, answer)
    assert told.events == [
        OrderRefused(SOL_PERP, MINE, "INSUFFICIENT_MARGIN", "Insufficient margin", AT)
    ]
    assert told.failure is not None
    assert told.failure.code == "INSUFFICIENT_MARGIN"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, refusal("SERVER_ERROR", "oops")),
        (502, b"<html>bad gateway</html>"),
        (503, b""),
        (400, refusal("TIMEOUT", "engine")),
        (400, refusal("INVALID_CLIENT_REQUEST", "clientId already in use")),
    ],
)
def test_an_order_behind_a_server_fault_may_rest(status: int, answer: bytes) -> None:
    """T37."""
    assert isinstance(one(PLACE, status, answer), OrderOutcomeLost)


def test_maintenance_refuses() -> None:
    event = one(PLACE, 503, refusal("MAINTENANCE", "later"))
    assert isinstance(event, OrderRefused)


def test_a_damaged_answer_is_no_answer() -> None:
    for damaged in (b"", b"[]", b'{"side":', b"null"):
        with pytest.raises(DataError, match="place"):
            outcome(PLACE, 200, damaged)
    with pytest.raises(DataError, match="Sideways"):
        outcome(PLACE, 200, body(order_row(side="Sideways")))


def test_an_order_on_a_market_that_is_not_traded_is_left_out() -> None:
    assert outcome(PLACE, 200, body(order_row(symbol="BTC_USDC"))).events == []


# ── batches ───────────────────────────────────────────────────────────────────

BATCH = Asked(Ask.PLACE_BATCH, batch=((SOL_PERP, MINE), (SOL_PERP, SECOND)))


def test_each_order_of_a_batch_is_answered_on_its_own() -> None:
    answer = body([
        {"operation": "Ok", "id": "5406825793", "orderType": "Limit", "symbol": "SOL_USDC_PERP",
         "side": "Bid", "status": "New", "price": "141", "quantity": "12",
         "executedQuantity": "0"},
        {"operation": "Err", "code": "INSUFFICIENT_MARGIN", "message": "Insufficient margin"},
    ])  # fmt: skip
    first, second = outcome(BATCH, 200, answer).events
    assert isinstance(first, OrderReported)
    assert (first.client_id, first.state) == (MINE, OrderState.OPEN)
    assert second == OrderRefused(
        SOL_PERP, SECOND, "INSUFFICIENT_MARGIN", "Insufficient margin", AT
    )


def test_an_order_of_a_batch_without_an_answer_may_rest() -> None:
    first, second = outcome(BATCH, 200, body([order_row()])).events
    assert isinstance(first, OrderReported)
    assert isinstance(second, OrderOutcomeLost)
    assert second.client_id == SECOND
    with pytest.raises(DataError, match="3 answers to 2"):
        outcome(BATCH, 200, body([order_row()] * 3))


def test_a_refused_batch_refuses_every_order() -> None:
    events = outcome(BATCH, 400, refusal("INVALID_ORDER", "no")).events
    assert [type(event) for event in events] == [OrderRefused, OrderRefused]


# ── cancels ───────────────────────────────────────────────────────────────────


def test_a_cancel_that_is_done() -> None:
    assert reported(CANCEL, status="Cancelled", clientId=NUMBER).state is OrderState.CANCELLED


@pytest.mark.parametrize("what", [Ask.CANCEL, Ask.CANCEL_ALL])
@pytest.mark.parametrize(("status", "answer"), [(202, b""), (202, b"{}"), (200, b"")])
def test_a_cancel_that_is_only_accepted_says_nothing_yet(
    what: Ask, status: int, answer: bytes
) -> None:
    told = outcome(Asked(what, SOL_PERP, MINE), status, answer)
    assert told.accepted
    assert told.events == []


def test_a_cancel_of_an_order_that_does_not_rest() -> None:
    assert one(CANCEL, 404, NOT_FOUND) == CancelRefused(
        SOL_PERP, MINE, "RESOURCE_NOT_FOUND", "Not Found", AT
    )


def test_cancel_all_tells_every_order() -> None:
    rows = [
        order_row(status="Cancelled", clientId=NUMBER), order_row(status="Cancelled", id="9"),
        order_row(symbol="BTC_USDC"),
    ]  # fmt: skip
    events = outcome(Asked(Ask.CANCEL_ALL, SOL_PERP), 200, body(rows)).events
    assert len(events) == 2
    told = outcome(Asked(Ask.CANCEL_ALL, SOL_PERP), 400, refusal("INVALID_MARKET", "no"))
    assert told.events == []
    assert told.failure is not None


# ── asking ────────────────────────────────────────────────────────────────────


def test_an_order_that_rests() -> None:
    assert reported(QUERY, clientId=NUMBER, status="PartiallyFilled").state is OrderState.PARTIAL


def test_an_order_that_does_not_rest_may_be_filled_so_the_history_is_asked() -> None:
    told = outcome(QUERY, 404, NOT_FOUND)
    assert told.ended
    assert told.events == []


def test_a_query_that_fails_leaves_the_order_unknown() -> None:
    for status, answer in ((500, b""), (404, b"<html>"), (429, refusal("TOO_MANY_REQUESTS", ""))):
        told = outcome(QUERY, status, answer)
        assert not told.ended
        assert isinstance(told.events[0], OrderOutcomeLost)
    event = one(HISTORY, 500, b"")
    assert isinstance(event, OrderOutcomeLost)
    assert event.text.startswith("order history: 500")


def history_row(**changes: Any) -> dict[str, Any]:
    return order_row(createdAt="2025-07-27T18:05:40.897", **changes)


def test_the_history_finds_an_order_by_our_number() -> None:
    rows = [
        history_row(id="3", clientId=77), history_row(id="2", symbol=SOL, clientId=NUMBER),
        history_row(id="1", clientId=NUMBER, status="Filled", executedQuantity="0.5"),
        history_row(id="0", clientId=NUMBER, status="Cancelled"),
    ]  # fmt: skip
    event = one(HISTORY, 200, body(rows))
    assert isinstance(event, OrderReported)
    assert (event.venue_id, event.client_id, event.state) == ("1", MINE, OrderState.FILLED)
    assert event.event_ns == 1_753_639_540_897 * NS_PER_MS


def test_the_history_finds_an_order_by_the_venues_id() -> None:
    asked = Asked(Ask.HISTORY, SOL_PERP, MINE, VenueOrderId("1"))
    event = one(asked, 200, body([history_row(id=1, status="Expired", expiryReason="Unknown")]))
    assert isinstance(event, OrderReported)
    assert (event.client_id, event.code) == (MINE, "Unknown")


@pytest.mark.parametrize("rows", [[], [history_row(clientId=None)], [history_row(clientId=77)]])
def test_an_order_that_never_arrived(rows: list[dict[str, Any]]) -> None:
    assert one(HISTORY, 200, body(rows)) == OrderNotFound(SOL_PERP, MINE, AT)


def test_no_answer_at_all() -> None:
    batch = unanswered(BATCH, "cut", AT)
    assert [type(event) for event in batch] == [OrderOutcomeLost, OrderOutcomeLost]
    assert isinstance(unanswered(PLACE, "cut", AT)[0], OrderOutcomeLost)
    assert isinstance(unanswered(CANCEL, "cut", AT)[0], CancelRefused)
    assert isinstance(unanswered(QUERY, "cut", AT)[0], OrderOutcomeLost)
    assert unanswered(Asked(Ask.FILLS, SOL), "cut", AT) == []


def test_open_orders_of_everybody() -> None:
    rows = [
        order_row(clientId=NUMBER, reduceOnly=True), order_row(id=5, clientId=None, symbol=SOL),
        order_row(id="6", clientId="77"), order_row(symbol="BTC_USDC"),
        order_row(id="7", clientId=ClientIds().number(ClientOrderId("ob-old-1s-x-y")),
                  orderType="Market", status="TriggerPending", triggerPrice="139.5",
                  quantity=None, triggerQuantity="0.5"),
    ]  # fmt: skip
    mine, nameless, foreign, orphan = outcome(Asked(Ask.OPEN_ORDERS), 200, body(rows)).open_orders
    assert mine == LiveOrder(
        SOL_PERP, MINE, VenueOrderId("4228978331"), Side.BUY, OrderKind.LIMIT, 50, 0, 14_125, 0,
        1753626206762 * NS_PER_MS, reduce_only=True, post_only=True,
    )  # fmt: skip
    assert (nameless.client_id, nameless.venue_id) == ("", "5")
    assert foreign.client_id == "77"
    assert orphan.client_id.startswith("ob-lost-")
    assert is_ours(ClientIds().number(orphan.client_id))
    assert (orphan.kind, orphan.trigger_ticks) == (OrderKind.STOP_MARKET, 13_950)


# ── fills ─────────────────────────────────────────────────────────────────────

FILL: dict[str, Any] = {
    "tradeId": 9748827, "orderId": "4238907375", "clientId": None, "symbol": "ETH_USDC",
    "side": "Bid", "price": "3826.15", "quantity": "0.0026", "fee": "0.000004",
    "feeSymbol": "ETH", "isMaker": False, "systemOrderType": None,
    "timestamp": "2025-07-27T17:39:00.092",
}  # fmt: skip
FILLS = Asked(Ask.FILLS, ETH, client_ids={VenueOrderId("4238907375"): MINE})


def filled(**changes: Any) -> Filled:
    event = one(FILLS, 200, body([FILL | changes]))
    assert isinstance(event, Filled)
    return event


def test_a_fill_of_the_history() -> None:
    fill = filled()
    assert (fill.trade_id, fill.side, fill.price_ticks, fill.lots) == (
        9748827, Side.BUY, 382_615, 26,
    )  # fmt: skip
    assert (str(fill.fee), fill.fee_asset, fill.is_maker) == ("0.000004", "ETH", False)
    assert fill.client_id == MINE
    assert fill.event_ns == 1_753_637_940_092 * NS_PER_MS


def test_a_fill_tells_our_number_as_text() -> None:
    assert filled(orderId="1", clientId=str(NUMBER)).client_id == MINE
    assert filled(orderId="1").client_id == ""


@pytest.mark.parametrize("trade_id", [None, 0])
def test_a_system_fill_without_an_id_gets_one_that_stays(trade_id: int | None) -> None:
    """T34: read twice, it is still one fill."""
    first, again = filled(tradeId=trade_id), filled(tradeId=trade_id)
    assert first.trade_id == again.trade_id < -1
    assert filled(tradeId=trade_id, quantity="0.0027").trade_id != first.trade_id
