"""Market stream messages of Binance spot (binance.md §8): what it adds to the common ones."""

from __future__ import annotations

import msgspec

from obiterm.venues.binance.scale import Scale
from obiterm.venues.common import streams


class DepthUpdate(streams.DepthUpdate, frozen=True, gc=False):
    """``depthUpdate``: absolute sizes of the levels that changed."""

    event_ms: int = msgspec.field(name="E")


class Trade(streams.Trade, frozen=True, gc=False):
    """``trade``."""

    trade_ms: int = msgspec.field(name="T")


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


def read_snapshot(scale: Scale) -> msgspec.json.Decoder[Snapshot]:
    """Build the decoder of one instrument's REST books."""
    return streams.book_decoder(scale, Snapshot)
