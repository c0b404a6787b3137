"""Requests, replies and user events of one account connection."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from obiterm.core.errors import DataError, UsageError
from obiterm.core.events import (
    BalanceChanged,
    CancelRefused,
    FeedChanged,
    Filled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    MarketKind,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.venues.binance import Ask, Budget, Credentials, UserSession

NOW_MS = 1_765_324_800_000
NOW_NS = 1_000_000
AT = NOW_MS * NS_PER_MS
ETH = Symbol("ETHBTC")
MINE = ClientOrderId("mUvoqJxFIILMdfAW5iGSOW")
INSTRUMENT = Instrument(
    venue="binance",
    symbol=ETH,
    kind=MarketKind.SPOT,
    base="ETH",
    quote="BTC",
    tick_size=Decimal("0.00001"),
    lot_size=Decimal("0.0001"),
)

ORDER = ApprovedOrder(
    OrderIntent(
        client_id=MINE,
        symbol=ETH,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        lots=10_000,
        role=OrderRole.ENTRY,
        owner="surf",
        price_ticks=10_264,
    ),
    1,
)


@pytest.fixture
def session() -> UserSession:
    return UserSession(Credentials("key", "secret"), {ETH: INSTRUMENT}, deadline_ms=5000)


def ok(request_id: int, result: object) -> bytes:
    return json.dumps({"id": request_id, "status": 200, "result": result}).encode()


def error(request_id: int | None, status: int, code: int, msg: str, data: object = None) -> bytes:
    told: dict[str, Any] = {"code": code, "msg": msg}
    if data is not None:
        told["data"] = data
    return json.dumps({"id": request_id, "status": status, "error": told}).encode()


def event(payload: dict[str, Any]) -> bytes:
    return json.dumps({"subscriptionId": 0, "event": payload}).encode()


def report(**changes: object) -> bytes:
    """The documentation's executionReport (binance.md §7) with changes."""
    told = {
        "e": "executionReport", "E": 1499405658658, "s": "ETHBTC", "c": MINE, "S": "BUY",
        "o": "LIMIT", "f": "GTC", "q": "1.00000000", "p": "0.10264000", "P": "0.00000000",
        "F": "0.00000000", "g": -1, "C": "", "x": "NEW", "X": "NEW", "r": "NONE", "i": 4293153,
        "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0", "N": None,
        "T": 1499405658657, "t": -1, "I": 8641984, "w": True, "m": False, "M": False,
        "O": 1499405658657, "Z": "0.00000000", "Y": "0.00000000", "Q": "0.00000000",
        "W": 1499405658657, "V": "NONE",
    }  # fmt: skip
    return event({**told, **changes})


def order_reply(**changes: object) -> dict[str, object]:
    told = {
        "symbol": "ETHBTC", "orderId": 28, "orderListId": -1, "clientOrderId": MINE,
        "transactTime": 1507725176595, "price": "0.10264", "origQty": "1.0", "executedQty": "0.0",
        "cummulativeQuoteQty": "0.0", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT",
        "side": "BUY", "workingTime": 1507725176595, "selfTradePreventionMode": "EXPIRE_TAKER",
    }  # fmt: skip
    return {**told, **changes}


def reported(state: OrderState, **changes: Any) -> OrderReported:
    told: dict[str, Any] = {
        "symbol": ETH,
        "client_id": MINE,
        "venue_id": VenueOrderId("28"),
        "state": state,
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "lots": 10_000,
        "filled_lots": 0,
        "price_ticks": 10_264,
        "trigger_ticks": 0,
        "event_ns": 1507725176595 * NS_PER_MS,
        "received_ns": AT,
    }
    return OrderReported(**{**told, **changes})


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


def test_nobody_knows_about_either_half(session: UserSession) -> None:
    replace(session)
    old, new = session.receive(error(1, 504, -1007, "Timeout"), AT)
    assert isinstance(old, CancelRefused)
    assert isinstance(new, OrderOutcomeLost)
    assert (old.client_id, new.client_id) == ("old", NEW)


