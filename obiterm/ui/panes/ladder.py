"""LADDER: the book as prices in a column."""

from __future__ import annotations

import math
from dataclasses import dataclass

from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message

from obiterm.core.values import OrderRole, Side
from obiterm.link.messages import Frame, MarketPane, OrderRow
from obiterm.ui.paint.bars import bar_left, bar_right
from obiterm.ui.paint.context import PaintContext, market_of
from obiterm.ui.paint.heat import mid_of
from obiterm.ui.paint.heatscale import exact_step, high_size, smooth_ref
from obiterm.ui.paint.ladder import LadderWindow, bucket_book
from obiterm.ui.paint.line import Line, Row
from obiterm.ui.paint.numbers import Scale, scale_of
from obiterm.ui.paint.palette import RAMP_STEPS, Palette, blend, faded, greyed, style
from obiterm.ui.panes.base import FramedPane

_SHADES = 5
"""Brightness levels of a row; few, so that rows often stay equal and are not sent."""

_BAR_EXPONENT = 0.75

_REF_SLACK = 0.15
"""The size that fills a bar moves only when it is off by this much: bars must not breathe."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """Cells of the three parts: sizes and bars of bids, prices, the same of asks."""

    left: int
    price: int
    right: int
    size: int

    @classmethod
    def fit(cls, width: int, price: str) -> _Columns:
        middle = min(len(price) + 2, max(3, width - 8))
        left = (width - middle) // 2
        return cls(left, middle, width - middle - left, 7 if left >= 16 else min(6, left))


class Ladder(FramedPane):
    """Bids left, asks right, own orders on the empty side, a price cursor."""

    class PricePicked(Message):
        """A row was clicked.

        Attributes:
            ticks: price of the row.
            side: half that was clicked: BUY left of the price column, SELL right of it,
                None on it.
            button: mouse button, 1 = left.
        """

        def __init__(self, ladder: Ladder, ticks: int, side: Side | None, button: int) -> None:
            super().__init__()
            self.ladder = ladder
            self.ticks = ticks
            self.side = side
            self.button = button

        @property
        def control(self) -> Ladder:
            """The ladder that was clicked."""
            return self.ladder

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._window = LadderWindow()
        self._ref = 0.0
        self._shown_ref = 0.0
        self._seen = 0
        self._learnt = -1
        self._columns = _Columns(0, 0, 0, 0)
        self._row_ticks: list[int] = []

    # -- keys and mouse --------------------------------------------------------

    @property
    def cursor_ticks(self) -> int:
        """Price under the cursor, the best bid's until it is moved; 0 before the first book."""
        return self._window.cursor

    @property
    def step_ticks(self) -> int:
        """Ticks per row; 0 before the first book."""
        return self._window.step

    def move_cursor(self, rows: int) -> None:
        """Move the price cursor; positive is up (a higher price)."""
        self._window.move(rows)
        self.repaint()

    def cursor_to(self, ticks: int) -> None:
        """Put the cursor on the row of a price."""
        self._window.put(ticks)
        self.repaint()

    def cursor_to_mid(self) -> None:
        """Let the cursor follow the best bid again and centre the ladder."""
        self._window.release()
        self.repaint()

    def finer(self) -> None:
        """Group fewer ticks per row."""
        self._window.regroup(inwards=True)
        self.repaint()

    def coarser(self) -> None:
        """Group more ticks per row."""
        self._window.regroup(inwards=False)
        self.repaint()

    def on_click(self, event: Click) -> None:
        """Take the price of the clicked row and tell the screen."""
        place = event.get_content_offset(self)
        if place is None or not 0 <= place.y < len(self._row_ticks):
            return
        ticks = self._row_ticks[place.y]
        if not ticks:
            return
        columns = self._columns
        side = Side.BUY if place.x < columns.left else None
        if place.x >= columns.left + columns.price:
            side = Side.SELL
        self.cursor_to(ticks)
        self.post_message(self.PricePicked(self, ticks, side, event.button))

    def on_focus(self) -> None:
        """Show the cursor."""
        self.repaint()

    def on_blur(self) -> None:
        """Hide a cursor that nobody has moved."""
        self.repaint()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Move the cursor up."""
        self.move_cursor(1)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Move the cursor down."""
        self.move_cursor(-1)

    # -- painting --------------------------------------------------------------

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> list[Row]:
        """Return a row per price and the row of the price now."""
        market = frame.market
        stale = context.is_stale(frame)
        palette = greyed(context.palette) if stale else context.palette
        scale = scale_of(context.instrument(market))
        if market_of(market) != self._window.market:
            self._ref, self._shown_ref, self._seen = 0.0, 0.0, 0
        window = self._window
        window.update(market_of(market), frame.depth, mid_of(frame), height - 1)
        self.set_title(_title(market, width - len(" STALE ") * stale), stale)
        if not window.step:
            return []
        self.set_footer(_footer(scale.step(window.step), context, width))
        bids, asks = bucket_book(frame.depth, window.step)
        if frame.seq != self._learnt:
            self._learnt = frame.seq
            self._learn(bids, asks)
        columns = _Columns.fit(width, scale.price(max(market.ask_ticks, window.cursor)))
        self._columns = columns
        own = _own_by_bucket(frame, window.step)
        painter = _RowPainter(palette, scale, columns, self._shown_ref)
        mid = window.mid_row(max(bids, default=None), min(asks, default=None))
        rows: list[Row] = []
        self._row_ticks = []
        for number in range(window.rows):
            if number == mid:
                rows.append(painter.middle(frame))
                self._row_ticks.append(0)
            bucket = window.top - number
            ticks = bucket * window.step
            is_ask = number < mid
            lots = (asks if is_ask else bids).get(bucket, 0)
            mark = _own_text(own[bucket], scale, columns, is_ask) if bucket in own else ""
            cursor = ticks == window.cursor and (window.placed or self.has_focus)
            rows.append(painter.level(ticks, lots, is_ask, mark, cursor))
            self._row_ticks.append(ticks)
        if mid >= window.rows:
            rows.append(painter.middle(frame))
            self._row_ticks.append(0)
        return rows[:height]

    def _learn(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Let the visible sizes move the size that fills a bar."""
        window = self._window
        low = window.top - window.rows
        seen = [
            lots
            for book in (bids, asks)
            for bucket, lots in book.items()
            if low < bucket <= window.top
        ]
        self._ref = smooth_ref(self._ref, high_size(seen), self._seen)
        self._seen += 1
        if abs(self._ref - self._shown_ref) > _REF_SLACK * self._shown_ref:
            self._shown_ref = self._ref


class _RowPainter:
    """Paints rows of one frame."""

    def __init__(self, palette: Palette, scale: Scale, columns: _Columns, ref: float) -> None:
        self.palette = palette
        self.scale = scale
        self.columns = columns
        self.ref = ref
        self.middle_ground = blend(palette.panel, palette.raised, 0.75)
        self.cursor_ground = blend(palette.raised, palette.accent, 0.14)
        typical = ref * scale.lot / 10
        digits = 2 - math.floor(math.log10(typical)) if typical > 0 else 0
        self.decimals = max(0, digits)

    def level(self, ticks: int, lots: int, is_ask: bool, own: str, cursor: bool) -> Row:
        """Return the row of a price."""
        palette, columns = self.palette, self.columns
        ground = self.cursor_ground if cursor else palette.panel
        middle = ground if cursor else self.middle_ground
        line = Line(columns.left + columns.price + columns.right, style("", ground))
        shade = self._shade(lots)
        text_ramp = palette.ask_text if is_ask else palette.bid_text
        text = text_ramp[shade * (len(text_ramp) - 3) // _SHADES]
        price = self.scale.price_fit(ticks, columns.price - 1)
        price_end = columns.left + columns.price
        bright = shade >= _SHADES - 2
        if cursor:
            price_style = style(palette.panel, palette.accent, bold=True)
            line.put(columns.left, f"{price:>{columns.price - 1}} ", price_style)
        else:
            fg = text if lots else faded(text_ramp[0], palette.panel, 0.25)
            line.put(columns.left, f"{price:>{columns.price - 1}} ", style(fg, middle, bold=bright))
        if lots:
            self._size_and_bar(line, lots, is_ask, shade, text, ground)
        if own:
            mark = style(palette.warn, ground, bold=True)
            if is_ask:
                line.right(columns.left - 1, own, mark)
            else:
                line.put(price_end + 1, own, mark)
        return line.row()

    def _size_and_bar(
        self, line: Line, lots: int, is_ask: bool, shade: int, text: str, ground: str
    ) -> None:
        columns = self.columns
        ramp = self.palette.ask if is_ask else self.palette.bid
        colour = ramp[min(3 + shade * (RAMP_STEPS - 5) // _SHADES, RAMP_STEPS - 1)]
        zone = columns.right if is_ask else columns.left
        room = max(0, zone - columns.size - 2)
        size = self.scale.size(lots, columns.size, self.decimals)
        share = min(1.0, lots / self.ref) ** _BAR_EXPONENT if self.ref > 0 else 0.0
        eighths = max(1, round(share * room * 8))
        if is_ask:
            left = columns.left + columns.price
            line.spans(left, bar_right(eighths, room, colour, ground))
            line.right(line.width - 1, size, style(text, ground))
        else:
            line.right(columns.size, size, style(text, ground))
            line.spans(columns.left - room, bar_left(eighths, room, colour, ground))

    def _shade(self, lots: int) -> int:
        if not lots:
            return 0
        step = min(max(exact_step(lots, self.ref), 0), RAMP_STEPS - 1)
        return int(step * _SHADES / RAMP_STEPS)

    def middle(self, frame: Frame) -> Row:
        """Return the inverse row of the price now, with spread and OBI."""
        palette, columns, market = self.palette, self.columns, frame.market
        base = style(palette.dim, palette.raised)
        line = Line(columns.left + columns.price + columns.right, base)
        now = market.last_ticks or market.bid_ticks
        price = self.scale.price_fit(now, columns.price - 1)
        arrow = "▲" if market.last_up else "▼"
        chip = f" {price:>{columns.price - 2}} {arrow} "
        left = columns.left - 1
        line.put(left, chip, style(palette.panel, palette.now, bold=True))
        spread = self.scale.step(market.spread_ticks)
        if market.spread_bps >= 0.1:
            spread = f"{market.spread_bps:.1f}bp"
        for text in (f"spread {spread}", spread):
            if len(text) <= left - 2:
                line.put(1, text, base)
                break
        ramp = palette.bid_text if market.obi >= 0 else palette.ask_text
        value = f"{market.obi:+.3f}" if math.isfinite(market.obi) else "-"
        room = line.width - (left + len(chip)) - 2
        for text in (f"obi {value}", value):
            if len(text) <= room:
                line.right(line.width - 1, text, style(ramp[-4], palette.raised, bold=True))
                break
        return line.row()


def _title(market: MarketPane, width: int) -> str:
    """Return the title with symbol and venue, as much as there is room for."""
    for text in (f"LADDER · {market.symbol} · {market.venue}", f"LADDER · {market.symbol}"):
        if len(text) + 6 <= width:
            return text
    return "LADDER"


def _footer(step: str, context: PaintContext, width: int) -> str:
    """Return rows and signs, or where an order by hand would go, before it is sent."""
    entry = context.entry.replace("[", "(")
    for text in (f"{step}/row · [b]{entry}[/]", f"[b]{entry}[/]"):
        if entry and len(text) - 7 <= width - 4:
            return text
    return f"[b]{entry[: width - 4]}[/]" if entry else f"{step}/row · [b]◆[/] own order"


def _own_by_bucket(frame: Frame, step: int) -> dict[int, list[OrderRow]]:
    """Return own orders of the shown market by bucket; sells round up like asks."""
    own: dict[int, list[OrderRow]] = {}
    market = market_of(frame.market)
    for order in frame.orders:
        ticks = order.price_ticks or order.trigger_ticks
        if market_of(order) != market or not ticks or order.state.is_final:
            continue
        is_ask = order.side is Side.SELL and bool(order.price_ticks)
        own.setdefault(-(-ticks // step) if is_ask else ticks // step, []).append(order)
    return own


def _own_text(orders: list[OrderRow], scale: Scale, columns: _Columns, is_ask: bool) -> str:
    """Return quantity, role and ◆ of the orders of a row, as much as fits."""
    room = (columns.left if is_ask else columns.right) - 2
    lots = sum(order.lots - order.filled_lots for order in orders)
    roles = {order.role for order in orders} - {OrderRole.ENTRY, OrderRole.MANUAL}
    role = roles.pop().value if len(roles) == 1 else ""
    if len(orders) > 1:
        role = f"×{len(orders)}"
    quantity = scale.quantity_fit(lots, min(8, room - 2))
    parts = [quantity, role] if role and len(quantity) + len(role) + 3 <= room else [quantity]
    return " ".join([*parts, "◆"] if is_ask else ["◆", *parts])
