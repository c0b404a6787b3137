"""Joining, placing and limits of one account connection."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest

from obiterm.core.errors import UsageError
from obiterm.core.events import (
    CancelRefused,
    FeedChanged,
    Filled,
    OrderOutcomeLost,
    OrderRefused,
)
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderState,
    Symbol,
)
from obiterm.venues.binance import Ask, Budget, Credentials, UserSession
from tests.unit.venues_binance.payloads import (
    AT,
    ETH,
    INSTRUMENT,
    MINE,
    NOW_MS,
    NOW_NS,
    ORDER,
    error,
    ok,
    order_reply,
    reported,
)

# ── joining ─────────────────────────────────────────────────────────────────


def test_an_hmac_key_subscribes_with_a_signature(session: UserSession) -> None:
    [frame] = session.logon_frames(NOW_MS, NOW_NS)
    told = json.loads(frame)
    assert told["method"] == "userDataStream.subscribe.signature"
    assert told["params"].keys() == {"apiKey", "timestamp", "signature"}
    [up] = session.receive(ok(told["id"], {"subscriptionId": 0}), AT)
    assert isinstance(up, FeedChanged)
    assert (up.stream, up.up) == ("account", True)
    assert session.ready


def test_an_ed25519_key_logs_on_and_then_subscribes() -> None:
    session = UserSession(Credentials("key", "00" * 32, "ed25519"), {ETH: INSTRUMENT})
    [frame] = session.logon_frames(NOW_MS, NOW_NS)
    assert json.loads(frame)["method"] == "session.logon"
    assert "signature" in json.loads(session.place(ORDER, NOW_MS, NOW_NS))["params"]
    assert session.receive(ok(1, {"apiKey": "key"}), AT) == []
    [subscribe] = session.to_send()
    assert json.loads(subscribe)["method"] == "userDataStream.subscribe"
    assert session.to_send() == []
    [up] = session.receive(ok(json.loads(subscribe)["id"], {"subscriptionId": 0}), AT)
    assert isinstance(up, FeedChanged)
    assert session.ready
    assert "signature" not in json.loads(session.place(ORDER, NOW_MS, NOW_NS))["params"]


def test_a_key_that_is_refused_stops_the_account(session: UserSession) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(error(1, 401, -2015, "Invalid API-key, IP, or permissions."), AT)
    assert not session.ready
    assert session.stopped is not None
    assert session.stopped.code == "-2015"
    assert session.stopped.text == "Invalid API-key, IP, or permissions."
    assert "-2015" in session.must_reconnect


def test_a_key_that_is_revoked_later_stops_the_account(session: UserSession) -> None:
    assert session.receive(error(None, 401, -2015, "Invalid API-key"), AT) == []
    assert session.stopped is not None


def test_being_subscribed_already_is_being_subscribed(session: UserSession) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(error(1, 400, -2035, "User Data Stream subscription already active."), AT)
    assert session.ready


def test_a_logon_without_an_answer_asks_for_a_new_connection(session: UserSession) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    assert session.expire(NOW_NS + 5000 * NS_PER_MS, AT) == []
    assert "no answer" in session.must_reconnect


# ── placing ─────────────────────────────────────────────────────────────────


def test_an_order_that_rests(session: UserSession) -> None:
    session.place(ORDER, NOW_MS, NOW_NS)
    assert session.receive(ok(1, order_reply()), AT) == [reported(OrderState.OPEN)]
    [answer] = session.take_answers()
    assert (answer.request_id, answer.asked.what, answer.failure) == (1, Ask.PLACE, None)


def test_an_order_that_fills_at_once_tells_its_fills_first(session: UserSession) -> None:
    session.place(ORDER, NOW_MS, NOW_NS)
    fills = [
        {
            "price": "0.10263", "qty": "0.4", "commission": "0.0004", "commissionAsset": "ETH",
            "tradeId": 56,
        },
        {
            "price": "0.10264", "qty": "0.6", "commission": "0.0006", "commissionAsset": "ETH",
            "tradeId": 57,
        },
    ]  # fmt: skip
    reply = order_reply(status="FILLED", executedQty="1.0", fills=fills)
    first, second, state = session.receive(ok(1, reply), AT)
    assert isinstance(first, Filled)
    assert isinstance(second, Filled)
    assert (first.trade_id, first.price_ticks, first.lots) == (56, 10_263, 4000)
    assert (second.trade_id, second.fee, second.fee_asset) == (57, Decimal("0.0006"), "ETH")
    assert state == reported(OrderState.FILLED, filled_lots=10_000)


def test_a_bare_acknowledgement_says_nothing_yet(session: UserSession) -> None:
    session.place(ORDER, NOW_MS, NOW_NS)
    ack = {"symbol": "ETHBTC", "orderId": 28, "orderListId": -1, "clientOrderId": MINE}
    assert session.receive(ok(1, ack), AT) == []


@pytest.mark.parametrize(
    ("status", "code", "msg", "kind"),
    [
        (400, -2010, "Account has insufficient balance for requested action.", OrderRefused),
        (400, -1013, "Filter failure: NOTIONAL", OrderRefused),
        (400, -1021, "Timestamp for this request is outside of the recvWindow.", OrderRefused),
        (429, -1015, "Too many new orders.", OrderRefused),
        (400, -2010, "Duplicate order sent.", OrderOutcomeLost),
        (500, -1000, "An unknown error occurred", OrderOutcomeLost),
        (504, -1007, "Timeout waiting for response from backend server.", OrderOutcomeLost),
        (503, 0, "", OrderOutcomeLost),
    ],
)
def test_an_order_that_fails(
    session: UserSession, status: int, code: int, msg: str, kind: type
) -> None:
    session.place(ORDER, NOW_MS, NOW_NS)
    [told] = session.receive(error(1, status, code, msg), AT)
    assert type(told) is kind
    assert isinstance(told, OrderRefused | OrderOutcomeLost)
    assert (told.symbol, told.client_id) == (ETH, MINE)
    assert msg in told.text
    assert session.clock_suspect is (code == -1021)
    if isinstance(told, OrderRefused):
        assert told.code == str(code), "the venue's own code (R13)"


def test_t7_no_answer_is_an_unknown_outcome_told_once(session: UserSession) -> None:
    session.place(ORDER, NOW_MS, NOW_NS)
    deadline_ns = NOW_NS + 5000 * NS_PER_MS
    assert session.expire(deadline_ns - 1, AT) == []
    [lost] = session.expire(deadline_ns, AT)
    assert isinstance(lost, OrderOutcomeLost)
    assert lost.client_id == MINE
    assert session.expire(deadline_ns + 1, AT) == []


def test_t6_a_late_answer_still_counts(session: UserSession) -> None:
    session.place(ORDER, NOW_MS, NOW_NS)
    session.expire(NOW_NS + 6000 * NS_PER_MS, AT)
    assert session.receive(ok(1, order_reply()), AT) == [reported(OrderState.OPEN)]


def test_answers_are_not_awaited_for_ever(session: UserSession) -> None:
    session.place(ORDER, NOW_MS, NOW_NS)
    session.expire(NOW_NS + 100_000 * NS_PER_MS, AT)
    assert session.receive(ok(1, order_reply()), AT) == []


def test_a_cut_socket_makes_every_open_question_unknown(session: UserSession) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(ok(1, {"subscriptionId": 0}), AT)
    session.place(ORDER, NOW_MS, NOW_NS)
    session.cancel(ETH, ClientOrderId("b"), NOW_MS, NOW_NS)
    session.query(ETH, ClientOrderId("c"), NOW_MS, NOW_NS)
    session.account(NOW_MS, NOW_NS)
    placed, cancelled, asked, down = session.lost(AT)
    assert isinstance(placed, OrderOutcomeLost)
    assert isinstance(cancelled, CancelRefused)
    assert isinstance(asked, OrderOutcomeLost)
    assert isinstance(down, FeedChanged)
    assert not down.up
    assert session.lost(AT) == []
    assert not session.ready


def test_a_symbol_that_is_not_traded_is_the_callers_mistake(session: UserSession) -> None:
    other = msgspec.structs.replace(ORDER.intent, symbol=Symbol("XRPBTC"))
    with pytest.raises(UsageError):
        session.place(ApprovedOrder(other, 1), NOW_MS, NOW_NS)


# ── limits ──────────────────────────────────────────────────────────────────


def test_t44_the_venues_counts_reach_the_budget() -> None:
    budget = Budget()
    session = UserSession(Credentials("key", "secret"), {ETH: INSTRUMENT}, budget=budget)
    session.place(ORDER, NOW_MS, NOW_NS)
    limits = [
        {
            "rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50,
            "count": 39,
        },
        {
            "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
            "limit": 6000, "count": 60,
        },
    ]  # fmt: skip
    reply = {"id": 1, "status": 200, "result": order_reply(), "rateLimits": limits}
    session.receive(json.dumps(reply), AT)
    assert budget.used_share("ORDERS", AT) == 39 / 50
    assert budget.used_share("REQUEST_WEIGHT", AT) == 0.01


@pytest.mark.parametrize("status", [429, 418])
def test_t44_the_venue_says_when_to_come_back(status: int) -> None:
    budget = Budget()
    session = UserSession(Credentials("key", "secret"), {ETH: INSTRUMENT}, budget=budget)
    session.place(ORDER, NOW_MS, NOW_NS)
    data = {"serverTime": NOW_MS, "retryAfter": NOW_MS + 7000}
    session.receive(error(1, status, -1003, "Too much request weight used", data), AT)
    assert budget.may_send(1, True, False, AT) == 7000 * NS_PER_MS
    assert budget.may_send(1, False, True, AT) == 0
