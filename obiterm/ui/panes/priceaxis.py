"""The price axis of the heat map, a widget of its own so that it can move at ten hertz."""

from __future__ import annotations

import math

from obiterm.ui.paint.heat import HeatModel
from obiterm.ui.paint.line import Line, Row
from obiterm.ui.paint.numbers import Scale
from obiterm.ui.paint.palette import Palette, style
from obiterm.ui.panes.base import RowPane

_LABEL_EVERY = 5
"""A label where the bucket is a multiple of this: round prices, every two or three rows."""


class PriceAxis(RowPane):
    """Round prices, the price now, own orders and the value of the OBI."""

    DEFAULT_CSS = """
    PriceAxis { height: 1fr; }
    """

    def resized(self) -> None:
        """Keep the lines: the map has drawn them for the new width already."""

    def draw(
        self,
        model: HeatModel,
        scale: Scale,
        palette: Palette,
        now: tuple[float, tuple[int, ...]],
        obi: tuple[float, int],
        shape: tuple[int, int, int],
    ) -> None:
        """Paint the axis.

        Args:
            model: window of the map.
            scale: how to print prices.
            palette: colours.
            now: price now in ticks (``nan`` unknown) and prices of own orders.
            obi: imbalance now and its levels.
            shape: width, rows of the map, rows of the OBI bars.
        """
        width, map_rows, obi_rows = shape
        if width <= 0 or not model.bucket:
            return
        place = now[0]
        row_now = int((model.top - place // model.bucket) // 2) if math.isfinite(place) else -1
        own = {(model.top - ticks // model.bucket) // 2: ticks for ticks in now[1]}
        lines = []
        for row in range(map_rows):
            if row == row_now:
                lines.append(_now_line(width, palette, scale.price_fit(place, width - 3)))
            else:
                lines.append(_price_line(width, palette, scale, model, row, own.get(row)))
        lines += _obi_lines(width, palette, obi, obi_rows)
        self._put(lines)


def _now_line(width: int, palette: Palette, price: str) -> Row:
    chip = style(palette.panel, palette.now, bold=True)
    line = Line(width, chip)
    line.put(0, "◄", chip)
    line.right(width - 1, price, chip)
    return line.row()


def _price_line(
    width: int, palette: Palette, scale: Scale, model: HeatModel, row: int, own: int | None
) -> Row:
    base = style(palette.dim, palette.panel)
    line = Line(width, base)
    if own is not None:
        mark = style(palette.warn, palette.panel)
        line.put(0, "◆", mark)
        line.right(width - 1, scale.price_fit(own, width - 3), mark)
        return line.row()
    upper = model.top - 2 * row
    for bucket in (upper, upper - 1):
        if bucket % _LABEL_EVERY == 0:
            line.right(width - 1, scale.price_fit(bucket * model.bucket, width - 2), base)
            break
    return line.row()


def _obi_lines(width: int, palette: Palette, obi: tuple[float, int], rows: int) -> list[Row]:
    value, levels = obi
    ramp = palette.bid_text if value >= 0 else palette.ask_text
    colour = ramp[-4]
    lines = []
    for row in range(rows):
        line = Line(width, style(palette.dim, palette.panel))
        if row == rows // 2 - 1 and math.isfinite(value):
            line.put(1, f"{value:+.3f}", style(colour, palette.panel, bold=True))
        elif row == rows // 2:
            text = f"OBI·L{levels}"
            line.put(1, text if len(text) < width else "OBI", style(palette.dim, palette.panel))
        lines.append(line.row())
    return lines
