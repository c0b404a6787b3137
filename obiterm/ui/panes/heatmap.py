"""DEPTH × TIME: the book over time."""

from __future__ import annotations

from obiterm.link.messages import History
from obiterm.ui.panes.base import FramedPane


class HeatMap(FramedPane):
    """The book over time, price line, trades and own orders, with the OBI under it."""

    def load_history(self, history: History) -> None:
        """Put past columns in front of what was seen so far."""

    def zoom_in(self) -> None:
        """Show fewer ticks per half row."""

    def zoom_out(self) -> None:
        """Show more ticks per half row."""

    def toggle_walls(self) -> None:
        """Show walls only, or everything."""

    def toggle_trades(self) -> None:
        """Show or hide trade dots."""
