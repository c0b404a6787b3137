"""Where panic keys leave the process: latch, then socket, in the thread that read the key.

Nothing here waits for the event loop, the journal or a widget (R127; design/TUI.md §5:
0.3 ms from byte to action with the loop blocked, against 1.8 s through bindings).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from obiterm.link.panic import PanicLine
from obiterm.ui.latch import PanicCommand, PanicLatch, Stage


@dataclass(frozen=True, slots=True)
class PanicNotice:
    """What a panic key did, for the screen to show when it can.

    Attributes:
        stage: where the gesture stands.
        command: what was written to the host, None = nothing.
        delivered: False when the host could not be reached.
        opens_flatten: True when ``x`` would flatten now.
    """

    stage: Stage
    command: PanicCommand | None
    delivered: bool
    opens_flatten: bool


class PanicGate:
    """Feed keys to the latch and write its commands to the host. Thread-safe."""

    def __init__(
        self,
        latch: PanicLatch,
        send: Callable[[PanicCommand], bool],
        announce: Callable[[PanicNotice], None],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._latch = latch
        self._send = send
        self._announce = announce
        self._clock = clock
        self._lock = threading.Lock()

    def key(self, key: str) -> bool:
        """Take a key before anyone else; return True when nobody else may see it."""
        with self._lock:
            verdict = self._latch.feed(key, self._clock())
        delivered = False
        if verdict.command is not None:
            delivered = self._send(verdict.command)
            if not delivered:
                with self._lock:
                    self._latch.undelivered(verdict.command)
        elif verdict.stage in (Stage.IDLE, Stage.KILLED, Stage.FLATTENED):
            return verdict.swallow  # nothing new to tell: no gesture, or a repeat of one
        self._announce(
            PanicNotice(verdict.stage, verdict.command, delivered, verdict.opens_flatten)
        )
        return verdict.swallow

    def command(self, command: PanicCommand, stage: Stage) -> bool:
        """Send a panic command that did not come from the latch (modal, palette)."""
        delivered = self._send(command)
        self._announce(PanicNotice(stage, command, delivered, opens_flatten=False))
        return delivered


class PanicSender:
    """Keeps the panic line to one host and opens it again when it was lost. Thread-safe."""

    def __init__(self, path: Path, client: str) -> None:
        self._path = path
        self._client = client
        self._lock = threading.Lock()
        self._line: PanicLine | None = None

    def open(self) -> None:
        """Open the line ahead of need; blocks up to 0.2 s, so call it off the event loop."""
        with self._lock:
            if self._line is None or not self._line.connected:
                self._line = PanicLine(self._path, self._client)

    def send(self, command: PanicCommand) -> bool:
        """Write a command to the host; return False when no host took it."""
        with self._lock:
            if self._line is None:
                self._line = PanicLine(self._path, self._client)
            return self._line.send(command)

    def close(self) -> None:
        """Close the line."""
        with self._lock:
            if self._line is not None:
                self._line.close()
                self._line = None
