"""Market stream messages, decoded straight to numbers (backpack.md §8.3).

``read_…`` build one decoder per instrument: decimals become floats inside the decoder,
which also refuses what is negative, not a number or too large to be exact, and names the
field. Unknown fields are ignored; ids come as numbers and as text.
"""

from __future__ import annotations

from typing import cast

import msgspec

from obiterm.venues.common import streams
from obiterm.venues.common.narrow import exact_floats, narrowed
from obiterm.venues.common.scale import Scale


class DepthUpdate(streams.DepthUpdate, frozen=True, gc=False):
    """``depth``; time in µs."""

    event_us: int = msgspec.field(name="E")


class BookTicker(msgspec.Struct, frozen=True, gc=False):
    """``bookTicker``: best bid and ask; an empty side has none."""

    update_id: int = msgspec.field(name="u")
    bid: float | None = msgspec.field(default=None, name="b")
    bid_quantity: float | None = msgspec.field(default=None, name="B")
    ask: float | None = msgspec.field(default=None, name="a")
    ask_quantity: float | None = msgspec.field(default=None, name="A")


class Trade(streams.Trade, frozen=True, gc=False):
    """``trade``; times in µs."""

    event_us: int = msgspec.field(default=0, name="E")
    engine_us: int = msgspec.field(default=0, name="T")


class Mark(msgspec.Struct, frozen=True):
    """``markPrice``: mark price µs-stamped, next funding in Unix **ms**."""

    price: str = msgspec.field(name="p")
    rate: str | None = msgspec.field(default=None, name="f")
    next_funding_ms: int | None = msgspec.field(default=None, name="n")
    event_us: int = msgspec.field(default=0, name="E")
    engine_us: int = msgspec.field(default=0, name="T")


class Candle(msgspec.Struct, frozen=True):
    """``kline``: one candle, final when ``closed``; its times are text (ms in old samples)."""

    start: int | str = msgspec.field(name="t")
    end: int | str = msgspec.field(name="T")
    open: str | None = msgspec.field(default=None, name="o")
    close: str | None = msgspec.field(default=None, name="c")
    high: str | None = msgspec.field(default=None, name="h")
    low: str | None = msgspec.field(default=None, name="l")
    volume: str | None = msgspec.field(default=None, name="v")
    closed: bool = msgspec.field(default=False, name="X")


class BookTickerFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame around a book ticker."""

    data: BookTicker


class MarkFrame(msgspec.Struct, frozen=True):
    """A frame around a mark price."""

    data: Mark


class CandleFrame(msgspec.Struct, frozen=True):
    """A frame around a candle."""

    data: Candle


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """``depth`` by REST: a whole book, **bids ascending**; time in µs."""

    last_id: int = msgspec.field(name="lastUpdateId")
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    timestamp: int = 0


read_mark = msgspec.json.Decoder(MarkFrame, strict=False)
read_candle = msgspec.json.Decoder(CandleFrame, strict=False)


def read_snapshot(scale: Scale) -> msgspec.json.Decoder[Snapshot]:
    """Build the decoder of one instrument's REST books."""
    return streams.book_decoder(scale, Snapshot)


def read_top(scale: Scale) -> msgspec.json.Decoder[BookTickerFrame]:
    """Build the decoder of one instrument's book ticker frames."""
    price, quantity = exact_floats(scale)
    types = {
        "bid": price | None,
        "bid_quantity": quantity | None,
        "ask": price | None,
        "ask_quantity": quantity | None,
    }
    frame = narrowed(BookTickerFrame, {"data": narrowed(BookTicker, types)})
    return cast("msgspec.json.Decoder[BookTickerFrame]", msgspec.json.Decoder(frame, strict=False))
