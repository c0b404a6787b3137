"""A progress line on standard error, when that is a terminal."""

from __future__ import annotations

import sys
import time

_EVERY_S = 0.1
_WIDTH = 30


class Progress:
    """Shows ``label ━━━━──── 42 %  n units``; silent when nobody looks."""

    def __init__(self, label: str, unit: str) -> None:
        self._label = label
        self._unit = unit
        self._shown = sys.stderr.isatty()
        self._due = 0.0

    def show(self, done: int, total: int) -> None:
        """Show ``done`` of ``total``; at most ten times a second."""
        now = time.monotonic()
        if not self._shown or now < self._due:
            return
        self._due = now + _EVERY_S
        share = min(1.0, done / total) if total else 0.0
        bar = "━" * int(share * _WIDTH) + "─" * (_WIDTH - int(share * _WIDTH))
        sys.stderr.write(f"\r{self._label} {bar} {share:4.0%}  {done:,} {self._unit} ")
        sys.stderr.flush()

    def end(self) -> None:
        """Clear the line."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
