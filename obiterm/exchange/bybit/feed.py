"""Turns what the markets do into public frames (bybit.md §8)."""

from __future__ import annotations

import msgspec

from obiterm.exchange.api import (
    Candle,
    DepthDelta,
    Fill,
    OrderUpdate,
    Origin,
    Output,
    PublicTrade,
)
from obiterm.exchange.bybit import numbers
from obiterm.exchange.bybit.book_topic import BookTopic
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.market import INTERVALS, ticker
from obiterm.exchange.bybit.numbers import Json, Scale, amount, ms
from obiterm.exchange.bybit.office import SIDE_WORDS, BackOffice
from obiterm.exchange.bybit.topics import Kind, Topic
from obiterm.exchange.wire.hub import Hub
from obiterm.exchange.wire.pump import BEAT_MS

_BEATS_PER_S = 1000 // BEAT_MS
_SPOT_TICKER = (
    "symbol",
    "lastPrice",
    "highPrice24h",
    "lowPrice24h",
    "prevPrice24h",
    "volume24h",
    "turnover24h",
    "price24hPcnt",
    "usdIndexPrice",
)


class Feed:
    """Feeds every public topic that somebody listens to; a sink of the back office."""

    def __init__(self, office: BackOffice, hub: Hub) -> None:
        self._office = office
        self._hub = hub
        self._topics: dict[str, Topic] = {}
        self._books: dict[str, BookTopic] = {}
        self._books_of: dict[str, list[BookTopic]] = {}
        self._tickers: dict[str, Json] = {}
        self._candles: dict[str, int] = {}
        self._last_ticks: dict[str, int] = {}

    # -- subscriptions ------------------------------------------------------------

    def open(self, topic: Topic, now_ns: int) -> None:
        """Begin a topic afresh when nobody listens to it yet."""
        stream = topic.stream
        if self._hub.wanted(stream):
            return
        self._topics[stream] = topic
        self._candles.pop(stream, None)
        if topic.kind is Kind.BOOK:
            self._forget_book(stream)
            book = self._books[stream] = BookTopic(self._office, topic, now_ns)
            self._books_of.setdefault(topic.scale.spec.symbol, []).append(book)
        elif topic.kind is Kind.TICKER:
            self._tickers[stream] = self._ticker(topic.scale)

    def first(self, topic: Topic, now_ns: int) -> bytes | None:
        """Return the frame with which a subscription begins."""
        if topic.kind is Kind.BOOK:
            return self._books[topic.stream].snapshot(now_ns)
        if topic.kind is Kind.TICKER:
            return self._ticker_frame(topic, "snapshot", self._tickers[topic.stream], now_ns)
        if topic.kind is Kind.KLINE:
            return self._kline(topic, now_ns)
        return None

    def _forget_book(self, stream: str) -> None:
        book = self._books.pop(stream, None)
        if book is not None:
            self._books_of[book.topic.scale.spec.symbol].remove(book)

    # -- what cannot wait -----------------------------------------------------------

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Publish prints, liquidations and books that changed."""
        prints: dict[str, list[PublicTrade]] = {}
        moved: set[str] = set()
        for output in outputs:
            if isinstance(output, PublicTrade):
                prints.setdefault(output.symbol, []).append(output)
            elif isinstance(output, DepthDelta):
                moved.add(output.symbol)
            elif (
                isinstance(output, OrderUpdate)
                and output.fill is not None
                and output.order.origin is Origin.LIQUIDATION
            ):
                self._liquidation(output.fill, now_ns)
        for symbol, trades in prints.items():
            self._trades(self._office.scale(symbol), trades, now_ns)
        for symbol in moved:
            self._poll_books(symbol, now_ns)

    def _trades(self, scale: Scale, trades: list[PublicTrade], now_ns: int) -> None:
        name = f"{Kind.TRADES.value}.{scale.symbol}"
        stream = f"{scale.category.value}/{name}"
        if self._hub.wanted(stream):
            rows = [self._trade(scale, one) for one in trades]
            self._publish(stream, name, rows, now_ns)

    def _trade(self, scale: Scale, one: PublicTrade) -> Json:
        row: Json = {
            "T": ms(one.time_ns),
            "s": scale.symbol,
            "S": SIDE_WORDS[one.aggressor],
            "v": scale.size(one.lots),
            "p": scale.price(one.price_ticks),
            "i": numbers.trade_id(scale.category, one.trade_id),
            "BT": False,
            "RPI": False,
            "seq": one.trade_id,
        }
        if scale.category is Category.LINEAR:
            before = self._last_ticks.get(one.symbol, one.price_ticks)
            self._last_ticks[one.symbol] = one.price_ticks
            row["L"] = _direction(before, one.price_ticks)
        return row

    def _liquidation(self, fill: Fill, now_ns: int) -> None:
        scale = self._office.scale(fill.symbol)
        name = f"{Kind.LIQUIDATIONS.value}.{scale.symbol}"
        row = {
            "T": ms(fill.time_ns),
            "s": scale.symbol,
            # "Buy": a long was liquidated (bybit.md §8.6).
            "S": SIDE_WORDS[fill.side.opposite],
            "v": scale.size(fill.lots),
            "p": scale.price(fill.price_ticks),
        }
        self._publish(f"{scale.category.value}/{name}", name, [row], now_ns)

    def _publish(self, stream: str, name: str, rows: list[Json], now_ns: int) -> None:
        frame = {"topic": name, "type": "snapshot", "ts": ms(now_ns), "data": rows}
        self._hub.publish(stream, msgspec.json.encode(frame))

    def _poll_books(self, symbol: str, now_ns: int) -> None:
        for book in list(self._books_of.get(symbol, ())):
            stream = book.topic.stream
            if not self._hub.wanted(stream):
                self._forget_book(stream)
                continue
            frame = book.poll(now_ns)
            if frame is not None:
                self._hub.publish(stream, frame)

    # -- the beat -------------------------------------------------------------------

    def beat(self, now_ns: int) -> None:
        """Publish what is due at this tenth of a second."""
        number = now_ns // (BEAT_MS * 1_000_000)
        for symbol in list(self._books_of):
            self._poll_books(symbol, now_ns)
        for stream, topic in list(self._topics.items()):
            if not self._hub.wanted(stream):
                del self._topics[stream]
            elif topic.kind is Kind.TICKER:
                self._beat_ticker(topic, now_ns)
            elif topic.kind is Kind.KLINE and number % _BEATS_PER_S == 0:
                self._hub.publish(stream, self._kline(topic, now_ns))

    def _ticker(self, scale: Scale) -> Json:
        row = ticker(self._office, scale)
        if scale.category is Category.SPOT:
            return {name: row[name] for name in _SPOT_TICKER}
        return row

    def _beat_ticker(self, topic: Topic, now_ns: int) -> None:
        """Send changed fields only (linear) or the whole row (spot), when anything changed."""
        before, row = self._tickers[topic.stream], self._ticker(topic.scale)
        if row == before:
            return
        self._tickers[topic.stream] = row
        kind, shown = "snapshot", row
        if topic.scale.category is Category.LINEAR:
            kind = "delta"
            shown = {"symbol": topic.scale.symbol} | {
                name: value for name, value in row.items() if before[name] != value
            }
        self._hub.publish(topic.stream, self._ticker_frame(topic, kind, shown, now_ns))

    def _ticker_frame(self, topic: Topic, kind: str, row: Json, now_ns: int) -> bytes:
        last = self._office.venue.trades(topic.scale.spec.symbol, 1)
        return msgspec.json.encode(
            {
                "topic": topic.name,
                "type": kind,
                "ts": ms(now_ns),
                "cs": last[-1].trade_id if last else 0,
                "data": row,
            }
        )

    def _kline(self, topic: Topic, now_ns: int) -> bytes:
        """Write the running candle, with the one before it while that is news."""
        candles = self._office.venue.candles(topic.scale.spec.symbol, INTERVALS[topic.interval])
        current = candles[-1]
        shown = self._candles.get(topic.stream, current.open_ms)
        self._candles[topic.stream] = current.open_ms
        closed = [one for one in candles[-3:-1] if one.open_ms >= shown]
        rows = [_candle(one, topic, now_ns, closed=True) for one in closed]
        rows.append(_candle(current, topic, now_ns, closed=False))
        return msgspec.json.encode(
            {"topic": topic.name, "data": rows, "ts": ms(now_ns), "type": "snapshot"}
        )


def _candle(candle: Candle, topic: Topic, now_ns: int, *, closed: bool) -> Json:
    scale = topic.scale
    return {
        "start": candle.open_ms,
        "end": candle.open_ms + candle.interval_ms - 1,
        "interval": topic.interval,
        "open": scale.price(candle.open_ticks),
        "close": scale.price(candle.close_ticks),
        "high": scale.price(candle.high_ticks),
        "low": scale.price(candle.low_ticks),
        "volume": scale.size(candle.lots),
        "turnover": amount(candle.quote),
        "confirm": closed,
        "timestamp": ms(now_ns),
    }


def _direction(before: int, now: int) -> str:
    if now == before:
        return "ZeroPlusTick"
    return "PlusTick" if now > before else "MinusTick"
