"""When recorded lines are due: a gate at the start, a gate at the snapshot, a speed.

Playback does not begin before ``open_start`` (the first depth subscription), and
it holds at the recorded snapshot until ``open_snapshot`` (somebody asked for the
book). So a client that follows the venue's sync rules sees every recorded diff
and exactly the recorded snapshot, however slow it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.capture import NO_TIME, CaptureLine, Snapshot

_POLL_NS = 10 * NS_PER_MS


class Playback:
    """Hands out lines when the caller's clock says so.

    Args:
        lines: the capture, in order.
        speed: recorded seconds per second of the caller's clock; ``None`` when the
            caller steps from event to event on the recorded time itself.
    """

    def __init__(self, lines: Iterator[CaptureLine], speed: float | None) -> None:
        if speed is not None and not speed > 0:
            raise ValueError(f"speed {speed} must be greater than 0")
        self._lines = lines
        self._speed = speed or 1.0
        self._head = next(lines, None)
        self._started = False
        self._asked = False
        self._held = False
        self._now_ns = 0
        self._last_line_ns = 0
        """Recorded time of the last line handed out; lines never go back in time."""
        self.first_ns = 0 if self._head is None else max(0, self._head.time_ns)
        """Recorded time of the first line."""
        self._anchor: tuple[int, int] | None = None
        """A moment of the caller's clock and the recorded time that belongs to it."""
        if speed is None:
            self._anchor = (self.first_ns, self.first_ns)
            self._now_ns = self.first_ns

    def open_start(self) -> None:
        """Let playback begin at the next ``due``."""
        self._started = True

    def open_snapshot(self) -> None:
        """Let playback pass the snapshot; ignored before the start."""
        if self._started:
            self._asked = True

    def due(self, now_ns: int) -> Iterator[tuple[CaptureLine, int]]:
        """Yield ``(line, its time on the caller's clock)`` of all lines due by ``now_ns``."""
        self._now_ns = max(self._now_ns, now_ns)
        if not self._started:
            return
        while (line := self._head) is not None:
            wall_ns = self._wall_ns(line, now_ns)
            if wall_ns > now_ns:
                self._held = False
                return
            if isinstance(line.event, Snapshot) and not self._asked:
                # Recorded time stands still here; it goes on from the moment of asking.
                self._held = True
                self._anchor = (now_ns, self._recorded_ns(line))
                return
            self._last_line_ns = max(self._last_line_ns, self._recorded_ns(line))
            self._head = next(self._lines, None)
            yield line, wall_ns

    def next_ns(self) -> int | None:
        """Return when the next line is due; a moment from now at a gate, ``None`` at the end."""
        line = self._head
        if line is None:
            return None
        if self._held or self._anchor is None:
            return self._now_ns + _POLL_NS
        due_ns = self._wall_ns(line, self._now_ns)
        return due_ns if self._started else max(due_ns, self._now_ns)

    def _recorded_ns(self, line: CaptureLine) -> int:
        return self._last_line_ns if line.time_ns == NO_TIME else line.time_ns

    def _wall_ns(self, line: CaptureLine, now_ns: int) -> int:
        recorded_ns = max(self._last_line_ns, self._recorded_ns(line))
        if self._anchor is None:
            self._anchor = (now_ns, recorded_ns)
        wall_ns, base_ns = self._anchor
        return wall_ns + round((recorded_ns - base_ns) / self._speed)
