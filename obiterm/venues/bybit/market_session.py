"""Market data of one Bybit category, without a socket: streams in, events out (bybit.md §8).

This is the hot path of the product. The topic is read from the first bytes of a frame and
picks a decoder that knows the instrument; text never becomes a dict. A frame that begins
otherwise is read the slow way: the venue's key order differs by product.

The book comes by the stream alone: each subscription begins with a snapshot, so a book that
is out of step is mended by ``resubscribe``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from obiterm.core.errors import ConfigError, DataError
from obiterm.core.events import MarketEvent
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S, Symbol
from obiterm.venues.bybit.market_messages import TopicFrame
from obiterm.venues.bybit.market_readers import (
    BookState,
    Reader,
    book_reader,
    candle_reader,
    ticker_reader,
    trade_reader,
)
from obiterm.venues.bybit.messages import read
from obiterm.venues.bybit.socket_messages import ControlFrame, Heartbeat
from obiterm.venues.bybit.subscriptions import Subscriptions
from obiterm.venues.bybit.symbols import Category, name_of
from obiterm.venues.common.scale import Scale

DEPTHS = (50, 200, 500, 1000)
"""Levels a side that a book stream may have. The venue took 500 away in 2025-09; recorded
streams have it."""
INTERVALS = {
    60: "1", 180: "3", 300: "5", 900: "15", 1800: "30", 3600: "60", 7200: "120", 14400: "240",
    21600: "360", 43200: "720", 86400: "D",
}  # fmt: skip
"""Candle length in seconds to the venue's name of it."""

_HEAD = b'{"topic":"'
_HEAD_LENGTH = len(_HEAD)
_PER_REQUEST = 10
"""Topics in one request: the most that spot takes (§7)."""
_DOUBTS_ALLOWED = 3
_DOUBT_WINDOW_NS = 60 * NS_PER_S
_LONGEST_PAUSE_NS = 60 * NS_PER_S
_MEMORY_NS = 300 * NS_PER_S

_read_control = msgspec.json.Decoder(ControlFrame, strict=False)
_read_topic = msgspec.json.Decoder(TopicFrame)


