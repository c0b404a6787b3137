"""Turns what the market does into public stream messages (backpack.md §8.2).

Book changes, prints, best prices and marks leave at once; aggregated books in their
period, candles and statistics every second, open interest every minute.
"""

from __future__ import annotations

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.api import (
    Candle,
    DepthDelta,
    MarkPrice,
    OrderUpdate,
    Origin,
    Output,
    PublicTrade,
    Top,
)
from obiterm.exchange.backpack import stream_messages as messages
from obiterm.exchange.backpack.market import KLINES_MS, day_row, open_interest_of
from obiterm.exchange.backpack.office import BackpackOffice
from obiterm.exchange.backpack.stream_messages import DepthBatch
from obiterm.exchange.wire.hub import Hub
from obiterm.exchange.wire.pump import BEAT_MS

LIQUIDATIONS = "liquidation"
DEPTH_PERIODS = {"200ms": 2, "600ms": 6, "1000ms": 10}
"""Aggregated depth streams and their periods in beats."""
_SECOND = 10
_MINUTE = 600
_PLAIN = ("depth", "bookTicker", "trade", "ticker", "markPrice", "openInterest")


def stream_names(office: BackpackOffice) -> frozenset[str]:
    """Return every public stream that can be subscribed to."""
    names = {LIQUIDATIONS}
    for symbol in office.scales:
        names |= {f"{kind}.{symbol}" for kind in _PLAIN}
        names |= {f"depth.{period}.{symbol}" for period in DEPTH_PERIODS}
        names |= {f"kline.{interval}.{symbol}" for interval in KLINES_MS}
    return frozenset(names)


def is_book(stream: str) -> bool:
    """Tell whether a stream carries book changes."""
    return stream.startswith("depth.")


class Feeds:
    """Feeds the public streams of every market; a sink of the office."""

    def __init__(self, office: BackpackOffice, hub: Hub) -> None:
        self._office = office
        self._hub = hub
        self._batches: dict[str, DepthBatch] = {}
        self._candles: dict[str, Candle] = {}

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Publish what cannot wait and collect the rest."""
        for output in outputs:
            if isinstance(output, DepthDelta):
                self._publish_depth(output, now_ns)
            elif isinstance(output, Top):
                stream = f"bookTicker.{output.symbol}"
                if self._hub.wanted(stream):
                    scale = self._office.scale(output.symbol)
                    self._hub.publish(stream, messages.book_ticker(output, scale, now_ns))
            elif isinstance(output, PublicTrade):
                stream = f"trade.{output.symbol}"
                if self._hub.wanted(stream):
                    scale = self._office.scale(output.symbol)
                    self._hub.publish(stream, messages.trade(output, scale, now_ns))
            elif isinstance(output, MarkPrice):
                stream = f"markPrice.{output.symbol}"
                if self._hub.wanted(stream):
                    self._hub.publish(stream, messages.mark_price(output, now_ns))
            elif isinstance(output, OrderUpdate):
                self._publish_liquidation(output, now_ns)

    def _publish_depth(self, delta: DepthDelta, now_ns: int) -> None:
        scale = self._office.scale(delta.symbol)
        stream = f"depth.{delta.symbol}"
        if self._hub.wanted(stream):
            self._hub.publish(stream, messages.depth(delta, scale, now_ns))
        for period in DEPTH_PERIODS:
            stream = f"depth.{period}.{delta.symbol}"
            if self._hub.wanted(stream):
                self._batches.setdefault(stream, DepthBatch()).add(delta)
            else:
                self._batches.pop(stream, None)

    def _publish_liquidation(self, update: OrderUpdate, now_ns: int) -> None:
        order = update.order
        if order.origin is Origin.LIQUIDATION and self._hub.wanted(LIQUIDATIONS):
            data = messages.liquidation(update, self._office.scale(order.symbol), now_ns)
            if data is not None:
                self._hub.publish(LIQUIDATIONS, data)

    def beat(self, now_ns: int) -> None:
        """Publish what is due at this tenth of a second."""
        beat = now_ns // (BEAT_MS * NS_PER_MS)
        for symbol, scale in self._office.scales.items():
            for period, every in DEPTH_PERIODS.items():
                batch = self._batches.pop(f"depth.{period}.{symbol}", None)
                if batch is None:
                    continue
                stream = f"depth.{period}.{symbol}"
                if beat % every:
                    self._batches[stream] = batch
                else:
                    self._hub.publish(stream, batch.message(scale, now_ns))
            if beat % _SECOND == 0:
                self._publish_second(symbol, now_ns)
            stream = f"openInterest.{symbol}"
            if beat % _MINUTE == 0 and scale.spec.is_perpetual and self._hub.wanted(stream):
                held = open_interest_of(self._office, scale)
                self._hub.publish(stream, messages.open_interest(symbol, held, now_ns))

    def _publish_second(self, symbol: str, now_ns: int) -> None:
        scale, stream = self._office.scale(symbol), f"ticker.{symbol}"
        if self._hub.wanted(stream):
            row = day_row(self._office, scale, now_ns)
            if row is not None:
                self._hub.publish(stream, messages.ticker(row, now_ns))
        for interval, length_ms in KLINES_MS.items():
            stream = f"kline.{interval}.{symbol}"
            if self._hub.wanted(stream):
                self._publish_candles(stream, symbol, length_ms, now_ns)

    def _publish_candles(self, stream: str, symbol: str, length_ms: int, now_ns: int) -> None:
        """Publish the candle that fills changed, and the last frame of one that ended."""
        candles = self._office.venue.candles(symbol, length_ms)
        if not candles:
            return
        scale, shown = self._office.scale(symbol), self._candles.get(stream)
        self._candles[stream] = candles[-1]
        if shown is not None:
            for candle in candles[-3:-1]:
                if candle.open_ms >= shown.open_ms:
                    data = messages.kline(candle, scale, now_ns, closed=True)
                    self._hub.publish(stream, data)
        if shown is None or shown != candles[-1]:
            self._hub.publish(stream, messages.kline(candles[-1], scale, now_ns, closed=False))
