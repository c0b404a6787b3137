"""Waits grow, jitter and stop growing; the clock is the machine's."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.net import Backoff, SystemClock
from obiterm.net.clock import SteadyClock


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_waits_double_with_jitter_up_to_the_ceiling(seed: int, tries: int) -> None:
    backoff = Backoff(first_s=0.25, ceiling_s=30.0, seed=seed)
    for number in range(tries):
        step_s = min(30.0, 0.25 * 2**number)
        assert step_s / 2 <= backoff.next_s() <= step_s
    assert backoff.failures == tries
    backoff.reset()
    assert backoff.next_s() <= 0.25


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_a_spread_takes_at_most_its_share(seconds: float, share: float) -> None:
    assert seconds * (1 - share) * (1 - 1e-12) <= Backoff().spread_s(seconds, share) <= seconds


def test_the_clock_tells_unix_and_steady_time() -> None:
    clock = SystemClock()
    assert abs(clock.wall_ns() - time.time_ns()) < 1_000_000_000
    first = clock.monotonic_ns()
    assert clock.monotonic_ns() >= first


def test_t47_a_steady_clock_does_not_follow_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SteadyClock()
    before_ns = clock.wall_ns()
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 30_000_000_000)
    assert 0 <= clock.wall_ns() - before_ns < 5_000_000_000
    assert clock.monotonic_ns() <= clock.monotonic_ns()
