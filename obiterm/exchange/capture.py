"""Reader of recorded markets: gzip, one JSON object per line.

A line is ``{"t": <receive time in ns or null>, "m": <the venue's message>}``; the
message is a combined-stream frame or, once, the REST depth snapshot (binance.md
§8.1). Reading streams through the file; damage is a ``DataError`` that says how
far it was readable, a capture of something else a ``UsageError`` that names it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from obiterm.core.errors import DataError, UsageError
from obiterm.core.values import NS_PER_MS

NO_TIME = -1
_CHUNK_BYTES = 1 << 18
_GZIP_WINDOW = 31
_IDENTIFY_LINES = 1_000


class CaptureKind(msgspec.Struct, frozen=True):
    """Which market a capture was recorded from; ``market`` is ``spot`` or ``usdm`` on Binance."""

    venue: str
    market: str
    symbol: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.venue, self.market, self.symbol) if part)


class Snapshot(msgspec.Struct, frozen=True):
    """The recorded answer of ``GET /api/v3/depth``."""

    last_id: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class DepthData(msgspec.Struct, frozen=True, gc=False):
    """A recorded ``depthUpdate``."""

    symbol: str = msgspec.field(name="s")
    event_ms: int = msgspec.field(name="E")
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: list[tuple[str, str]] = msgspec.field(name="b")
    asks: list[tuple[str, str]] = msgspec.field(name="a")
    previous_id: int | None = msgspec.field(name="pu", default=None)
    """Only USD-M futures have it."""


class TradeData(msgspec.Struct, frozen=True, gc=False):
    """A recorded ``trade``."""

    symbol: str = msgspec.field(name="s")
    event_ms: int = msgspec.field(name="E")
    trade_id: int = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    trade_ms: int = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")
    futures_kind: str | None = msgspec.field(name="X", default=None)
    """Only USD-M futures have it."""


class TickerData(msgspec.Struct, frozen=True, gc=False):
    """A recorded ``bookTicker``."""

    symbol: str = msgspec.field(name="s")
    update_id: int = msgspec.field(name="u")
    bid: str = msgspec.field(name="b")
    bid_size: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_size: str = msgspec.field(name="A")
    event: str | None = msgspec.field(name="e", default=None)
    """Only USD-M futures have it."""


Recorded = DepthData | TradeData | TickerData | Snapshot


class CaptureLine(msgspec.Struct, frozen=True):
    """One line of a capture."""

    number: int
    """Counted from 1."""
    time_ns: int
    """When it was received; ``NO_TIME`` if the recorder did not say."""
    stream: str
    data: bytes
    """The message's ``data`` object, unchanged; empty for the snapshot."""
    event: Recorded | None
    """What the message says, for the kinds that a replay acts on."""


class _Message(msgspec.Struct, gc=False):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    topic: str = ""
    last_id: int = msgspec.field(name="lastUpdateId", default=NO_TIME)
    bids: list[tuple[str, str]] = msgspec.field(default_factory=list)
    asks: list[tuple[str, str]] = msgspec.field(default_factory=list)


class _Line(msgspec.Struct, gc=False):
    m: _Message
    t: int | None = None


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_depth = msgspec.json.Decoder(DepthData).decode
_decode_trade = msgspec.json.Decoder(TradeData).decode
_decode_ticker = msgspec.json.Decoder(TickerData).decode


def identify(path: Path) -> CaptureKind:
    """Return what a capture is a recording of; raise ``UsageError`` or ``DataError``."""
    for number, text in _texts(path):
        line, kind = _parse(path, number, text)
        if kind is not None:
            return kind
        if line.number >= _IDENTIFY_LINES:
            break
    raise DataError(f"{path}: no market message in the first {_IDENTIFY_LINES} lines")


def read_capture(path: Path, expected: CaptureKind) -> Iterator[CaptureLine]:
    """Yield the lines of a capture of ``expected``.

    Raise ``UsageError`` for a missing file or another market's capture, ``DataError``
    for damage, with the line and byte up to which it was readable.
    """
    for number, text in _texts(path):
        line, kind = _parse(path, number, text)
        if kind is not None and kind != expected:
            raise UsageError(
                f"{path} is a capture of {kind}, not of {expected} (line {number})",
            )
        yield line