class MarketSession:
    """One market connection for several instruments of one category.

    Times ``now_ns`` are of any clock of ours; they only measure waiting.

    Attributes:
        must_reconnect: why the connection must be replaced, else empty.
        ignored: frames that carried nothing we asked for.
    """

    def __init__(
        self,
        category: Category,
        instruments: Mapping[Symbol, Instrument],
        *,
        depth: int = 50,
        candles_s: Iterable[int] = (60,),
    ) -> None:
        if depth not in DEPTHS:
            raise ConfigError("depth", depth, f"one of {', '.join(map(str, DEPTHS))}")
        self.category = category
        self.must_reconnect = ""
        self.ignored = 0
        self._depth = depth
        self._heartbeat = Heartbeat()
        self._subscriptions = Subscriptions(_PER_REQUEST)
        self._readers: dict[bytes, Reader] = {}
        self._books: dict[Symbol, BookState] = {}
        self._renewed_ns: dict[Symbol, list[int]] = {}
        self._intervals = [(length_s, _interval(length_s)) for length_s in candles_s]
        for symbol, instrument in instruments.items():
            self._add(symbol, instrument)

    # ── asking ──────────────────────────────────────────────────────────────

    @property
    def refused(self) -> Mapping[str, str]:
        """Topics that the venue does not give, with its words (T41)."""
        return self._subscriptions.refused

    @property
    def ready(self) -> bool:
        """True when the venue has answered every subscription and refused none."""
        told = self._subscriptions
        return told.is_settled and not told.refused and bool(told.active)

    @property
    def lenient(self) -> list[Symbol]:
        """Books whose numbers are not taken as gapless any more: see ``resubscribe``."""
        return [symbol for symbol, state in self._books.items() if state.lenient]

    @property
    def skipped_ids(self) -> int:
        """Numbers that were missing while a book was ``lenient``."""
        return sum(state.skipped_ids for state in self._books.values())

    def topics(self) -> list[str]:
        """Return the names of the streams that this session reads."""
        return [name.decode() for name in self._readers]

    def connect_frames(self, now_ns: int) -> list[bytes]:
        """Return what to send first on a new connection; call again after every reconnect."""
        self.must_reconnect = ""
        self._heartbeat.start(now_ns)
        self._subscriptions.clear()
        self._subscriptions.ask(self.topics(), now_ns)
        return self._subscriptions.to_send()

    def add(self, instruments: Mapping[Symbol, Instrument], now_ns: int) -> list[bytes]:
        """Take more instruments; return what to send on a connection that is up."""
        before = set(self._readers)
        for symbol, instrument in instruments.items():
            self._add(symbol, instrument)
        new = [name.decode() for name in self._readers if name not in before]
        self._subscriptions.ask(new, now_ns)
        return self._subscriptions.to_send()

    def refresh(self, symbol: Symbol, now_ns: int) -> list[bytes]:
        """Ask for a snapshot of a book that has been silent; nothing while one is asked for.

        Silence says nothing about the numbers: unlike ``resubscribe`` it is no doubt, and how
        often to ask is the caller's.
        """
        topic = self._book_topic(symbol)
        if self._subscriptions.is_pending(topic):
            return []
        self._subscriptions.renew(topic, now_ns)
        return self._subscriptions.to_send()

    def resubscribe(self, symbol: Symbol, now_ns: int) -> list[bytes]:
        """Ask for a new snapshot of a book that is out of step.

        Nothing while one is awaited or was asked for a moment ago; the wait grows from 1 s to
        a minute, so that a book that will not be mended makes no storm. The venue does not
        promise that the numbers of these streams are gapless (§8.1.3): a book that had to be
        asked for three times within a minute counts as proof that they are not, and from then
        on only their order counts (``lenient``).
        """
        topic = self._book_topic(symbol)
        before = [at for at in self._renewed_ns[symbol] if now_ns - at < _MEMORY_NS]
        pause_ns = min(_LONGEST_PAUSE_NS, NS_PER_S * 4 ** (len(before) - 1)) if before else 0
        too_soon = bool(before) and now_ns - before[-1] < pause_ns
        if too_soon or self._subscriptions.is_pending(topic):
            return []
        self._renewed_ns[symbol] = [*before, now_ns]
        recent = [at for at in before if now_ns - at < _DOUBT_WINDOW_NS]
        self._books[symbol].lenient |= len(recent) + 1 >= _DOUBTS_ALLOWED
        self._subscriptions.renew(topic, now_ns)
        return self._subscriptions.to_send()

    def to_send(self, now_ns: int) -> list[bytes]:
        """Return frames that the session itself wants sent now: pings, repeated requests.

        Call it every second or so. It sets ``must_reconnect`` when the venue stays silent or
        does not answer a subscription (T38 T41).
        """
        if self._heartbeat.is_dead(now_ns):
            self.must_reconnect = "no answer to a ping"
        elif not self.must_reconnect:
            self.must_reconnect = self._subscriptions.late(now_ns)
        return [*self._subscriptions.to_send(), *self._heartbeat.due(now_ns)]

    # ── hearing ─────────────────────────────────────────────────────────────

    def receive(self, data: bytes | str, received_ns: int) -> list[MarketEvent]:
        """Turn one frame into events.

        ``received_ns`` is our Unix time of arrival. Raises ``DataError`` naming the stream
        and the field for a frame that cannot be trusted.
        """
        if isinstance(data, str):
            data = data.encode()
        self._heartbeat.heard()
        if data.startswith(_HEAD):
            name = data[_HEAD_LENGTH : data.find(b'"', _HEAD_LENGTH)]
            reader = self._readers.get(name)
            if reader is not None:
                return _run(reader, name, data, received_ns)
        return self._receive_other(data, received_ns)

    def _receive_other(self, data: bytes, received_ns: int) -> list[MarketEvent]:
        """Take a frame in another layout, or an answer."""
        topic = read(_read_topic, data, "market stream").topic
        if topic:
            reader = self._readers.get(topic.encode())
            if reader is not None:
                return _run(reader, topic.encode(), data, received_ns)
            self.ignored += 1
            return []
        frame = read(_read_control, data, "market stream")
        if frame.op in ("subscribe", "unsubscribe"):
            self._subscriptions.take(frame)
        elif not frame.is_pong:
            self.ignored += 1
        return []

    # ── inside ──────────────────────────────────────────────────────────────

    def _add(self, symbol: Symbol, instrument: Instrument) -> None:
        scale = Scale(instrument)
        name = name_of(symbol)
        self._renewed_ns[symbol] = []
        state = self._books[symbol] = BookState()
        readers = self._readers
        readers[self._book_topic(symbol).encode()] = book_reader(symbol, scale, self._depth, state)
        readers[f"publicTrade.{name}".encode()] = trade_reader(symbol, scale)
        if self.category is Category.LINEAR:
            readers[f"tickers.{name}".encode()] = ticker_reader(instrument)
        for length_s, interval in self._intervals:
            readers[f"kline.{interval}.{name}".encode()] = candle_reader(instrument, length_s)

    def _book_topic(self, symbol: Symbol) -> str:
        return f"orderbook.{self._depth}.{name_of(symbol)}"


def _run(reader: Reader, name: bytes, data: bytes, received_ns: int) -> list[MarketEvent]:
    try:
        return reader(data, received_ns)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"market stream {name.decode(errors='replace')}: {error}") from error


def _interval(length_s: int) -> str:
    interval = INTERVALS.get(length_s)
    if interval is None:
        known = ", ".join(map(str, INTERVALS))
        raise ConfigError("candles_s", length_s, f"one of {known} seconds")
    return interval
