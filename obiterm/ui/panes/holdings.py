"""Lines of the positions pane."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.style import Style

from obiterm.core.values import OrderRole, OrderState, Side
from obiterm.link.messages import Frame, OrderRow, PositionRow
from obiterm.ui.paint.chips import result_colour
from obiterm.ui.paint.context import PaintContext, market_of
from obiterm.ui.paint.fitting import Part, Spans, choose, join
from obiterm.ui.paint.line import Line, Row
from obiterm.ui.paint.numbers import (
    MASK,
    Scale,
    account_codes,
    clean,
    duration,
    fit,
    milliseconds,
    percent,
    result,
    scale_of,
)
from obiterm.ui.paint.palette import blend, style
from obiterm.ui.paint.table import Column, Placed, place

_SIDE_WORDS = {Side.BUY: "▲LONG", Side.SELL: "▼SHORT"}
_SLOW_STATES = {
    OrderState.INTENDED: "intended",
    OrderState.SENT: "sent",
    OrderState.CANCELLING: "cancelling",
    OrderState.UNKNOWN: "UNKNOWN",
}
_ROOMY = 110
"""Cells from which accounts are named in full and venues have a column."""
_SHORT_KINDS = {"post-only": "po", "stop·exch": "stop", "limit": "lim", "cancelling": "cxl"}


class HoldingPainter:
    """Paints the lines of one frame, all with the same columns."""

    def __init__(
        self,
        frame: Frame,
        context: PaintContext,
        width: int,
        positions: Sequence[PositionRow],
        orders: Sequence[OrderRow],
    ) -> None:
        self._context = context
        self._frame = frame
        self._stale = context.is_stale(frame)
        self._market = market_of(frame.market)
        self._palette = context.palette
        self._width = width
        self._full_names = width >= _ROOMY
        self._codes = (
            {account.name: clean(account.name) for account in frame.accounts}
            if self._full_names
            else account_codes(frame.accounts)
        )
        self._targets = {
            (order.account, market_of(order)): order.price_ticks
            for order in frame.orders
            if order.role is OrderRole.TAKE_PROFIT
        }
        self._columns = place(self._wanted(positions, orders), width)

    def _wanted(self, positions: Sequence[PositionRow], orders: Sequence[OrderRow]) -> list[Column]:
        """Return columns as wide as their longest value."""
        rows: list[PositionRow | OrderRow] = [*positions, *orders]
        symbols = [row.symbol for row in rows]
        prices = [self._scale(row).price(row.mark_ticks) for row in positions]
        prices += [self._scale(row).price(row.price_ticks) for row in orders]
        sizes = [self._scale(row).quantity(row.lots) for row in rows]
        masked = self._context.masked
        gains = [len(result(row.unrealised_quote, 10, masked=masked)) for row in positions]
        price = max([len(text) for text in prices], default=8)
        symbol = max([len(text) for text in symbols], default=6)
        size = max([len(text) for text in sizes], default=6)
        account = max([len(self._codes.get(row.account, "?")) for row in rows], default=3)
        columns = [
            Column("ACC", max(3, account), 3, is_right=False),
            Column("SYMBOL", max(6, symbol), max(6, symbol), is_right=False),
            Column("SIDE", 6, 6, is_right=False),
            Column("QTY", max(6, size), 5),
            Column("ENTRY", max(7, price), 6, drop=1),
            Column("MARK", max(7, price), 6, drop=2),
            Column("uPnL", max([7, *gains]), 6),
            Column("%", 7, 7, drop=12),
            Column("STOP", max(7, price), 7, drop=13),
            Column("TP", max(7, price), 7, drop=14),
        ]
        if self._full_names:
            venues = max([5, *(len(row.venue) for row in rows)])
            columns.insert(1, Column("VENUE", venues, venues, is_right=False, drop=15))
        if any(row.liquidation_ticks for row in positions):
            columns.append(Column("LIQ", max(7, price), 7, drop=11))
        if any(math.isfinite(row.leverage) for row in positions):
            columns.append(Column("LEV", 5, 5, drop=10))
        return columns

    def _scale(self, row: PositionRow | OrderRow) -> Scale:
        return scale_of(self._context.instrument(row))

    def _line(self, selected: bool = False) -> tuple[Line, str]:
        palette = self._palette
        ground = blend(palette.raised, palette.accent, 0.14) if selected else palette.panel
        return Line(self._width, style(palette.dim, ground)), ground

    def _put(self, line: Line, name: str, text: str, look: Style) -> None:
        column = self._columns.get(name)
        if column is not None:
            _put(line, column, text, look)

    def _room(self, name: str) -> int:
        column = self._columns.get(name)
        return column.width if column is not None else 0

    def header(self) -> Row:
        """Return the names of the columns."""
        line, ground = self._line()
        for name in self._columns:
            self._put(line, name, name, style(self._palette.dim, ground))
        return line.row()

    def nothing(self, text: str) -> Row:
        """Return a dim line that says that there is nothing."""
        line, ground = self._line()
        line.put(0, text, style(self._palette.dim, ground))
        return line.row()

    def separator(self) -> Row:
        """Return the line between positions and orders."""
        look = style(self._palette.line, self._palette.panel)
        line = Line(self._width, look)
        line.put(0, "╌" * self._width, look)
        return line.row()

    def position(self, row: PositionRow, selected: bool) -> Row:
        """Return the line of a position; one without a stop at the venue carries a !."""
        palette, context, scale = self._palette, self._context, self._scale(row)
        line, ground = self._line(selected)
        dim, text = style(palette.dim, ground), style(palette.text, ground)
        ramp = palette.bid_text if row.side is Side.BUY else palette.ask_text
        self._put(line, "ACC", self._codes.get(row.account, "?"), dim)
        self._put(line, "VENUE", row.venue, dim)
        self._put(line, "SYMBOL", row.symbol, style(palette.text, ground, bold=True))
        side = _SIDE_WORDS[row.side]
        self._put(line, "SIDE", side, style(ramp[-5], ground))
        if not row.stop_ticks:
            column = self._columns["SIDE"]
            line.put(column.left + len(side), "!", style(palette.hot, ground, bold=True))
        quantity = scale.quantity_fit(row.lots, self._room("QTY"))
        self._put(line, "QTY", quantity, text)
        entry = _entry(row.entry_price, scale, self._room("ENTRY"))
        self._put(line, "ENTRY", entry, dim)
        old = self._stale and (market_of(row) == self._market or context.is_late(self._frame))
        mark = scale.price_fit(row.mark_ticks, self._room("MARK"))
        self._put(line, "MARK", mark, dim if old else text)
        hue = result_colour(row.unrealised_quote, palette, context.masked)
        colour = dim if old else style(hue, ground, bold=True)
        gain = result(row.unrealised_quote, self._room("uPnL"), masked=context.masked)
        self._put(line, "uPnL", gain, colour)
        share = percent(row.unrealised_pct, self._room("%"), sign=True)
        plain = style(result_colour(row.unrealised_pct, palette, context.masked), ground)
        self._put(line, "%", share, plain)
        if row.stop_ticks:
            self._put(line, "STOP", scale.price_fit(row.stop_ticks, self._room("STOP")), dim)
        else:
            bare = f"! {milliseconds(row.unprotected_ms)}"[: self._room("STOP")]
            self._put(line, "STOP", bare, style(palette.hot, ground, bold=True))
        if row.liquidation_ticks:
            text_of = scale.price_fit(row.liquidation_ticks, self._room("LIQ"))
            self._put(line, "LIQ", text_of, style(palette.warn, ground))
        if math.isfinite(row.leverage):
            self._put(line, "LEV", _times(row.leverage)[: self._room("LEV")], text)
        target = self._targets.get((row.account, market_of(row)), 0)
        if target:
            self._put(line, "TP", scale.price_fit(target, self._room("TP")), dim)
        return line.row()

    def summary(self, orders: Sequence[OrderRow], hidden: int) -> Row:
        """Return how many orders work, what they are worth and how old the oldest is."""
        palette = self._palette
        base = style(palette.dim, palette.panel)
        line = Line(self._width, base)
        bright = style(palette.text, palette.panel)
        notional = sum(
            (order.lots - order.filled_lots)
            * self._scale(order).lot
            * (order.price_ticks or order.trigger_ticks)
            * self._scale(order).tick
            for order in orders
        )
        infos = [self._context.instrument(order) for order in orders]
        quotes = {info.quote for info in infos if info is not None}
        oldest = max((order.age_ms for order in orders), default=math.nan)
        count = str(len(orders))
        head: Spans = (("WORKING  ", base), (count, style(palette.text, palette.panel, bold=True)))
        parts = [Part(9, ((*head, (" orders", base)), head))]
        if orders:
            value = MASK if self._context.masked else fit(notional, 9, 0)
            if len(quotes) == 1:
                value += f" {quotes.pop()}"
            parts.append(Part(5, ((("notional ", base), (value, bright)), ((value, bright),), ())))
            parts.append(Part(4, ((("oldest ", base), (duration(oldest / 1000), bright)), ())))
        if hidden > 0:
            more = style(palette.warn, palette.panel)
            parts.append(Part(8, (((f"+{hidden} more", more),), ((f"+{hidden}", more),))))
        line.spans(0, join(choose(parts, self._width), base))
        return line.row()

    def order(self, row: OrderRow, selected: bool) -> Row:
        """Return the line of a working order."""
        palette, scale = self._palette, self._scale(row)
        line, ground = self._line(selected)
        dim, text = style(palette.dim, ground), style(palette.text, ground)
        ramp = palette.bid_text if row.side is Side.BUY else palette.ask_text
        self._put(line, "ACC", self._codes.get(row.account, "?"), dim)
        self._put(line, "VENUE", row.venue, dim)
        self._put(line, "SYMBOL", row.symbol, text)
        self._put(line, "SIDE", row.side.value, style(ramp[-5], ground))
        open_lots = row.lots - row.filled_lots
        self._put(line, "QTY", scale.quantity_fit(open_lots, self._room("QTY")), text)
        price = row.price_ticks or row.trigger_ticks
        anchor = "ENTRY" if "ENTRY" in self._columns else "uPnL"
        end = self._columns[anchor].end
        shown = scale.price_fit(price, self._room(anchor)) if price else "market"
        line.right(end, shown[: self._room(anchor)], text)
        kind, look = self._kind(row, ground)
        age = duration(row.age_ms / 1000)
        filled = f"{row.filled_lots / row.lots:.0%} " if row.filled_lots and row.lots else ""
        room = self._width - end - 2
        aged = f"{filled}{age}"
        short = _SHORT_KINDS.get(kind, kind)
        for parts in ((kind, aged, clean(row.owner)), (kind, aged), (kind,), (short,)):
            if sum(len(part) + 2 for part in parts) - 2 <= room:
                left = line.put(end + (2 if len(parts) > 1 else 1), parts[0], look)
                for part in parts[1:]:
                    left = line.put(left + 2, part, dim)
                break
        return line.row()

    def _kind(self, row: OrderRow, ground: str) -> tuple[str, Style]:
        """Return what an order is for, or the state in which it is stuck."""
        palette = self._palette
        slow = _SLOW_STATES.get(row.state)
        if slow is not None:
            bad = row.state is OrderState.UNKNOWN
            return slow, style(palette.hot if bad else palette.warn, ground, bold=bad)
        if row.role is OrderRole.STOP:
            return "stop·exch", style(palette.hot, ground)
        if row.role is OrderRole.TAKE_PROFIT:
            return "tp", style(palette.violet, ground)
        if row.role in (OrderRole.EXIT, OrderRole.PANIC):
            return row.role.value, style(palette.warn, ground)
        word = "post-only" if row.post_only else "limit"
        return word, style(palette.accent, ground)


def _times(leverage: float) -> str:
    return f"{leverage:.1f}x" if leverage >= 0.1 else f"{leverage:.2f}x"


def _put(line: Line, column: Placed, text: str, look: Style) -> None:
    if column.is_right:
        line.right(column.end, text, look)
    else:
        line.put(column.left, text, look)


def _entry(text: str, scale: Scale, width: int) -> str:
    """Return an average price; it may have more decimals than the market has ticks."""
    try:
        value = float(text)
    except ValueError:
        return clean(text)[:width]
    return fit(value, width, scale.price_decimals)
