"""A pseudo-terminal with a program in it, and a screen that understands what it paints."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyte

CHECKOUT = Path(__file__).resolve().parent.parent.parent


class Terminal:
    """Runs ``python -m MODULE ARGS`` as leader of a session on a pty of its own.

    A thread reads what the program paints, unless ``reading`` is cleared: then the
    terminal stalls, as behind a closed laptop lid.
    """

    def __init__(self, module: str, *args: str, size: tuple[int, int] = (120, 36)) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.master, slave = os.openpty()
        self.resize(*size)
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PYTHONPATH": str(CHECKOUT),
        }
        for name in ("COLUMNS", "LINES", "NO_COLOR", "TEXTUAL"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=CHECKOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
        )
        os.close(slave)
        self.bytes_read = 0
        self.raw = bytearray()
        self.reading = threading.Event()
        self.reading.set()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as a terminal window does."""
        packed = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, packed)

    def type(self, data: str) -> None:
        """Send bytes as the keyboard does."""
        os.write(self.master, data.encode())

    def text(self) -> str:
        """Return what the screen shows."""
        with self._lock:
            return "\n".join(self.screen.display)

    def wait_text(self, *words: str, timeout_s: float = 10.0) -> None:
        """Wait until the screen shows every word."""
        self.wait(lambda: all(word in self.text() for word in words), timeout_s)

    def wait(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait for a condition; show the screen when it does not come."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_s} s:\n{self.text()}"
            time.sleep(0.01)

    def hang_up(self) -> None:
        """Close the terminal, as a dropped SSH session does."""
        self._closed.set()
        self.reading.set()
        self._reader.join(2.0)
        os.close(self.master)
        self.master = -1

    def ended_within(self, limit_s: float) -> float:
        """Wait for the end of the program; return how long it took."""
        began = time.monotonic()
        self.process.wait(limit_s)
        return time.monotonic() - began

    def close(self) -> None:
        """End everything that is left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(5.0)
        if self.master >= 0:
            self.hang_up()

    def _read(self) -> None:
        while not self._closed.is_set():
            self.reading.wait()
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            with contextlib.suppress(OSError):
                data = os.read(self.master, 65_536)
                if data:
                    self.bytes_read += len(data)
                    with self._lock:
                        self.raw += data
                        self._stream.feed(data)
                    continue
            return
