"""Weights and counts as the venue keeps them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.venues.binance import Budget
from obiterm.venues.binance.messages import RateLimit

MINUTE = 60 * NS_PER_S
START = 1_765_324_800 * NS_PER_S
"""On a full minute, hour and day."""


def test_q24_limits_are_the_venues_own() -> None:
    budget = Budget()
    budget.take_rate_limits(
        [
            RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 100),
            RateLimit("ORDERS", "SECOND", 10, 5),
            RateLimit("ORDERS", "HOUR", 1, 9),
            RateLimit("SOMETHING", "FORTNIGHT", 1, 1),
        ],
        START,
    )
    assert budget.may_send(80, False, False, START) == 0
    assert budget.may_send(81, False, False, START) == MINUTE
    for _ in range(4):
        assert budget.may_send(1, True, False, START) == 0
        budget.sent(1, True, START)
    assert budget.may_send(1, True, False, START) == 10 * NS_PER_S
    later = START + 10 * NS_PER_S
    for _ in range(3):
        assert budget.may_send(1, True, False, later) == 0
        budget.sent(1, True, later)
    assert budget.may_send(1, True, False, later + 10 * NS_PER_S) == 3600 * NS_PER_S - 20 * NS_PER_S


def test_t44_a_fifth_is_kept_for_cancels_and_exits() -> None:
    budget = Budget()
    budget.sent(4800, False, START)
    assert budget.may_send(1, False, False, START) > 0
    assert budget.may_send(1, False, True, START) == 0
    for _ in range(40):
        budget.sent(0, True, START)
    assert budget.may_send(0, True, False, START) > 0
    assert budget.may_send(0, True, True, START) == 0


def test_windows_are_aligned_to_the_clock() -> None:
    budget = Budget()
    late = START + 59 * NS_PER_S
    budget.sent(4800, False, late)
    assert budget.may_send(1, False, False, late) == NS_PER_S
    assert budget.may_send(1, False, False, late + NS_PER_S) == 0


def test_headers_of_replies_count() -> None:
    budget = Budget()
    budget.take_headers(
        {
            "x-mbx-used-weight": "4700",
            "x-mbx-used-weight-1m": "4700",
            "x-mbx-order-count-10s": "12",
            "x-mbx-order-count-1d": "1000",
            "x-mbx-order-count-7y": "1",
            "x-mbx-used-weight-m": "9",
            "content-type": "application/json",
        },
        START,
    )
    assert budget.used_share("REQUEST_WEIGHT", START) == 4700 / 6000
    assert budget.used_share("ORDERS", START) == 12 / 50
    assert budget.used_share("ORDERS", START + 10 * NS_PER_S) == 1000 / 160_000
    assert budget.may_send(100, False, False, START) == 0
    assert budget.may_send(101, False, False, START) > 0


def test_t44_retry_after_stops_everything_but_cancels() -> None:
    budget = Budget()
    budget.take_headers({"retry-after": "30"}, START)
    assert budget.may_send(1, False, False, START) == 30 * NS_PER_S
    assert budget.may_send(1, False, True, START) == 0
    budget.block(START + NS_PER_S)
    assert budget.blocked_until_ns == START + 30 * NS_PER_S, "a shorter wait does not shorten it"
    assert budget.may_send(1, False, False, START + 30 * NS_PER_S) == 0
    budget.block_until_ms((START + 40 * NS_PER_S) // NS_PER_MS)
    assert budget.may_send(1, False, False, START + 30 * NS_PER_S) == 10 * NS_PER_S


def test_a_refusal_that_names_no_time_waits_for_the_next_minute() -> None:
    budget = Budget()
    budget.refused(START + 20 * NS_PER_S)
    assert budget.may_send(1, False, False, START + 20 * NS_PER_S) == 40 * NS_PER_S


@pytest.mark.parametrize("status", [418, 429])
def test_t44_a_ban_without_a_time_blocks_until_the_minute_ends(status: int) -> None:
    budget = Budget()
    budget.take_headers({"x-mbx-used-weight-1m": "1"}, START, status)
    assert budget.may_send(1, False, False, START) == MINUTE
    other = Budget()
    other.take_headers({"retry-after": "3"}, START, status)
    assert other.may_send(1, False, False, START) == 3 * NS_PER_S


def test_a_count_of_zero_is_a_count() -> None:
    """Successful orders cost no weight: the venue's count may be below ours."""
    budget = Budget()
    budget.sent(50, False, START)
    budget.take_rate_limits([RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6000, 0)], START)
    assert budget.used_share("REQUEST_WEIGHT", START) == 0.0


def test_accounts_behind_one_address_share_its_weight() -> None:
    first = Budget()
    second = Budget(shared=first.shared)
    first.sent(4800, True, START)
    assert second.may_send(1, False, False, START) > 0
    assert second.used_share("ORDERS", START) == 0.0
    assert second.used_share("RAW_REQUESTS", START) == 1 / 300_000


requests = st.lists(
    st.tuples(st.integers(0, 400), st.booleans(), st.booleans(), st.integers(0, 20 * NS_PER_S)),
    max_size=60,
)


@given(requests)
def test_who_waits_as_told_never_exceeds_a_pool(
    steps: list[tuple[int, bool, bool, int]],
) -> None:
    budget = Budget()
    now = START
    weights: dict[int, int] = {}
    orders: dict[int, int] = {}
    for weight, is_order, is_cancel, pause in steps:
        now += pause
        wait = budget.may_send(weight, is_order, is_cancel, now)
        now += wait
        assert budget.may_send(weight, is_order, is_cancel, now) == 0, "one wait is enough"
        budget.sent(weight, is_order, now)
        minute, tenth = now // MINUTE, now // (10 * NS_PER_S)
        weights[minute] = weights.get(minute, 0) + weight
        orders[tenth] = orders.get(tenth, 0) + is_order
        assert weights[minute] <= 6000
        assert orders[tenth] <= 50


@pytest.mark.parametrize("kind", ["ORDERS", "REQUEST_WEIGHT", "NOTHING"])
def test_an_unused_budget_is_empty(kind: str) -> None:
    assert Budget().used_share(kind, START) == 0.0
