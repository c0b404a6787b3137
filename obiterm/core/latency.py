"""A window of the newest durations with their percentiles."""

from __future__ import annotations

from collections import deque

_KEPT = 2_048


class LatencyWindow:
    """The newest durations in nanoseconds."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._values: deque[int] = deque(maxlen=kept)
        self.count = 0

    def add(self, duration_ns: int) -> None:
        """Take one duration."""
        self._values.append(duration_ns)
        self.count += 1

    def percentile_ns(self, share: float) -> float:
        """Return the value below which ``share`` (0 … 1) of the durations lie; nan when empty."""
        if not self._values:
            return float("nan")
        ordered = sorted(self._values)
        return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])
