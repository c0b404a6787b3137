"""Orders over the trade socket (bybit.md §10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from obiterm.core.errors import DataError, UsageError
from obiterm.core.events import CancelRefused, OrderOutcomeLost, OrderRefused
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import (
    NS_PER_MS,
    NS_PER_S,
    ClientOrderId,
    OrderKind,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.venues.bybit import Ask, Budget, Category, KnownOrders, OrderPolicy, TradeSession
from obiterm.venues.bybit.limits import SLACK_NS
from tests.unit.venues_bybit.payloads import (
    AT,
    BOTH,
    KEY,
    MINE,
    NOW_MS,
    NOW_NS,
    PERP,
    SPOT,
    approved,
)

ORDER = approved()


@pytest.fixture
def session() -> TradeSession:
    return TradeSession(KEY, BOTH, deadline_ms=5000)


def reply(frame: bytes, code: int = 0, msg: str = "OK", **more: object) -> bytes:
    asked = json.loads(frame)
    told = {
        "reqId": asked["reqId"],
        "retCode": code,
        "retMsg": msg,
        "op": asked["op"],
        "data": {"orderId": "a4c1718e", "orderLinkId": MINE} if not code else {},
        "retExtInfo": {},
        "header": {
            "X-Bapi-Limit": "10",
            "X-Bapi-Limit-Status": "9",
            "X-Bapi-Limit-Reset-Timestamp": str(NOW_MS),
            "Traceid": "38b7977b430f9bd228f4b19724794dfd",
            "Timenow": str(NOW_MS),
        },
        "connId": "cnt5leec0hvan15eukcg-2v",
    }
    return json.dumps({**told, **more}).encode()


def auth(session: TradeSession, code: int = 0, msg: str = "OK") -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    told = {"retCode": code, "retMsg": msg, "op": "auth", "connId": "x"}
    session.receive(json.dumps(told), AT)


def place(session: TradeSession, order: ApprovedOrder = ORDER) -> bytes:
    return session.place(order, NOW_MS, NOW_NS)


# ── joining ─────────────────────────────────────────────────────────────────


def test_orders_may_go_after_the_logon(session: TradeSession) -> None:
    seen = [session.ready]
    auth(session)
    seen.append(session.ready)
    assert session.to_send(NOW_NS) == []
    session.lost(AT)
    assert [*seen, session.ready] == [False, True, False]


def test_a_second_logon_is_being_logged_on(session: TradeSession) -> None:
    auth(session, 20001, "Repeat auth")
    assert session.ready


@pytest.mark.parametrize(("code", "msg"), [(10004, "error sign!"), (10003, "Invalid apikey")])
def test_a_key_that_is_refused_stops_the_account(
    session: TradeSession, code: int, msg: str
) -> None:
    auth(session, code, msg)
    assert session.stopped is not None
    assert session.stopped.hint
    assert not session.ready


def test_too_many_connections_are_waited_for(session: TradeSession) -> None:
    auth(session, 10003, "Too many connections under the same UID.")
    assert session.stopped is None
    assert "Too many" in session.must_reconnect


def test_t47_a_clock_that_is_off_is_suspected(session: TradeSession) -> None:
    auth(session, 10002, "invalid request, please check your server timestamp")
    assert session.clock_suspect
    assert session.stopped is None


def test_a_ping_every_twenty_seconds_and_silence_is_noticed(session: TradeSession) -> None:
    auth(session)
    at = NOW_NS + 20 * NS_PER_S
    assert session.to_send(at) == [b'{"op":"ping"}']
    pong = b'{"retCode":0,"retMsg":"OK","op":"pong","data":["1711002002529"],"connId":"x"}'
    assert session.receive(pong, AT) == []
    assert session.to_send(at + 20 * NS_PER_S)
    session.to_send(at + 40 * NS_PER_S)
    assert session.must_reconnect


# ── asking ──────────────────────────────────────────────────────────────────


def test_a_frame_carries_time_and_window_but_no_signature(session: TradeSession) -> None:
    told = json.loads(place(session))
    assert told["op"] == "order.create"
    assert told["header"] == {
        "X-BAPI-TIMESTAMP": "1700000000000",
        "X-BAPI-RECV-WINDOW": "5000",
    }
    [body] = told["args"]
    assert (body["category"], body["orderLinkId"], body["price"]) == ("linear", MINE, "60000.5")
    assert "sign" not in json.dumps(told).lower()
    assert len(told["reqId"]) <= 36


def test_request_ids_are_never_used_again() -> None:
    ids = []
    for run in range(3):
        session = TradeSession(KEY, BOTH)
        for _ in range(3):
            ids.append(json.loads(session.place(ORDER, NOW_MS + run, NOW_NS))["reqId"])
            assert ids[-1] == session.last_id
    assert len(set(ids)) == 9


def test_cancel_and_amend(session: TradeSession) -> None:
    told = json.loads(session.cancel(PERP, MINE, NOW_MS, NOW_NS))
    assert told["op"] == "order.cancel"
    assert told["args"] == [{"category": "linear", "symbol": "BTCUSDT", "orderLinkId": MINE}]
    told = json.loads(session.amend(PERP, MINE, NOW_MS, NOW_NS, VenueOrderId("7"), price_ticks=5))
    assert told["op"] == "order.amend"
    assert told["args"] == [
        {"category": "linear", "symbol": "BTCUSDT", "orderId": "7", "price": "0.5"}
    ]


def test_a_spot_stop_is_cancelled_as_one(session: TradeSession) -> None:
    stop = approved(OrderKind.STOP_MARKET, symbol=SPOT, side=Side.SELL, trigger_ticks=5)
    place(session, stop)
    [body] = json.loads(session.cancel(SPOT, MINE, NOW_MS, NOW_NS))["args"]
    assert body["orderFilter"] == "StopOrder"
    [plain] = json.loads(session.cancel(SPOT, ClientOrderId("x"), NOW_MS, NOW_NS))["args"]
    assert "orderFilter" not in plain


def test_a_hedge_account_is_told_the_leg() -> None:
    policy = OrderPolicy(hedged=frozenset({PERP}))
    session = TradeSession(KEY, BOTH, policy=policy)
    assert json.loads(place(session))["args"][0]["positionIdx"] == 1


def test_a_symbol_that_is_not_traded_is_the_callers_mistake(session: TradeSession) -> None:
    with pytest.raises(UsageError):
        session.amend(Symbol("XRPUSDT"), MINE, NOW_MS, NOW_NS, lots=1)


# ── answers ─────────────────────────────────────────────────────────────────


def test_an_acknowledgement_is_no_state_but_tells_the_venues_id() -> None:
    known = KnownOrders()
    session = TradeSession(KEY, BOTH, known=known)
    frame = place(session)
    assert session.receive(reply(frame), AT) == []
    [answer] = session.take_answers()
    assert (answer.request_id, answer.asked.what) == (session.last_id, Ask.PLACE)
    assert (answer.failure, answer.venue_id) == (None, VenueOrderId("a4c1718e"))
    assert known.client_id(VenueOrderId("a4c1718e")) == MINE
    assert session.take_answers() == []


@pytest.mark.parametrize(
    ("code", "msg", "kind"),
    [
        (110007, "ab not enough for new order", OrderRefused),
        (170131, "Balance insufficient.", OrderRefused),
        (10001, "position idx not match position mode", OrderRefused),
        (10006, "Too many visits!", OrderRefused),
        (10019, "ws trade service is restarting", OrderRefused),
        (110094, "Order notional value below the lower limit", OrderRefused),
        (110072, "OrderLinkedID is duplicate", OrderOutcomeLost),
        (170141, "Duplicate clientOrderId", OrderOutcomeLost),
        (10016, "server error", OrderOutcomeLost),
        (10429, "System level frequency protection", OrderOutcomeLost),
        (999999, "something new", OrderRefused),
    ],
)
def test_r13_a_refusal_is_final_and_in_the_venues_words(
    session: TradeSession, code: int, msg: str, kind: type
) -> None:
    [told] = session.receive(reply(place(session), code, msg), AT)
    assert type(told) is kind
    assert isinstance(told, OrderRefused | OrderOutcomeLost)
    assert (told.symbol, told.client_id) == (PERP, MINE)
    assert msg in told.text
    if isinstance(told, OrderRefused):
        assert told.code == str(code)
    assert session.must_reconnect == ("10019 " + msg if code == 10019 else "")
    assert session.stopped is None


@pytest.mark.parametrize("code", [110001, 170213, 110008, 170142, 110010])
@pytest.mark.parametrize("what", ["cancel", "amend"])
def test_a_cancel_that_comes_too_late_asks_for_the_order(
    session: TradeSession, code: int, what: str
) -> None:
    if what == "cancel":
        frame = session.cancel(PERP, MINE, NOW_MS, NOW_NS)
    else:
        frame = session.amend(PERP, MINE, NOW_MS, NOW_NS, lots=5)
    assert session.receive(reply(frame, code, "order not exists or too late"), AT) == [
        CancelRefused(PERP, MINE, str(code), "order not exists or too late", AT)
    ]


def test_a_key_without_permission_stops_the_account(session: TradeSession) -> None:
    [told] = session.receive(reply(place(session), 10005, "Permission denied"), AT)
    assert isinstance(told, OrderRefused)
    assert session.stopped is not None
    assert "permission" in session.stopped.hint


def test_t7_no_answer_is_an_unknown_outcome_told_once(session: TradeSession) -> None:
    place(session)
    deadline_ns = NOW_NS + 5000 * NS_PER_MS
    assert session.expire(deadline_ns - 1, AT) == []
    [lost] = session.expire(deadline_ns, AT)
    assert isinstance(lost, OrderOutcomeLost)
    assert lost.client_id == MINE
    assert session.expire(deadline_ns + 1, AT) == []


def test_t6_a_late_answer_still_counts_but_not_for_ever(session: TradeSession) -> None:
    frame = place(session)
    session.expire(NOW_NS + 6000 * NS_PER_MS, AT)
    [refused] = session.receive(reply(frame, 110007, "ab not enough"), AT)
    assert isinstance(refused, OrderRefused)
    frame = place(session)
    session.expire(NOW_NS + 100_000 * NS_PER_MS, AT)
    assert session.receive(reply(frame, 110007, "ab not enough"), AT) == []


def test_a_cut_socket_makes_every_open_question_unknown(session: TradeSession) -> None:
    auth(session)
    place(session)
    session.cancel(PERP, ClientOrderId("b"), NOW_MS, NOW_NS)
    placed, cancelled = session.lost(AT)
    assert isinstance(placed, OrderOutcomeLost)
    assert isinstance(cancelled, CancelRefused)
    assert session.lost(AT) == []


def test_foreign_and_unknown_frames_are_let_go(session: TradeSession) -> None:
    for frame in (
        b'{"op":"new_in_2027","x":1}',
        b'{"reqId":"?","retCode":110007,"retMsg":"x","op":"order.create"}',
        b'{"reqId":null,"retCode":0}',
    ):
        assert session.receive(frame, AT) == []
    with pytest.raises(DataError, match="trade stream"):
        session.receive(b"not json", AT)


@pytest.mark.parametrize("header", [None, {}, {"X-Bapi-Limit": ["10"]}, {"X-Bapi-Limit": "x"}])
def test_an_answer_with_another_header_still_counts(header: Any) -> None:
    session = TradeSession(KEY, BOTH, budget=Budget())
    frame = place(session)
    [told] = session.receive(reply(frame, 110007, "ab not enough", header=header), AT)
    assert isinstance(told, OrderRefused)


# ── limits ──────────────────────────────────────────────────────────────────


def test_t44_socket_orders_take_from_the_accounts_pools() -> None:
    budget = Budget()
    session = TradeSession(KEY, BOTH, budget=budget)
    for _ in range(8):
        place(session)
    assert budget.may_send("create", Category.LINEAR, AT) > 0
    assert budget.may_send("create", Category.LINEAR, AT, is_cancel=True) == 0
    assert budget.may_send("create", Category.SPOT, AT) == 0
    assert budget.address.used(AT) == 0


def test_t44_the_venues_figures_reach_the_budget() -> None:
    budget = Budget()
    session = TradeSession(KEY, BOTH, budget=budget)
    frame = place(session)
    header = {"X-Bapi-Limit": "40", "X-Bapi-Limit-Status": "10"}
    session.receive(reply(frame, header=header), AT)
    assert budget.used_share(AT) == 30 / 40


def test_t44_a_refusal_for_too_many_blocks_the_endpoint_for_its_window() -> None:
    budget = Budget()
    session = TradeSession(KEY, BOTH, budget=budget)
    session.receive(reply(place(session), 10006, "Too many visits!"), AT)
    assert budget.may_send("create", Category.LINEAR, AT) == NS_PER_S + SLACK_NS
    assert budget.may_send("cancel", Category.LINEAR, AT) == 0
