"""Market stream messages, decoded straight to numbers (bybit.md §8).

``read_…`` build one decoder per instrument: decimals become floats inside the decoder,
which also refuses what is negative, not a number or too large to be exact, and names the
field. Unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec

from obiterm.venues.bybit.messages import Text
from obiterm.venues.common.scale import Scale


class BookData(msgspec.Struct, frozen=True, gc=False):
    """Levels of a book: all of them, or those that changed; sizes are absolute."""

    bids: list[tuple[float, float]] = msgspec.field(name="b")
    asks: list[tuple[float, float]] = msgspec.field(name="a")
    update_id: int = msgspec.field(name="u")


class BookFrame(msgspec.Struct, frozen=True, gc=False):
    """``orderbook``: ``cts`` is the matching engine's time, ``ts`` the publisher's."""

    type: str
    ts: int
    data: BookData
    cts: int = 0


class TradeRow(msgspec.Struct, frozen=True, gc=False):
    """One trade: ``side`` is the taker's."""

    trade_ms: int = msgspec.field(name="T")
    side: str = msgspec.field(name="S")
    quantity: float = msgspec.field(name="v")
    price: float = msgspec.field(name="p")
    trade_id: str = msgspec.field(name="i")
    is_block: bool = msgspec.field(default=False, name="BT")


class TradeFrame(msgspec.Struct, frozen=True, gc=False):
    """``publicTrade``: several trades, oldest first."""

    data: list[TradeRow]


class TickerData(msgspec.Struct, frozen=True, rename="camel"):
    """The fields of a perpetual's ticker that we use; a delta has those that changed."""

    mark_price: Text = None
    funding_rate: Text = None
    next_funding_time: Text = None


class TickerFrame(msgspec.Struct, frozen=True):
    """``tickers``."""

    ts: int
    data: TickerData
    type: str = ""


class CandleRow(msgspec.Struct, frozen=True):
    """One candle; ``confirm`` means that it will not change any more."""

    start: int
    interval: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    confirm: bool


class CandleFrame(msgspec.Struct, frozen=True):
    """``kline``: one candle, two at the turn."""

    data: list[CandleRow]


class TopicFrame(msgspec.Struct, frozen=True):
    """The name of any frame, wherever it stands."""

    topic: Text = ""


class BookPage(msgspec.Struct, frozen=True, gc=False):
    """``orderbook`` by REST: a whole book."""

    update_id: int = msgspec.field(name="u")
    bids: list[tuple[float, float]] = msgspec.field(name="b")
    asks: list[tuple[float, float]] = msgspec.field(name="a")
    ts: int = 0
    cts: int = 0


class PastTrade(msgspec.Struct, frozen=True, rename="camel"):
    """One trade of ``recent-trade``."""

    exec_id: str
    symbol: str
    price: str
    size: str
    side: str
    time: str
    is_block_trade: bool = False


class PastTrades(msgspec.Struct, frozen=True):
    """``recent-trade``, newest first."""

    rows: list[PastTrade] | None = msgspec.field(default=None, name="list")


read_ticker = msgspec.json.Decoder(TickerFrame, strict=False)
read_candles = msgspec.json.Decoder(CandleFrame, strict=False)


def read_book(scale: Scale) -> msgspec.json.Decoder[BookFrame]:
    """Build the decoder of one instrument's book frames."""
    data = _bounded(BookData, _levels(scale))
    frame = _bounded(BookFrame, {"data": data})
    return cast("msgspec.json.Decoder[BookFrame]", msgspec.json.Decoder(frame, strict=False))


def read_book_page(scale: Scale) -> msgspec.json.Decoder[BookPage]:
    """Build the decoder of one instrument's REST books."""
    page = _bounded(BookPage, _levels(scale))
    return cast("msgspec.json.Decoder[BookPage]", msgspec.json.Decoder(page, strict=False))


def read_trades(scale: Scale) -> msgspec.json.Decoder[TradeFrame]:
    """Build the decoder of one instrument's trade frames."""
    price, quantity = _numbers(scale)
    row = _bounded(TradeRow, {"price": price, "quantity": quantity})
    frame = _bounded(TradeFrame, {"data": list[row]})  # type: ignore[valid-type]
    return cast("msgspec.json.Decoder[TradeFrame]", msgspec.json.Decoder(frame, strict=False))


def _levels(scale: Scale) -> dict[str, Any]:
    price, quantity = _numbers(scale)
    levels = list[tuple[price, quantity]]  # type: ignore[valid-type]
    return {"bids": levels, "asks": levels}


def _numbers(scale: Scale) -> tuple[Any, Any]:
    """Return float types that admit only exact, non-negative values."""
    return (
        Annotated[float, msgspec.Meta(ge=0, lt=scale.price_limit)],
        Annotated[float, msgspec.Meta(ge=0, lt=scale.quantity_limit)],
    )


def _bounded(message: type[msgspec.Struct], narrowed: dict[str, Any]) -> type[msgspec.Struct]:
    """Return ``message`` with the types of some fields narrowed for one instrument."""
    fields: list[tuple[str, Any, Any]] = [
        (field.name, narrowed.get(field.name, field.type), _same_field(field))
        for field in msgspec.structs.fields(message)
    ]
    return msgspec.defstruct(message.__name__, fields, frozen=True, gc=False)


def _same_field(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is msgspec.NODEFAULT:
        return msgspec.field(name=field.encode_name)
    return msgspec.field(name=field.encode_name, default=field.default)
