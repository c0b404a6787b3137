"""The symbol line: price, OBI, bias and the numbers around them."""

from __future__ import annotations

import math

from rich.style import Style

from obiterm.core.values import NS_PER_MS
from obiterm.link.messages import Frame, MarketPane
from obiterm.ui.paint.chips import chip, quiet_chip
from obiterm.ui.paint.context import PaintContext, market_of
from obiterm.ui.paint.fitting import Part, Spans, choose, join
from obiterm.ui.paint.line import Line, Row, Span
from obiterm.ui.paint.numbers import Scale, duration, fit, milliseconds, scale_of, venue_code
from obiterm.ui.paint.palette import Palette, greyed, style
from obiterm.ui.panes.base import RowPane

_GAUGE = "▌"
_LONG_GAUGE, _SHORT_GAUGE = 20, 10


class Ticker(RowPane):
    """The chosen market in one line."""

    DEFAULT_CSS = """
    Ticker { height: 1; background: $background; }
    """

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> list[Row]:
        """Return the one line."""
        stale = context.is_stale(frame)
        palette = greyed(context.palette) if stale else context.palette
        info = context.instrument(frame.market)
        scale = scale_of(info)
        base = style(palette.dim, palette.bg)
        line = Line(width, base)
        parts = [
            _price(frame.market, scale, palette, info.kind.value if info else ""),
            *_watch_only(frame.market, context.palette),
            *_trouble(frame, stale, context),
            *_perpetual(frame, scale, palette, context.now_ns),
            _obi(frame.market, palette),
            _bias(frame.market, palette),
            *_numbers(frame.market, scale, palette),
        ]
        line.spans(1, join(choose(parts, width - 2), base))
        return [line.row()]


def _labelled(label: str, value: str, palette: Palette, colour: str = "") -> Spans:
    return (
        (f"{label} ", style(palette.dim, palette.bg)),
        (value, style(colour or palette.text, palette.bg)),
    )


def _price(market: MarketPane, scale: Scale, palette: Palette, kind: str) -> Part:
    arrow_colour = palette.ok if market.change_pct >= 0 else palette.hot
    price = scale.price(market.last_ticks) if market.last_ticks else "-"
    symbol = (market.symbol, style(palette.accent, palette.bg, bold=True))
    now = (f" {price}", style(palette.now, palette.bg, bold=True))
    arrow = (" ▲" if market.last_up else " ▼", style(arrow_colour, palette.bg))
    forms: list[Spans] = [(symbol, now, arrow)]
    if math.isfinite(market.change_pct):
        change = (f" {market.change_pct:+.2f}%", style(arrow_colour, palette.bg))
        forms.insert(0, (symbol, now, arrow, change))
    if kind:
        dim = style(palette.dim, palette.bg)
        forms.insert(0, (symbol, (f" {kind}", dim), *forms[0][1:]))
        forms.insert(0, (symbol, (f" {kind} {venue_code(market.venue)}", dim), *forms[0][2:]))
    return Part(60, (*forms, (symbol, now)))


def _watch_only(market: MarketPane, palette: Palette) -> list[Part]:
    """Return the mark of a market that no account trades, and why it shows nothing."""
    if not market.watch_only:
        return []
    mark = chip("WATCH ONLY", palette.violet, palette)
    words = market.trouble or "no account trades it"
    look = style(palette.warn if market.trouble else palette.dim, palette.bg)
    return [Part(110, ((mark, (f" {words}", look)), (mark,)))]


def _trouble(frame: Frame, stale: bool, context: PaintContext) -> list[Part]:
    """Return chips that say why the numbers are not to be trusted, and how old they are."""
    market, palette = frame.market, context.palette
    words = []
    if not market.synced:
        words.append("RESYNC")
    if market.crossed:
        words.append("CROSSED")
    if stale and market.synced:
        words.append("STALE")
    age: Spans = ()
    behind = (context.now_ns - frame.published_ns) / NS_PER_MS
    if stale:
        oldest = max(behind, market.feed_age_ms if math.isfinite(market.feed_age_ms) else 0.0)
        age = ((f" {milliseconds(oldest)}", style(palette.warn, palette.bg)),)
    spans: list[Span] = [chip(word, palette.warn, palette) for word in words]
    return [Part(100, ((*spans, *age), tuple(spans)))] if spans else []


