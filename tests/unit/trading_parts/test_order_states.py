"""The life of an order: the table, and reports out of order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.orders import OrderIntent
from obiterm.core.values import (
    ClientOrderId,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.trading.order_states import (
    ALLOWED,
    CANCEL_ANSWER_NS,
    Change,
    ImpossibleChange,
    TrackedOrder,
    judge,
)

S = OrderState
LOTS = 10
LIVE = [s for s in S if not s.is_final]
ENDED_WITHOUT_FILL = [S.CANCELLED, S.REJECTED, S.EXPIRED]


def order(state: OrderState = S.SENT) -> TrackedOrder:
    intent = OrderIntent(
        client_id=ClientOrderId("ob-r-1-surf-entry"),
        symbol=Symbol("BTCUSDT"),
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        lots=LOTS,
        role=OrderRole.ENTRY,
        owner="surf",
        price_ticks=100,
    )
    return TrackedOrder(intent=intent, state=state)


# -- the table -------------------------------------------------------------------------------


def test_every_state_has_a_row() -> None:
    assert set(ALLOWED) == set(S)


@pytest.mark.parametrize("following", S)
def test_filled_is_never_left(following: OrderState) -> None:
    assert judge(S.FILLED, following) is not Change.ALLOWED


@pytest.mark.parametrize("state", ENDED_WITHOUT_FILL)
def test_a_late_fill_or_doubt_may_follow_an_end_and_nothing_else(state: OrderState) -> None:
    assert ALLOWED[state] == {S.FILLED, S.UNKNOWN}


@pytest.mark.parametrize("following", [s for s in S if s not in (S.INTENDED, S.UNKNOWN)])
def test_unknown_may_turn_out_to_be_anything(following: OrderState) -> None:
    assert judge(S.UNKNOWN, following) is Change.ALLOWED


@pytest.mark.parametrize("state", S)
def test_nothing_becomes_an_intention_again(state: OrderState) -> None:
    assert judge(state, S.INTENDED) is Change.IMPOSSIBLE


@pytest.mark.parametrize("state", LIVE)
def test_every_live_order_can_end_in_a_fill_or_in_doubt(state: OrderState) -> None:
    assert judge(state, S.FILLED) is Change.ALLOWED
    assert state is S.UNKNOWN or judge(state, S.UNKNOWN) is Change.ALLOWED


def test_what_was_not_sent_cannot_be_cancelled_at_the_venue() -> None:
    with pytest.raises(ImpossibleChange, match=r"INTENDED 0/10.*CANCELLING"):
        order(S.INTENDED).advance(S.CANCELLING, 1)


# -- one order -------------------------------------------------------------------------------


def test_a_life_from_intent_to_fill() -> None:
    tracked = order(S.INTENDED)
    assert tracked.advance(S.SENT, 5)
    assert tracked.sent_ns == 5
    assert tracked.advance(S.OPEN, 7, venue_id=VenueOrderId("42"))
    assert tracked.advance(S.PARTIAL, 8, filled_lots=4)
    assert (tracked.lots_left, tracked.updated_ns) == (6, 8)
    assert tracked.advance(S.FILLED, 9)
    assert (tracked.filled_lots, tracked.lots_left) == (LOTS, 0)
    assert (tracked.venue_id, tracked.client_id) == ("42", "ob-r-1-surf-entry")


def test_an_acknowledgement_after_a_fill_is_old_news() -> None:
    tracked = order()
    assert tracked.advance(S.PARTIAL, 2, filled_lots=4)
    assert not tracked.advance(S.OPEN, 3, filled_lots=0)
    assert not tracked.advance(S.PARTIAL, 4, filled_lots=2)
    assert (tracked.state, tracked.filled_lots, tracked.updated_ns) == (S.PARTIAL, 4, 2)


def test_an_open_order_with_a_fill_is_partial() -> None:
    tracked = order()
    tracked.advance(S.OPEN, 1, filled_lots=3)
    assert tracked.state is S.PARTIAL


def test_a_late_fill_after_a_cancel_counts_and_a_whole_one_wins() -> None:
    tracked = order(S.OPEN)
    tracked.advance(S.CANCELLING, 1)
    assert tracked.advance(S.CANCELLED, 2)
    assert tracked.advance(S.PARTIAL, 3, filled_lots=4)
    assert (tracked.state, tracked.filled_lots) == (S.CANCELLED, 4)
    assert tracked.advance(S.FILLED, 4)
    assert tracked.state is S.FILLED
    assert not tracked.advance(S.CANCELLED, 5, code="x", text="late")
    assert (tracked.state, tracked.text) == (S.FILLED, "")


def test_a_fill_while_the_cancel_is_on_the_wire_counts_and_the_cancel_stays() -> None:
    tracked = order(S.OPEN)
    tracked.advance(S.CANCELLING, 1)
    assert tracked.cancel_sent_ns == 1
    assert tracked.advance(S.PARTIAL, 2, filled_lots=4)
    assert (tracked.state, tracked.filled_lots) == (S.CANCELLING, 4)


def test_an_order_that_still_rests_long_after_its_cancel_can_be_cancelled_again() -> None:
    tracked = order(S.OPEN)
    tracked.advance(S.CANCELLING, 10)
    states = []
    for now_ns in (10 + CANCEL_ANSWER_NS - 1, 10 + CANCEL_ANSWER_NS):
        tracked.advance(S.OPEN, now_ns)
        states.append(tracked.state)
    assert states == [S.CANCELLING, S.OPEN]


def test_an_end_that_the_venue_contradicts_is_asked_about() -> None:
    tracked = order(S.REJECTED)
    assert not tracked.advance(S.OPEN, 1)
    assert tracked.advance(S.UNKNOWN, 2)
    assert tracked.advance(S.OPEN, 3)


def test_the_venues_words_are_kept() -> None:
    tracked = order()
    tracked.advance(S.REJECTED, 2, code="-2010", text="Account has insufficient balance")
    assert (tracked.code, tracked.text) == ("-2010", "Account has insufficient balance")
    assert "REJECTED" in repr(tracked)


@pytest.mark.parametrize("filled", [-1, LOTS + 1])
def test_a_total_that_cannot_be_is_a_fault(filled: int) -> None:
    with pytest.raises(ImpossibleChange, match="lots filled"):
        order(S.OPEN).advance(S.PARTIAL, 1, filled_lots=filled)


def test_an_ended_order_whose_size_was_only_guessed_takes_a_larger_total() -> None:
    tracked = order(S.FILLED)
    assert tracked.advance(S.FILLED, 1, filled_lots=LOTS + 5)
    assert tracked.filled_lots == LOTS + 5


NEWS = st.tuples(st.sampled_from([s for s in S if s is not S.INTENDED]), st.integers(0, LOTS))


@given(st.lists(NEWS, max_size=30))
def test_no_order_of_reports_loses_a_fill_or_leaves_filled(
    news: list[tuple[OrderState, int]],
) -> None:
    tracked = order()
    most = 0
    for at, (state, filled) in enumerate(news, start=1):
        before, filled_before = tracked.state, tracked.filled_lots
        changed = tracked.advance(state, at, filled_lots=filled)
        most = max(most, filled)
        assert tracked.filled_lots == most
        if tracked.state is not before:
            assert changed
            # OPEN with fills reads PARTIAL, so that one may follow in place of the other.
            assert tracked.state in ALLOWED[before] or tracked.state is S.PARTIAL
        if before is S.FILLED:
            assert tracked.state is S.FILLED
        if not changed:
            assert (tracked.state, tracked.filled_lots) == (before, filled_before)


@given(st.permutations([(S.OPEN, 0), (S.PARTIAL, 4), (S.PARTIAL, 7), (S.FILLED, LOTS)]))
def test_any_order_of_the_same_reports_ends_filled(news: list[tuple[OrderState, int]]) -> None:
    tracked = order()
    for at, (state, filled) in enumerate(news, start=1):
        tracked.advance(state, at, filled_lots=filled)
    assert (tracked.state, tracked.filled_lots) == (S.FILLED, LOTS)
