"""Requests on a socket that wait for their answer."""

from __future__ import annotations

from typing import Generic, TypeVar

from obiterm.core.values import NS_PER_MS

_LATE_DEADLINES = 12
"""A late answer is still understood for this many deadlines."""

Key = TypeVar("Key", int, str)
Asked = TypeVar("Asked")


class Entry(Generic[Asked]):
    """One request without an answer.

    Attributes:
        asked: what was asked.
        sent_ns: when, on the clock that measures waiting.
        venue_ns: when, on the venue's clock; 0 where nobody asks.
        reported: True once its outcome was reported as lost; a late answer still counts.
    """

    __slots__ = ("asked", "reported", "sent_ns", "venue_ns")

    def __init__(self, asked: Asked, sent_ns: int, venue_ns: int) -> None:
        self.asked = asked
        self.sent_ns = sent_ns
        self.venue_ns = venue_ns
        self.reported = False


class Pending(Generic[Key, Asked]):
    """What one connection has asked, oldest first.

    Attributes:
        deadline_ns: how long an answer may take before its outcome counts as unknown.
    """

    __slots__ = ("_entries", "deadline_ns")

    def __init__(self, deadline_ms: int) -> None:
        self.deadline_ns = deadline_ms * NS_PER_MS
        self._entries: dict[Key, Entry[Asked]] = {}

    @property
    def waiting(self) -> int:
        """How many requests were sent whose answer may still come in time."""
        return sum(not entry.reported for entry in self._entries.values())

    def add(self, key: Key, asked: Asked, sent_ns: int, venue_ns: int = 0) -> None:
        """Remember a request."""
        self._entries[key] = Entry(asked, sent_ns, venue_ns)

    def pop(self, key: Key) -> Entry[Asked] | None:
        """Return what was asked under an id, and forget it; ``None`` for ids that are not ours."""
        return self._entries.pop(key, None)

    def overdue(self, now_ns: int) -> list[Asked]:
        """Return what has waited too long, each once; forget what is far too old."""
        late: list[Asked] = []
        gone: list[Key] = []
        for key, entry in self._entries.items():
            age_ns = now_ns - entry.sent_ns
            if age_ns < self.deadline_ns:
                break
            if not entry.reported:
                entry.reported = True
                late.append(entry.asked)
            if age_ns > _LATE_DEADLINES * self.deadline_ns:
                gone.append(key)
        for key in gone:
            del self._entries[key]
        return late

    def why_overdue(self) -> str:
        """Say for how long an answer was waited for."""
        return f"no answer within {self.deadline_ns // NS_PER_MS} ms"

    def lost(self) -> list[Asked]:
        """Return what nobody has been told about yet, and forget everything: the socket is cut."""
        untold = [entry.asked for entry in self._entries.values() if not entry.reported]
        self._entries.clear()
        return untold
