"""ORDER LOG: what was sent, answered, filled, refused."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rich.cells import cell_len
from textual.events import MouseScrollDown, MouseScrollUp

from obiterm.core.values import NS_PER_MS, Side
from obiterm.link.messages import Frame, LogLine
from obiterm.ui.paint.chips import verb_chip
from obiterm.ui.paint.context import PaintContext, market_of
from obiterm.ui.paint.line import Line, Row
from obiterm.ui.paint.numbers import account_codes, clean, clock
from obiterm.ui.paint.palette import blend, style
from obiterm.ui.paint.words import wrap
from obiterm.ui.panes.base import FramedPane

KEEP = 2_000
"""Lines kept on the screen's side; the journal has them all."""

_HEAD = 19
"""Cells of a line before its words, with milliseconds, and the blank before the code."""
_COMFORT = 24
"""Room for a usual order; with less, milliseconds give way."""
_SIDE = 4
"""Cells of BUY and SELL, where there is room to keep what follows in line."""


class OrderLog(FramedPane):
    """Newest line on top, one verb chip a line; long words continue on the next line."""

    DEFAULT_CSS = """
    OrderLog { padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: deque[LogLine] = deque(maxlen=KEEP)
        self._filter = ""
        self._back = 0

    # -- feeding and keys ------------------------------------------------------

    def add(self, lines: Sequence[LogLine]) -> None:
        """Take new lines, in the order of the host; lines that are known are skipped."""
        newest = self._lines[-1].seq if self._lines else -1
        fresh = [line for line in lines if line.seq > newest]
        if not fresh:
            return
        self._lines.extend(fresh)
        if self._back:
            self._back += sum(1 for line in fresh if self._matches(line))
        self.repaint()

    def clear(self) -> None:
        """Forget every line: another host counts from the start again."""
        self._lines.clear()
        self._back = 0
        self.repaint()

    @property
    def filter_text(self) -> str:
        """Words that a line must contain to be shown."""
        return self._filter

    def set_filter(self, text: str) -> None:
        """Show only lines that contain every word of ``text``; empty shows all."""
        self._filter = text.strip().lower()
        self._back = 0
        self.repaint()

    def scroll_lines(self, lines: int) -> None:
        """Look at older lines (positive) or come back to the newest."""
        count = sum(1 for line in self._lines if self._matches(line))
        self._back = min(max(self._back + lines, 0), max(0, count - 1))
        self.repaint()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Come back towards the newest line."""
        self.scroll_lines(-3)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Look at older lines."""
        self.scroll_lines(3)

    def _matches(self, line: LogLine) -> bool:
        if not self._filter:
            return True
        side = line.side.value if line.side is not None else ""
        words = (line.verb.value, side, line.venue, line.symbol, line.account, line.text)
        text = " ".join(words).lower()
        return all(word in text for word in self._filter.split())

    # -- painting --------------------------------------------------------------

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> list[Row]:
        """Return the newest lines, as many as there is room for."""
        self._titles(width)
        codes = account_codes(frame.accounts)
        single = _of_one_market(context)
        rows: list[Row] = []
        skip = self._back
        for line in reversed(self._lines):
            if len(rows) >= height:
                break
            if not self._matches(line) or not _is_in_sight(line, codes, context.account):
                continue
            if skip > 0:
                skip -= 1
                continue
            code = codes.get(line.account, clean(line.account)[:3].upper())
            if len(codes) == 1 and line.account in codes:
                code = ""
            understood = line.account in single or market_of(line) == market_of(frame.market)
            rows += _line_rows(line, code, "" if understood else line.symbol, context, width)
        return rows[:height]

    def _titles(self, width: int) -> None:
        self.set_title("ORDER LOG")
        if self._back:
            footer = f"[b]▲ {self._back}[/] newer"
        elif self._filter:
            shown = sum(1 for line in self._lines if self._matches(line))
            words = self._filter.replace("[", "(")
            footer = f"[b]/[/] {words[: max(4, width - 20)]} · {shown}/{len(self._lines)}"
        else:
            footer = "[b]/[/] filter"
        self.set_footer(footer)


def _of_one_market(context: PaintContext) -> set[str]:
    """Return the accounts that trade one market alone: their code says it."""
    names = [name for info in context.instruments.values() for name in info.accounts]
    return {name for name in names if names.count(name) == 1}


def _is_in_sight(line: LogLine, codes: dict[str, str], chosen: str) -> bool:
    """Tell whether a line is of the chosen account, or of none (the host itself)."""
    return not chosen or line.account == chosen or line.account not in codes


def _line_rows(
    log: LogLine, code: str, symbol: str, context: PaintContext, width: int
) -> list[Row]:
    """Return a log line as one row, or more where its words need them.

    ``symbol`` is written before the words; empty where it goes without saying.
    """
    palette = context.palette
    base = style(palette.text, palette.panel)
    dim = style(palette.dim, palette.panel)
    faint = style(blend(palette.dim, palette.panel, 0.45), palette.panel)
    first = Line(width, base)
    place = first.put(0, clock(log.at_ns), dim)
    if width - _HEAD - len(code) >= _COMFORT:
        place = first.put(place, f".{log.at_ns // NS_PER_MS % 1000:03d}", faint)
    place = first.put(place + 1, *verb_chip(log.verb, palette)) + 1
    room = width - place
    if code:
        first.right(width, code, dim)
        room -= len(code) + 1
    text = clean(log.text)
    if symbol:
        text = f"{clean(symbol)} {text}"
    side = log.side
    if side is not None:
        text = text.removeprefix(side.value).lstrip()
        text = f"{side.value:<{_SIDE if cell_len(text) + _SIDE < room else 0}} {text}"
    if cell_len(text) > room:
        text = " ".join(text.split())
    lines = wrap(text, room)
    if side is not None and lines[0].startswith(side.value):
        ramp = palette.bid_text if side is Side.BUY else palette.ask_text
        left = first.put(place, side.value, style(ramp[-5], palette.panel))
        first.put(left, lines[0][len(side.value) :], base)
    else:
        first.put(place, lines[0], base)
    rows = [first.row()]
    for more in lines[1:]:
        line = Line(width, base)
        line.put(place, more, base)
        rows.append(line.row())
    return rows
