"""Output to a terminal that may stop reading: never blocks, drops whole frames.

Stock Textual puts each write on a queue of thirty and blocks the event loop when it
is full; a stalled terminal froze the program for seconds and a dead one for good
(design/TUI.md §7, traps 2 and 4). Here a frame that does not fit is dropped with all
that wait, and once the terminal reads again ``on_drained`` asks for a full repaint,
because frames are differences.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

MAX_FRAMES = 4
"""Frames that may wait; one more and all of them are dropped."""

MAX_CONTROL_BYTES = 64 * 1024
"""Control sequences (modes, cursor) are kept while they are fewer than this."""

_CHUNK_BYTES = 16 * 1024


class FrameWriter:
    """A thread that writes to a terminal. Every method returns at once, except ``stop``.

    Attributes:
        dropped: frames thrown away so far.
        written_bytes: bytes that the terminal has taken.
        broken: True after the terminal refused a write for good.
    """

    def __init__(
        self, descriptor: int, on_drained: Callable[[], None], on_gone: Callable[[], None]
    ) -> None:
        self._descriptor = descriptor
        self._on_drained = on_drained
        self._on_gone = on_gone
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._frames: deque[bytes] = deque()
        self._control = bytearray()
        self._stopping = False
        self._behind = False
        self._announced = False
        self.dropped = 0
        self.written_bytes = 0
        self.broken = False
        self._thread = threading.Thread(target=self._run, name="obiterm-output", daemon=True)

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Frames that wait; ``MAX_FRAMES`` while frames are being dropped."""
        with self._lock:
            return MAX_FRAMES if self._behind else len(self._frames)

    @property
    def behind(self) -> bool:
        """True from the first dropped frame until ``catch_up``."""
        return self._behind

    def frame(self, text: str) -> bool:
        """Queue a frame; return False when it is dropped."""
        with self._ready:
            if self.broken or self._behind or len(self._frames) >= MAX_FRAMES:
                self.dropped += len(self._frames) + 1
                self._frames.clear()
                self._behind = True
                self._ready.notify()
                return False
            self._frames.append(text.encode("utf-8", "replace"))
            self._ready.notify()
        return True

    def control(self, text: str) -> None:
        """Queue a control sequence; it is written between frames and not dropped with them."""
        with self._ready:
            if not self.broken and len(self._control) < MAX_CONTROL_BYTES:
                self._control += text.encode("utf-8", "replace")
                self._ready.notify()

    def catch_up(self) -> None:
        """Take frames again; the caller sends a full one next."""
        with self._lock:
            self._behind = self._announced = False

    def stop(self, timeout_s: float) -> bool:
        """Drop the frames, write the control sequences, end; return False when it hangs."""
        with self._ready:
            self._frames.clear()
            self._stopping = True
            self._ready.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (data := self._next()) is not None:
            if not data:
                self._on_drained()
            elif not self._write(data):
                with self._lock:
                    self.broken = True
                    self._frames.clear()
                self._on_gone()
                return

    def _next(self) -> bytes | None:
        """Wait for bytes; empty = tell that all is written after a drop, None = the end."""
        with self._ready:
            while not (self._control or self._frames):
                if self._stopping:
                    return None
                if self._behind and not self._announced:
                    self._announced = True
                    return b""
                self._ready.wait()
            if self._control:
                data = bytes(self._control)
                self._control.clear()
                return data
            return self._frames.popleft()

    def _write(self, data: bytes) -> bool:
        view = memoryview(data)
        try:
            while view:
                sent = os.write(self._descriptor, view[:_CHUNK_BYTES])
                self.written_bytes += sent
                view = view[sent:]
        except OSError:
            return False
        return True
