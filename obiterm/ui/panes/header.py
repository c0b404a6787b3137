"""The top line: brand, one chip per account, clock."""

from __future__ import annotations

from collections.abc import Callable

from obiterm.link.messages import AccountPane, Frame
from obiterm.ui.paint.chips import (
    account_chip,
    chip,
    link_dot,
    result_colour,
    state_word,
    world_word,
)
from obiterm.ui.paint.context import PaintContext
from obiterm.ui.paint.fitting import width_of
from obiterm.ui.paint.line import Line, Row, Span
from obiterm.ui.paint.numbers import (
    account_codes,
    clean,
    clock,
    milliseconds,
    money,
    result,
    venue_code,
)
from obiterm.ui.paint.palette import style
from obiterm.ui.panes.base import RowPane

_Form = Callable[[AccountPane, str], list[Span]]


class Header(RowPane):
    """Brand, account chips and the clock; one line.

    The chosen account carries ► and the others grow dim. Chips lose round trip and balance,
    then the long name, then the day's result, then the name (design/TUI.md §4); dot and state
    stay. While the host is silent every dot is a ? and no chip shines.
    """

    DEFAULT_CSS = """
    Header { height: 1; background: $panel; }
    """

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> list[Row]:
        """Return the one line."""
        palette = context.palette
        base = style(palette.dim, palette.raised)
        line = Line(width, base)
        place = 0
        brand = " ◢◤ OBITERM " if context.size in ("wide", "medium") else " ◢◤ "
        place = line.put(0, brand, style(palette.panel, palette.warn, bold=True))
        end = self._right(line, frame, context)
        room = end - place - 2
        chips = self._chips(frame, context, room)
        for number, spans in enumerate(chips):
            place = line.spans(place + 1, spans)
            if number < len(chips) - 1:
                place = line.put(place + 1, "│", style(palette.line, palette.raised))
        return [line.row()]

    def _right(self, line: Line, frame: Frame, context: PaintContext) -> int:
        """Write clock, and who controls; return the first column that they take."""
        palette = context.palette
        at = clock(context.now_ns)
        end = line.right(line.width - 1, at, style(palette.text, palette.raised))
        if not frame.has_lease:
            text, look = chip("WATCH", palette.violet, palette)
            end = line.right(end - 1, text, look)
        elif frame.viewers > 1 and context.size == "wide":
            end = line.right(
                end - 2, f"{frame.viewers} screens", style(palette.dim, palette.raised)
            )
        return end

    def _chips(self, frame: Frame, context: PaintContext, room: int) -> list[list[Span]]:
        """Return the accounts in the longest form in which all of them fit."""
        codes = account_codes(frame.accounts)
        forms = self._forms(context, context.is_late(frame))
        shown: list[list[Span]] = []
        for form in forms:
            shown = [form(account, codes[account.name]) for account in frame.accounts]
            if _total(shown) <= room:
                return shown
        while shown and _total(shown) > room - 5:
            shown.pop()
        hidden = len(frame.accounts) - len(shown)
        look = style(context.palette.warn, context.palette.raised)
        return [*shown, [(f"+{hidden}", look)]] if hidden else shown

    def _forms(self, context: PaintContext, late: bool) -> list[_Form]:
        palette = context.palette
        ground = palette.raised
        dim = style(palette.dim, ground)
        bright = dim if late else style(palette.text, ground)

        def named_head(account: AccountPane) -> list[Span]:
            """Name in full, and the world it trades in where the chip does not say it."""
            spans = head(account, clean(account.name).replace("-", "·"))
            if state_word(account) != "ARMED":
                spans.append((f" {world_word(account).lower()}", dim))
            return spans

        def head(account: AccountPane, name: str) -> list[Span]:
            shown = context.account in ("", account.name) and not late
            colour = palette.text if shown else palette.dim
            if account.note and not late:
                colour = palette.hot
            look = style(colour, ground, bold=shown)
            spans = [link_dot(account.link, palette, ground, late=late), (f" {name} ", look)]
            if account.name == context.account:
                spans.insert(0, ("►", style(palette.accent, ground, bold=True)))
            return [*spans, account_chip(account, palette, late=late)]

        def day(account: AccountPane) -> Span:
            text = result(account.day_pnl_quote, 9, masked=context.masked)
            hue = result_colour(account.day_pnl_quote, palette, context.masked)
            return f" {text}", dim if late else style(hue, ground)

        def full(account: AccountPane, code: str) -> list[Span]:
            spans = named_head(account)
            if account.venue.partition(" ")[0] not in account.name:
                spans.append((f" {venue_code(account.venue)}", dim))
            equity = money(account.equity_quote, 10, masked=context.masked)
            return [
                *spans,
                (f" {milliseconds(account.round_trip_ms):>5} ", dim),
                (equity, bright),
                day(account),
            ]

        def valued(account: AccountPane, code: str) -> list[Span]:
            equity = money(account.equity_quote, 10, masked=context.masked)
            spans = named_head(account)
            return [*spans, (f" {equity}", bright), day(account)]

        def named(account: AccountPane, code: str) -> list[Span]:
            return [*named_head(account), day(account)]

        def coded(account: AccountPane, code: str) -> list[Span]:
            return [*head(account, code), day(account)]

        def short(account: AccountPane, code: str) -> list[Span]:
            text = result(account.day_pnl_quote, 5, masked=context.masked)
            return [*head(account, code), (f" {text}", day(account)[1])]

        def bare(account: AccountPane, code: str) -> list[Span]:
            return head(account, code)

        return [full, valued, named, coded, short, bare]


def _total(chips: list[list[Span]]) -> int:
    return sum(width_of(spans) + 3 for spans in chips) - 1
