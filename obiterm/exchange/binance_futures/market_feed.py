"""Streams that only the futures have: marks, liquidations, all markets at once."""

from __future__ import annotations

import msgspec

from obiterm.exchange.api import OrderUpdate, Origin, Output, Status
from obiterm.exchange.binance.market import DayStats
from obiterm.exchange.binance_futures import stream_words
from obiterm.exchange.binance_futures.office import FuturesOffice
from obiterm.exchange.binance_futures.stream_words import FuturesWords
from obiterm.exchange.wire.hub import Hub
from obiterm.exchange.wire.office import Json

_MARK_SPEEDS = (("@1s", 10), ("", 30))
"""Suffixes with tenths of a second between messages."""
_ALL_TOPS_EVERY = 50
_encode = msgspec.json.Encoder().encode


class ExtraFeed:
    """Feeds mark prices, liquidations and the ``!…@arr`` streams; a sink of the back office."""

    def __init__(self, office: FuturesOffice, hub: Hub, words: FuturesWords) -> None:
        self._office = office
        self._hub = hub
        self._words = words

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Publish liquidations as they happen."""
        for output in outputs:
            if isinstance(output, OrderUpdate) and output.order.origin is Origin.LIQUIDATION:
                order = output.order
                if order.status is Status.FILLED:
                    scale = self._office.scale(order.symbol)
                    data = _encode(stream_words.force_order(order, scale, now_ns))
                    for stream in (f"{order.symbol.lower()}@forceOrder", "!forceOrder@arr"):
                        self._hub.publish(stream, data)

    def beat(self, beat: int, now_ns: int) -> None:
        """Publish what is due at the ``beat``-th tenth of a second of the clock."""
        for suffix, every in _MARK_SPEEDS:
            if beat % every == 0:
                self._publish_marks(suffix, now_ns)
        if beat % 10 == 0:
            self._publish_statistics(now_ns)
        if beat % _ALL_TOPS_EVERY == 0 and self._hub.wanted("!bookTicker"):
            for name, scale in self._office.scales.items():
                top = self._office.venue.top(name)
                body = stream_words.book_ticker(top, scale, now_ns)
                self._hub.publish("!bookTicker", _encode(body))

    def _publish_marks(self, suffix: str, now_ns: int) -> None:
        rows: list[Json] = []
        for name in self._office.scales:
            row = stream_words.mark_price(self._office.venue.mark(name), now_ns)
            rows.append(row)
            stream = f"{name.lower()}@markPrice{suffix}"
            if self._hub.wanted(stream):
                self._hub.publish(stream, _encode(row))
        stream = f"!markPrice@arr{suffix}"
        if self._hub.wanted(stream):
            self._hub.publish(stream, _encode(rows))

    def _publish_statistics(self, now_ns: int) -> None:
        words = self._words
        for stream, write in (
            ("!ticker@arr", words.ticker),
            ("!miniTicker@arr", words.mini_ticker),
        ):
            if self._hub.wanted(stream):
                rows = [write(DayStats(self._office, name), now_ns) for name in self._office.scales]
                self._hub.publish(stream, b"[" + b",".join(rows) + b"]")
