"""Columns of the heat map as coloured cells: two price levels a row, line, dots, orders."""

from __future__ import annotations

import math
from dataclasses import dataclass

from obiterm.core.values import Side
from obiterm.link.messages import TradeDot
from obiterm.ui.paint.heat import VOID, HeatColumn, HeatModel
from obiterm.ui.paint.palette import RAMP_STEPS, Palette, blend, greyed

Cell = tuple[str, int, int]
"""Sign, index of its colour, index of the ground; see ``heat_colours``."""

NOW, NOW_DIM, BUY_DOT, SELL_DOT, OWN = range(VOID + 1, VOID + 6)
COLOURS = VOID + 6

OBI_ROWS = 4
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_WALL_STEP = 8
"""With walls only, everything below this step is painted as empty."""
_OBI_STEPS = (6, 9, 11, 12)
_DOT_MEMORY = 512
_SMALL_DOT, _LARGE_DOT = 0.85, 0.97
"""Percentiles of what was traded in a cell from which it gets a dot, or a large one."""
_SMALL_DOT_USUAL, _LARGE_DOT_USUAL = 2.0, 5.0
"""The same as multiples of the median."""
_DOTS_PER_COLUMN = 2
_SMALL_SIGN, _LARGE_SIGN = "·", "●"
"""Only a large dot may break the price line."""


@dataclass(frozen=True, slots=True)
class HeatView:
    """What is shown of the model; a change of it paints every column anew."""

    top: int
    bucket: int
    map_rows: int
    obi_rows: int
    walls_only: bool
    trades: bool
    dot_lots: int
    """Least size of a small dot."""
    big_lots: int
    """Least size of a large dot."""


def heat_colours(palette: Palette, stale: bool) -> tuple[str, ...]:
    """Return the colours of cells by index; greys of the same brightness when stale."""
    if stale:
        palette = greyed(palette)
    return (
        *palette.bid,
        *palette.ask,
        palette.panel,
        palette.now,
        blend(palette.panel, palette.now, 0.28),
        palette.buy_dot,
        palette.sell_dot,
        blend(palette.panel, palette.now, 0.75),
    )


