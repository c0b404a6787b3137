"""Market streams that several venues write alike: messages, decoders, readers.

Backpack and both markets of Binance name the fields of a depth update, a book ticker and a trade
alike and differ in times and in numbers beyond. A venue adds its own fields to these messages.
Decimals become floats inside the decoder of one instrument, which refuses what is negative, not
a number or too large to be exact, and names the field. Unknown fields are ignored.

Readers are the hot path of the product: one per stream and instrument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import msgspec

from obiterm.core.events import DepthChanged, MarketEvent, TopChanged, Traded
from obiterm.core.values import Side, Symbol
from obiterm.venues.common.narrow import exact_floats, exact_levels, narrowed
from obiterm.venues.common.scale import Scale


class DepthUpdate(msgspec.Struct, frozen=True, gc=False):
    """Absolute sizes of the levels that changed, with the numbers of the first and last change."""

    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: list[tuple[float, float]] = msgspec.field(name="b")
    asks: list[tuple[float, float]] = msgspec.field(name="a")


class BookTicker(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask of a book with two sides; has no time of its own."""

    update_id: int = msgspec.field(name="u")
    bid: float = msgspec.field(name="b")
    bid_quantity: float = msgspec.field(name="B")
    ask: float = msgspec.field(name="a")
    ask_quantity: float = msgspec.field(name="A")


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One public trade: ``buyer_is_maker`` means that the aggressor sold."""

    trade_id: int = msgspec.field(name="t")
    price: float = msgspec.field(name="p")
    quantity: float = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")


Payload = TypeVar("Payload", bound=msgspec.Struct)
Depth = TypeVar("Depth", bound=DepthUpdate)
Print = TypeVar("Print", bound=Trade)


class Frame(msgspec.Struct, Generic[Payload], frozen=True, gc=False):
    """A combined-stream frame around a message."""

    data: Payload


Reader = Callable[[bytes, int], MarketEvent]
"""Takes a frame and our Unix time of arrival in ns."""


def depth_decoder(scale: Scale, update: type[Depth]) -> msgspec.json.Decoder[Frame[Depth]]:
    """Build the decoder of one instrument's depth frames."""
    levels = exact_levels(scale)
    return _frames(update, {"bids": levels, "asks": levels})


def top_decoder(scale: Scale) -> msgspec.json.Decoder[Frame[BookTicker]]:
    """Build the decoder of one instrument's book ticker frames."""
    price, quantity = exact_floats(scale)
    types = {"bid": price, "bid_quantity": quantity, "ask": price, "ask_quantity": quantity}
    return _frames(BookTicker, types)


def trade_decoder(scale: Scale, trade: type[Print]) -> msgspec.json.Decoder[Frame[Print]]:
    """Build the decoder of one instrument's trade frames."""
    price, quantity = exact_floats(scale)
    return _frames(trade, {"price": price, "quantity": quantity})


def book_decoder(scale: Scale, book: type[Payload]) -> msgspec.json.Decoder[Payload]:
    """Build the decoder of one instrument's REST books, which have ``bids`` and ``asks``."""
    levels = exact_levels(scale)
    exact = narrowed(book, {"bids": levels, "asks": levels})
    return cast("msgspec.json.Decoder[Payload]", msgspec.json.Decoder(exact, strict=False))


def depth_reader(
    symbol: Symbol,
    scale: Scale,
    decode: Callable[[bytes], Frame[Depth]],
    event_ns: Callable[[Depth], int],
    previous_id: Callable[[Depth], int] = lambda _: -1,
) -> Reader:
    """Read changes of a book; empty ones count in its sequence too."""
    per_price, per_quantity = scale.per_price, scale.per_quantity

    def reader(data: bytes, received_ns: int) -> MarketEvent:
        update = decode(data).data
        return DepthChanged(
            symbol,
            update.first_id,
            update.last_id,
            [(int(p * per_price + 0.5), int(q * per_quantity + 0.5)) for p, q in update.bids],
            [(int(p * per_price + 0.5), int(q * per_quantity + 0.5)) for p, q in update.asks],
            event_ns(update),
            received_ns,
            previous_id(update),
        )

    return reader


def top_reader(symbol: Symbol, scale: Scale) -> Reader:
    """Read best bid and ask."""
    decode = top_decoder(scale).decode
    per_price, per_quantity = scale.per_price, scale.per_quantity

    def reader(data: bytes, received_ns: int) -> MarketEvent:
        top = decode(data).data
        return TopChanged(
            symbol,
            top.update_id,
            int(top.bid * per_price + 0.5),
            int(top.bid_quantity * per_quantity + 0.5),
            int(top.ask * per_price + 0.5),
            int(top.ask_quantity * per_quantity + 0.5),
            received_ns,
        )

    return reader


def trade_reader(
    symbol: Symbol,
    scale: Scale,
    decode: Callable[[bytes], Frame[Print]],
    event_ns: Callable[[Print], int],
) -> Reader:
    """Read public trades."""
    per_price, per_quantity = scale.per_price, scale.per_quantity
    buy, sell = Side.BUY, Side.SELL

    def reader(data: bytes, received_ns: int) -> MarketEvent:
        trade = decode(data).data
        return Traded(
            symbol,
            trade.trade_id,
            int(trade.price * per_price + 0.5),
            int(trade.quantity * per_quantity + 0.5),
            sell if trade.buyer_is_maker else buy,
            event_ns(trade),
            received_ns,
        )

    return reader


def _frames(payload: type[Payload], types: dict[str, Any]) -> msgspec.json.Decoder[Frame[Payload]]:
    """Build a decoder of ``{"data": payload}`` whose fields are exact for one instrument."""
    body = narrowed(payload, types)
    frame = msgspec.defstruct("Frame", [("data", body)], frozen=True, gc=False)
    return cast("msgspec.json.Decoder[Frame[Payload]]", msgspec.json.Decoder(frame, strict=False))
