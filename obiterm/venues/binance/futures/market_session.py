"""Market data of Binance futures, without a socket: streams in, events out (binance.md §11).

Streams are split by path, so a market needs two connections: book and best prices on
``/public``, trades and mark price on ``/market``. A stream asked for on the wrong path is
acknowledged and stays silent; ``silent`` tells which streams never spoke.

The depth reader is the hot path of the product: the stream's name is read from the first
bytes of a frame and picks a decoder that knows the instrument.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from urllib.parse import quote

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import FundingChanged, MarketEvent
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, NS_PER_S, Symbol
from obiterm.venues.binance.futures.market_messages import (
    AggregateTrade,
    DepthUpdate,
    MarkPrice,
    OtherFrame,
    read_mark,
)
from obiterm.venues.binance.futures.symbols import name_of
from obiterm.venues.binance.market_messages import Trade
from obiterm.venues.binance.messages import read
from obiterm.venues.common.scale import Scale, amount, decimal
from obiterm.venues.common.streams import (
    Reader,
    depth_decoder,
    depth_reader,
    top_reader,
    trade_decoder,
    trade_reader,
)

FIRST_FRAME_NS = 10 * NS_PER_S
"""How long after the start a stream of a liquid market may stay silent."""

_HEAD = b'{"stream":"'
_HEAD_LENGTH = len(_HEAD)
_SHUTDOWN = b'"serverShutdown"'
_NOT_A_NUMBER = Decimal("NaN")

_read_other = msgspec.json.Decoder(OtherFrame)


class Route(Enum):
    """Which of the two market connections; the values are the paths (§11.1)."""

    PUBLIC = "/public"
    MARKET = "/market"


class MarketSession:
    """One market connection for several perpetuals.

    Attributes:
        route: the path that this session's streams live on.
        must_reconnect: why the connection must be replaced now, else empty. A new
            connection needs ``opened`` again.
        ignored: frames that carried nothing we asked for.
    """

    def __init__(
        self, instruments: Mapping[Symbol, Instrument], route: Route, *, depth: str = "depth@100ms"
    ) -> None:
        self.route = route
        self.must_reconnect = ""
        self.ignored = 0
        self._readers: dict[bytes, Reader] = {}
        self._subscribed: list[str] = []
        self._busy: list[bytes] = []
        self._unheard: set[bytes] = set()
        self._opened_ns = 0
        for symbol, instrument in instruments.items():
            scale = Scale(instrument)
            name = name_of(symbol).lower()
            if route is Route.PUBLIC:
                self._add(f"{name}@{depth}", _depth_reader(symbol, scale), busy=True)
                self._add(f"{name}@bookTicker", top_reader(symbol, scale), busy=True)
                # Served here too, but not in the venue's list: read it, do not ask for it.
                self._readers[f"{name}@trade".encode()] = _trade_reader(symbol, scale)
            else:
                self._add(f"{name}@aggTrade", _aggregate_reader(symbol, scale), busy=False)
                self._add(f"{name}@markPrice@1s", _mark_reader(symbol, instrument), busy=True)

    def subscriptions(self) -> list[str]:
        """Return the names of the streams that this session asks for."""
        return list(self._subscribed)

    def connect_path(self) -> str:
        """Return path and query to open below the route's address: nothing is sent then."""
        return "/stream?streams=" + "/".join(quote(name, safe="@") for name in self._subscribed)

    def opened(self, now_ns: int) -> None:
        """Start waiting for the first frames of a new connection. Any clock of ours."""
        self.must_reconnect = ""
        self._unheard = set(self._busy)
        self._opened_ns = now_ns

    def silent(self, now_ns: int) -> list[str]:
        """Return the busy streams that sent nothing since ``opened``, once it is high time.

        A wrong path is acknowledged and silent (§11.1): opening it again would not help, so
        this is something to tell, not to retry.
        """
        if not self._unheard or now_ns - self._opened_ns < FIRST_FRAME_NS:
            return []
        return sorted(name.decode() for name in self._unheard)

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
                return self._read(name, reader, data, received_ns)
        return self._receive_other(data, received_ns)

    def _add(self, name: str, reader: Reader, *, busy: bool) -> None:
        self._readers[name.encode()] = reader
        self._subscribed.append(name)
        if busy:
            self._busy.append(name.encode())

    def _read(
        self, name: bytes, reader: Reader, data: bytes, received_ns: int
    ) -> list[MarketEvent]:
        try:
            event = reader(data, received_ns)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"market stream {name.decode()}: {error}") from error
        if self._unheard:
            self._unheard.discard(name)
        return [event]

    def _receive_other(self, data: bytes, received_ns: int) -> list[MarketEvent]:
        """Take a frame in another layout, a reply, an announcement or an error."""
        frame = read(_read_other, data, "market stream")
        name = frame.stream.encode()
        reader = self._readers.get(name)
        if reader is not None:
            return self._read(name, reader, data, received_ns)
        code, msg = frame.code, frame.msg
        if frame.error is not None:
            code, msg = frame.error.code, frame.error.msg
        if code or frame.error is not None:
            raise DataError(f"market stream: the venue answered {code} {msg}")
        if _SHUTDOWN in data:
            self.must_reconnect = "the venue announced the end of this connection"
        else:
            self.ignored += 1
        return []


def funding_changed(
    instrument: Instrument, told: MarkPrice, received_ns: int, where: str = "markPrice"
) -> FundingChanged:
    """Return mark price and funding; an empty rate (no funding) becomes NaN."""
    ticks = amount(told.mark, f"{where} p") / instrument.tick_size
    rate = decimal(told.rate, f"{where} r") if told.rate else _NOT_A_NUMBER
    return FundingChanged(
        symbol=instrument.symbol,
        mark_ticks=int(ticks.to_integral_value(ROUND_HALF_UP)),
        rate=rate,
        next_funding_ns=told.next_funding_ms * NS_PER_MS,
        event_ns=told.event_ms * NS_PER_MS,
        received_ns=received_ns,
    )


def _depth_reader(symbol: Symbol, scale: Scale) -> Reader:
    return depth_reader(
        symbol,
        scale,
        depth_decoder(scale, DepthUpdate).decode,
        lambda update: update.event_ms * NS_PER_MS,
        lambda update: update.previous_id,
    )


def _trade_reader(symbol: Symbol, scale: Scale) -> Reader:
    decode = trade_decoder(scale, Trade).decode
    return trade_reader(symbol, scale, decode, lambda trade: trade.trade_ms * NS_PER_MS)


def _aggregate_reader(symbol: Symbol, scale: Scale) -> Reader:
    decode = trade_decoder(scale, AggregateTrade).decode
    return trade_reader(symbol, scale, decode, lambda trade: trade.trade_ms * NS_PER_MS)


def _mark_reader(symbol: Symbol, instrument: Instrument) -> Reader:
    where = f"market stream {name_of(symbol).lower()}@markPrice@1s"

    def reader(data: bytes, received_ns: int) -> MarketEvent:
        return funding_changed(instrument, read_mark.decode(data).data, received_ns, where)

    return reader