# ── user events ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"x": "NEW", "X": "NEW"}, OrderState.OPEN),
        ({"x": "CANCELED", "X": "CANCELED"}, OrderState.CANCELLED),
        ({"x": "EXPIRED", "X": "EXPIRED"}, OrderState.EXPIRED),
        ({"x": "TRADE_PREVENTION", "X": "EXPIRED_IN_MATCH"}, OrderState.EXPIRED),
        ({"x": "REJECTED", "X": "REJECTED"}, OrderState.REJECTED),
        ({"x": "NEW", "X": "PENDING_NEW"}, OrderState.OPEN),
        ({"x": "SOMETHING", "X": "NEW_IN_2027"}, OrderState.UNKNOWN),
    ],
)
def test_states_of_an_order(
    session: UserSession, told: dict[str, object], state: OrderState
) -> None:
    [event] = session.receive(report(**told), AT)
    assert isinstance(event, OrderReported)
    assert event.state is state
    assert (event.client_id, event.venue_id, event.lots) == (MINE, "4293153", 10_000)
    assert event.event_ns == 1499405658657 * NS_PER_MS


def test_a_fill_comes_before_the_state(session: UserSession) -> None:
    fill, state = session.receive(
        report(
            x="TRADE", X="PARTIALLY_FILLED", l="0.25", L="0.10263", z="0.25", n="0.00025",
            N="ETH", t=77, m=True,
        ),
        AT,
    )  # fmt: skip
    assert fill == Filled(
        ETH,
        MINE,
        VenueOrderId("4293153"),
        77,
        Side.BUY,
        10_263,
        2500,
        Decimal("0.00025"),
        "ETH",
        True,
        1499405658657 * NS_PER_MS,
        AT,
    )
    assert isinstance(state, OrderReported)
    assert (state.state, state.filled_lots) == (OrderState.PARTIAL, 2500)


def test_a_cancel_event_is_keyed_by_the_original_id(session: UserSession) -> None:
    [event] = session.receive(report(x="CANCELED", X="CANCELED", c="cancel-id", C=MINE), AT)
    assert isinstance(event, OrderReported)
    assert event.client_id == MINE


def test_reasons_are_kept_in_the_venues_words(session: UserSession) -> None:
    [expired] = session.receive(report(x="EXPIRED", X="EXPIRED", eR="INSUFFICIENT_LIQUIDITY"), AT)
    [rejected] = session.receive(report(x="REJECTED", X="REJECTED", r="ACCOUNT_FROZEN"), AT)
    assert isinstance(expired, OrderReported)
    assert isinstance(rejected, OrderReported)
    assert (expired.code, rejected.code) == ("INSUFFICIENT_LIQUIDITY", "ACCOUNT_FROZEN")


def test_orders_on_other_markets_are_left_out(session: UserSession) -> None:
    assert session.receive(report(s="XRPBTC"), AT) == []


def test_balances_by_event(session: UserSession) -> None:
    told = {"e": "outboundAccountPosition", "E": 2, "u": 1, "B": [{"a": "X", "f": "1.5", "l": "0"}]}
    assert session.receive(event(told), AT) == [
        BalanceChanged("X", Decimal("1.5"), Decimal(0), NS_PER_MS, AT)
    ]


@pytest.mark.parametrize("name", ["balanceUpdate", "listStatus", "externalLockUpdate", "newIn2027"])
def test_events_without_use_are_let_go(session: UserSession, name: str) -> None:
    assert session.receive(event({"e": name, "E": 1, "a": "BTC"}), AT) == []


def test_an_announced_shutdown_asks_for_a_new_connection(session: UserSession) -> None:
    assert session.receive(b'{"event":{"e":"serverShutdown","E":1770123456789}}', AT) == []
    assert session.must_reconnect


def test_a_stream_that_ends_is_down(session: UserSession) -> None:
    [down] = session.receive(event({"e": "eventStreamTerminated", "E": 1728973001334}), AT)
    assert isinstance(down, FeedChanged)
    assert not down.up
    assert session.must_reconnect


@pytest.mark.parametrize(
    "frame",
    [
        b"not json",
        b"\xff",
        b"[]",
        b'{"subscriptionId":0,"event":{"e":"executionReport","E":1}}',
        report(S="HOLD"),
        report(x="TRADE", l="0.00000001"),
        report(x="TRADE", l="NaN"),
        report(q="-1"),
        report(p="Infinity"),
    ],
)
def test_what_cannot_be_trusted_is_refused(session: UserSession, frame: bytes) -> None:
    with pytest.raises(DataError):
        session.receive(frame, AT)


def test_a_damaged_result_is_refused(session: UserSession) -> None:
    session.place(ORDER, NOW_MS, NOW_NS)
    with pytest.raises(DataError, match=r"order\.place"):
        session.receive(ok(1, {"symbol": "ETHBTC"}), AT)


def test_an_answer_to_nobody_is_let_go(session: UserSession) -> None:
    assert session.receive(ok(99, {}), AT) == []
    assert session.receive(b'{"id":"text","status":200,"result":{}}', AT) == []


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
