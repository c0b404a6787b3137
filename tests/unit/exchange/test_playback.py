"""When lines are due: gates, speed, and the end."""

from __future__ import annotations

import pytest

from obiterm.exchange.capture import NO_TIME, CaptureLine, Recorded, Snapshot
from obiterm.exchange.playback import Playback

NOW = 5_000_000_000
MS = 1_000_000


def line(number: int, at_ms: int, event: Recorded | None = None) -> CaptureLine:
    time_ns = NO_TIME if at_ms < 0 else 1_000_000_000 + at_ms * MS
    return CaptureLine(number, time_ns, "s", b"", event)


def lines() -> list[CaptureLine]:
    return [
        line(1, 0),
        line(2, 100),
        line(3, 150, Snapshot(1, [], [])),
        line(4, 200),
        line(5, 1_150),
    ]


def numbers(playback: Playback, now_ns: int) -> list[int]:
    return [due.number for due, _ in playback.due(now_ns)]


def test_nothing_plays_before_the_start() -> None:
    playback = Playback(iter(lines()), 1.0)
    assert numbers(playback, NOW + 10**12) == []
    assert playback.next_ns() == NOW + 10**12 + 10 * MS
    playback.open_start()
    assert numbers(playback, NOW + 10**12) == [1]


def test_it_holds_at_the_snapshot_and_goes_on_from_the_moment_of_asking() -> None:
    playback = Playback(iter(lines()), 1.0)
    playback.open_start()
    assert numbers(playback, NOW) == [1]
    assert playback.next_ns() == NOW + 100 * MS
    assert numbers(playback, NOW + 60_000 * MS) == [2]
    late = NOW + 90_000 * MS
    assert numbers(playback, late) == []
    assert playback.next_ns() == late + 10 * MS
    playback.open_snapshot()
    assert numbers(playback, late + 5 * MS) == [3]
    assert playback.next_ns() == late + 50 * MS
    assert numbers(playback, late + 50 * MS) == [4]
    assert numbers(playback, late + 999 * MS) == []
    assert numbers(playback, late + 1_000 * MS) == [5]
    assert playback.next_ns() is None


def test_asking_before_the_line_keeps_it_from_holding() -> None:
    playback = Playback(iter(lines()), 1.0)
    playback.open_start()
    assert numbers(playback, NOW) == [1]
    playback.open_snapshot()
    assert numbers(playback, NOW + 200 * MS) == [2, 3, 4]


def test_asking_before_the_start_does_not_count() -> None:
    playback = Playback(iter(lines()), 1.0)
    playback.open_snapshot()
    playback.open_start()
    assert numbers(playback, NOW) == [1]
    assert numbers(playback, NOW + 10_000 * MS) == [2]


@pytest.mark.parametrize("speed", [0.5, 4.0, 100.0])
def test_speed_scales_the_distance_between_lines(speed: float) -> None:
    playback = Playback(iter(lines()), speed)
    playback.open_start()
    assert numbers(playback, NOW) == [1]
    playback.open_snapshot()
    times = {due.number: at for due, at in playback.due(NOW + 10**10)}
    assert times[5] - NOW == round(1_150 * MS / speed)


def test_without_speed_the_callers_clock_is_the_recorded_one() -> None:
    playback = Playback(iter(lines()), None)
    playback.open_start()
    playback.open_snapshot()
    seen = []
    while (at_ns := playback.next_ns()) is not None:
        seen += [(due.number, at) for due, at in playback.due(at_ns)]
    assert seen == [(n.number, n.time_ns) for n in lines()]


def test_time_never_runs_backwards_nor_stops_at_a_line_without_time() -> None:
    playback = Playback(iter([line(1, 100), line(2, 50), line(3, -1), line(4, 120)]), None)
    playback.open_start()
    assert [at for _, at in playback.due(10**18)] == [
        1_100_000_000,
        1_100_000_000,
        1_100_000_000,
        1_120_000_000,
    ]


def test_speed_must_be_positive_and_an_empty_capture_is_over() -> None:
    with pytest.raises(ValueError, match="speed"):
        Playback(iter([]), 0.0)
    assert Playback(iter([]), 1.0).next_ns() is None