def _perpetual(frame: Frame, scale: Scale, palette: Palette, now_ns: int) -> list[Part]:
    """Return mark price, funding with its countdown and the nearest liquidation, of a perpetual."""
    market, parts = frame.market, []
    if market.mark_ticks:
        parts.append(Part(27, (_labelled("mark", scale.price(market.mark_ticks), palette), ())))
    if math.isfinite(market.funding_rate):
        rate = f"{market.funding_rate * 100:+.4f}%"
        spans = _labelled("fund", rate, palette)
        forms: tuple[Spans, ...] = (spans, ())
        if market.next_funding_ns > now_ns:
            left = duration((market.next_funding_ns - now_ns) / 1e9)
            forms = ((*spans, (f" in {left}", style(palette.dim, palette.bg))), *forms)
        parts.append(Part(28, forms))
    held = [
        row
        for row in frame.positions
        if market_of(row) == market_of(market) and row.liquidation_ticks
    ]
    if held:
        nearest = min(held, key=lambda row: abs(row.liquidation_ticks - row.mark_ticks))
        price = scale.price(nearest.liquidation_ticks)
        spans = _labelled("liq", price, palette, palette.warn)
        lever: Spans = ()
        if math.isfinite(nearest.leverage):
            lever = ((f" {nearest.leverage:.1f}x", style(palette.text, palette.bg)),)
        parts.append(Part(45, ((*spans, *lever), spans, ())))
    return parts


def _obi(market: MarketPane, palette: Palette) -> Part:
    known = math.isfinite(market.obi)
    value = f"{market.obi:+.3f}" if known else "-"
    number = (value, style(palette.text, palette.bg, bold=True))
    label = ("OBI ", style(palette.dim, palette.bg))

    def form(cells: int) -> Spans:
        bids = round((1 + (market.obi if known else 0.0)) / 2 * cells)
        left = style(palette.bid[10], palette.bg)
        right = style(palette.ask[10], palette.bg)
        return (
            label,
            (_GAUGE * bids, left),
            (_GAUGE * (cells - bids), right),
            (" ", label[1]),
            number,
        )

    return Part(50, (form(_LONG_GAUGE), form(_SHORT_GAUGE), (label, number)))


def _bias(market: MarketPane, palette: Palette) -> Part:
    side = market.bias.split()[0] if market.bias else "FLAT"
    grounds = {"LONG": palette.bid[10], "SHORT": palette.ask[10]}

    def form(text: str) -> Spans:
        if side in grounds:
            return (chip(text, grounds[side], palette),)
        return (quiet_chip(text, palette),)

    return Part(55, (form(market.bias or side), form(side)))


def _numbers(market: MarketPane, scale: Scale, palette: Palette) -> list[Part]:
    spread = scale.step(market.spread_ticks)
    if market.spread_bps >= 0.1:
        spread += f" {market.spread_bps:.1f}bp"
    parts = [Part(40, (_labelled("spread", spread, palette), ()))]
    if math.isfinite(market.flow):
        ramp = palette.bid_text if market.flow >= 0 else palette.ask_text
        parts.append(Part(30, (_labelled("flow", f"{market.flow:+.2f}", palette, ramp[-5]), ())))
    if math.isfinite(market.micro_ticks):
        away = (market.micro_ticks - (market.bid_ticks + market.ask_ticks) / 2) * scale.tick
        text = f"{away:+.{scale.price_decimals + 1}f}"
        parts.append(Part(20, (_labelled("micro", text, palette), ())))
    if market.volume_quote > 0:
        volume = fit(market.volume_quote, 6, 0)
        parts.append(Part(15, (_labelled("vol", volume, palette), ())))
    if math.isfinite(market.atr_ticks):
        atr = fit(market.atr_ticks * scale.tick, 6, scale.price_decimals)
        parts.append(Part(10, (_labelled("atr", atr, palette), ())))
    if market.wall_ticks:
        parts.append(Part(25, (_wall(market, scale, palette), ())))
    return parts


def _wall(market: MarketPane, scale: Scale, palette: Palette) -> Spans:
    is_bid = market.wall_ticks <= market.bid_ticks
    colour: Style = style((palette.bid_text if is_bid else palette.ask_text)[-5], palette.bg)
    size = scale.quantity_fit(market.wall_lots, 6)
    return (
        ("wall ", style(palette.dim, palette.bg)),
        (scale.price(market.wall_ticks), colour),
        (f" ×{size}", colour),
    )