class Survey(msgspec.Struct, frozen=True):
    """What a whole capture holds."""

    lines: int
    streams: frozenset[str]
    snapshot: Snapshot
    """The first one."""
    first_trade: TradeData | None


def survey_capture(path: Path, expected: CaptureKind) -> Survey:
    """Read a whole capture, so that damage is found before it is played.

    Raise as ``read_capture``, and ``DataError`` for a capture without a snapshot.
    """
    lines = 0
    streams: set[str] = set()
    snapshot: Snapshot | None = None
    first_trade: TradeData | None = None
    for line in read_capture(path, expected):
        lines = line.number
        if line.stream:
            streams.add(line.stream)
        if snapshot is None and isinstance(line.event, Snapshot):
            snapshot = line.event
        elif first_trade is None and isinstance(line.event, TradeData):
            first_trade = line.event
    if snapshot is None:
        raise DataError(f"{path}: no depth snapshot in {lines} lines")
    return Survey(lines, frozenset(streams), snapshot, first_trade)


def _parse(path: Path, number: int, text: bytes) -> tuple[CaptureLine, CaptureKind | None]:
    """Decode a line; the kind is ``None`` when the message does not tell it."""
    try:
        record = _decode_line(text)
        message = record.m
        event = _event(message)
    except msgspec.ValidationError as error:
        raise DataError(f"{path}: line {number} is not a capture line: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: line {number} is not JSON: {error}") from error
    if message.topic:
        symbol = message.topic.rpartition(".")[2]
        line = CaptureLine(number, record.t or NO_TIME, message.topic, b"", None)
        return line, CaptureKind("bybit", "v5", symbol)
    time_ns = record.t if record.t is not None else _event_time_ns(event)
    return CaptureLine(number, time_ns, message.stream, bytes(message.data), event), _kind(event)


def _event(message: _Message) -> Recorded | None:
    if not message.stream:
        if message.last_id == NO_TIME:
            return None
        return Snapshot(message.last_id, message.bids, message.asks)
    name = message.stream.partition("@")[2]
    if name == "bookTicker":
        return _decode_ticker(message.data)
    if name == "trade":
        return _decode_trade(message.data)
    if name == "depth" or name.startswith("depth@"):
        return _decode_depth(message.data)
    return None


def _kind(event: Recorded | None) -> CaptureKind | None:
    if isinstance(event, DepthData):
        futures = event.previous_id is not None
    elif isinstance(event, TradeData):
        futures = event.futures_kind is not None
    elif isinstance(event, TickerData):
        futures = event.event is not None
    else:
        return None
    return CaptureKind("binance", "usdm" if futures else "spot", event.symbol)


def _event_time_ns(event: Recorded | None) -> int:
    if isinstance(event, DepthData | TradeData):
        return event.event_ms * NS_PER_MS
    return NO_TIME


def _texts(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield ``(line number, text)``; raise with what was read when the gzip is damaged."""
    number, rest = 0, b""
    for block in _blocks(path):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for text in lines:
            number += 1
            yield number, text
    if rest:
        yield number + 1, rest


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield decompressed pieces of the file."""
    lines, size = 0, 0
    unzip = zlib.decompressobj(_GZIP_WINDOW)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                while chunk:
                    if unzip.eof:
                        unzip = zlib.decompressobj(_GZIP_WINDOW)
                    block = unzip.decompress(chunk)
                    chunk = unzip.unused_data
                    size += len(block)
                    lines += block.count(b"\n")
                    yield block
    except zlib.error as error:
        raise DataError(
            f"{path}: the gzip is corrupt after {lines} lines ({size} bytes of text): {error}",
        ) from error
    except OSError as error:
        raise UsageError(f"cannot read the capture {path}: {error.strerror}") from error
    if not unzip.eof:
        raise DataError(
            f"{path}: the gzip is cut off after {lines} lines ({size} bytes of text)",
        )
