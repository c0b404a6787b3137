"""Ten columns of the heat map as a widget of their own.

A partial update is written from the left edge of its widget (design/TUI.md §6), so
small widgets make small updates.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.events import Resize
from textual.filter import ANSIToTruecolor
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from obiterm.ui.paint.heatcells import Cell
from obiterm.ui.paint.palette import style


class LeanStrip(Strip):
    """A strip that sends only the colour that changes from one run to the next.

    The stock strip sends both colours and a reset with every run; on a heat map that is
    about twice the bytes. Runs must carry colours only, no bold and no links.
    """

    def render(self, console: Console) -> str:
        """Return the line as escape sequences."""
        if self._render_cache is None:
            system = console._color_system
            sent = ("", "")
            parts: list[str] = []
            for text, look, _ in self._segments:
                codes = _codes(look, system) if look is not None and system else ("", "")
                changed = [new for new, old in zip(codes, sent, strict=True) if new and new != old]
                if changed:
                    parts.append(f"\x1b[{';'.join(changed)}m")
                sent = (codes[0] or sent[0], codes[1] or sent[1])
                parts.append(text)
            self._render_cache = "".join([*parts, "\x1b[0m"] if any(sent) else parts)
        return self._render_cache


@lru_cache(maxsize=4096)
def _codes(look: Style, system: ColorSystem) -> tuple[str, str]:
    """Return the codes of the two colours of a style; empty for one that is not set."""
    fore = look.color.downgrade(system).get_ansi_codes() if look.color else ()
    ground = look.bgcolor.downgrade(system).get_ansi_codes(False) if look.bgcolor else ()
    return ";".join(fore), ";".join(ground)


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

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return lines without the detour over CSS, of which a block uses only the ground.

        A filter (NO_COLOR), tint or opacity takes the usual way, which knows them.
        """
        styles = self.styles
        filters = [one for one in self.get_line_filters() if not isinstance(one, ANSIToTruecolor)]
        if filters or styles.tint.a or self.opacity != 1.0 or styles.text_opacity != 1.0:
            return super().render_lines(crop)
        self._dirty_regions.clear()
        strips = [self.render_line(y) for y in crop.line_range]
        width = self.size.width
        if any(strip.cell_length != width for strip in strips):
            ground = self.rich_style
            strips = [strip.adjust_cell_length(width, ground) for strip in strips]
        if crop.column_span != (0, width):
            left, right = crop.column_span
            strips = [strip.crop(left, right) for strip in strips]
        return strips

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
    return LeanStrip(segments, len(cells))


def _segment(text: str, fore: int, ground: int, colours: tuple[str, ...]) -> Segment:
    return Segment(text, style(colours[fore] if fore >= 0 else "", colours[ground]))
