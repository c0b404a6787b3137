"""Cells of the heat map: half blocks, line, dots, orders, OBI bars, and what they cost."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from obiterm.core.values import Side
from obiterm.link.messages import Depth, TradeDot
from obiterm.ui.paint.heat import VOID, HeatColumn
from obiterm.ui.paint.heatcells import (
    BUY_DOT,
    COLOURS,
    NOW,
    NOW_DIM,
    OWN,
    SELL_DOT,
    Cell,
    DotScale,
    HeatView,
    column_cells,
    heat_colours,
)
from obiterm.ui.paint.palette import rgb
from obiterm.ui.panes.heatblock import cells_to_strip
from obiterm.ui.theme import load_themes

PALETTE = load_themes().get("night-city")
COLOUR_TABLE = heat_colours(PALETTE, stale=False)


def _view(**changes: object) -> HeatView:
    values: dict[str, object] = {
        "top": 109,
        "bucket": 1,
        "map_rows": 5,
        "obi_rows": 0,
        "walls_only": False,
        "trades": True,
        "dot_lots": 10,
        "big_lots": 100,
    }
    return HeatView(**{**values, **changes})  # type: ignore[arg-type]


def _column(values: dict[int, int], **changes: object) -> HeatColumn:
    column = HeatColumn(0, Depth([], [], [], []), 104.0, 0.0, [])
    column.low = 100
    column.values = bytes(values.get(bucket, 0) for bucket in range(100, 110))
    for name, value in changes.items():
        setattr(column, name, value)
    return column


def test_two_price_levels_share_a_row() -> None:
    cells = column_cells(_column({109: 20, 108: 16, 107: 3, 106: 3}), _view())
    assert cells[0] == ("▀", 20, 16)
    assert cells[1] == (" ", 3, 3)
    assert len(cells) == 5


def test_the_price_line_is_painted_over_sizes() -> None:
    cells = column_cells(_column({105: 31}, line=(104, 105)), _view())
    assert cells[2] == (" ", NOW, NOW)


def test_dots_say_side_and_size_and_small_prints_have_none() -> None:
    trades = [
        TradeDot(109, 150, Side.BUY),
        TradeDot(106, 30, Side.SELL),
        TradeDot(101, 2, Side.BUY),
    ]
    cells = column_cells(_column({}, trades=trades), _view())
    assert cells[0] == ("●", BUY_DOT, 0)
    assert cells[1] == ("·", SELL_DOT, 0)
    assert cells[4] == (" ", 0, 0)
    crossed = column_cells(_column({}, trades=trades, line=(106, 109)), _view())
    assert crossed[0] == ("●", BUY_DOT, NOW_DIM)
    assert crossed[1] == (" ", NOW, NOW), "a small dot does not break the price line"
    assert column_cells(_column({}, trades=trades), _view(trades=False))[0] == (" ", 0, 0)


def test_own_orders_leave_a_line() -> None:
    cells = column_cells(_column({103: 5}, own_ticks=(103,)), _view())
    assert cells[3] == ("─", OWN, 5)


def test_walls_only_hides_noise_but_keeps_sides() -> None:
    cells = column_cells(_column({109: 19, 108: 28, 101: 3}), _view(walls_only=True))
    assert cells[0] == ("▀", 16, 28)
    assert cells[4] == (" ", 0, 0)


@given(st.floats(-1, 1))
def test_obi_bars_grow_with_the_value(obi: float) -> None:
    view = _view(map_rows=0, obi_rows=4)
    cells = column_cells(_column({}, obi=obi), view)
    assert len(cells) == 4
    if obi >= 0:
        assert cells[2:] == [(" ", VOID, VOID)] * 2
    else:
        assert cells[:2] == [(" ", VOID, VOID)] * 2
    if abs(obi) == 1:
        full = cells[:2] if obi > 0 else cells[2:]
        assert all(sign == " " and back != VOID for sign, _, back in full)


def test_stale_cells_are_grey() -> None:
    table = heat_colours(PALETTE, stale=True)
    assert len(table) == len(COLOUR_TABLE) == COLOURS
    for place, colour in enumerate(table):
        if place not in (VOID, NOW_DIM, OWN):
            assert len(set(rgb(colour))) == 1


def test_dot_limits_follow_the_market_but_do_not_flicker() -> None:
    scale = DotScale()
    for number in range(400):
        scale.learn(_column({}, trades=[TradeDot(9, 100 + number % 50, Side.BUY)]), 1)
    limits = (scale.dot_lots, scale.big_lots)
    assert 149 < limits[0] < limits[1], "in an even market nothing stands out"
    for number in range(40):
        scale.learn(_column({}, trades=[TradeDot(9, 110 + number, Side.BUY)]), 1)
    assert (scale.dot_lots, scale.big_lots) == limits


_cells = st.lists(
    st.one_of(
        st.integers(0, COLOURS - 1).map(lambda colour: (" ", colour, colour)),
        st.tuples(st.just("▀"), st.integers(0, 5), st.integers(16, 20)),
    ),
    min_size=1,
    max_size=40,
)


def _read(stream: str) -> list[Cell | tuple[str, str, str]]:
    """Read a line back as a terminal would: sign and colours of every cell."""
    fore = ground = ""
    cells: list[Cell | tuple[str, str, str]] = []
    for codes, text in re.findall(r"\x1b\[([\d;]*)m|([^\x1b])", stream):
        if text:
            cells.append((text, "" if text == " " else fore, ground))
            continue
        if codes == "0":
            fore = ground = ""
        for kind, red, green, blue in re.findall(r"([34]8);2;(\d+);(\d+);(\d+)", codes):
            value = f"#{int(red):02x}{int(green):02x}{int(blue):02x}"
            fore, ground = (value, ground) if kind == "38" else (fore, value)
    return cells


@given(_cells)
def test_a_lean_line_shows_the_same_cells(cells: list[Cell]) -> None:
    strip = cells_to_strip(cells, COLOUR_TABLE)
    assert strip.cell_length == len(cells)
    stream = strip.render(Console(force_terminal=True, color_system="truecolor"))
    wanted = [
        (sign, "" if sign == " " else COLOUR_TABLE[colour], COLOUR_TABLE[back])
        for sign, colour, back in cells
    ]
    assert _read(stream) == wanted
    assert stream.endswith("\x1b[0m")


def test_a_lean_line_is_much_shorter_than_a_stock_one() -> None:
    cells = [("▀", number % 3, 16 + number // 20) for number in range(60)]
    strip = cells_to_strip(cells, COLOUR_TABLE)
    console = Console(force_terminal=True, color_system="truecolor")
    stock = type(strip).__mro__[1](list(strip), strip.cell_length)
    assert len(strip.render(console)) < 0.6 * len(stock.render(console))
