"""Market stream messages, decoded straight to numbers (backpack.md §8.3).

``read_…`` build one decoder per instrument: decimals become floats inside the decoder,
which also refuses what is negative, not a number or too large to be exact, and names the
field. Unknown fields are ignored; ids come as numbers and as text.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from obiterm.venues.common.narrow import exact_floats, exact_levels, narrowed
from obiterm.venues.common.scale import Scale


class DepthUpdate(msgspec.Struct, frozen=True, gc=False):
    """``depth``: absolute sizes of the levels that changed; times in µs."""

    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: list[tuple[float, float]] = msgspec.field(name="b")
    asks: list[tuple[float, float]] = msgspec.field(name="a")
    event_us: int = msgspec.field(name="E")


class BookTicker(msgspec.Struct, frozen=True, gc=False):
    """``bookTicker``: best bid and ask; an empty side has none."""

    update_id: int = msgspec.field(name="u")
    bid: float | None = msgspec.field(default=None, name="b")
    bid_quantity: float | None = msgspec.field(default=None, name="B")
    ask: float | None = msgspec.field(default=None, name="a")
    ask_quantity: float | None = msgspec.field(default=None, name="A")


class Trade(msgspec.Struct, frozen=True, gc=False):
    """``trade``: ``buyer_is_maker`` means that the aggressor sold; time in µs."""

    trade_id: int = msgspec.field(name="t")
    price: float = msgspec.field(name="p")
    quantity: float = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")
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


class DepthFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame around a depth update."""

    data: DepthUpdate


class BookTickerFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame around a book ticker."""

    data: BookTicker


class TradeFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame around a trade."""

    data: Trade


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


def read_depth(scale: Scale) -> msgspec.json.Decoder[DepthFrame]:
    """Build the decoder of one instrument's depth frames."""
    levels = exact_levels(scale)
    return cast(
        "msgspec.json.Decoder[DepthFrame]",
        _frames(DepthFrame, DepthUpdate, {"bids": levels, "asks": levels}),
    )


def read_snapshot(scale: Scale) -> msgspec.json.Decoder[Snapshot]:
    """Build the decoder of one instrument's REST books."""
    levels = exact_levels(scale)
    book = narrowed(Snapshot, {"bids": levels, "asks": levels})
    return cast("msgspec.json.Decoder[Snapshot]", msgspec.json.Decoder(book, strict=False))


def read_top(scale: Scale) -> msgspec.json.Decoder[BookTickerFrame]:
    """Build the decoder of one instrument's book ticker frames."""
    price, quantity = exact_floats(scale)
    types = {
        "bid": price | None,
        "bid_quantity": quantity | None,
        "ask": price | None,
        "ask_quantity": quantity | None,
    }
    return cast(
        "msgspec.json.Decoder[BookTickerFrame]", _frames(BookTickerFrame, BookTicker, types)
    )


def read_trade(scale: Scale) -> msgspec.json.Decoder[TradeFrame]:
    """Build the decoder of one instrument's trade frames."""
    price, quantity = exact_floats(scale)
    return cast(
        "msgspec.json.Decoder[TradeFrame]",
        _frames(TradeFrame, Trade, {"price": price, "quantity": quantity}),
    )


def _frames(
    frame: type[msgspec.Struct], payload: type[msgspec.Struct], types: dict[str, Any]
) -> msgspec.json.Decoder[Any]:
    body = narrowed(payload, types)
    return msgspec.json.Decoder(narrowed(frame, {"data": body}), strict=False)
