"""Ten columns of the heat map as a widget of their own.

A partial update is written from the left edge of its widget (design/TUI.md §6), so
small widgets make small updates.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.events import Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from obiterm.ui.paint.heatcells import Cell
from obiterm.ui.paint.palette import style


class HeatBlock(Widget):
    """Shows some columns of cells; sends only rows that changed."""

    ALLOW_SELECT = False

    DEFAULT_CSS = """
    HeatBlock { height: 1fr; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[tuple[Cell, ...]] = []
        self._strips: dict[int, Strip] = {}
        self._colours: tuple[str, ...] = ()

    def set_cells(self, columns: Sequence[Sequence[Cell]], colours: tuple[str, ...]) -> int:
        """Show columns of equal height; return how many rows had changed."""
        rows = list(zip(*columns, strict=True))
        if colours is not self._colours or len(rows) != len(self._rows):
            changed = list(range(len(rows)))
        else:
            old = self._rows
            changed = [y for y, row in enumerate(rows) if row != old[y]]
        self._rows, self._colours = rows, colours
        for y in changed:
            self._strips.pop(y, None)
        if changed:
            width = len(columns)
            self.refresh(*(Region(0, y, width, 1) for y in changed))
        return len(changed)

    def on_resize(self, event: Resize) -> None:
        """Forget lines of another width."""
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """Return one line for the compositor."""
        strip = self._strips.get(y)
        if strip is None:
            if y >= len(self._rows):
                return Strip.blank(self.size.width, self.rich_style)
            strip = self._strips[y] = cells_to_strip(self._rows[y], self._colours)
        return strip


def cells_to_strip(cells: Sequence[Cell], colours: tuple[str, ...]) -> Strip:
    """Merge runs of cells of the same colours; a space takes the run's sign colour."""
    segments: list[Segment] = []
    text, fore, ground = "", -1, -1
    for sign, colour, back in cells:
        blank = sign == " "
        if back != ground or (not blank and fore not in (-1, colour)):
            if text:
                segments.append(_segment(text, fore, ground, colours))
            text, fore, ground = "", -1, back
        text += sign
        if not blank:
            fore = colour
    if text:
        segments.append(_segment(text, fore, ground, colours))
    return Strip(segments, len(cells))


def _segment(text: str, fore: int, ground: int, colours: tuple[str, ...]) -> Segment:
    return Segment(text, style(colours[fore] if fore >= 0 else "", colours[ground]))