class DotScale:
    """Learns which prints are large enough for a dot.

    What counts is what was traded in one column at one row, as a dot shows it; a dot must
    also stand out from the usual size, so that an even market is not full of dots.
    """

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self.dot_lots = 1
        self.big_lots = 1

    def learn(self, column: HeatColumn, bucket: int) -> None:
        """Remember a column's prints; the limits move only when they are off by a quarter."""
        sums = _traded(column.trades, max(1, 2 * bucket))
        if not sums:
            return
        self._sizes += [max(pair) for pair in sums.values()]
        del self._sizes[:-_DOT_MEMORY]
        ordered = sorted(self._sizes)
        last = len(ordered) - 1
        usual = ordered[last // 2]
        small = max(ordered[int(_SMALL_DOT * last)], round(_SMALL_DOT_USUAL * usual))
        large = max(ordered[int(_LARGE_DOT * last)], round(_LARGE_DOT_USUAL * usual))
        if not 0.75 * self.dot_lots <= small <= 1.33 * self.dot_lots:
            self.dot_lots = max(1, small)
        if not 0.75 * self.big_lots <= large <= 1.33 * self.big_lots:
            self.big_lots = max(2, large)


def _traded(trades: list[TradeDot], ticks: int) -> dict[int, list[int]]:
    """Return lots bought and sold by groups of ``ticks``."""
    sums: dict[int, list[int]] = {}
    for trade in trades:
        pair = sums.setdefault(trade.ticks // ticks, [0, 0])
        pair[0 if trade.side is Side.BUY else 1] += trade.lots
    return sums


def column_cells(column: HeatColumn, view: HeatView) -> list[Cell]:
    """Return the cells of a column from top to bottom, the OBI rows last."""
    kept = column.cells
    if kept is not None and kept[0] == view:
        return kept[1]
    cells = _map_cells(column, view)
    if view.obi_rows:
        cells += _obi_cells(column.obi if column.values else 0.0, view.obi_rows)
    column.cells = (view, cells)
    return cells


def blank_cells(view: HeatView) -> list[Cell]:
    """Return the cells of a time that was not seen."""
    return [(" ", VOID, VOID)] * (view.map_rows + view.obi_rows)


def _map_cells(column: HeatColumn, view: HeatView) -> list[Cell]:
    dots = _dots(column, view) if view.trades and column.trades else {}
    own = {price // view.bucket for price in column.own_ticks}
    low, high = column.line if column.line is not None else (1, 0)
    cells: list[Cell] = []
    for row in range(view.map_rows):
        upper = view.top - 2 * row
        lower = upper - 1
        up = NOW if low <= upper <= high else _shade(column.value(upper), view)
        down = NOW if low <= lower <= high else _shade(column.value(lower), view)
        dot = dots.get(row)
        if dot is not None and (dot[0] == _LARGE_SIGN or NOW not in (up, down)):
            ground = NOW_DIM if NOW in (up, down) else down
            cells.append((dot[0], dot[1], ground))
        elif (upper in own or lower in own) and NOW not in (up, down):
            cells.append(("─", OWN, up))
        elif up == down:
            cells.append((" ", up, up))
        else:
            cells.append(("▀", up, down))
    return cells


def _shade(value: int, view: HeatView) -> int:
    if view.walls_only and value != VOID and value % RAMP_STEPS < _WALL_STEP:
        return value - value % RAMP_STEPS
    return value


def _dots(column: HeatColumn, view: HeatView) -> dict[int, tuple[str, int]]:
    """Return the sign and colour of the prints of a column by row; the larger side wins."""
    sums: dict[int, list[int]] = {}
    for trade in column.trades:
        row = (view.top - trade.ticks // view.bucket) // 2
        if 0 <= row < view.map_rows:
            sums.setdefault(row, [0, 0])[0 if trade.side is Side.BUY else 1] += trade.lots
    dots: dict[int, tuple[str, int]] = {}
    largest = sorted(sums.items(), key=lambda item: -max(item[1]))[:_DOTS_PER_COLUMN]
    for row, (bought, sold) in largest:
        size = max(bought, sold)
        if size >= view.dot_lots:
            sign = _LARGE_SIGN if size >= view.big_lots else _SMALL_SIGN
            dots[row] = (sign, BUY_DOT if bought >= sold else SELL_DOT)
    return dots


def _obi_cells(obi: float, rows: int) -> list[Cell]:
    """Return a bar from the middle: up for more bids, down for more asks."""
    half = rows // 2
    if not math.isfinite(obi):
        return [(" ", VOID, VOID)] * rows
    eighths = min(round(abs(obi) * half * 8), half * 8)
    shade = _OBI_STEPS[min(int(abs(obi) * len(_OBI_STEPS)), len(_OBI_STEPS) - 1)]
    bar = shade if obi >= 0 else RAMP_STEPS + shade
    filled = [min(max(eighths - 8 * row, 0), 8) for row in range(half)]
    empty: Cell = (" ", VOID, VOID)
    if obi >= 0:
        upper = [_bar(count, bar, VOID) for count in reversed(filled)]
        return upper + [empty] * (rows - half)
    lower = [_bar(8 - count, VOID, bar) if count else empty for count in filled]
    return [empty] * half + lower + [empty] * (rows - 2 * half)


def _bar(eighths: int, colour: int, ground: int) -> Cell:
    if eighths == 0:
        return (" ", ground, ground)
    if eighths == 8:
        return (" ", colour, colour)
    return (_EIGHTHS[eighths], colour, ground)


def window(model: HeatModel, view: HeatView, width: int) -> list[list[Cell]]:
    """Return the cells of the newest ``width`` columns, padded with blanks on the left."""
    newest = model.columns[-width:] if width > 0 else []
    blank = blank_cells(view)
    return [blank] * (width - len(newest)) + [column_cells(column, view) for column in newest]
