"""POSITIONS and working orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message

from obiterm.link.messages import Frame, OrderRow, PositionRow
from obiterm.ui.paint.context import MarketKey, PaintContext, market_of
from obiterm.ui.paint.line import Row
from obiterm.ui.paint.numbers import fit, result
from obiterm.ui.panes.base import FramedPane
from obiterm.ui.panes.holdings import HoldingPainter

_Holding = TypeVar("_Holding", OrderRow, PositionRow)

_SEPARATOR_FROM = 9
"""Rows from which a line stands between positions and orders."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What a row stands for, so that a selection follows its row and never slips."""

    kind: str
    account: str
    market: MarketKey
    name: str


class Positions(FramedPane):
    """What we hold and what we have in the market.

    Columns leave from right to left: TP, STOP, %. A selection is bound to its order or
    position; when that is gone, nothing is selected.
    """

    DEFAULT_CSS = """
    Positions { padding: 0 1; }
    """

    class OrderPicked(Message):
        """An order row was clicked."""

        def __init__(self, client_id: str) -> None:
            super().__init__()
            self.client_id = client_id

    class PositionPicked(Message):
        """A position row was clicked."""

        def __init__(self, account: str, market: MarketKey) -> None:
            super().__init__()
            self.account = account
            self.market = market

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._selected: _Key | None = None
        self._row_keys: list[_Key | None] = []

    # -- selection -------------------------------------------------------------

    @property
    def selected(self) -> OrderRow | PositionRow | None:
        """The selected row as of the last frame, None when nothing is selected or it is gone."""
        if self._selected is None or self._shown is None:
            return None
        frame, context = self._shown
        for row in _rows(frame, context):
            if _key(row) == self._selected:
                return row
        return None

    def move_selection(self, rows: int) -> None:
        """Move the selection; positive is down. The first move selects the first row."""
        if self._shown is None:
            return
        keys = [_key(row) for row in _rows(*self._shown)]
        if not keys:
            self._selected = None
        elif self._selected not in keys:
            self._selected = keys[0 if rows > 0 else -1]
        else:
            place = keys.index(self._selected) + rows
            self._selected = keys[min(max(place, 0), len(keys) - 1)]
        self.repaint()

    def clear_selection(self) -> None:
        """Select nothing."""
        self._selected = None
        self.repaint()

    def on_click(self, event: Click) -> None:
        """Select the clicked row and tell the screen."""
        place = event.get_content_offset(self)
        if place is None or not 0 <= place.y < len(self._row_keys):
            return
        key = self._row_keys[place.y]
        if key is None:
            return
        self._selected = key
        self.repaint()
        if key.kind == "order":
            self.post_message(self.OrderPicked(key.name))
        else:
            self.post_message(self.PositionPicked(key.account, key.market))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Select the row above."""
        self.move_selection(-1)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Select the row below."""
        self.move_selection(1)

    # -- painting --------------------------------------------------------------

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> list[Row]:
        """Return header, positions, a line, the orders' summary and the orders."""
        rows = _rows(frame, context)
        positions = [row for row in rows if isinstance(row, PositionRow)]
        orders = [row for row in rows if isinstance(row, OrderRow)]
        self._titles(positions, frame.risk.funding_quote, context, width)
        painter = HoldingPainter(frame, context, width, positions, orders)
        lines: list[tuple[Row, _Key | None]] = []
        header = height > 3
        if header:
            lines.append((painter.header(), None))
        separator = height >= _SEPARATOR_FROM
        free = height - header - 1 - separator
        shown = self._window(positions, max(1, free - min(len(orders), max(1, free // 3))))
        lines += [(painter.position(row, self._is_on(row)), _key(row)) for row in shown]
        if not positions:
            lines.append((painter.nothing("no position"), None))
        if separator:
            lines.append((painter.separator(), None))
        room = height - len(lines) - 1
        shown_orders = self._window(orders, max(0, room))
        hidden = len(positions) - len(shown) + len(orders) - len(shown_orders)
        lines.append((painter.summary(orders, hidden), None))
        lines += [(painter.order(row, self._is_on(row)), _key(row)) for row in shown_orders]
        lines = lines[:height]
        self._row_keys = [key for _, key in lines]
        return [row for row, _ in lines]

    def _is_on(self, row: OrderRow | PositionRow) -> bool:
        return self._selected is not None and _key(row) == self._selected

    def _window(self, rows: list[_Holding], room: int) -> list[_Holding]:
        """Return the rows that fit, with the selected one among them."""
        if len(rows) <= room:
            return rows
        place = next((number for number, row in enumerate(rows) if self._is_on(row)), 0)
        start = max(0, place - room + 1)
        return rows[start : start + room]

    def _titles(
        self, positions: list[PositionRow], funding: float, context: PaintContext, width: int
    ) -> None:
        scope = f" · {context.account}" if context.account and width >= 40 else ""
        self.set_title(f"POSITIONS{scope}")
        total = sum(row.unrealised_quote for row in positions)
        fees = sum(row.fees_quote for row in positions)
        bare = sum(1 for row in positions if not row.stop_ticks)
        parts = [f"uPnL [b]{result(total, 10, masked=context.masked)}[/]"]
        if bare:
            parts.append(f"[b]{bare} unprotected[/]")
        parts.append(f"fees {fit(fees, 7, 2)}")
        if funding:
            parts.append(f"funding {result(funding, 7, masked=context.masked)}")
        while len(" · ".join(parts).replace("[b]", "").replace("[/]", "")) > width - 4:
            parts.pop()
        self.set_footer(" · ".join(parts))


def _rows(frame: Frame, context: PaintContext) -> list[OrderRow | PositionRow]:
    """Return positions and orders of the chosen account, as shown from top to bottom."""
    chosen = context.account
    positions: list[OrderRow | PositionRow] = [
        row for row in frame.positions if chosen in ("", row.account)
    ]
    return positions + [row for row in frame.orders if chosen in ("", row.account)]


def _key(row: OrderRow | PositionRow) -> _Key:
    if isinstance(row, OrderRow):
        return _Key("order", row.account, market_of(row), row.client_id)
    return _Key("position", row.account, market_of(row), row.owner)
