"""DEPTH × TIME: the book over time."""

from __future__ import annotations

import math

from textual.app import ComposeResult
from textual.events import MouseScrollDown, MouseScrollUp

from obiterm.link.messages import Frame, History
from obiterm.ui.paint.context import PaintContext, market_of
from obiterm.ui.paint.heat import HeatModel, mid_of, own_prices
from obiterm.ui.paint.heatcells import (
    OBI_ROWS,
    DotScale,
    HeatView,
    heat_colours,
    window,
)
from obiterm.ui.paint.numbers import Scale, scale_of
from obiterm.ui.paint.palette import Palette, greyed
from obiterm.ui.panes.base import FramedPane
from obiterm.ui.panes.heatblock import HeatBlock
from obiterm.ui.panes.priceaxis import PriceAxis

BLOCK = 10
"""Columns of one block widget."""

_AXIS_EXTRA = 3
"""Cells of the axis besides the price: arrow, blank, blank."""


class HeatMap(FramedPane):
    """The book over time, price line, trades and own orders, with the OBI under it.

    Walls and the price line are all that shines. A column is 250 ms; the map moves when a
    column is complete, the axis with every frame.
    """

    DEFAULT_CSS = """
    HeatMap { layout: horizontal; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._model = HeatModel()
        self._dots = DotScale()
        self._blocks: list[HeatBlock] = []
        self._axis = PriceAxis()
        self._walls_only = False
        self._trades = True
        self._moved = False
        """A column was completed since the last painting."""
        self._map_width = 0
        self._axis_width = 0
        self._obi_rows = 0
        self._painted: tuple[HeatView, tuple[str, ...], int] | None = None
        self._colours: tuple[tuple[Palette, bool], tuple[str, ...]] | None = None

    def compose(self) -> ComposeResult:
        """Put the axis; blocks come with the first size."""
        yield self._axis

    # -- feeding ---------------------------------------------------------------

    def show(self, frame: Frame, context: PaintContext) -> None:
        """Take a frame; repaint the map when a column is complete."""
        self._shown = (frame, context)
        self.remember(frame)
        moved, self._moved = self._moved, False
        self._draw(moved)

    def remember(self, frame: Frame) -> None:
        """Keep a frame without painting: the map has no holes where nothing was shown."""
        if self._model.add(frame):
            self._moved = True
            if self._model.columns:
                self._dots.learn(self._model.columns[-1], self._model.bucket)

    def load_history(self, history: History) -> None:
        """Put past columns in front of what was seen so far."""
        if self._model.load(history):
            for column in self._model.columns[-BLOCK * BLOCK :]:
                self._dots.learn(column, self._model.bucket)
            self._draw(True)

    # -- keys ------------------------------------------------------------------

    def zoom_in(self) -> None:
        """Show fewer ticks per half row."""
        self._model.zoom(inwards=True)
        self._draw(True)

    def zoom_out(self) -> None:
        """Show more ticks per half row."""
        self._model.zoom(inwards=False)
        self._draw(True)

    def toggle_walls(self) -> None:
        """Show walls only, or everything."""
        self._walls_only = not self._walls_only
        self._draw(True)

    def toggle_trades(self) -> None:
        """Show or hide trade dots."""
        self._trades = not self._trades
        self._draw(True)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Zoom in."""
        self.zoom_in()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Zoom out."""
        self.zoom_out()

    # -- painting --------------------------------------------------------------

    def resized(self) -> None:
        """Fit blocks and window to the new size."""
        self._painted = None
        self._map_width = 0
        self._draw(True)

    def repaint(self) -> None:
        """Paint the last frame again, without counting it twice."""
        self._draw(True)

    def _draw(self, moved: bool) -> None:
        if self._shown is None or not self.is_mounted:
            return
        frame, context = self._shown
        if market_of(frame.market) != self._model.market:
            return
        if not self.content_size:
            return
        scale = scale_of(context.instrument(frame.market))
        self._fit(frame, context, scale)
        if self._map_width <= 0 or self._model.half_rows <= 0:
            return
        stale = context.is_stale(frame)
        self._titles(context, scale, stale)
        view = HeatView(
            self._model.top,
            self._model.bucket,
            self._model.half_rows // 2,
            self._obi_rows,
            self._walls_only,
            self._trades,
            self._dots.dot_lots,
            self._dots.big_lots,
        )
        key = (view, self._palette_colours(context.palette, stale), self._map_width)
        if moved or key != self._painted:
            self._painted = key
            self._paint_blocks(view, key[1])
        self._axis.draw(
            self._model,
            scale,
            greyed(context.palette) if stale else context.palette,
            (_price_now(frame), own_prices(frame)),
            (frame.market.obi, frame.market.obi_levels),
            (self._axis_width, view.map_rows, view.obi_rows),
        )

    def _paint_blocks(self, view: HeatView, colours: tuple[str, ...]) -> None:
        if not self._model.bucket:
            return
        columns = window(self._model, view, self._map_width)
        place = 0
        for block, width in zip(self._blocks, self._widths(), strict=False):
            block.set_cells(columns[place : place + width], colours)
            place += width

    def _widths(self) -> list[int]:
        """Return the widths of the blocks: the leftmost takes what does not divide."""
        count, rest = divmod(self._map_width, BLOCK)
        if not count:
            return [rest]
        return [BLOCK + rest, *[BLOCK] * (count - 1)]

    def _fit(self, frame: Frame, context: PaintContext, scale: Scale) -> None:
        """Give every block its place when the size or the length of a price changed."""
        width, height = self.content_size
        price = _price_now(frame)
        digits = len(scale.price(round(price))) if math.isfinite(price) else _AXIS_EXTRA
        axis = min(digits + _AXIS_EXTRA, max(0, width // 2))
        if context.size in ("small", "tiny"):
            self._obi_rows = 0
        else:
            self._obi_rows = OBI_ROWS if height > 3 * OBI_ROWS else 0
        self._model.resize(2 * max(0, height - self._obi_rows))
        if width - axis == self._map_width:
            return
        self._map_width = max(0, width - axis)
        self._axis_width = axis
        self._axis.styles.width = axis
        widths = self._widths()
        for _ in range(len(widths) - len(self._blocks)):
            block = HeatBlock()
            self._blocks.append(block)
            self.mount(block, before=self._axis)
        for place, block in enumerate(self._blocks):
            block.display = place < len(widths)
            if place < len(widths):
                block.styles.width = widths[place]

    def _palette_colours(self, palette: Palette, stale: bool) -> tuple[str, ...]:
        key = (palette, stale)
        if self._colours is None or self._colours[0] != key:
            self._colours = (key, heat_colours(palette, stale))
        return self._colours[1]

    def _titles(self, context: PaintContext, scale: Scale, stale: bool) -> None:
        bucket = f"{scale.step(self._model.bucket)}/level" if self._model.bucket else ""
        walls, trades = _key("w", self._walls_only), _key("t", not self._trades)
        keys = f"{walls} walls {trades} trades [b]±[/] zoom"
        if context.size == "wide":
            footer = f"250 ms/col · {bucket} · {keys}"
        else:
            footer = f"{bucket} · [b]w t ±[/]"
        self.set_title("DEPTH × TIME", stale)
        self.set_footer(footer)


def _key(letter: str, changed: bool) -> str:
    return f"[reverse]{letter}[/reverse]" if changed else f"[b]{letter}[/]"


def _price_now(frame: Frame) -> float:
    last = frame.market.last_ticks
    return float(last) if last > 0 else mid_of(frame)
