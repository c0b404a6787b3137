"""What is left on a very small terminal: price, positions, arm state, panic keys."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style

from obiterm.core.values import Side, TradingState
from obiterm.link.messages import Frame
from obiterm.ui.paint.context import PaintContext
from obiterm.ui.paint.line import Line, Row, Span
from obiterm.ui.paint.numbers import account_codes, clean, percent, result, scale_of
from obiterm.ui.paint.palette import style
from obiterm.ui.paint.words import wrap
from obiterm.ui.panes.base import RowPane


class TinyView(RowPane):
    """One line per fact, the most important first."""

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> Sequence[Row]:
        """Return price, arm state, positions and orders, as many as fit."""
        rows = [
            self._price(frame, context, width),
            self._state(frame, context, width),
            self._risk(frame, context, width),
        ]
        palette = context.palette
        dim = style(palette.dim, palette.bg)
        line = Line(width, style(palette.text, palette.bg))
        line.put(
            0, f"{len(frame.positions)} positions · {frame.risk.orders_open} orders"[:width], dim
        )
        rows.append(line.row())
        if context.entry:
            rows.append(_fitted([(context.entry, style(palette.text, palette.bg))], width, dim))
        rows += [self._position(row, frame, context, width) for row in range(len(frame.positions))]
        for account in frame.accounts:
            if account.note:
                hot = style(palette.hot, palette.bg)
                words = wrap(f"{clean(account.name)}: {clean(account.note)}", width)
                rows += [_fitted([(text, hot)], width, dim) for text in words]
        return rows[:height]

    @staticmethod
    def _price(frame: Frame, context: PaintContext, width: int) -> Row:
        palette, market = context.palette, frame.market
        scale = scale_of(context.instrument(market))
        text, dim = style(palette.text, palette.bg, True), style(palette.dim, palette.bg)
        now = dim if context.is_stale(frame) else style(palette.now, palette.bg, True)
        sign = "▲" if market.last_up else "▼"
        price = scale.price(market.last_ticks)
        parts: list[Span] = [(f"{clean(market.symbol)} ", text), (f"{price} {sign}", now)]
        parts.append((f" {percent(market.change_pct, 7, sign=True)}", dim))
        if context.is_stale(frame):
            parts.append((" STALE", style(palette.hot, palette.bg, True)))
        return _fitted(parts, width, text)

    @staticmethod
    def _state(frame: Frame, context: PaintContext, width: int) -> Row:
        palette = context.palette
        risk = frame.risk
        halted = any(one.state is TradingState.HALTED for one in frame.accounts)
        if frame.panic is not None or halted:
            word, colour = "KILLED", palette.hot
        elif frame.holding:
            word, colour = "HOLD", palette.warn
        else:
            word, colour = ("ARMED", palette.ok) if risk.armed else ("SAFE", palette.warn)
        parts: list[Span] = [
            (f" {word} {risk.armed}/{risk.accounts} ", style(palette.bg, colour, True)),
        ]
        up = sum(one.link == "up" for one in frame.accounts)
        alive = style(palette.ok if up == len(frame.accounts) else palette.hot, palette.bg)
        parts.append((f"  links {up}/{len(frame.accounts)} up", alive))
        return _fitted(parts, width, style(palette.text, palette.bg))

    @staticmethod
    def _risk(frame: Frame, context: PaintContext, width: int) -> Row:
        palette, risk = context.palette, frame.risk
        total = sum(row.unrealised_quote for row in frame.positions)
        gain = style(palette.ok if total >= 0 else palette.hot, palette.bg, True)
        safe = risk.stops_resting >= risk.stops_needed
        stops = style(palette.ok if safe else palette.hot, palette.bg)
        dim = style(palette.dim, palette.bg)
        parts: list[Span] = [
            ("uPnL ", dim),
            (result(total, 10, masked=context.masked), gain),
            ("  stops ", dim),
            (f"{risk.stops_resting}/{risk.stops_needed}", stops),
        ]
        return _fitted(parts, width, dim)

    @staticmethod
    def _position(place: int, frame: Frame, context: PaintContext, width: int) -> Row:
        palette, row = context.palette, frame.positions[place]
        scale = scale_of(context.instrument(row))
        hue = palette.accent if row.side is Side.BUY else palette.hot
        text, dim = style(palette.text, palette.bg), style(palette.dim, palette.bg)
        gain = style(palette.ok if row.unrealised_quote >= 0 else palette.hot, palette.bg)
        name = "▲LONG " if row.side is Side.BUY else "▼SHORT"
        parts: list[Span] = [
            (f"{name} ", style(hue, palette.bg)),
            (f"{scale.quantity_fit(row.lots, 9)} {clean(row.symbol)} ", text),
            (f"{account_codes(frame.accounts).get(row.account, '?')} ", dim),
            (result(row.unrealised_quote, 9, masked=context.masked), gain),
        ]
        return _fitted(parts, width, text)


def _fitted(parts: list[Span], width: int, base: Style) -> Row:
    """Join runs and cut what does not fit at the right."""
    line = Line(width, base)
    left = 0
    for text, how in parts:
        if left >= width:
            break
        left = line.put(left, text[: width - left], how)
    return line.row()
