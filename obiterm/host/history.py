"""The last two minutes of each book, so that a screen that attaches sees where it comes from."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import cast

import msgspec

from obiterm.link.messages import Column, Depth, History, TradeDot

COLUMN_NS = 250_000_000
COLUMN_LEVELS = 200
"""Levels a side that a past column keeps; measured: 3.5 KB a column, 1.7 MB a market."""
MOST_MARKETS = 24
"""Markets whose past is kept, the watched ones first: 40 MB at most."""
_KEPT_COLUMNS = 480
_COLUMNS_PER_MESSAGE = 60

_encode = msgspec.msgpack.Encoder().encode


class DepthHistory:
    """Past heat-map columns of one market, oldest first, kept as they are sent."""

    def __init__(self, venue: str, symbol: str, kept: int = _KEPT_COLUMNS) -> None:
        self._venue = venue
        self._symbol = symbol
        self._columns: deque[msgspec.Raw] = deque(maxlen=kept)

    def add(
        self, at_ns: int, depth: Depth, mid_ticks: float, obi: float, trades: list[TradeDot]
    ) -> None:
        """Keep one column."""
        column = Column(at_ns, depth, mid_ticks, obi, trades)
        self._columns.append(msgspec.Raw(_encode(column)))

    @property
    def bytes_kept(self) -> int:
        """Return the size of everything kept."""
        return sum(len(memoryview(one)) for one in self._columns)

    def messages(self) -> list[History]:
        """Return everything kept in pieces that do not hold up the link."""
        columns = cast("list[Column]", list(self._columns))  # Raw is written as what it holds
        pieces = [
            columns[i : i + _COLUMNS_PER_MESSAGE]
            for i in range(0, len(columns), _COLUMNS_PER_MESSAGE)
        ] or [[]]
        return [
            History(
                venue=self._venue,
                symbol=self._symbol,
                columns=piece,
                last=index == len(pieces) - 1,
            )
            for index, piece in enumerate(pieces)
        ]


def merge_trades(dots: Iterable[TradeDot], limit: int = 64) -> list[TradeDot]:
    """Merge prints per price and side and keep the largest ``limit``."""
    merged: dict[tuple[int, str], TradeDot] = {}
    for dot in dots:
        key = (dot.ticks, dot.side.value)
        known = merged.get(key)
        merged[key] = TradeDot(dot.ticks, dot.lots + (known.lots if known else 0), dot.side)
    return sorted(merged.values(), key=lambda dot: -dot.lots)[:limit]
