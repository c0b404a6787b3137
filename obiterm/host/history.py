"""The last two minutes of each book, so that a screen that attaches sees where it comes from."""

from __future__ import annotations

from collections import deque

from obiterm.link.messages import Column, Depth, History, TradeDot

COLUMN_NS = 250_000_000
_KEPT_COLUMNS = 480
_COLUMNS_PER_MESSAGE = 60


class DepthHistory:
    """Past heat-map columns of one symbol, oldest first."""

    def __init__(self, symbol: str, kept: int = _KEPT_COLUMNS) -> None:
        self._symbol = symbol
        self._columns: deque[Column] = deque(maxlen=kept)

    def add(
        self, at_ns: int, depth: Depth, mid_ticks: float, obi: float, trades: list[TradeDot]
    ) -> None:
        """Keep one column."""
        self._columns.append(Column(at_ns, depth, mid_ticks, obi, trades))

    def messages(self) -> list[History]:
        """Return everything kept in pieces that do not hold up the link."""
        columns = list(self._columns)
        pieces = [
            columns[i : i + _COLUMNS_PER_MESSAGE]
            for i in range(0, len(columns), _COLUMNS_PER_MESSAGE)
        ] or [[]]
        return [
            History(symbol=self._symbol, columns=piece, last=index == len(pieces) - 1)
            for index, piece in enumerate(pieces)
        ]


def merge_trades(dots: list[TradeDot], limit: int = 64) -> list[TradeDot]:
    """Merge prints per price and side and keep the largest ``limit``."""
    merged: dict[tuple[int, str], TradeDot] = {}
    for dot in dots:
        key = (dot.ticks, dot.side.value)
        known = merged.get(key)
        merged[key] = TradeDot(dot.ticks, dot.lots + (known.lots if known else 0), dot.side)
    return sorted(merged.values(), key=lambda dot: -dot.lots)[:limit]
