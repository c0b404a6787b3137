"""The only way to read time: a protocol, so that tests and replays own the clock."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Reads time in integer nanoseconds."""

    def wall_ns(self) -> int:
        """Return Unix time."""
        ...

    def monotonic_ns(self) -> int:
        """Return a time that never steps back; only differences mean anything."""
        ...

    def machine_ns(self) -> int:
        """Return what the machine's own clock shows; it may step at any time (T47)."""
        ...
