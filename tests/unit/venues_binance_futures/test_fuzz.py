"""Whatever a venue sends, a session answers with events or with ``DataError``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import DataError
from obiterm.venues.binance.futures import (
    Ask,
    Asked,
    ConditionalOrders,
    MarketSession,
    RestCodec,
    Route,
    TradeSession,
    UserSession,
    exchange_info,
)
from tests.unit.venues_binance_futures.perp import (
    AT,
    BTC,
    KEY,
    NOW_MS,
    NOW_NS,
    PERP,
    STOP,
    algo_event,
    algo_reply,
    approved,
    body,
    order_event,
    order_reply,
)

MARKETS = {BTC: PERP}
ACCOUNT = body(
    {
        "e": "ACCOUNT_UPDATE", "E": 1, "T": 1,
        "a": {
            "m": "FUNDING_FEE", "S": "BTCUSDT",
            "B": [{"a": "USDT", "wb": "1", "cw": "1", "bc": "1"}],
            "P": [{"s": "BTCUSDT", "pa": "1", "ep": "1", "up": "1", "ps": "BOTH"}],
        },
    }
)  # fmt: skip
MARGIN = body(
    {"e": "MARGIN_CALL", "E": 1, "p": [{"s": "BTCUSDT", "pa": "1", "up": "1", "mm": "1"}]}
)
FILL = order_event(x="TRADE", X="FILLED", l="0.1", z="0.1", L="1", t=1)

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["", "-1", "NaN", "Infinity", "1e5", "0.00000001", "BTCUSDT", "NEW", "8"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a payload."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, part in value.items():
            found += places(part, (*path, key))
    elif isinstance(value, list):
        for at, part in enumerate(value):
            found += places(part, (*path, at))
    return found


def damaged(data: st.DataObject, payload: bytes) -> bytes:
    """Put odd values into a payload, or take values out."""
    told = json.loads(payload)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(told) or [()]))
        if not path:
            break
        inner = told
        for step in path[:-1]:
            inner = inner[step]
        if data.draw(st.booleans()):
            inner[path[-1]] = data.draw(odd)
        else:
            del inner[path[-1]]
    return body(told)


@given(
    data=st.data(),
    payload=st.sampled_from([order_event(), FILL, algo_event(), algo_event(), ACCOUNT, MARGIN]),
)
def test_user_events(data: st.DataObject, payload: bytes) -> None:
    conditionals = ConditionalOrders()
    user = UserSession(MARKETS, conditionals)
    for _ in range(2):
        try:
            user.receive(damaged(data, payload), AT)
        except DataError:
            continue
    user.expire(AT + 10**12)
    user.lost(AT)


@given(data=st.data(), what=st.sampled_from(list(Ask)), status=st.sampled_from([200, 400, 503]))
def test_answers(data: st.DataObject, what: Ask, status: int) -> None:
    result = data.draw(st.sampled_from([order_reply(), algo_reply()]))
    trade = TradeSession(KEY, MARKETS, ConditionalOrders())
    codec = RestCodec(MARKETS, ConditionalOrders())
    trade.place(approved(), NOW_MS, NOW_NS)
    error = {"code": -2019, "msg": "Margin is insufficient.", "data": {"retryAfter": 1}}
    frame = {"id": 1, "status": status, "result": result, "error": error, "rateLimits": []}
    asked = Asked(what, BTC, STOP)
    for read, payload in (
        (lambda raw: trade.receive(raw, AT), body(frame)),
        (lambda raw: codec.outcome(asked, status, raw, AT), body(result)),
        (lambda raw: codec.open_orders(raw, b"[]", AT), body([order_reply()])),
        (lambda raw: codec.open_orders(b"[]", raw, AT), body([algo_reply()])),
    ):
        try:
            read(damaged(data, payload))
        except DataError:
            continue


@given(data=st.data())
def test_market_frames(data: st.DataObject) -> None:
    depth = {"E": 1, "U": 1, "u": 2, "pu": 1, "b": [["1.0", "1.000"]], "a": [["2.0", "1.000"]]}
    mark = {"E": 1, "s": "BTCUSDT", "p": "1.05", "r": "0.0001", "T": 5}
    trade = {"a": 1, "p": "1.0", "q": "1", "T": 5, "m": True}
    for route, stream, payload in (
        (Route.PUBLIC, "depth@100ms", depth),
        (Route.MARKET, "markPrice@1s", mark),
        (Route.MARKET, "aggTrade", trade),
    ):
        frame = body({"stream": f"btcusdt@{stream}", "data": payload})
        try:
            MarketSession(MARKETS, route).receive(damaged(data, frame), AT)
        except DataError:
            continue


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"7", b'"x"', b"\xff", b"{"])
def test_bodies_that_are_nothing(payload: bytes) -> None:
    codec = RestCodec(MARKETS, ConditionalOrders())
    for read in (
        exchange_info,
        lambda raw: codec.depth(BTC, raw, AT),
        lambda raw: codec.account(raw, AT),
        lambda raw: codec.outcome(Asked(Ask.PLACE, BTC), 200, raw, AT),
        lambda raw: UserSession(MARKETS, ConditionalOrders()).receive(raw, AT),
        lambda raw: TradeSession(KEY, MARKETS, ConditionalOrders()).receive(raw, AT),
    ):
        with pytest.raises(DataError):
            read(payload)
