"""Market data of Backpack, without a socket: streams in, events out (backpack.md §8, §9).

Spot and perpetual markets share one connection. The stream's name is read whole from the
first bytes of a frame, since a symbol may hold dots (§2.1), and picks a reader that knows
the instrument; text never becomes a dict.

Books: subscribe, buffer the changes, take ``GET /depth``, keep changes whose
``U <= lastUpdateId + 1 <= u`` and then each that follows on: ``first_id`` and ``last_id``
are ``U`` and ``u``, so ``market.book`` keeps step with its rule for Binance spot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import MarketEvent
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.backpack.market_readers import (
    Reader,
    candle_reader,
    depth_reader,
    mark_reader,
    top_reader,
    trade_reader,
)
from obiterm.venues.backpack.messages import StreamFrame, decoder, read
from obiterm.venues.common.scale import Scale

_HEAD = b'{"stream":"'
_HEAD_LENGTH = len(_HEAD)
_NAMES_A_FRAME = 50
"""Streams in one subscription: the venue names no limit."""

INTERVALS = {
    "1s": 1,
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "4h": 14_400,
    "6h": 21_600,
    "8h": 28_800,
    "12h": 43_200,
    "1d": 86_400,
    "3d": 259_200,
    "1w": 604_800,
}
"""Candle intervals and their seconds; a month has no fixed length and is not offered."""

DEPTH = "depth"
"""Stream of every change; ``depth.200ms``, ``depth.600ms`` and ``depth.1000ms`` sum them up."""

_read_other = decoder(StreamFrame)
_encode = msgspec.json.Encoder().encode


class MarketSession:
    """One market connection for several instruments.

    Attributes:
        must_reconnect: why the connection must be replaced now, else empty. This venue
            announces its end with a Close frame only; kept for one manner with the others.
        ignored: frames that carried nothing we asked for.
    """

    def __init__(
        self,
        instruments: Mapping[Symbol, Instrument],
        *,
        depth: str = DEPTH,
        intervals: Iterable[str] = (),
    ) -> None:
        self.must_reconnect = ""
        self.ignored = 0
        self._readers: dict[bytes, Reader] = {}
        self._names: dict[Symbol, list[str]] = {}
        self._depth = depth
        self._intervals = tuple(intervals)
        for instrument in instruments.values():
            self.add(instrument)

    def add(self, instrument: Instrument) -> None:
        """Read one more market; ``subscribe`` tells an open connection of it."""
        symbol, scale = instrument.symbol, Scale(instrument)
        readers = {
            f"{self._depth}.{symbol}": depth_reader(symbol, scale),
            f"bookTicker.{symbol}": top_reader(symbol, scale),
            f"trade.{symbol}": trade_reader(symbol, scale),
        }
        if instrument.kind is MarketKind.PERP:
            readers[f"markPrice.{symbol}"] = mark_reader(instrument)
        for interval in self._intervals:
            reader = candle_reader(instrument, INTERVALS[interval])
            readers[f"kline.{interval}.{symbol}"] = reader
        self._names[symbol] = list(readers)
        self._readers |= {name.encode(): reader for name, reader in readers.items()}

    def subscriptions(self) -> list[str]:
        """Return the names of the streams that this session reads."""
        return [name.decode() for name in self._readers]

    def connect_path(self) -> str:
        """Return the path to open below the stream host: everything is asked for afterwards."""
        return ""

    def opening_frames(self) -> list[bytes]:
        """Return what to send on every new connection; the venue confirms nothing (§8.1)."""
        return subscribe_frames(self.subscriptions())

    def subscribe(self, symbol: Symbol) -> list[bytes]:
        """Return what to send for one market on a connection that is open."""
        return subscribe_frames(self._names[symbol])

    def renew(self, symbol: Symbol) -> list[bytes]:
        """Return what to send to begin one market's streams anew: one has fallen silent."""
        names = self._names[symbol]
        return [*subscribe_frames(names, _farewell), *subscribe_frames(names)]

    def receive(self, data: bytes | str, received_ns: int) -> list[MarketEvent]:
        """Turn one frame into events.

        ``received_ns`` is our Unix time of arrival. Raises ``DataError`` naming the stream
        and the field for a frame that cannot be trusted.
        """
        if isinstance(data, str):
            data = data.encode()
        if data.startswith(_HEAD):
            name = data[_HEAD_LENGTH : data.find(b'"', _HEAD_LENGTH)]
            reader = self._readers.get(name)
            if reader is not None:
                return _apply(reader, name, data, received_ns)
        return self._receive_other(data, received_ns)

    def _receive_other(self, data: bytes, received_ns: int) -> list[MarketEvent]:
        """Take a frame in another layout, or an error; the error does not name its stream."""
        frame = read(_read_other, data, "market stream")
        name = frame.stream.encode()
        reader = self._readers.get(name)
        if reader is not None:
            return _apply(reader, name, data, received_ns)
        if frame.error is not None:
            words = f"{frame.error.code or ''} {frame.error.message or ''}".strip()
            raise DataError(f"market stream: the venue answered {words}")
        self.ignored += 1
        return []


def subscribe_frames(
    names: Sequence[str], build: Callable[[Sequence[str]], object] | None = None
) -> list[bytes]:
    """Return the frames that subscribe to ``names``, not too many in each."""
    make = build or _subscription
    return [
        _encode(make(names[at : at + _NAMES_A_FRAME]))
        for at in range(0, len(names), _NAMES_A_FRAME)
    ]


def _subscription(names: Sequence[str]) -> dict[str, object]:
    return {"method": "SUBSCRIBE", "params": list(names)}


def _farewell(names: Sequence[str]) -> dict[str, object]:
    return {"method": "UNSUBSCRIBE", "params": list(names)}


def _apply(reader: Reader, name: bytes, data: bytes, received_ns: int) -> list[MarketEvent]:
    try:
        event = reader(data, received_ns)
    except (msgspec.DecodeError, UnicodeDecodeError, DataError) as error:
        raise DataError(f"market stream {name.decode()}: {error}") from error
    return [] if event is None else [event]
