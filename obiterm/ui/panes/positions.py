"""POSITIONS and working orders."""

from __future__ import annotations

from textual.message import Message

from obiterm.link.messages import OrderRow, PositionRow
from obiterm.ui.panes.base import FramedPane


class Positions(FramedPane):
    """What we hold and what we have in the market."""

    class OrderPicked(Message):
        """An order row was clicked."""

        def __init__(self, client_id: str) -> None:
            super().__init__()
            self.client_id = client_id

    class PositionPicked(Message):
        """A position row was clicked."""

        def __init__(self, account: str, symbol: str) -> None:
            super().__init__()
            self.account = account
            self.symbol = symbol

    @property
    def selected(self) -> OrderRow | PositionRow | None:
        """The row under the selection, None when there is no row."""
        return None

    def move_selection(self, rows: int) -> None:
        """Move the selection; positive is down."""
