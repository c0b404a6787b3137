"""Market stream messages of futures, decoded straight to numbers (binance.md §11.1).

The book ticker and the single trade are Spot's. Unknown fields (``ps``, ``st`` and what
comes next) are ignored.
"""

from __future__ import annotations

import msgspec

from obiterm.venues.binance.messages import ErrorBody
from obiterm.venues.common import streams
from obiterm.venues.common.scale import Scale


class DepthUpdate(streams.DepthUpdate, frozen=True, gc=False):
    """``depthUpdate``: absolute sizes of the levels that changed since ``previous_id``."""

    event_ms: int = msgspec.field(name="E")
    previous_id: int = msgspec.field(name="pu")


class AggregateTrade(streams.Trade, frozen=True, gc=False):
    """``aggTrade``: trades of one taker at one price within 100 ms."""

    trade_id: int = msgspec.field(name="a")
    trade_ms: int = msgspec.field(name="T")


class MarkPrice(msgspec.Struct, frozen=True):
    """``markPriceUpdate``. Decimals stay text: it comes once a second and is money."""

    event_ms: int = msgspec.field(name="E")
    mark: str = msgspec.field(name="p")
    rate: str = msgspec.field(default="", name="r")
    next_funding_ms: int = msgspec.field(default=0, name="T")


class MarkPriceFrame(msgspec.Struct, frozen=True):
    """A combined-stream frame around a mark price."""

    data: MarkPrice


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """``depth`` by REST: a whole book, without RPI orders."""

    last_id: int = msgspec.field(name="lastUpdateId")
    event_ms: int = msgspec.field(name="E")
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class OtherFrame(msgspec.Struct, frozen=True):
    """Any frame: replies to our requests, errors, announcements, streams in another layout."""

    stream: str = ""
    code: int = 0
    msg: str = ""
    error: ErrorBody | None = None


read_mark = msgspec.json.Decoder(MarkPriceFrame)


def read_snapshot(scale: Scale) -> msgspec.json.Decoder[Snapshot]:
    """Build the decoder of one instrument's REST books."""
    return streams.book_decoder(scale, Snapshot)
