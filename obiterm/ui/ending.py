"""The end of the process, in bounded time, whatever hangs (design/TUI.md §7, traps 3–6).

A dropped SSH session sends SIGHUP and closes the terminal; then the event loop may be
blocked, the writer stuck and the interpreter's own exit may wait for both. A watchdog
thread gives the polite way ``LIMIT_S`` and then ends the process itself.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from enum import Enum
from types import FrameType

LIMIT_S = 0.6
"""Time for the polite way out."""


class EndReason(Enum):
    """Why the screen ended."""

    DETACHED = "detached"
    """The user left; the host goes on."""
    STOPPED = "stopped"
    """The user left and asked the host to stop trading."""
    HANGUP = "hangup"
    """The terminal is gone."""
    TERMINATED = "terminated"
    """SIGTERM or SIGINT."""
    CRASHED = "crashed"
    """A fault in the screen itself; the host goes on."""

    @property
    def exit_code(self) -> int:
        """Exit code of the process: 0 when the user chose to leave."""
        return _CODES[self]


_CODES = {
    EndReason.DETACHED: 0,
    EndReason.STOPPED: 0,
    EndReason.HANGUP: 128 + signal.SIGHUP,
    EndReason.TERMINATED: 128 + signal.SIGTERM,
    EndReason.CRASHED: 1,
}


class Ending:
    """Ends the screen once, for the first reason given. Thread-safe.

    Args:
        on_exit: the composition root's last act (an embedded host stops here); called
            exactly once, from whichever thread comes first, before the process ends.
        exit_now: ends the process without further ado; ``os._exit`` outside tests.
    """

    def __init__(
        self,
        on_exit: Callable[[EndReason], None] | None = None,
        exit_now: Callable[[int], None] = os._exit,
    ) -> None:
        self._on_exit = on_exit
        self._exit_now = exit_now
        self._lock = threading.RLock()  # a signal handler may come while it is held
        self._last_act = threading.RLock()
        self._done = threading.Event()
        self._said_farewell = False
        self._leave: Callable[[], None] | None = None
        self._restore: Callable[[], None] | None = None
        self.reason: EndReason | None = None

    def install(self) -> None:
        """Take SIGHUP, SIGTERM and SIGINT; ignore SIGTSTP. Main thread only."""
        signal.signal(signal.SIGHUP, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)

    def polite_way(self, leave: Callable[[], None]) -> None:
        """Set how the app is asked to leave; called from any thread."""
        self._leave = leave

    def restore_with(self, restore: Callable[[], None]) -> None:
        """Set what mends the terminal when the polite way fails; must not block."""
        self._restore = restore

    def begin(self, reason: EndReason, limit_s: float = LIMIT_S) -> None:
        """Start to end: ask the app to leave and end the process if it has not in time."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
        watchdog = threading.Thread(
            target=self._watch, args=(limit_s,), name="obiterm-ending", daemon=True
        )
        watchdog.start()
        if self._leave is not None:
            self._leave()

    def settle(self, reason: EndReason) -> EndReason:
        """Tell that the app has left by itself; return the reason that counts."""
        with self._lock:
            if self.reason is None:
                self.reason = reason
            counts = self.reason
        self._farewell(counts)
        self._done.set()
        return counts

    def _watch(self, limit_s: float) -> None:
        if self._done.wait(limit_s):
            return
        reason = self.reason or EndReason.CRASHED
        try:
            if self._restore is not None:
                self._restore()
            self._farewell(reason)
        finally:
            self._exit_now(reason.exit_code)

    def _farewell(self, reason: EndReason) -> None:
        with self._last_act:  # whoever comes second waits until it is over
            if self._said_farewell:
                return
            self._said_farewell = True
            if self._on_exit is not None:
                self._on_exit(reason)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        hangup = number == signal.SIGHUP
        self.begin(EndReason.HANGUP if hangup else EndReason.TERMINATED)
