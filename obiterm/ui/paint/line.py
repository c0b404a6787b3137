"""One line of cells under construction."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Span = tuple[str, Style]
Row = tuple[Span, ...]
"""A finished line: text runs from left to right. Rows compare cheaply."""


class Line:
    """Writes text at columns and fills what is between with the base style.

    Attributes:
        width: cells of the line.
        cut: True after a write that did not fit; tests ask for it (design/TUI.md §8).
    """

    __slots__ = ("_base", "_parts", "cut", "width")

    def __init__(self, width: int, base: Style) -> None:
        self.width = width
        self.cut = False
        self._base = base
        self._parts: list[tuple[int, int, str, Style]] = []

    def put(self, left: int, text: str, style: Style) -> int:
        """Write from column ``left``; return the column after the text."""
        cells = len(text) if text.isascii() else cell_len(text)
        if left < 0 or left + cells > self.width:
            self.cut = True
            room = max(0, self.width - max(0, left))
            text, cells, left = (
                set_cell_size(text, min(cells, room)),
                min(cells, room),
                max(0, left),
            )
        if cells:
            self._parts.append((left, left + cells, text, style))
        return left + cells

    def right(self, end: int, text: str, style: Style) -> int:
        """Write so that the text ends before column ``end``; return its first column."""
        left = end - (len(text) if text.isascii() else cell_len(text))
        self.put(left, text, style)
        return left

    def spans(self, left: int, parts: list[Span]) -> int:
        """Write runs one after the other; return the column after them."""
        for text, style in parts:
            left = self.put(left, text, style)
        return left

    def row(self) -> Row:
        """Return the finished line. Parts must not overlap; the later one loses."""
        spans: list[Span] = []
        place = 0
        for left, end, text, style in sorted(self._parts, key=lambda part: part[0]):
            if left < place:
                continue
            if left > place:
                _append(spans, " " * (left - place), self._base)
            _append(spans, text, style)
            place = end
        if place < self.width:
            _append(spans, " " * (self.width - place), self._base)
        return tuple(spans)


def _append(spans: list[Span], text: str, style: Style) -> None:
    """Add a run; blanks join a neighbour on the same ground, since every run costs bytes."""
    if spans:
        before, look = spans[-1]
        if look is style or (look.bgcolor == style.bgcolor and not _underlined(look, style)):
            if look is style or not text.strip(" "):
                spans[-1] = (before + text, look)
                return
            if not before.strip(" "):
                spans[-1] = (before + text, style)
                return
    spans.append((text, style))


def _underlined(one: Style, other: Style) -> bool:
    return bool(one.underline or other.underline)


def to_strip(row: Row) -> Strip:
    """Turn a finished line into what the compositor takes."""
    return Strip([Segment(text, style) for text, style in row])
