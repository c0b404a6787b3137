"""The private stream: logon, subscriptions, silence, tolerance (bybit.md §7, §9)."""

from __future__ import annotations

import json

import pytest

from obiterm.core.errors import DataError
from obiterm.core.events import (
    Event,
    FeedChanged,
    OrderReported,
)
from obiterm.core.values import (
    NS_PER_S,
    ClientOrderId,
    OrderState,
    VenueOrderId,
)
from obiterm.venues.bybit import KnownOrders, UserSession
from tests.unit.venues_bybit.payloads import (
    AT,
    NOW_MS,
    NOW_NS,
    coin_row,
    execution_row,
    order_row,
    position_row,
    private,
    wallet_row,
)

AUTH_OK = b'{"success":true,"ret_msg":"","op":"auth","conn_id":"x"}'


def join(session: UserSession) -> list[Event]:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(AUTH_OK, AT)
    events: list[Event] = []
    for frame in session.to_send(NOW_NS):
        told = json.loads(frame)
        reply = {"success": True, "ret_msg": "", "op": told["op"], "req_id": told["req_id"]}
        events += session.receive(json.dumps(reply), AT)
    return events


def test_topics_follow_the_answer_to_the_logon(session: UserSession) -> None:
    [frame] = session.logon_frames(NOW_MS, NOW_NS)
    assert json.loads(frame)["op"] == "auth"
    assert session.to_send(NOW_NS) == []
    assert session.receive(AUTH_OK, AT) == []
    [subscribe] = session.to_send(NOW_NS)
    told = json.loads(subscribe)
    assert (told["op"], told["args"]) == ("subscribe", ["order", "execution", "position", "wallet"])
    assert not session.ready
    reply = b'{"success":true,"ret_msg":"","op":"subscribe","conn_id":"x"}'
    [up] = session.receive(reply, AT)
    assert isinstance(up, FeedChanged)
    assert (up.stream, up.up, session.ready) == ("account", True, True)


def test_a_logon_of_the_trade_sockets_kind_is_understood(session: UserSession) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(b'{"op":"auth","success":true,"retCode":0,"retMsg":"","connId":"x"}', AT)
    assert session.to_send(NOW_NS)


@pytest.mark.parametrize(
    ("code", "words", "hint"),
    [
        (10003, "Invalid apikey", "never interchangeable"),
        (10004, "error sign!", "secret does not belong"),
        (10010, "Unmatched IP", "address is not on the key's list"),
        (33004, "api key expired", "renew it"),
    ],
)
def test_a_key_that_is_refused_stops_the_account_and_says_what_to_do(
    session: UserSession, code: int, words: str, hint: str
) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    reply = {"op": "auth", "success": False, "retCode": code, "retMsg": words, "connId": "x"}
    session.receive(json.dumps(reply), AT)
    assert session.stopped is not None
    assert (session.stopped.code, session.stopped.text) == (str(code), words)
    assert hint in session.stopped.hint
    assert words in session.must_reconnect
    assert not session.ready


def test_t47_a_logon_that_came_too_late_is_the_clocks_fault(session: UserSession) -> None:
    for _ in range(5):
        session.logon_frames(NOW_MS, NOW_NS)
        session.receive(b'{"success":false,"ret_msg":"Params Error","op":"auth"}', AT)
    assert session.clock_suspect
    assert "Params Error" in session.must_reconnect
    assert session.stopped is None, "a clock can be mended"


def test_words_without_a_code_stop_the_account_in_the_end(session: UserSession) -> None:
    for tries in range(3):
        assert session.stopped is None, tries
        session.logon_frames(NOW_MS, NOW_NS)
        session.receive(b'{"success":false,"ret_msg":"Not today","op":"auth"}', AT)
    assert session.stopped is not None
    assert session.stopped.text == "Not today"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("API key is invalid.", "10003"),
        ("Invalid apikey", "10003"),
        ("Error sign, please check your signature algorithm.", "10004"),
    ],
)
def test_words_that_stand_for_a_code_stop_the_account_at_once(
    session: UserSession, words: str, code: str
) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(json.dumps({"success": False, "ret_msg": words, "op": "auth"}), AT)
    assert session.stopped is not None
    assert (session.stopped.code, session.stopped.text) == (code, words)
    assert session.stopped.hint


def test_silence_after_the_logon_or_a_subscription_asks_for_a_new_connection(
    session: UserSession,
) -> None:
    session.logon_frames(NOW_MS, 0)
    session.to_send(10 * NS_PER_S)
    assert session.must_reconnect == "no answer to the logon"
    session.logon_frames(NOW_MS, 0)
    session.receive(AUTH_OK, AT)
    session.to_send(0)
    session.to_send(10 * NS_PER_S)
    assert "order, execution, position" in session.must_reconnect


