"""Pools of a venue: no window holds more than it may, cancels keep their share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.venues.common import Bucket, Counter, Pools

START = 1_750_793_021 * NS_PER_S
COSTS = {"A": 1}


@given(
    capacity=st.integers(5, 50),
    per_s=st.floats(0.5, 20, allow_nan=False),
    pauses_ms=st.lists(st.integers(0, 2000), min_size=1, max_size=80),
)
def test_a_bucket_never_gives_more_than_burst_and_rate(
    capacity: int, per_s: float, pauses_ms: list[int]
) -> None:
    bucket, now_ns, sent = Bucket("A", capacity, per_s), START, []
    for pause_ms in pauses_ms:
        now_ns += pause_ms * NS_PER_MS
        now_ns += bucket.wait_ns(1, 1.0, now_ns)
        assert bucket.wait_ns(1, 1.0, now_ns) == 0
        bucket.take(1, now_ns)
        sent.append(now_ns)
    for first, at_ns in enumerate(sent):
        for last in range(first, len(sent)):
            seconds = (sent[last] - at_ns) / NS_PER_S
            assert last - first + 1 <= capacity + per_s * seconds + 1e-6


def test_a_clock_that_steps_back_refills_nothing() -> None:
    bucket = Bucket("A", 10, 1.0)
    bucket.take(10, START)
    assert bucket.wait_ns(1, 1.0, START - 60 * NS_PER_S) > 0
    assert bucket.used_share(START + 5 * NS_PER_S) == pytest.approx(0.5)


def test_a_drained_bucket_is_empty_but_not_emptier() -> None:
    bucket = Bucket("A", 10, 1.0)
    bucket.drain(START)
    assert bucket.used_share(START) == 1.0
    bucket.take(5, START)
    bucket.drain(START)
    assert bucket.used_share(START) == 1.5


def test_a_counter_empties_with_its_window() -> None:
    counter = Counter("A", 10 * NS_PER_S, 4)
    at_ns = 1000 * NS_PER_S
    counter.take(4, at_ns)
    assert counter.used_share(at_ns) == 1.0
    assert counter.wait_ns(1, 1.0, at_ns + NS_PER_S) == 9 * NS_PER_S
    assert counter.wait_ns(1, 1.0, at_ns + 10 * NS_PER_S) == 0
    assert Counter("A", 1, 0).used_share(START) == 0.0


def test_the_longest_wait_counts_and_other_kinds_do_not() -> None:
    narrow, wide = Counter("A", NS_PER_S, 1), Counter("A", 60 * NS_PER_S, 1)
    pools = Pools([narrow], reserve=0.0)
    pools.add(wide)
    pools.add(Counter("B", 3600 * NS_PER_S, 0))
    assert pools.wait_ns(COSTS, False, START) == 0
    pools.spend(COSTS, START)
    assert pools.wait_ns(COSTS, False, START) == 60 * NS_PER_S - START % (60 * NS_PER_S)
    assert pools.used_share("A", START) == 1.0
    assert pools.used_share("C", START) == 0.0


def test_a_ban_holds_everything_but_what_is_urgent() -> None:
    """T44."""
    pools = Pools([Counter("A", NS_PER_S, 10)])
    pools.block_until_ms((START + 5 * NS_PER_S) // NS_PER_MS)
    pools.block(START)  # an earlier end does not shorten it
    assert pools.wait_ns(COSTS, False, START) == 5 * NS_PER_S
    assert pools.wait_ns(COSTS, True, START) == 0
    assert pools.blocked_until_ns == START + 5 * NS_PER_S
    other = Pools([])
    other.refused(START)
    assert other.blocked_until_ns % (60 * NS_PER_S) == 0
    assert START < other.blocked_until_ns <= START + 60 * NS_PER_S


def test_accounts_behind_one_address_share_its_pool() -> None:
    address = Counter("A", NS_PER_S, 10)
    first, second = Pools([address]), Pools([address])
    for _ in range(8):
        first.spend(COSTS, START)
    assert second.wait_ns(COSTS, False, START) > 0
    assert second.wait_ns(COSTS, True, START) == 0


def test_what_leaves_at_the_end_of_a_window_may_count_in_the_next() -> None:
    """A request of 09.9 s arrives at 10.0 s: both windows stay below the venue's limit."""
    counter = Counter("ORDERS", 10 * NS_PER_S, 50)
    counter.take(30, 5 * NS_PER_S)
    counter.take(10, 10 * NS_PER_S - 400 * NS_PER_MS)
    assert counter.wait_ns(30, 0.8, 10 * NS_PER_S) == 0
    assert counter.wait_ns(31, 0.8, 10 * NS_PER_S) > 0
    assert counter.wait_ns(40, 0.8, 20 * NS_PER_S) == 0
    counter.take(10, 29 * NS_PER_S + 900 * NS_PER_MS)
    assert counter.wait_ns(40, 0.8, 40 * NS_PER_S) == 0, "a window later it is over"


def test_a_count_that_does_not_hold_what_is_on_its_way_is_not_believed() -> None:
    orders = Counter("ORDERS", 10 * NS_PER_S, 50, keeps=True)
    orders.take(40, NS_PER_S)
    orders.told(1, 2 * NS_PER_S)  # the answer to the first of forty
    assert orders.used_share(2 * NS_PER_S) == 0.8
    orders.told(45, 2 * NS_PER_S)  # somebody else uses the account too
    assert orders.used_share(2 * NS_PER_S) == 0.9
    weight = Counter("REQUEST_WEIGHT", 60 * NS_PER_S, 6000)
    weight.take(40, NS_PER_S)
    weight.told(0, 2 * NS_PER_S)
    assert weight.used_share(2 * NS_PER_S) == 0.0


def test_an_answer_of_the_window_before_does_not_fill_the_new_one() -> None:
    counter = Counter("ORDERS", 10 * NS_PER_S, 50, keeps=True)
    counter.take(40, 5 * NS_PER_S)
    counter.told(40, 10 * NS_PER_S + 100 * NS_PER_MS)
    assert counter.used_share(10 * NS_PER_S + 100 * NS_PER_MS) == 0.0
    counter.told(40, 11 * NS_PER_S)
    assert counter.used_share(11 * NS_PER_S) == 0.8
