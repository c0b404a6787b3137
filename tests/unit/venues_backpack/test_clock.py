"""The venue's clock: measured from bare milliseconds, usable or not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.venues.backpack.clock import ClockSample, best, may_trade, sample
from tests.unit.venues_backpack.payloads import AT


@given(
    offset_ns=st.integers(-60 * NS_PER_S, 60 * NS_PER_S),
    there_ns=st.integers(0, NS_PER_S),
    back_ns=st.integers(0, NS_PER_S),
)
def test_the_offset_is_wrong_by_half_the_round_trip_at_most(
    offset_ns: int, there_ns: int, back_ns: int
) -> None:
    """T47: also with a clock that is 30 s off."""
    venue_ms = (AT + there_ns + offset_ns) // NS_PER_MS
    measured = sample(venue_ms, AT, AT + there_ns + back_ns)
    assert measured.round_trip_ns == there_ns + back_ns
    wrong_ns = abs(measured.offset_ns - offset_ns)
    assert wrong_ns <= measured.round_trip_ns / 2 + NS_PER_MS / 2 + 1


def test_the_quickest_sample_counts() -> None:
    quick = ClockSample(5, 10)
    assert best([ClockSample(7, 30), quick, ClockSample(9, 20)]) == quick


def test_a_far_clock_trades_but_a_slow_way_does_not() -> None:
    assert may_trade(ClockSample(30 * NS_PER_S, NS_PER_S), 5000)
    assert not may_trade(ClockSample(0, 3 * NS_PER_S), 5000)
