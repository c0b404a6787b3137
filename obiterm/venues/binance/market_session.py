"""Market data of Binance spot, without a socket: streams in, events out (binance.md §8).

This is the hot path of the product. The stream's name is read from the first bytes
of a frame and picks a decoder that knows the instrument; text never becomes a dict.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import MarketEvent
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, Symbol
from obiterm.venues.binance.market_messages import DepthUpdate, OtherFrame, Trade
from obiterm.venues.binance.messages import read
from obiterm.venues.binance.scale import Scale
from obiterm.venues.common.streams import (
    Reader,
    depth_decoder,
    depth_reader,
    top_reader,
    trade_decoder,
    trade_reader,
)

_HEAD = b'{"stream":"'
_HEAD_LENGTH = len(_HEAD)
_SHUTDOWN = b'"serverShutdown"'

_read_other = msgspec.json.Decoder(OtherFrame)


class MarketSession:
    """One market connection for several instruments.

    Attributes:
        must_reconnect: why the connection must be replaced now, else empty. Set by the
            venue's ``serverShutdown``; a new connection needs a new session.
        ignored: frames that carried nothing we asked for.
    """

    def __init__(self, instruments: Mapping[Symbol, Instrument]) -> None:
        self.must_reconnect = ""
        self.ignored = 0
        self._readers: dict[bytes, Reader] = {}
        for symbol, instrument in instruments.items():
            scale = Scale(instrument)
            name = symbol.lower()
            self._readers[f"{name}@depth@100ms".encode()] = _depth_reader(symbol, scale)
            self._readers[f"{name}@bookTicker".encode()] = top_reader(symbol, scale)
            self._readers[f"{name}@trade".encode()] = _trade_reader(symbol, scale)

    def subscriptions(self) -> list[str]:
        """Return the names of the streams that this session reads."""
        return [name.decode() for name in self._readers]

    def connect_path(self) -> str:
        """Return path and query to open below the stream host: nothing needs to be sent then."""
        return "/stream?streams=" + "/".join(quote(name, safe="@") for name in self.subscriptions())

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
                try:
                    return [reader(data, received_ns)]
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise DataError(f"market stream {name.decode()}: {error}") from error
        return self._receive_other(data, received_ns)

    def _receive_other(self, data: bytes, received_ns: int) -> list[MarketEvent]:
        """Take a frame in another layout, a reply, an announcement or an error."""
        frame = read(_read_other, data, "market stream")
        reader = self._readers.get(frame.stream.encode())
        if reader is not None:
            try:
                return [reader(data, received_ns)]
            except msgspec.DecodeError as error:
                raise DataError(f"market stream {frame.stream}: {error}") from error
        if frame.code:
            raise DataError(f"market stream: the venue answered {frame.code} {frame.msg}")
        if _SHUTDOWN in data:
            self.must_reconnect = "the venue announced the end of this connection"
        else:
            self.ignored += 1
        return []


def _depth_reader(symbol: Symbol, scale: Scale) -> Reader:
    decode = depth_decoder(scale, DepthUpdate).decode
    return depth_reader(symbol, scale, decode, lambda update: update.event_ms * NS_PER_MS)


def _trade_reader(symbol: Symbol, scale: Scale) -> Reader:
    decode = trade_decoder(scale, Trade).decode
    return trade_reader(symbol, scale, decode, lambda trade: trade.trade_ms * NS_PER_MS)
