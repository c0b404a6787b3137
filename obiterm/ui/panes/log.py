"""ORDER LOG: what was sent, answered, filled, refused."""

from __future__ import annotations

from collections.abc import Sequence

from obiterm.link.messages import LogLine
from obiterm.ui.panes.base import FramedPane


class OrderLog(FramedPane):
    """Newest line on top, one verb chip a line."""

    def add(self, lines: Sequence[LogLine]) -> None:
        """Take new lines, in the order of the host."""

    def set_filter(self, text: str) -> None:
        """Show only lines that contain every word of ``text``; empty shows all."""

    def scroll_lines(self, lines: int) -> None:
        """Look at older lines (positive) or come back to the newest."""