def test_a_key_for_spot_alone_may_lack_positions(session: UserSession) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(AUTH_OK, AT)
    session.to_send(NOW_NS)
    session.receive(b'{"success":false,"ret_msg":"denied","op":"subscribe","req_id":"s1"}', AT)
    frames = [json.loads(each) for each in session.to_send(NOW_NS)]
    assert [frame["args"] for frame in frames] == [
        ["order"],
        ["execution"],
        ["position"],
        ["wallet"],
    ]
    for frame in frames:
        good = frame["args"] != ["position"]
        reply = {"success": good, "ret_msg": "denied", "op": "subscribe", "req_id": frame["req_id"]}
        session.receive(json.dumps(reply), AT)
    assert session.ready
    assert dict(session.refused) == {"position": "denied"}


def test_without_executions_there_is_no_account_stream(session: UserSession) -> None:
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(AUTH_OK, AT)
    session.to_send(NOW_NS)
    session.receive(b'{"success":false,"ret_msg":"denied","op":"subscribe","req_id":"s1"}', AT)
    for frame in session.to_send(NOW_NS):
        told = json.loads(frame)
        good = told["args"] != ["execution"]
        reply = {"success": good, "ret_msg": "denied", "op": "subscribe", "req_id": told["req_id"]}
        session.receive(json.dumps(reply), AT)
    assert not session.ready
    assert session.must_reconnect == "the venue does not give execution: denied"


def test_a_cut_is_told_once_and_everything_begins_anew(session: UserSession) -> None:
    [up] = join(session)
    assert isinstance(up, FeedChanged)
    [down] = session.lost(AT)
    assert isinstance(down, FeedChanged)
    assert not down.up
    assert session.lost(AT) == []
    assert join(session)


def test_a_ping_every_twenty_seconds_and_silence_is_noticed(session: UserSession) -> None:
    join(session)
    assert session.to_send(NOW_NS + 20 * NS_PER_S) == [b'{"op":"ping"}']
    session.receive(b'{"req_id":"","op":"pong","args":["1675418560633"],"conn_id":"x"}', AT)
    assert session.to_send(NOW_NS + 40 * NS_PER_S) == [b'{"op":"ping"}']
    assert not session.must_reconnect
    session.to_send(NOW_NS + 60 * NS_PER_S)
    assert "no answer to a ping" in session.must_reconnect


@pytest.mark.parametrize("empty", ["", None, "0"])
def test_every_way_of_saying_nothing_is_nothing(session: UserSession, empty: str | None) -> None:
    names = ("avgPrice", "triggerPrice", "cumExecQty", "marketUnit", "rejectReason", "cancelType")
    row = order_row(**dict.fromkeys(names, empty))
    [told] = session.receive(private("order", row), AT)
    assert isinstance(told, OrderReported)
    assert (told.filled_lots, told.trigger_ticks, told.state) == (0, 0, OrderState.OPEN)


def test_missing_fields_are_nothing_too(session: UserSession) -> None:
    bare = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderId": "1",
        "orderStatus": "New",
        "side": "Buy",
    }
    [told] = session.receive(private("order", bare), AT)
    assert isinstance(told, OrderReported)
    assert (told.lots, told.price_ticks, told.client_id) == (0, 0, "")


@pytest.mark.parametrize(
    "frame",
    [
        b"not json",
        b"\xff",
        private("order", order_row(side="Up")),
        private("order", order_row(qty="many")),
        private("order", {"symbol": "BTCUSDT"}),
        private("execution", execution_row(execQty="0.0001")),
        private("execution", execution_row(execTime="yesterday")),
        private("position", position_row(category="linear", side="Both")),
        private("position", position_row(category="linear", positionIdx=7)),
        private("wallet", wallet_row(coin_row(walletBalance="NaN"))),
        b'{"topic":"order","creationTime":1,"data":7}',
    ],
)
def test_what_cannot_be_trusted_is_refused(session: UserSession, frame: bytes) -> None:
    with pytest.raises(DataError):
        session.receive(frame, AT)


def test_memory_is_bounded() -> None:
    known = KnownOrders(kept=2)
    for n in range(5):
        known.learn(VenueOrderId(str(n)), ClientOrderId(f"c{n}"))
    assert [known.client_id(VenueOrderId(str(n))) for n in range(5)] == ["", "", "", "c3", "c4"]
