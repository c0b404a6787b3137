"""What the user stream tells."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.errors import DataError
from obiterm.core.events import (
    BalanceChanged,
    FeedChanged,
    Filled,
    OrderReported,
)
from obiterm.core.values import (
    NS_PER_MS,
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
    event,
    ok,
    report,
)

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
