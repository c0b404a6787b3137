"""Columns and bars give way in the agreed order and never overflow."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from obiterm.ui.paint.bars import bar_left, bar_right, gauge, sparkline
from obiterm.ui.paint.fitting import Part, choose, join, width_of
from obiterm.ui.paint.line import Line
from obiterm.ui.paint.palette import style
from obiterm.ui.paint.table import Column, place

COLUMNS = [
    Column("ACC", 3, 3, is_right=False, drop=3),
    Column("SYMBOL", 8, 8, is_right=False),
    Column("QTY", 8, 5),
    Column("ENTRY", 9, 6, drop=1),
    Column("uPnL", 8, 6),
    Column("%", 7, 7, drop=10),
    Column("STOP", 9, 7, drop=11),
    Column("TP", 9, 7, drop=12),
]
PLAIN = Style()


def test_columns_leave_from_right_to_left() -> None:
    seen: list[tuple[str, ...]] = []
    for width in range(80, 20, -1):
        names = tuple(place(COLUMNS, width))
        if not seen or seen[-1] != names:
            seen.append(names)
    dropped = [set(one) - set(two) for one, two in pairwise(seen)]
    assert dropped == [{"TP"}, {"STOP"}, {"%"}, {"ACC"}, {"ENTRY"}]


@given(st.integers(22, 200))
def test_columns_fit_and_do_not_touch(width: int) -> None:
    placed = list(place(COLUMNS, width).values())
    assert placed[-1].end <= width
    for left, right in pairwise(placed):
        assert left.end < right.left


_parts = st.lists(
    st.tuples(st.integers(0, 9), st.lists(st.integers(1, 12), min_size=1, max_size=3)), max_size=8
)


@given(_parts, st.integers(0, 60))
def test_a_bar_fits_or_has_given_everything_away(
    sizes: list[tuple[int, list[int]]], width: int
) -> None:
    parts = [
        Part(weight, (*((("x" * cells, PLAIN),) for cells in sorted(forms, reverse=True)), ()))
        for weight, forms in sizes
    ]
    chosen = choose(parts, width)
    assert width_of(join(chosen, PLAIN)) <= width


def test_the_least_important_part_gives_way_first() -> None:
    long, short = (("loss ━━━━ 24%", PLAIN),), (("loss 24%", PLAIN),)
    parts = [Part(9, (long, short)), Part(1, ((("gaps 1", PLAIN),), ()))]
    assert choose(parts, 40) == [long, (("gaps 1", PLAIN),)]
    assert choose(parts, 14) == [long, ()]
    assert choose(parts, 8) == [short, ()]


@given(st.integers(-5, 200), st.integers(1, 20))
def test_bars_fill_their_cells_exactly(eighths: int, width: int) -> None:
    for bar in (bar_left, bar_right):
        assert width_of(bar(eighths, width, "#00ff00", "#000000")) == width


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(1, 30))
def test_gauges_fill_their_cells_and_show_a_little_as_something(share: float, width: int) -> None:
    spans = gauge(share, width, PLAIN, PLAIN)
    assert width_of(spans) == width
    if 0 < share < 0.01:
        assert spans[0][0] == "━"


@given(st.lists(st.floats(-1e6, 1e6), max_size=80), st.integers(0, 30))
def test_sparklines_have_their_width(values: list[float], width: int) -> None:
    line = sparkline(values, width)
    assert len(line) == width
    assert all(0x2800 <= ord(sign) <= 0x28FF for sign in line)


def test_a_rising_result_rises() -> None:
    assert sparkline([0, 1, 2, 3], 2) == "\u28e0\u28fe"


def test_a_line_is_filled_merged_and_says_when_it_was_cut() -> None:
    base, bold = style("#aaaaaa", "#000000"), style("#ffffff", "#000000", bold=True)
    line = Line(20, base)
    line.put(2, "ab", bold)
    line.right(20, "9.5", base)
    row = line.row()
    assert "".join(text for text, _ in row) == "  ab" + " " * 13 + "9.5"
    assert len(row) <= 3
    cuts = [line.cut]
    line.put(18, "long", base)
    assert [*cuts, line.cut] == [False, True]
    assert width_of(line.row()) == 20


@given(st.lists(st.tuples(st.integers(0, 30), st.text("ab 漢", max_size=6)), max_size=6))
def test_a_line_always_has_its_width(parts: list[tuple[int, str]]) -> None:
    line = Line(24, PLAIN)
    for left, text in parts:
        line.put(left, text, PLAIN)
    assert width_of(line.row()) == 24
