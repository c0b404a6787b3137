"""What waits for one reader that is slower than the host.

Two rules, so that the engine never waits for a screen: frames have one slot in
which the newest replaces the one before; everything else is ordered and kept,
up to a number of bytes. A reader that lets it overflow is cut off, and sees the
truth again when it comes back.
"""

from __future__ import annotations

from collections import deque

from obiterm.link.framing import encode
from obiterm.link.messages import Frame, ToScreen


class Outbox:
    """Holds messages for one reader until its socket takes them."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._ordered: deque[bytes] = deque()
        self._frame: Frame | None = None
        self.waiting_bytes = 0
        """Bytes of ordered messages that wait."""
        self.frames_skipped = 0
        """Frames that a newer one replaced."""

    def put(self, message: ToScreen) -> bool:
        """Queue a message; return False when the ordered queue is over its bound."""
        if isinstance(message, Frame):
            if self._frame is not None:
                self.frames_skipped += 1
            self._frame = message
            return True
        data = encode(message)
        self._ordered.append(data)
        self.waiting_bytes += len(data)
        return self.waiting_bytes <= self._max_bytes

    def take(self) -> bytes | None:
        """Return the next bytes to write: ordered ones first, then the newest frame."""
        if self._ordered:
            data = self._ordered.popleft()
            self.waiting_bytes -= len(data)
            return data
        if self._frame is not None:
            frame, self._frame = self._frame, None
            return encode(frame)
        return None

    def clear(self) -> None:
        """Forget everything that waits."""
        self._ordered.clear()
        self._frame = None
        self.waiting_bytes = 0
