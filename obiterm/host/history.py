"""The last two minutes of each book, so that a screen that attaches sees where it comes from."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import msgspec

from obiterm.host.frames import depth_of
from obiterm.host.places import MarketKey
from obiterm.link.messages import Column, Depth, History, TradeDot
from obiterm.market.state import MarketState

COLUMN_NS = 250_000_000
COLUMN_LEVELS = 200
"""Levels a side that a past column keeps; measured: 3.5 KB a column, 1.7 MB a market."""
MOST_MARKETS = 24
"""Markets whose past is kept, the watched ones first: 40 MB at most."""
_MOST_PENDING_PRINTS = 5_000
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


class Pasts:
    """The past of every market that is known, of the watched ones first."""

    def __init__(self) -> None:
        self._histories: dict[MarketKey, DepthHistory] = {}
        self._prints: dict[MarketKey, list[TradeDot]] = {}
        self._due_ns = 0

    @property
    def kept(self) -> list[MarketKey]:
        """Markets that have a past."""
        return list(self._histories)

    def messages(self, key: MarketKey) -> list[History]:
        """Return what is kept of a market; nothing when it has no past."""
        history = self._histories.get(key)
        return history.messages() if history is not None else []

    def add_print(self, key: MarketKey, dot: TradeDot) -> None:
        """Keep a print for the next column."""
        dots = self._prints.setdefault(key, [])
        if len(dots) < _MOST_PENDING_PRINTS:
            dots.append(dot)

    def forget(self, key: MarketKey) -> None:
        """Drop the past of a market: it would have a hole when it is watched again."""
        self._histories.pop(key, None)
        self._prints.pop(key, None)

    def keep(
        self,
        now_ns: int,
        watched: Sequence[MarketKey],
        markets: Mapping[MarketKey, MarketState],
    ) -> None:
        """Keep a column of each market four times a second; call it as often as you like."""
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns - now_ns % COLUMN_NS + COLUMN_NS
        kept = list(dict.fromkeys([*watched, *self._histories, *markets]))[:MOST_MARKETS]
        for gone in set(self._histories) - set(kept):
            del self._histories[gone]
        for key in kept:
            market = markets.get(key)
            if market is not None and market.book.synced:
                self._keep_column(key, market, now_ns)
        self._prints.clear()

    def _keep_column(self, key: MarketKey, market: MarketState, now_ns: int) -> None:
        bid, _, ask, _ = market.best()
        mid = (bid + ask) / 2 if bid and ask else math.nan
        depth = depth_of(market.book, COLUMN_LEVELS)
        trades = merge_trades(self._prints.get(key, []))
        history = self._histories.setdefault(key, DepthHistory(*key))
        history.add(now_ns, depth, mid, market.book.imbalance(20), trades)


def merge_trades(dots: Iterable[TradeDot], limit: int = 64) -> list[TradeDot]:
    """Merge prints per price and side and keep the largest ``limit``."""
    merged: dict[tuple[int, str], TradeDot] = {}
    for dot in dots:
        key = (dot.ticks, dot.side.value)
        known = merged.get(key)
        merged[key] = TradeDot(dot.ticks, dot.lots + (known.lots if known else 0), dot.side)
    return sorted(merged.values(), key=lambda dot: -dot.lots)[:limit]
