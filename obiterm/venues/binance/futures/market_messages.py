"""Market stream messages of futures, decoded straight to numbers (binance.md §11.1).

The book ticker and the single trade are Spot's. Unknown fields (``ps``, ``st`` and what
comes next) are ignored.
"""

from __future__ import annotations

from typing import cast

import msgspec

from obiterm.venues.binance.market_messages import bounded, bounded_struct, frame_decoder
from obiterm.venues.binance.messages import ErrorBody
from obiterm.venues.common.scale import Scale


class DepthUpdate(msgspec.Struct, frozen=True, gc=False):
    """``depthUpdate``: absolute sizes of the levels that changed since ``previous_id``."""

    event_ms: int = msgspec.field(name="E")
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    previous_id: int = msgspec.field(name="pu")
    bids: list[tuple[float, float]] = msgspec.field(name="b")
    asks: list[tuple[float, float]] = msgspec.field(name="a")


class AggregateTrade(msgspec.Struct, frozen=True, gc=False):
    """``aggTrade``: trades of one taker at one price within 100 ms."""

    trade_id: int = msgspec.field(name="a")
    price: float = msgspec.field(name="p")
    quantity: float = msgspec.field(name="q")
    trade_ms: int = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")


class MarkPrice(msgspec.Struct, frozen=True):
    """``markPriceUpdate``. Decimals stay text: it comes once a second and is money."""

    event_ms: int = msgspec.field(name="E")
    mark: str = msgspec.field(name="p")
    rate: str = msgspec.field(default="", name="r")
    next_funding_ms: int = msgspec.field(default=0, name="T")


class DepthFrame(msgspec.Struct, frozen=True, gc=False):
    """A combined-stream frame around a depth update."""

    data: DepthUpdate


class AggregateTradeFrame(msgspec.Struct, frozen=True, gc=False):
    """A combined-stream frame around an aggregate trade."""

    data: AggregateTrade


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


def read_depth(scale: Scale) -> msgspec.json.Decoder[DepthFrame]:
    """Build the decoder of one instrument's depth frames."""
    price, quantity = bounded(scale)
    levels = list[tuple[price, quantity]]  # type: ignore[valid-type]
    narrowed = {"bids": levels, "asks": levels}
    return cast("msgspec.json.Decoder[DepthFrame]", frame_decoder(DepthUpdate, narrowed))


def read_aggregate(scale: Scale) -> msgspec.json.Decoder[AggregateTradeFrame]:
    """Build the decoder of one instrument's aggregate trades."""
    price, quantity = bounded(scale)
    narrowed = {"price": price, "quantity": quantity}
    decoder = frame_decoder(AggregateTrade, narrowed)
    return cast("msgspec.json.Decoder[AggregateTradeFrame]", decoder)


def read_snapshot(scale: Scale) -> msgspec.json.Decoder[Snapshot]:
    """Build the decoder of one instrument's REST books."""
    price, quantity = bounded(scale)
    levels = list[tuple[price, quantity]]  # type: ignore[valid-type]
    book = bounded_struct(Snapshot, {"bids": levels, "asks": levels})
    return cast("msgspec.json.Decoder[Snapshot]", msgspec.json.Decoder(book, strict=False))
