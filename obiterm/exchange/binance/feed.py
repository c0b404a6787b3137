"""Turns what the market does into stream messages (binance.md §8).

Prints and best prices leave at once; books every 100 ms and 1 s, candles every
2 s, statistics every second.
"""

from __future__ import annotations

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.api import Candle, DepthDelta, Output, PublicTrade, Top, Verbatim
from obiterm.exchange.binance.backoffice import BackOffice
from obiterm.exchange.binance.market import DayStats
from obiterm.exchange.binance.stream_messages import DepthBatch, Words
from obiterm.exchange.binance.wire import Scale
from obiterm.exchange.candles import INTERVALS_MS
from obiterm.exchange.wire.hub import Hub
from obiterm.exchange.wire.pump import BEAT_MS

PARTIAL_LEVELS = (5, 10, 20)


class MarketFeed:
    """Feeds every stream of one market.

    Nothing is generated for the ``recorded`` streams: a capture feeds them word for word.
    """

    def __init__(
        self, office: BackOffice, hub: Hub, symbol: str, recorded: set[str], words: Words
    ) -> None:
        self._office = office
        self._words = words
        self._sent_ids: dict[str, int] = {}
        """Last update id of the last message, by book stream."""
        self._hub = hub
        self._symbol = symbol
        self._name = symbol.lower()
        self._scale: Scale = office.scale(symbol)
        self._batches = {f"{self._name}@depth{suffix}": DepthBatch() for suffix, _ in words.speeds}
        self._partial_ids: dict[str, int] = {}
        self._candles: dict[str, Candle] = {}
        self._touch = (0, 0, 0, 0)
        self._recorded = recorded

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Publish what cannot wait and collect the rest."""
        prints: list[PublicTrade] = []
        book_moved = False
        for output in outputs:
            if isinstance(output, Verbatim):
                self._hub.publish(output.stream, output.text)
            elif isinstance(output, Top):
                self._publish_top(output, now_ns)
            elif isinstance(output, DepthDelta):
                self._collect(output)
                book_moved = True
            elif isinstance(output, PublicTrade):
                prints.append(output)
                self._publish_trade(output, now_ns)
        if prints:
            self._publish_aggregates(prints, now_ns)
        if book_moved:
            # A recording may hold the book and not its best prices.
            self._publish_top(self._office.venue.top(self._symbol), now_ns)

    def _free(self, stream: str) -> bool:
        return self._hub.wanted(stream) and stream not in self._recorded

    def _publish_top(self, top: Top, now_ns: int) -> None:
        stream = f"{self._name}@bookTicker"
        touch = (top.bid_ticks, top.bid_lots, top.ask_ticks, top.ask_lots)
        if self._free(stream) and touch != self._touch:
            self._touch = touch
            self._hub.publish(stream, self._words.book_ticker(top, self._scale, now_ns))

    def _publish_trade(self, print_: PublicTrade, now_ns: int) -> None:
        stream = f"{self._name}@trade"
        if self._free(stream):
            self._hub.publish(stream, self._words.trade(print_, self._scale, now_ns))

    def _publish_aggregates(self, prints: list[PublicTrade], now_ns: int) -> None:
        rows = self._office.tapes[self._symbol].add(prints)
        stream = f"{self._name}@aggTrade"
        if self._free(stream):
            for row in rows:
                self._hub.publish(stream, self._words.agg_trade(row, self._scale, now_ns))

    def _collect(self, delta: DepthDelta) -> None:
        for stream, batch in self._batches.items():
            if self._free(stream):
                batch.add(delta)

    def beat(self, beat: int, now_ns: int) -> None:
        """Publish what is due at the ``beat``-th tenth of a second of the clock."""
        for suffix, every_ms in self._words.speeds:
            if _is_due(beat, every_ms):
                self._flush_depth(f"{self._name}@depth{suffix}", now_ns)
                self._publish_partial(suffix, now_ns)
        if beat % 10 == 0:
            self._publish_statistics(now_ns)
        candle_is_due = _is_due(beat, self._words.candle_every_ms)
        if candle_is_due or beat % 10 == 0:
            self._publish_candles(now_ns, final_only=not candle_is_due)

    def _flush_depth(self, stream: str, now_ns: int) -> None:
        batch = self._batches[stream]
        if batch.first_id:
            self._batches[stream] = DepthBatch()
            previous_id = self._sent_ids.get(stream, batch.first_id - 1)
            self._sent_ids[stream] = batch.last_id
            self._hub.publish(stream, self._words.depth(batch, previous_id, self._scale, now_ns))

    def _publish_partial(self, suffix: str, now_ns: int) -> None:
        for levels in PARTIAL_LEVELS:
            stream = f"{self._name}@depth{levels}{suffix}"
            if not self._free(stream):
                continue
            last_id, bids, asks = self._office.venue.peek(self._symbol, levels)
            if self._partial_ids.get(stream) != last_id:
                self._partial_ids[stream] = last_id
                self._hub.publish(
                    stream, self._words.partial_depth(last_id, bids, asks, self._scale, now_ns)
                )

    def _publish_statistics(self, now_ns: int) -> None:
        for stream, write in (
            ("ticker", self._words.ticker),
            ("miniTicker", self._words.mini_ticker),
        ):
            name = f"{self._name}@{stream}"
            if self._free(name):
                self._hub.publish(name, write(DayStats(self._office, self._symbol), now_ns))

    def _publish_candles(self, now_ns: int, *, final_only: bool) -> None:
        prefix = f"{self._name}@kline_"
        for stream in self._hub.streams(prefix):
            interval = stream.removeprefix(prefix)
            if interval in INTERVALS_MS and stream not in self._recorded:
                self._publish_candle(stream, interval, now_ns, final_only=final_only)

    def _publish_candle(self, stream: str, interval: str, now_ns: int, *, final_only: bool) -> None:
        candles = self._office.venue.candles(self._symbol, INTERVALS_MS[interval])
        if not candles:
            return
        shown, current = self._candles.get(stream), candles[-1]
        self._candles[stream] = current
        if shown is not None and shown.open_ms < current.open_ms:
            for candle in candles[-3:-1]:
                if candle.open_ms >= shown.open_ms:
                    self._hub.publish(
                        stream,
                        self._words.kline(candle, self._scale, interval, now_ns, closed=True),
                    )
        if not final_only:
            self._hub.publish(
                stream, self._words.kline(current, self._scale, interval, now_ns, closed=False)
            )


class Feeds:
    """The feeds of every market; a sink of the back office."""

    def __init__(
        self, office: BackOffice, hub: Hub, recorded: set[str], words: Words | None = None
    ) -> None:
        written = words or Words()
        self.by_symbol = {
            symbol: MarketFeed(office, hub, symbol, recorded, written) for symbol in office.scales
        }

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Publish the market's outputs."""
        if len(self.by_symbol) == 1:
            for feed in self.by_symbol.values():
                feed.take(outputs, now_ns)
            return
        for symbol, feed in self.by_symbol.items():
            feed.take([output for output in outputs if _symbol_of(output) == symbol], now_ns)

    def beat(self, now_ns: int) -> None:
        """Publish what is due now."""
        beat = now_ns // (BEAT_MS * NS_PER_MS)
        for feed in self.by_symbol.values():
            feed.beat(beat, now_ns)


def _is_due(beat: int, every_ms: int) -> bool:
    """Tell whether a multiple of ``every_ms`` lies in this tenth of a second."""
    now_ms = beat * BEAT_MS
    return now_ms // every_ms != (now_ms - BEAT_MS) // every_ms


def _symbol_of(output: Output) -> str:
    if isinstance(output, DepthDelta | Top | PublicTrade):
        return output.symbol
    if isinstance(output, Verbatim):
        return output.stream.partition("@")[0].upper()
    return ""
