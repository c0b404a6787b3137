"""Orders over the WebSocket API of futures: frames, answers, silence, cuts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from obiterm.core.errors import DataError, UsageError
from obiterm.core.events import (
    CancelRefused,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.values import (
    NS_PER_MS,
    NS_PER_S,
    ClientOrderId,
    OrderKind,
    OrderState,
    RefusalKind,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.venues.binance import Credentials
from obiterm.venues.binance.futures import (
    Ask,
    ConditionalOrders,
    FuturesBudget,
    RestCodec,
    TradeSession,
)
from tests.unit.venues_binance_futures.perp import (
    AT,
    BTC,
    KEY,
    MINE,
    NOW_MS,
    NOW_NS,
    PERP,
    STOP,
    algo_reply,
    approved,
    order_reply,
    stop_order,
)

ED25519 = Credentials("TESTKEY", bytes(range(32)).hex(), "ed25519")


def session(key: Credentials = KEY, **options: Any) -> TradeSession:
    trade = TradeSession(key, {BTC: PERP}, ConditionalOrders(), deadline_ms=5000, **options)
    trade.logon_frames(NOW_MS, NOW_NS)
    return trade


@pytest.fixture
def trade() -> TradeSession:
    return session()


def ok(request_id: int, result: object, **more: object) -> bytes:
    return json.dumps({"id": request_id, "status": 200, "result": result, **more}).encode()


def error(request_id: int | None, status: int, code: int, msg: str, data: object = None) -> bytes:
    told: dict[str, Any] = {"code": code, "msg": msg}
    if data is not None:
        told["data"] = data
    return json.dumps({"id": request_id, "status": status, "error": told}).encode()


def place(trade: TradeSession) -> dict[str, Any]:
    return parsed(trade.place(approved(), NOW_MS, NOW_NS))


def parsed(frame: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(frame)
    return told


def test_a_frame_is_signed_over_its_sorted_parameters(trade: TradeSession) -> None:
    frame = place(trade)
    params = frame["params"]
    assert (frame["id"], frame["method"]) == (1, "order.place")
    assert (params["quantity"], params["price"], params["timeInForce"]) == (
        "0.123",
        "60000.5",
        "GTC",
    )
    assert (params["timestamp"], params["recvWindow"]) == (NOW_MS, 5000)
    signature = params.pop("signature")
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    assert signature == KEY.signature(payload.encode())


def test_an_hmac_key_may_order_at_once_and_an_ed25519_key_after_its_logon() -> None:
    assert session().ready
    trade = TradeSession(ED25519, {BTC: PERP}, ConditionalOrders())
    [logon] = trade.logon_frames(1649729878532, NOW_NS)
    assert parsed(logon)["params"] == {
        "apiKey": "TESTKEY",
        "timestamp": 1649729878532,
        "signature": "3BBZpxaXdu86VNZwA7CZdVtOdv6ve02vtGmSnc+0qoCNiV3prEiQnebhAdUfF6aT"
        "CoMQc78K0RvQtgKGY7wgDw==",
    }
    ready = [trade.ready]
    assert "signature" in place(trade)["params"]
    assert trade.receive(ok(1, {"apiKey": "TESTKEY", "authorizedSince": 1}), AT) == []
    assert [*ready, trade.ready] == [False, True]
    assert not {"signature", "apiKey"} & place(trade)["params"].keys()
    trade.lost(AT)
    assert "signature" in place(trade)["params"]


def test_a_refused_logon_asks_for_a_new_connection() -> None:
    trade = session(ED25519)
    trade.receive(error(1, 401, -2015, "Invalid API-key, IP, or permissions for action."), AT)
    assert "-2015" in trade.must_reconnect
    assert trade.stopped is not None
    assert trade.stopped.code == "-2015"
    silent = session(ED25519)
    silent.expire(NOW_NS + 5 * NS_PER_S, AT)
    assert "session.logon" in silent.must_reconnect


def test_a_stop_is_placed_and_answered_as_a_conditional_order(trade: TradeSession) -> None:
    frame = parsed(trade.place(stop_order(), NOW_MS, NOW_NS))
    assert frame["method"] == "algoOrder.place"
    assert frame["params"]["algoType"] == "CONDITIONAL"
    [event] = trade.receive(ok(1, algo_reply()), AT)
    assert isinstance(event, OrderReported)
    assert (event.client_id, event.venue_id) == (STOP, VenueOrderId("algo-2146760"))
    assert (event.state, event.trigger_ticks) == (OrderState.OPEN, 590_000)


def test_replies_tell_the_state_and_no_fills(trade: TradeSession) -> None:
    trade.place(approved(OrderKind.MARKET), NOW_MS, NOW_NS)
    reply = order_reply(status="FILLED", executedQty="0.123", type="MARKET", price="0")
    [event] = trade.receive(ok(1, reply), AT)
    assert isinstance(event, OrderReported)
    assert (event.state, event.filled_lots, event.price_ticks) == (OrderState.FILLED, 123, 0)
    [answer] = trade.take_answers()
    assert (answer.request_id, answer.asked.what, answer.failure) == (1, Ask.PLACE, None)
    assert trade.take_answers() == []


def test_a_post_only_order_that_would_take_ends_with_the_reason(trade: TradeSession) -> None:
    """The venue either refuses it (-5022) or lets it expire (binance.md §10.1)."""
    trade.place(approved(post_only=True), NOW_MS, NOW_NS)
    [event] = trade.receive(ok(1, order_reply(status="EXPIRED", timeInForce="GTX")), AT)
    assert isinstance(event, OrderReported)
    assert (event.state, event.code) == (OrderState.EXPIRED, "GTX")
    trade.place(approved(post_only=True), NOW_MS, NOW_NS)
    words = "Due to the order could not be executed as maker, the Post Only order will be rejected."
    [refused] = trade.receive(error(2, 400, -5022, words), AT)
    assert refused == OrderRefused(BTC, MINE, "-5022", words, AT, RefusalKind.WOULD_TAKE)


@pytest.mark.parametrize(
    ("status", "code", "words", "lost"),
    [
        (400, -2019, "Margin is insufficient.", False),
        (400, -2022, "ReduceOnly Order is rejected.", False),
        (400, -4116, "ClientOrderId is duplicated.", True),
        (408, -1007, "Timeout waiting for response from backend server.", True),
        (503, 0, "Unknown error, please check your request or try again later.", True),
        (503, 0, "Service Unavailable.", False),
        (503, -1001, "Internal error; unable to process your request. Please try again.", False),
        (503, -1008, "Request throttled by system-level protection.", False),
        (500, -1001, "Internal error", True),
    ],
)
def test_t37_a_failed_placing_is_refused_or_unknown(
    trade: TradeSession, status: int, code: int, words: str, lost: bool
) -> None:
    place(trade)
    [event] = trade.receive(error(1, status, code, words), AT)
    if lost:
        shown = str(code or status)
        assert event == OrderOutcomeLost(BTC, MINE, f"{shown} {words}", AT)
    else:
        kind = RefusalKind.LATER if status == 503 else RefusalKind.ORDER
        assert event == OrderRefused(BTC, MINE, str(code or status), words, AT, kind)


@pytest.mark.parametrize(
    "ask",
    [
        lambda trade: trade.cancel(BTC, MINE, NOW_MS, NOW_NS),
        lambda trade: trade.cancel(BTC, MINE, NOW_MS, NOW_NS, VenueOrderId("algo-7")),
        lambda trade: trade.modify(BTC, MINE, Side.BUY, 5, 7, NOW_MS, NOW_NS),
    ],
)
def test_a_change_that_failed_asks_for_the_order(
    trade: TradeSession, ask: Callable[[TradeSession], bytes]
) -> None:
    ask(trade)
    [event] = trade.receive(error(1, 400, -2011, "Unknown order sent."), AT)
    assert event == CancelRefused(BTC, MINE, "-2011", "Unknown order sent.", AT)


def test_a_change_of_an_order(trade: TradeSession) -> None:
    order_id = VenueOrderId("22542179")
    frame = parsed(trade.modify(BTC, MINE, Side.BUY, 200, 600_010, NOW_MS, NOW_NS, order_id))
    params = frame["params"]
    assert frame["method"] == "order.modify"
    assert (params["orderId"], params["side"]) == ("22542179", "BUY")
    assert (params["quantity"], params["price"]) == ("0.2", "60001")
    [event] = trade.receive(ok(1, order_reply(origQty="0.2", price="60001")), AT)
    assert isinstance(event, OrderReported)
    assert (event.lots, event.price_ticks) == (200, 600_010)


def test_a_question(trade: TradeSession) -> None:
    frame = parsed(trade.query(BTC, MINE, NOW_MS, NOW_NS))
    assert (frame["method"], frame["params"]["origClientOrderId"]) == ("order.status", str(MINE))
    assert trade.receive(error(1, 400, -2013, "Order does not exist."), AT) == [
        OrderNotFound(BTC, MINE, AT)
    ]
    trade.query(BTC, MINE, NOW_MS, NOW_NS)
    [lost] = trade.receive(error(2, 503, 0, "Unknown error, please check"), AT)
    assert isinstance(lost, OrderOutcomeLost)
    trade.place(stop_order(), NOW_MS, NOW_NS)
    with pytest.raises(UsageError, match="REST"):
        trade.query(BTC, STOP, NOW_MS, NOW_NS)
    with pytest.raises(UsageError, match="REST"):
        trade.query(BTC, ClientOrderId("x"), NOW_MS, NOW_NS, VenueOrderId("algo-7"))


def test_balances_and_positions_come_as_answers(trade: TradeSession) -> None:
    assert parsed(trade.balance(NOW_MS, NOW_NS))["method"] == "v2/account.balance"
    assert parsed(trade.positions(NOW_MS, NOW_NS))["method"] == "v2/account.position"
    rows = [{"asset": "USDT", "balance": "5", "availableBalance": "4"}]
    held = [{"symbol": "BTCUSDT", "positionAmt": "-0.005", "entryPrice": "7"}]
    assert trade.receive(ok(1, rows), AT) + trade.receive(ok(2, held), AT) == []
    balance, positions = trade.take_answers()
    codec = RestCodec({BTC: PERP}, ConditionalOrders())
    [free] = codec.balances(bytes(balance.result), AT)
    [position] = codec.positions(bytes(positions.result), AT)
    assert (str(free.free), str(free.locked), position.lots) == ("4", "1", -5)


def test_t6_silence_is_an_unknown_outcome_and_a_late_answer_still_counts(
    trade: TradeSession,
) -> None:
    place(trade)
    trade.cancel(BTC, ClientOrderId("other"), NOW_MS, NOW_NS + 1)
    assert trade.expire(NOW_NS + 4999 * NS_PER_MS, AT) == []
    [lost] = trade.expire(NOW_NS + 5000 * NS_PER_MS, AT)
    assert lost == OrderOutcomeLost(BTC, MINE, "order.place: no answer within 5000 ms", AT)
    [cancel] = trade.expire(NOW_NS + 5000 * NS_PER_MS + 1, AT)
    assert isinstance(cancel, CancelRefused)
    [event] = trade.receive(ok(1, order_reply()), AT)
    assert isinstance(event, OrderReported)
    trade.expire(NOW_NS + 61 * NS_PER_S, AT)
    assert trade.receive(error(2, 400, -2011, "Unknown order sent."), AT) == []


def test_a_cut_leaves_every_outcome_unknown(trade: TradeSession) -> None:
    place(trade)
    trade.place(stop_order(), NOW_MS, NOW_NS)
    events = trade.lost(AT)
    assert [type(event) for event in events] == [OrderOutcomeLost, OrderOutcomeLost]
    assert not trade.ready
    assert trade.lost(AT) == []
    assert trade.receive(ok(1, order_reply()), AT) == []


def test_limits_of_the_replies_reach_the_budget() -> None:
    budget = FuturesBudget()
    trade = session(budget=budget)
    place(trade)
    counts = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400,
         "count": 1200},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300,
         "count": 30},
    ]  # fmt: skip
    trade.receive(ok(1, order_reply(), rateLimits=counts), AT)
    assert budget.used_share("REQUEST_WEIGHT", AT) == 0.5
    assert budget.used_share("ORDERS", AT) == 0.1
    place(trade)
    later_ms = NOW_MS + 7_000
    trade.receive(error(2, 429, -1003, "Too many requests", {"retryAfter": later_ms}), AT)
    assert budget.blocked_until_ns == later_ms * NS_PER_MS
    place(trade)
    trade.receive(error(3, 418, -1003, "banned"), AT)
    assert budget.blocked_until_ns > later_ms * NS_PER_MS


@pytest.mark.parametrize("code", [-1021, -5028])
def test_t47_a_refused_clock_is_noticed(trade: TradeSession, code: int) -> None:
    place(trade)
    [event] = trade.receive(error(1, 400, code, "Timestamp is outside of the recvWindow."), AT)
    assert isinstance(event, OrderRefused)
    assert trade.clock_suspect
    assert trade.stopped is None


def test_a_revoked_key_stops_the_account(trade: TradeSession) -> None:
    assert trade.receive(error(None, 401, -2015, "Invalid API-key."), AT) == []
    assert trade.stopped is not None


def test_unknown_markets_are_refused_before_anything_is_sent(trade: TradeSession) -> None:
    with pytest.raises(UsageError, match="not traded"):
        trade.modify(Symbol("XRPUSDT-PERP"), MINE, Side.BUY, 1, 1, NOW_MS, NOW_NS)
    assert trade.last_id == 0


@pytest.mark.parametrize("frame", [b"", b"no json", b"\xff", b"[1]"])
def test_what_cannot_be_read_is_refused(trade: TradeSession, frame: bytes) -> None:
    with pytest.raises(DataError, match="order connection"):
        trade.receive(frame, AT)


def test_a_damaged_answer_is_refused(trade: TradeSession) -> None:
    place(trade)
    with pytest.raises(DataError, match=r"order\.place"):
        trade.receive(ok(1, {"orderId": "no number"}), AT)


def test_frames_without_a_request_are_let_go(trade: TradeSession) -> None:
    assert trade.receive(b'{"id":99,"status":200,"result":{}}', AT) == []
    assert trade.receive(b'{"event":"new kind"}', AT) == []
