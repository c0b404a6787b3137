"""Everything known about one market, fed by its events."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from obiterm.core.events import (
    CandleClosed,
    DepthChanged,
    DepthSnapshotted,
    FundingChanged,
    MarketEvent,
    TopChanged,
    Traded,
)
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S, Symbol
from obiterm.market.book import Applied, Book, SequenceRule
from obiterm.market.candles import Atr, CandleBuilder
from obiterm.market.signals import FlowImbalance

_CANDLE_S = 60
_ATR_PERIOD = 14
_FLOW_WINDOW_NS = 10 * NS_PER_S
_TOPS_KEPT = 512
"""Book tickers kept for the comparison: they arrive before the depth message that covers them."""


class MarketState:
    """Book, candles, flow and last trade of one symbol.

    Attributes:
        obi_levels: levels a side of the imbalance that the screen shows.
        last_received_ns: our time of the last depth message or snapshot. Tickers and trades
            do not count: a silent depth stream is stale even while others flow (T38).
    """

    __slots__ = (
        "_compared",
        "_first_ticks",
        "_last_candle_ns",
        "_matches",
        "_noted",
        "_top",
        "_tops",
        "_traded_units",
        "atr",
        "book",
        "candle",
        "candles",
        "flow",
        "funding",
        "instrument",
        "last_received_ns",
        "last_ticks",
        "last_trade",
        "last_up",
        "obi_levels",
        "symbol",
        "trades",
    )

    def __init__(self, symbol: Symbol, instrument: Instrument, obi_levels: int = 20) -> None:
        self.symbol = symbol
        self.instrument = instrument
        self.obi_levels = obi_levels
        self.book = Book(SequenceRule.of(instrument))
        self.candles = CandleBuilder(symbol, _CANDLE_S)
        self.atr = Atr(_ATR_PERIOD)
        self.flow = FlowImbalance(_FLOW_WINDOW_NS)
        self.candle: CandleClosed | None = None
        """The last closed minute."""
        self.funding: FundingChanged | None = None
        """Mark price and funding of a perpetual."""
        self.last_trade: Traded | None = None
        self.last_ticks = 0
        """Price of the last trade; 0 before the first."""
        self.last_up = True
        """Whether the last change of price was upwards."""
        self.trades = 0
        self.last_received_ns = 0
        self._compared = 0
        self._noted: tuple[int, tuple[int, int, int, int]] | None = None
        self._matches = 0
        self._top: TopChanged | None = None
        self._tops: deque[TopChanged] = deque(maxlen=_TOPS_KEPT)
        self._first_ticks = 0
        self._traded_units = 0
        self._last_candle_ns = -1

    # -- events -------------------------------------------------------------------------

    def apply(self, event: MarketEvent) -> Applied | None:
        """Take one event of this symbol; return what became of a depth message, else None."""
        if isinstance(event, DepthChanged):
            return self._change(event)
        if isinstance(event, TopChanged):
            self._take_top(event)
        elif isinstance(event, Traded):
            self._trade(event)
        elif isinstance(event, DepthSnapshotted):
            return self._snapshot(event)
        elif isinstance(event, FundingChanged):
            self.funding = event
        else:
            self._close_candle(event)
        return None

    def reset(self) -> None:
        """Forget book and tickers: the feed was lost and update ids may start anew."""
        self.book.reset()
        self._top = None
        self._noted = None
        self._tops.clear()

    def _snapshot(self, event: DepthSnapshotted) -> Applied:
        self.last_received_ns = event.received_ns
        before = self.book.diffs_applied
        applied = self.book.snapshot(event)
        if applied is Applied.APPLIED and self.book.diffs_applied > before:
            self._compare_top()
        return applied

    def _change(self, event: DepthChanged) -> Applied:
        self.last_received_ns = event.received_ns
        applied = self.book.change(event)
        if applied is Applied.APPLIED:
            self._compare_top()
        for candle in self.candles.advance(event.event_ns, event.received_ns):
            self._close_candle(candle)
        return applied

    def _take_top(self, event: TopChanged) -> None:
        if self._top is None or event.update_id > self._top.update_id:
            self._top = event
            self._tops.append(event)
            if self._noted is not None and event.update_id >= self._noted[0]:
                self._settle_top()
        elif not self.book.synced:  # a venue that was restarted counts from the beginning
            self._tops.clear()
            self._noted = None
            self._top = event
            self._tops.append(event)

    def _trade(self, event: Traded) -> None:
        self.trades += 1
        self.last_trade = event
        if event.price_ticks != self.last_ticks:
            self.last_up = event.price_ticks > self.last_ticks
        self.last_ticks = event.price_ticks
        self._first_ticks = self._first_ticks or event.price_ticks
        self._traded_units += event.price_ticks * event.lots
        self.flow.add(event.aggressor, event.lots, event.event_ns)
        for candle in self.candles.add(event):
            self._close_candle(candle)

    def _close_candle(self, candle: CandleClosed) -> None:
        """Take a minute once, whether the venue or our own trades told it first."""
        if candle.timeframe_s != _CANDLE_S or candle.open_ns <= self._last_candle_ns:
            return
        self._last_candle_ns = candle.open_ns
        self.candle = candle
        self.atr.add(candle)

    @property
    def top_of_book_compared(self) -> int:
        """How many changed books were compared with a ticker; the newest is compared by this."""
        self._settle_top()
        return self._compared

    @property
    def top_of_book_matches(self) -> int:
        """How many of them had the ticker's best prices and sizes."""
        self._settle_top()
        return self._matches

    def _compare_top(self) -> None:
        """Note the top of the changed book, to be compared with the ticker that belongs to it.

        Where books come in batches (Binance) the ticker is there already; where each change
        comes at once (Backpack) it follows. The next ticker or change says that none does.
        """
        self._settle_top()
        book = self.book
        self._noted = (
            book.last_id,
            (book.best_bid_ticks, book.best_bid_lots, book.best_ask_ticks, book.best_ask_lots),
        )
        if self._top is not None and self._top.update_id >= book.last_id:
            self._settle_top()

    def _settle_top(self) -> None:
        """Compare the noted top with the newest ticker that is not newer than its book."""
        if self._noted is None:
            return
        (last_id, best), self._noted = self._noted, None
        tops = self._tops
        while len(tops) > 1 and tops[1].update_id <= last_id:
            tops.popleft()
        if not tops or tops[0].update_id > last_id:
            return
        top = tops[0]
        self._compared += 1
        self._matches += best == (
            top.bid_ticks,
            top.bid_lots,
            top.ask_ticks,
            top.ask_lots,
        )

    # -- prices -------------------------------------------------------------------------

    def best(self) -> tuple[int, int, int, int]:
        """Return bid ticks and lots, ask ticks and lots, from whichever is newer: ticker or book.

        Zeros while neither is known.
        """
        top, book = self._top, self.book
        if top is not None and top.update_id > book.last_id:
            return top.bid_ticks, top.bid_lots, top.ask_ticks, top.ask_lots
        return book.best_bid_ticks, book.best_bid_lots, book.best_ask_ticks, book.best_ask_lots

    @property
    def mark_ticks(self) -> int:
        """The price to value a position at: the mid (down to a tick), else the last trade."""
        bid, _, ask, _ = self.best()
        return (bid + ask) // 2 if bid and ask else self.last_ticks

    @property
    def spread_ticks(self) -> int:
        """Ask minus bid; 0 while a side is missing."""
        bid, _, ask, _ = self.best()
        return ask - bid if bid and ask else 0

    def flow_now(self, now_ns: int) -> float:
        """Return the trade-flow imbalance at our time ``now_ns``, carried to the venue's time."""
        last = self.last_trade
        if last is None:
            return 0.0
        return self.flow.value(last.event_ns + now_ns - last.received_ns)

    def obi(self) -> float:
        """Return the imbalance over ``obi_levels``."""
        return self.book.imbalance(self.obi_levels)

    def tradable(self, now_ns: int, stale_after_ns: int) -> bool:
        """Return whether the book is in sync, two-sided, not crossed and fresh at ``now_ns``.

        A ticker that is newer than the book must not be crossed either.
        """
        book, top = self.book, self._top
        if now_ns - self.last_received_ns > stale_after_ns or not book.synced:
            return False
        if not 0 < book.best_bid_ticks < book.best_ask_ticks:
            return False
        return top is None or top.update_id <= book.last_id or 0 < top.bid_ticks < top.ask_ticks

    # -- since the start ----------------------------------------------------------------

    @property
    def volume_quote(self) -> Decimal:
        """Traded value since the start, in quote."""
        return self.instrument.notional(1, self._traded_units)

    @property
    def change_pct(self) -> float:
        """Last trade against the first one seen, percent."""
        return (self.last_ticks / self._first_ticks - 1) * 100 if self._first_ticks else 0.0

    @property
    def diffs_applied(self) -> int:
        """Depth changes applied to the book."""
        return self.book.diffs_applied

    @property
    def gaps(self) -> int:
        """Times that depth messages were missing."""
        return self.book.gaps

    @property
    def crossed(self) -> int:
        """Depth messages after which the book was crossed."""
        return self.book.crossed_seen
