"""STRATEGY: what the strategies think and have done."""

from __future__ import annotations

import math

from rich.cells import cell_len

from obiterm.link.messages import Frame, StrategyCard
from obiterm.ui.paint.bars import gauge, sparkline
from obiterm.ui.paint.chips import result_colour
from obiterm.ui.paint.context import PaintContext, market_of
from obiterm.ui.paint.fitting import Part, Spans, choose, join
from obiterm.ui.paint.line import Line, Row, Span
from obiterm.ui.paint.numbers import account_codes, clean, result, share
from obiterm.ui.paint.palette import Palette, style
from obiterm.ui.panes.base import FramedPane

_LABEL = 9
_GAUGE = 16
_SEPARATOR_FROM = 8


class StrategyPane(FramedPane):
    """The card of one strategy instance of the chosen account; a key shows the next one.

    Instances on the shown market come first.
    """

    DEFAULT_CSS = """
    StrategyPane { padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._number = 0

    def next_card(self) -> None:
        """Show the next strategy instance."""
        self._number += 1
        self.repaint()

    @property
    def card(self) -> StrategyCard | None:
        """The strategy instance that is shown, None when there is none."""
        cards = self._cards()
        return cards[self._number % len(cards)] if cards else None

    def _cards(self) -> list[StrategyCard]:
        if self._shown is None:
            return []
        frame, context = self._shown
        cards = [card for card in frame.strategies if context.account in ("", card.account)]
        market = market_of(frame.market)
        return sorted(cards, key=lambda card: market_of(card) != market)

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> list[Row]:
        """Return name, gauges, equity, reason and the strategy's own lines."""
        cards, card = self._cards(), self.card
        self.set_title("STRATEGY")
        palette = context.palette
        if card is None:
            self.set_footer("")
            line = Line(width, style(palette.dim, palette.panel))
            line.put(0, "no strategy here", style(palette.dim, palette.panel))
            return [line.row()]
        count = f"{self._number % len(cards) + 1}/{len(cards)} · " if len(cards) > 1 else ""
        self.set_footer(f"{count}[b]3[/] full")
        codes = account_codes(frame.accounts)
        code = codes.get(card.account, "") if len(codes) > 1 else ""
        painter = _CardPainter(card, code, context, width)
        rows = [painter.head(), painter.signal(), painter.position(), painter.equity()]
        if height >= _SEPARATOR_FROM:
            rows.append(painter.separator())
        rows += painter.words(clean(card.reason))
        for label, value in card.lines:
            rows.append(painter.pair(clean(label), clean(value)))
        return rows[:height]


class _CardPainter:
    """Paints the lines of one card."""

    def __init__(self, card: StrategyCard, code: str, context: PaintContext, width: int) -> None:
        self._card = card
        self._code = code
        self._context = context
        self._palette: Palette = context.palette
        self._width = width
        self._base = style(self._palette.dim, self._palette.panel)
        self._text = style(self._palette.text, self._palette.panel)
        self._bold = style(self._palette.text, self._palette.panel, bold=True)

    def _line(self, spans: list[Span]) -> Row:
        line = Line(self._width, self._base)
        line.spans(0, spans)
        return line.row()

    def head(self) -> Row:
        """Return name, state and round trips."""
        card, palette = self._card, self._palette
        colour = palette.ok if card.running else palette.warn
        look = style(colour, palette.panel)
        state = "● running" if card.running else "○ stopped"
        name = style(palette.violet, palette.panel, bold=True)
        wins = f"{card.wins}/{card.round_trips}"
        parts = [
            Part(9, (((clean(card.name), name),),)),
            Part(3, (((clean(card.kind), self._base),), ())),
            Part(8, (((state, look),), ((state[0], look),))),
            Part(5, ((("won ", self._base), (wins, self._text)), ())),
            Part(
                7,
                (
                    ((f"{clean(card.symbol)} ", self._base), (self._code, self._text)),
                    ((self._code, self._text),),
                    (),
                ),
            ),
        ]
        return self._line(join(choose(parts, self._width), self._base))

    def _gauge(self, label: str, value: float, colour: str, numbers: Spans) -> Row:
        cells = min(_GAUGE, max(4, self._width - _LABEL - 13))
        filled = style(colour, self._palette.panel)
        rest = style(self._palette.line, self._palette.panel)
        spans = [(f"{label:<{_LABEL}}", self._base), *gauge(value, cells, filled, rest)]
        return self._line([*spans, (" ", self._base), *numbers])

    def signal(self) -> Row:
        """Return the signal as a share of what opens a position."""
        card, palette = self._card, self._palette
        ramp = palette.bid if card.signal >= 0 else palette.ask
        known = math.isfinite(card.signal) and math.isfinite(card.enter_at)
        share_of = abs(card.signal / card.enter_at) if known and card.enter_at else 0.0
        value = f"{card.signal:+.2f}" if math.isfinite(card.signal) else "-"
        limit = f"/{card.enter_at:.2f}" if math.isfinite(card.enter_at) else ""
        numbers = ((value, self._bold), (limit, self._base))
        return self._gauge("trigger", min(1.0, share_of), ramp[10], numbers)

    def position(self) -> Row:
        """Return how much of the largest position is used."""
        value = self._card.position_share
        return self._gauge("max pos", value, self._palette.warn, ((share(value), self._bold),))

    def equity(self) -> Row:
        """Return the result after each round trip as a line of braille, and the sum."""
        card, palette = self._card, self._palette
        colour = result_colour(card.realised_quote, palette, self._context.masked)
        cells = min(_GAUGE, max(4, self._width - _LABEL - 13))
        line = sparkline(card.equity, cells) if not self._context.masked else " " * cells
        total = result(card.realised_quote, 11, masked=self._context.masked)
        return self._line(
            [
                (f"{'realised':<{_LABEL}}", self._base),
                (line, style(colour, palette.panel)),
                (" ", self._base),
                (total, style(colour, palette.panel, bold=True)),
            ]
        )

    def separator(self) -> Row:
        """Return the line between numbers and words."""
        return self._line([("╌" * self._width, style(self._palette.line, self._palette.panel))])

    def words(self, text: str) -> list[Row]:
        """Return why the strategy does what it does, on at most two lines."""
        if not text:
            return []
        lines = [""]
        for word in text.split():
            joined = f"{lines[-1]} {word}".strip()
            if cell_len(joined) <= self._width:
                lines[-1] = joined
            else:
                lines.append(word)
        return [self._line([(line, self._text)]) for line in lines[:2]]

    def pair(self, label: str, value: str) -> Row:
        """Return a label and its value."""
        return self._line([(f"{label:<12} ", self._base), (value, self._text)])
