"""``obiterm chaos``: a bad day on three venues, and nothing is lost, doubled or left open."""

from __future__ import annotations

import json

import pytest

from tests.host.support import run


def test_a_bad_day_violates_nothing() -> None:
    """T6 T7 T16 T37 T38 T44 T47: whatever the seed brings, mixed."""
    done = run("chaos", "--seed", "2", "--minutes", "0.2", "--json", timeout_s=150)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["violations"] == []
    assert report["fills"] > 0
    assert sum(report["faults"].values()) > 0
    assert {"blind_ms", "recovery_ms", "unknown_ms", "bare_ms"} <= report.keys()


@pytest.mark.parametrize("minutes", ["0", "-1", "much", "99999"])
def test_minutes_that_cannot_be_are_refused(minutes: str) -> None:
    done = run("chaos", "--minutes", minutes)
    assert done.returncode == 2
    assert minutes in done.stderr


def test_a_profile_without_exchanges_is_refused() -> None:
    done = run("chaos", "--profile", "nothing-such")
    assert done.returncode == 2
    assert "nothing-such" in done.stderr
