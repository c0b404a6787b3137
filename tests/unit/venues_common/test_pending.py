"""Requests that wait: told once, understood late, forgotten in the end (T6 T7)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.venues.common.pending import Pending

GAPS_MS = st.lists(st.integers(0, 3000), min_size=1, max_size=30)


@given(gaps_ms=GAPS_MS, answered=st.sets(st.integers(0, 29)), ticks_ms=GAPS_MS)
def test_every_request_without_an_answer_is_told_once(
    gaps_ms: list[int], answered: set[int], ticks_ms: list[int]
) -> None:
    pending: Pending[int, str] = Pending(5000)
    now_ns = 0
    for number, gap_ms in enumerate(gaps_ms):
        now_ns += gap_ms * NS_PER_MS
        pending.add(number, f"request {number}", now_ns)
    told: list[str] = pending.overdue(now_ns)
    early = set(told)
    for number in sorted(answered & set(range(len(gaps_ms)))):
        found = pending.pop(number)
        assert found is not None
        assert found.reported is (found.asked in early)
        assert pending.pop(number) is None
    for tick_ms in ticks_ms:
        now_ns += tick_ms * NS_PER_MS
        told += pending.overdue(now_ns)
    told += pending.lost()
    assert len(told) == len(set(told))
    asked = {f"request {number}" for number in range(len(gaps_ms))}
    assert asked - set(told) == {f"request {n}" for n in answered} & asked - early
    assert pending.waiting == 0


def test_a_late_answer_is_understood_for_twelve_deadlines() -> None:
    pending: Pending[str, str] = Pending(5000)
    pending.add("a", "one", 0, venue_ns=7)
    assert pending.overdue(5 * NS_PER_S - 1) == []
    assert pending.waiting == 1
    assert pending.overdue(5 * NS_PER_S) == ["one"]
    assert pending.waiting == 0
    assert pending.overdue(60 * NS_PER_S) == []
    late = pending.pop("a")
    assert late is not None
    assert (late.asked, late.venue_ns, late.reported) == ("one", 7, True)
    pending.add("b", "two", 0)
    assert pending.overdue(60 * NS_PER_S + 1) == ["two"]
    assert pending.pop("b") is None
    assert pending.why_overdue() == "no answer within 5000 ms"
