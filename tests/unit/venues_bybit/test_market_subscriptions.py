"""Subscriptions that are awaited, pings, new snapshots (bybit.md §7)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from obiterm.core.errors import ConfigError
from obiterm.core.events import (
    DepthChanged,
)
from obiterm.core.values import NS_PER_S, Symbol
from obiterm.venues.bybit import Category, MarketSession
from tests.unit.venues_bybit.payloads import BTC, PERP


@pytest.fixture
def session() -> MarketSession:
    return MarketSession(Category.LINEAR, {PERP: BTC})


def frame(topic: str, data: object, **more: object) -> bytes:
    told = {"topic": topic, "type": "snapshot", "ts": 1_672_304_484_978, "data": data, **more}
    return json.dumps(told, separators=(",", ":")).encode()


def book(
    kind: str, number: int, bids: list[list[str]], asks: list[list[str]], **more: Any
) -> bytes:
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": number, "seq": 7_961_638_724}
    told = {"type": kind, "cts": 1_672_304_484_976, **more}
    return frame("orderbook.50.BTCUSDT", data, **told)


def answer(frames: list[bytes], **more: object) -> list[bytes]:
    return [
        json.dumps(
            {
                "success": True,
                "ret_msg": "",
                "conn_id": "x",
                "req_id": json.loads(each)["req_id"],
                "op": json.loads(each)["op"],
                **more,
            }
        ).encode()
        for each in frames
    ]


def join(session: MarketSession, now_ns: int = 0) -> None:
    for told in answer(session.connect_frames(now_ns)):
        assert session.receive(told, 7) == []
    assert session.ready


def test_a_connection_subscribes_ten_topics_at_a_time() -> None:
    many = {Symbol(f"C{n}USDT"): BTC for n in range(6)}
    session = MarketSession(Category.LINEAR, many, candles_s=(60, 300))
    frames = session.connect_frames(0)
    assert [len(json.loads(each)["args"]) for each in frames] == [10, 10, 10]
    asked = [topic for each in frames for topic in json.loads(each)["args"]]
    assert asked == session.topics()
    assert "kline.5.C0USDT" in session.topics()
    for told in answer(frames[:2]):
        session.receive(told, 7)
    assert not session.ready
    for told in answer(frames[2:], req_id=""):
        session.receive(told, 7)
    assert session.ready


def test_a_refused_request_is_asked_again_topic_by_topic(session: MarketSession) -> None:
    words = "error:handler not found,topic:orderbook.50.BTCUSDT"
    for told in answer(session.connect_frames(0), success=False, ret_msg=words):
        session.receive(told, 7)
    singles = session.to_send(1)
    assert [json.loads(each)["args"] for each in singles] == [[t] for t in session.topics()]
    depth, *rest = singles
    for told in answer([depth], success=False, ret_msg=words):
        session.receive(told, 7)
    already = "error:already subscribed,topic:publicTrade.BTCUSDT"
    for told in answer(rest, success=False, ret_msg=already):
        session.receive(told, 7)
    assert dict(session.refused) == {"orderbook.50.BTCUSDT": words}
    assert not session.ready


def test_t41_a_subscription_without_an_answer_asks_for_a_new_connection(
    session: MarketSession,
) -> None:
    session.connect_frames(0)
    session.to_send(9 * NS_PER_S)
    assert not session.must_reconnect
    session.to_send(10 * NS_PER_S)
    assert "orderbook.50.BTCUSDT" in session.must_reconnect
    session.connect_frames(11 * NS_PER_S)
    assert not session.must_reconnect


PONGS = [
    b'{"success":true,"ret_msg":"pong","conn_id":"x","op":"ping"}',
    b'{"success":true,"ret_msg":"pong","conn_id":"x","req_id":"","op":"ping"}',
    b'{"req_id":"test","op":"pong","args":["1675418560633"],"conn_id":"x"}',
]


@pytest.mark.parametrize("pong", PONGS)
def test_a_ping_every_twenty_seconds(session: MarketSession, pong: bytes) -> None:
    join(session)
    assert session.to_send(19 * NS_PER_S) == []
    assert session.to_send(20 * NS_PER_S) == [b'{"op":"ping"}']
    assert session.to_send(21 * NS_PER_S) == []
    assert session.receive(pong, 7) == []
    assert session.ignored == 0
    assert session.to_send(40 * NS_PER_S) == [b'{"op":"ping"}']
    assert not session.must_reconnect


def test_t38_a_connection_that_only_looks_alive_is_replaced(session: MarketSession) -> None:
    join(session)
    session.to_send(20 * NS_PER_S)
    session.to_send(39 * NS_PER_S)
    assert not session.must_reconnect
    session.to_send(40 * NS_PER_S)
    assert "no answer to a ping" in session.must_reconnect


def test_other_topics_and_answers_are_let_go(session: MarketSession) -> None:
    for told in (
        frame("orderbook.50.ETHUSDT", {}),
        frame("allLiquidation.BTCUSDT", []),
        b'{"op":"new_in_2027"}',
        b'{"success":true,"ret_msg":"","op":"subscribe","req_id":"s99"}',
    ):
        assert session.receive(told, 7) == []
    assert session.ignored == 3


def test_a_new_snapshot_is_asked_for_once_and_not_in_a_storm(session: MarketSession) -> None:
    join(session)
    topic = "orderbook.50.BTCUSDT"
    frames = session.resubscribe(PERP, 0)
    told = [(json.loads(each)["op"], json.loads(each)["args"]) for each in frames]
    assert told == [("unsubscribe", [topic]), ("subscribe", [topic])]
    assert session.resubscribe(PERP, 5 * NS_PER_S) == [], "one is awaited"
    for each in answer(frames):
        session.receive(each, 7)
    assert session.ready
    allowed = []
    for second in range(1, 200):
        frames = session.resubscribe(PERP, second * NS_PER_S)
        for each in answer(frames):
            session.receive(each, 7)
        if frames:
            allowed.append(second)
    assert allowed == [1, 5, 21, 81, 141]


def test_numbers_that_prove_to_have_holes_are_taken_as_an_order_only(
    session: MarketSession,
) -> None:
    join(session)
    for second in (0, 1, 5):
        assert session.lenient == []
        for each in answer(session.resubscribe(PERP, second * NS_PER_S)):
            session.receive(each, 7)
    assert session.lenient == [PERP]
    session.receive(book("snapshot", 100, [["1", "1"]], []), 7)
    first, second_ = (session.receive(book("delta", n, [], []), 7)[0] for n in (101, 105))
    assert isinstance(first, DepthChanged)
    assert isinstance(second_, DepthChanged)
    assert (first.first_id, first.last_id) == (101, 101)
    assert (second_.first_id, second_.last_id) == (102, 105)
    assert session.skipped_ids == 3
    [back] = session.receive(book("delta", 50, [], []), 7)
    assert isinstance(back, DepthChanged)
    assert back.first_id == 50, "a number that falls is never taken as the next one"


def test_what_the_venue_does_not_have_is_the_callers_mistake() -> None:
    with pytest.raises(ConfigError, match="50, 200, 500, 1000"):
        MarketSession(Category.LINEAR, {PERP: BTC}, depth=20)
    with pytest.raises(ConfigError, match="seconds"):
        MarketSession(Category.LINEAR, {PERP: BTC}, candles_s=(61,))
