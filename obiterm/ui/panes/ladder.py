"""LADDER: the book as prices in a column."""

from __future__ import annotations

from textual.message import Message

from obiterm.core.values import Side
from obiterm.ui.panes.base import FramedPane


class Ladder(FramedPane):
    """Bids left, asks right, own orders on the empty side, a price cursor."""

    class PricePicked(Message):
        """A row was clicked.

        Attributes:
            ticks: price of the row.
            side: half that was clicked: BUY left of the price column, SELL right of it,
                None on it.
            button: mouse button, 1 = left.
        """

        def __init__(self, ladder: Ladder, ticks: int, side: Side | None, button: int) -> None:
            super().__init__()
            self.ladder = ladder
            self.ticks = ticks
            self.side = side
            self.button = button

    @property
    def cursor_ticks(self) -> int:
        """Price under the cursor; 0 before the first book."""
        return 0

    def move_cursor(self, rows: int) -> None:
        """Move the price cursor; positive is up (a higher price)."""

    def cursor_to_mid(self) -> None:
        """Put the cursor on the best bid and centre the ladder."""

    def finer(self) -> None:
        """Group fewer ticks per row."""

    def coarser(self) -> None:
        """Group more ticks per row."""
