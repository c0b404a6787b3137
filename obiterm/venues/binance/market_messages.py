"""Market stream messages, decoded straight to numbers (binance.md §8).

``read_…`` build one decoder per instrument: decimals become floats inside the
decoder, which also refuses what is negative, not a number or too large to be exact,
and names the field. Unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec

from obiterm.venues.binance.scale import Scale


class DepthUpdate(msgspec.Struct, frozen=True, gc=False):
    """``depthUpdate``: absolute sizes of the levels that changed."""

    event_ms: int = msgspec.field(name="E")
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: list[tuple[float, float]] = msgspec.field(name="b")
    asks: list[tuple[float, float]] = msgspec.field(name="a")


class BookTicker(msgspec.Struct, frozen=True, gc=False):
    """``bookTicker``: best bid and ask; has no time of its own."""

    update_id: int = msgspec.field(name="u")
    bid: float = msgspec.field(name="b")
    bid_quantity: float = msgspec.field(name="B")
    ask: float = msgspec.field(name="a")
    ask_quantity: float = msgspec.field(name="A")


class Trade(msgspec.Struct, frozen=True, gc=False):
    """``trade``: ``buyer_is_maker`` means that the aggressor sold."""

    trade_id: int = msgspec.field(name="t")
    price: float = msgspec.field(name="p")
    quantity: float = msgspec.field(name="q")
    trade_ms: int = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")


class DepthFrame(msgspec.Struct, frozen=True, gc=False):
    """A combined-stream frame around a depth update."""

    data: DepthUpdate


class BookTickerFrame(msgspec.Struct, frozen=True, gc=False):
    """A combined-stream frame around a book ticker."""

    data: BookTicker


class TradeFrame(msgspec.Struct, frozen=True, gc=False):
    """A combined-stream frame around a trade."""

    data: Trade


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """``depth`` by REST: a whole book; has no time of its own."""

    last_id: int = msgspec.field(name="lastUpdateId")
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class OtherFrame(msgspec.Struct, frozen=True):
    """Any frame: replies to our requests, errors, announcements, streams in another layout."""

    stream: str = ""
    code: int = 0
    msg: str = ""


def read_depth(scale: Scale) -> msgspec.json.Decoder[DepthFrame]:
    """Build the decoder of one instrument's depth frames."""
    price, quantity = bounded(scale)
    levels = list[tuple[price, quantity]]  # type: ignore[valid-type]
    narrowed = {"bids": levels, "asks": levels}
    return cast("msgspec.json.Decoder[DepthFrame]", frame_decoder(DepthUpdate, narrowed))


def read_snapshot(scale: Scale) -> msgspec.json.Decoder[Snapshot]:
    """Build the decoder of one instrument's REST books."""
    price, quantity = bounded(scale)
    levels = list[tuple[price, quantity]]  # type: ignore[valid-type]
    book = bounded_struct(Snapshot, {"bids": levels, "asks": levels})
    return cast("msgspec.json.Decoder[Snapshot]", msgspec.json.Decoder(book, strict=False))


def read_top(scale: Scale) -> msgspec.json.Decoder[BookTickerFrame]:
    """Build the decoder of one instrument's book ticker frames."""
    price, quantity = bounded(scale)
    narrowed = {"bid": price, "bid_quantity": quantity, "ask": price, "ask_quantity": quantity}
    return cast("msgspec.json.Decoder[BookTickerFrame]", frame_decoder(BookTicker, narrowed))


def read_trade(scale: Scale) -> msgspec.json.Decoder[TradeFrame]:
    """Build the decoder of one instrument's trade frames."""
    price, quantity = bounded(scale)
    return cast(
        "msgspec.json.Decoder[TradeFrame]",
        frame_decoder(Trade, {"price": price, "quantity": quantity}),
    )


def bounded(scale: Scale) -> tuple[Any, Any]:
    """Return float types that admit only exact, non-negative values."""
    return (
        Annotated[float, msgspec.Meta(ge=0, lt=scale.price_limit)],
        Annotated[float, msgspec.Meta(ge=0, lt=scale.quantity_limit)],
    )


def frame_decoder(
    payload: type[msgspec.Struct], narrowed: dict[str, Any]
) -> msgspec.json.Decoder[Any]:
    """Build a decoder of ``{"data": payload}`` whose fields are bounded for one instrument."""
    body = bounded_struct(payload, narrowed)
    frame = msgspec.defstruct("Frame", [("data", body)], frozen=True, gc=False)
    return msgspec.json.Decoder(frame, strict=False)


def bounded_struct(payload: type[msgspec.Struct], narrowed: dict[str, Any]) -> type[msgspec.Struct]:
    """Return ``payload`` with the types of some fields narrowed."""
    fields: list[tuple[str, Any, Any]] = [
        (field.name, narrowed.get(field.name, field.type), msgspec.field(name=field.encode_name))
        for field in msgspec.structs.fields(payload)
    ]
    return msgspec.defstruct(payload.__name__, fields, frozen=True, gc=False)
