"""Panic keys as a state machine (design/TUI.md §5)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.commands import EmergencyExit, HoldFire, Kill
from obiterm.core.values import NS_PER_MS
from obiterm.ui.latch import (
    FLATTEN_WINDOW_NS,
    KILL_WINDOW_NS,
    REPEAT_NS,
    PanicLatch,
    Stage,
    Verdict,
)

HOLD, LEAD, BOTH = "f9", "f12", "ctrl+backslash"
KEYS = [HOLD, LEAD, BOTH, "x", "X", "a", "enter", "f8", "tab"]

presses = st.lists(
    st.tuples(st.sampled_from(KEYS), st.integers(0, 4_000 * NS_PER_MS)), min_size=1, max_size=40
)


def play(keys: list[tuple[str, int]]) -> list[tuple[str, int, Verdict]]:
    """Feed keys with the pauses before them."""
    latch, now_ns, log = PanicLatch(), 0, []
    for key, pause_ns in keys:
        now_ns += pause_ns
        log.append((key, now_ns, latch.feed(key, now_ns)))
    return log


def test_first_tap_holds_fire_and_second_kills() -> None:
    log = play([(HOLD, 0), (HOLD, KILL_WINDOW_NS)])
    assert [verdict.command for _, _, verdict in log] == [HoldFire("*"), Kill("*")]
    assert [verdict.stage for _, _, verdict in log] == [Stage.HELD, Stage.KILLED]


def test_a_second_tap_too_late_holds_again() -> None:
    log = play([(HOLD, 0), (HOLD, KILL_WINDOW_NS + 1)])
    assert [verdict.command for _, _, verdict in log] == [HoldFire("*"), HoldFire("*")]


@pytest.mark.parametrize("second", ["x", "X"])
@pytest.mark.parametrize("lead", [LEAD, BOTH])
def test_lead_then_x_flattens_and_swallows_the_x(lead: str, second: str) -> None:
    *_, (_, _, verdict) = play([(lead, 0), (second, FLATTEN_WINDOW_NS)])
    assert verdict.command == EmergencyExit("*")
    assert verdict.swallow


def test_x_too_late_is_only_a_letter() -> None:
    *_, (_, _, verdict) = play([(LEAD, 0), ("x", FLATTEN_WINDOW_NS + 1)])
    assert verdict == Verdict()


def test_a_word_with_an_x_after_a_mistaken_lead_does_nothing() -> None:
    log = play([(LEAD, 0), *((letter, 50 * NS_PER_MS) for letter in "ex")])
    assert all(verdict.command is None for _, _, verdict in log)
    assert not log[-1][2].swallow


def test_control_backslash_does_both() -> None:
    twice = play([(BOTH, 0), (BOTH, 200 * NS_PER_MS)])
    assert twice[0][2].command == HoldFire("*")
    assert twice[1][2].command == Kill("*")
    then_x = play([(BOTH, 0), (BOTH, 200 * NS_PER_MS), ("x", 200 * NS_PER_MS)])
    assert then_x[-1][2].command == EmergencyExit("*")


def test_a_held_key_kills_once_per_pause_and_never_flattens() -> None:
    log = play([(HOLD, 0), *[(HOLD, 33 * NS_PER_MS)] * 60])
    kills = [at for _, at, verdict in log if verdict.command == Kill("*")]
    assert kills
    assert all(later - first >= REPEAT_NS for first, later in pairwise(kills))
    assert not any(verdict.command == EmergencyExit("*") for _, _, verdict in log)


def test_held_lead_key_does_nothing_alone() -> None:
    assert all(one[2].command is None for one in play([(LEAD, 0), *[(LEAD, NS_PER_MS)] * 50]))


def test_a_command_that_did_not_arrive_is_sent_again_at_once() -> None:
    latch = PanicLatch()
    latch.feed(HOLD, 0)
    assert latch.feed(HOLD, 1).command == Kill("*")
    assert latch.feed(HOLD, 2).command is None
    latch.undelivered(Kill("*"))
    assert latch.feed(HOLD, 3).command == Kill("*")


@given(presses)
def test_two_hold_taps_in_the_window_always_reach_kill(keys: list[tuple[str, int]]) -> None:
    log = play(keys)
    holds = [(at, verdict) for key, at, verdict in log if key in (HOLD, BOTH)]
    sent: list[int] = []
    for (first_ns, _), (at_ns, verdict) in pairwise(holds):
        if isinstance(verdict.command, Kill):
            sent.append(at_ns)
        if at_ns - first_ns <= KILL_WINDOW_NS:
            assert sent
            assert at_ns - sent[-1] < REPEAT_NS


@given(presses)
def test_only_lead_then_x_flattens(keys: list[tuple[str, int]]) -> None:
    log = play(keys)
    for place, (key, at_ns, verdict) in enumerate(log):
        if not isinstance(verdict.command, EmergencyExit):
            continue
        assert key in ("x", "X")
        before = place - 1
        while log[before][0] in ("x", "X"):  # a held x
            before -= 1
        assert log[before][0] in (LEAD, BOTH)
        assert at_ns - log[place - 1][1] <= FLATTEN_WINDOW_NS


@given(presses)
def test_every_panic_key_is_swallowed_and_no_other(keys: list[tuple[str, int]]) -> None:
    for key, _, verdict in play(keys):
        if key in (HOLD, LEAD, BOTH):
            assert verdict.swallow
        elif key not in ("x", "X"):
            assert not verdict.swallow
            assert verdict.command is None


@given(presses)
def test_the_first_hold_tap_always_holds_fire_at_once(keys: list[tuple[str, int]]) -> None:
    log = play(keys)
    first = next((verdict for key, _, verdict in log if key in (HOLD, BOTH)), None)
    if first is not None:
        assert first.command == HoldFire("*")
