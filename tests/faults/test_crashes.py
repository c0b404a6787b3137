"""A host on three venues is killed while it trades; the next one's books are the exchanges'."""

from __future__ import annotations

from tests.faults.crash_runs import crash


async def test_t34_t52_nothing_is_lost_doubled_or_left_open_by_kills() -> None:
    """T5 T43: the long form is ``python -m tests.faults.crash_runs --runs 300``."""
    report = await crash(3, seed=5)
    assert report.violations == []
    assert report.compared >= 1
    assert report.fills > 0
