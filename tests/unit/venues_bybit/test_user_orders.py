"""The private stream: states of orders (bybit.md §9.1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.events import (
    OrderReported,
)
from obiterm.core.values import (
    NS_PER_MS,
    OrderKind,
    OrderState,
    Side,
    VenueOrderId,
)
from obiterm.venues.bybit import UserSession
from tests.unit.venues_bybit.payloads import (
    AT,
    BOTH,
    KEY,
    MINE,
    PERP,
    SPOT,
    execution_row,
    order_row,
    position_row,
    private,
)


def report(session: UserSession, **changes: object) -> OrderReported:
    [event] = session.receive(private("order", order_row(**changes)), AT)
    assert isinstance(event, OrderReported)
    return event


def test_an_order_that_rests(session: UserSession) -> None:
    assert report(session) == OrderReported(
        symbol=PERP,
        client_id=MINE,
        venue_id=VenueOrderId("5cf98598-39a7-459e-97bf"),
        state=OrderState.OPEN,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        lots=100,
        filled_lots=0,
        price_ticks=300_005,
        trigger_ticks=0,
        event_ns=1_672_364_262_457 * NS_PER_MS,
        received_ns=AT,
    )


def test_the_same_name_in_two_categories_is_two_markets(session: UserSession) -> None:
    spot = order_row(category="spot", orderId="17", qty="0.5", price="30000.55")
    frame = private("order", order_row(), spot)
    linear, other = session.receive(frame, AT)
    assert isinstance(linear, OrderReported)
    assert isinstance(other, OrderReported)
    assert (linear.symbol, other.symbol) == (PERP, SPOT)
    assert (other.lots, other.price_ticks) == (500_000, 3_000_055)


@pytest.mark.parametrize(
    ("changes", "state", "code"),
    [
        ({"orderStatus": "PartiallyFilled", "cumExecQty": "0.04"}, OrderState.PARTIAL, ""),
        ({"orderStatus": "Untriggered"}, OrderState.OPEN, ""),
        ({"orderStatus": "Triggered"}, OrderState.OPEN, ""),
        ({"orderStatus": "Filled", "cumExecQty": "0.1"}, OrderState.FILLED, ""),
        ({"orderStatus": "Cancelled", "cancelType": "CancelByUser"}, OrderState.CANCELLED, ""),
        ({"orderStatus": "Deactivated"}, OrderState.CANCELLED, ""),
        (
            {"orderStatus": "Cancelled", "cancelType": "CancelByReduceOnly"},
            OrderState.CANCELLED,
            "CancelByReduceOnly",
        ),
        (
            {"orderStatus": "Cancelled", "cancelType": "CancelBySmp"},
            OrderState.EXPIRED,
            "CancelBySmp",
        ),
        (
            {"orderStatus": "Cancelled", "rejectReason": "EC_PostOnlyWillTakeLiquidity"},
            OrderState.REJECTED,
            "EC_PostOnlyWillTakeLiquidity",
        ),
        (
            {"orderStatus": "Rejected", "rejectReason": "EC_PostOnlyWillTakeLiquidity"},
            OrderState.REJECTED,
            "EC_PostOnlyWillTakeLiquidity",
        ),
        (
            {"orderStatus": "Cancelled", "rejectReason": "EC_NoImmediateQtyToFill"},
            OrderState.EXPIRED,
            "EC_NoImmediateQtyToFill",
        ),
        (
            {"orderStatus": "Rejected", "rejectReason": "EC_Others", "cumExecQty": "0.05"},
            OrderState.CANCELLED,
            "EC_Others",
        ),
        ({"orderStatus": "NewIn2027"}, OrderState.UNKNOWN, ""),
    ],
)
def test_states(
    session: UserSession, changes: dict[str, object], state: OrderState, code: str
) -> None:
    told = report(session, **changes)
    assert (told.state, told.code) == (state, code)


def test_t49_a_partly_filled_spot_market_order_ended_normally(session: UserSession) -> None:
    told = report(
        session,
        category="spot",
        orderType="Market",
        orderStatus="PartiallyFilledCanceled",
        qty="300",
        cumExecQty="0.009998",
        marketUnit="quoteCoin",
        cancelType="UNKNOWN",
        rejectReason="EC_NoError",
    )
    assert (told.state, told.code) == (OrderState.CANCELLED, "")
    assert told.filled_lots == told.lots == 9998, "an amount of quote is no number of coins"
    ours = report(
        session,
        category="spot",
        orderId="2",
        orderType="Market",
        orderStatus="PartiallyFilledCanceled",
        qty="0.01",
        cumExecQty="0.009998",
        marketUnit="baseCoin",
    )
    assert (ours.filled_lots, ours.lots) == (9998, 10_000)


def test_a_stop_is_known_by_its_trigger_also_after_it_fired(session: UserSession) -> None:
    stop = {"orderType": "Market", "triggerPrice": "29000", "price": "0", "side": "Sell"}
    for status in ("Untriggered", "Filled"):
        told = report(session, **stop, orderStatus=status, cumExecQty="0.1", orderId=status)
        assert told.kind is OrderKind.STOP_MARKET
        assert (told.trigger_ticks, told.price_ticks) == (290_000, 0)
    market = report(session, orderType="Market", price="94942.5", orderId="m")
    assert (market.kind, market.price_ticks) == (OrderKind.MARKET, 0)


def test_an_order_that_ended_stays_ended(session: UserSession) -> None:
    """A cancel that lost its race makes a second Filled (bybit.md §9.1)."""
    report(session, orderStatus="Filled", cumExecQty="0.1", updatedTime="1672364262460")
    again = order_row(
        orderStatus="Filled",
        cumExecQty="0.1",
        cancelType="CancelByUser",
        rejectReason="EC_OrigClOrdIDDoesNotExist",
        updatedTime="1672364262470",
    )
    assert session.receive(private("order", again), AT) == []
    late = order_row(orderStatus="PartiallyFilled", cumExecQty="0.05")
    assert session.receive(private("order", late), AT) == []


def test_news_is_a_newer_stamp_or_a_larger_fill(session: UserSession) -> None:
    part = {"orderStatus": "PartiallyFilled", "cumExecQty": "0.04"}
    report(session, **part, updatedTime="1672364262457")
    assert report(session, **part, updatedTime="1672364262457").filled_lots == 40
    more = {**part, "cumExecQty": "0.06"}
    assert report(session, **more, updatedTime="1672364262400").filled_lots == 60
    older = order_row(orderStatus="New", updatedTime="1672364262300")
    assert session.receive(private("order", older), AT) == []


@given(
    st.permutations(
        [
            order_row(orderStatus="New", updatedTime="100"),
            order_row(orderStatus="PartiallyFilled", cumExecQty="0.04", updatedTime="101"),
            order_row(orderStatus="PartiallyFilled", cumExecQty="0.06", updatedTime="101"),
            order_row(orderStatus="Filled", cumExecQty="0.1", updatedTime="102"),
            order_row(orderStatus="Filled", cumExecQty="0.1", updatedTime="103"),
        ]
    )
)
def test_reports_in_any_order_end_filled(rows: list[dict[str, Any]]) -> None:
    session = UserSession(KEY, BOTH)
    told = [
        event
        for row in rows
        for event in session.receive(private("order", row), AT)
        if isinstance(event, OrderReported)
    ]
    ends = [at for at, event in enumerate(told) if event.state.is_final]
    assert len(ends) == 1
    assert ends[0] == len(told) - 1
    assert told[-1].state is OrderState.FILLED


def test_what_is_not_traded_here_is_left_out(session: UserSession) -> None:
    frames = [
        private("order", order_row(symbol="XRPUSDT"), order_row(category="option")),
        private("execution", execution_row(category="inverse"), execution_row(symbol="XRPUSDT")),
        private("position", position_row(category="linear", symbol="XRPUSDT")),
        private("greeks", {"x": 1}),
        private("execution.fast", {"x": 1}),
        b'{"op":"new_in_2027"}',
    ]
    for frame in frames:
        assert session.receive(frame, AT) == []
