"""The machine's clock behind the clock protocol of the core."""

from __future__ import annotations

import time


class SystemClock:
    """Reads the machine's time; the only reader of it outside of tests and replays."""

    def wall_ns(self) -> int:
        """Return Unix time in nanoseconds; it may step."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never step back."""
        return time.monotonic_ns()

    def machine_ns(self) -> int:
        """Return Unix time as the machine has it now."""
        return time.time_ns()


class SteadyClock:
    """Unix time that never steps: the wall clock once, then the monotonic clock.

    A machine whose clock is stepped by ±30 s (T47) keeps its order of events; the offset
    to a venue is measured against this clock, so that signatures stay right.
    """

    def __init__(self) -> None:
        self._base_ns = time.time_ns() - time.monotonic_ns()

    def wall_ns(self) -> int:
        """Return Unix time as of the start plus the time that passed."""
        return self._base_ns + time.monotonic_ns()

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never step back."""
        return time.monotonic_ns()

    def machine_ns(self) -> int:
        """Return Unix time as the machine has it now."""
        return time.time_ns()
