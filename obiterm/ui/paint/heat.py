"""The model of the heat map: columns of the book over time and the window on them.

Prices are grouped into buckets of ``bucket`` ticks; a half row of the screen is one
bucket. A column keeps its raw levels, so that a zoom groups the past again.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence

from obiterm.core.values import NS_PER_MS
from obiterm.link.messages import Depth, Frame, History, TradeDot
from obiterm.ui.paint.context import MarketKey, market_of
from obiterm.ui.paint.heatscale import auto_bucket, held_step, high_size, smooth_ref, step_of
from obiterm.ui.paint.palette import RAMP_STEPS
from obiterm.ui.paint.steps import coarser, finer

COLUMN_NS = 250 * NS_PER_MS
KEEP = 480
"""Columns kept: two minutes, more than the widest screen shows."""

VOID = 2 * RAMP_STEPS
"""Value of a bucket that the book does not reach. Below: 0 … 15 bid, 16 … 31 ask."""

_INNER = 0.6
"""Share of the height in which the price may wander without a new centre."""
_STEP_BACK = 20
"""A clock that goes back further than this starts a new map."""
_REACH = 3
"""Buckets that a column keeps, in heights of the window."""


_NOTHING = Depth([], [], [], [])

NO_MARKET: MarketKey = ("", "")


class HeatColumn:
    """One column: 250 ms of one market.

    Attributes:
        slot: time of the column in periods of 250 ms since 1970.
        mid_ticks: middle of the book, ``nan`` where it is not known.
        obi: imbalance, -1 … 1.
        trades: prints inside the column.
        own_ticks: prices of our resting orders.
        low: bucket of ``values[0]``.
        values: a step for each bucket, see ``VOID``.
        line: lowest and highest bucket that the price line covers; empty if unknown.
        cells: painted cells, kept by the painter.
    """

    __slots__ = (
        "asks",
        "bids",
        "cells",
        "line",
        "low",
        "mid_ticks",
        "obi",
        "own_ticks",
        "slot",
        "trades",
        "values",
    )

    def __init__(
        self,
        slot: int,
        depth: Depth,
        mid_ticks: float,
        obi: float,
        trades: list[TradeDot],
        own_ticks: tuple[int, ...] = (),
    ) -> None:
        self.slot = slot
        self.bids = (array("q", depth.bid_ticks), array("q", depth.bid_lots))
        self.asks = (array("q", depth.ask_ticks), array("q", depth.ask_lots))
        self.mid_ticks = mid_ticks
        self.obi = obi
        self.trades = trades
        self.own_ticks = own_ticks
        self.low = 0
        self.values = b""
        self.line: tuple[int, int] | None = None
        self.cells: tuple[object, list[tuple[str, int, int]]] | None = None

    def value(self, bucket: int) -> int:
        """Return the step of a bucket."""
        place = bucket - self.low
        return self.values[place] if 0 <= place < len(self.values) else VOID

    def sizes(self, bucket: int, low: int, count: int) -> tuple[list[int], list[int]]:
        """Return lots per bucket from ``low`` upwards, for bids and for asks."""
        both: tuple[list[int], list[int]] = ([0] * count, [0] * count)
        for sums, (ticks, lots) in zip(both, (self.bids, self.asks), strict=True):
            for price, size in zip(ticks, lots, strict=True):
                place = price // bucket - low
                if 0 <= place < count:
                    sums[place] += size
        return both


class HeatModel:
    """Columns, grouping and window of the heat map.

    Attributes:
        market: market of the columns; empty names before the first.
        columns: closed columns, oldest first.
        bucket: ticks per half row.
        half_rows: half rows of the window.
        top: bucket of the highest half row.
        ref: size (lots per bucket) that is painted brightest.
    """

    def __init__(self) -> None:
        self.market: MarketKey = NO_MARKET
        self.columns: list[HeatColumn] = []
        self.bucket = 0
        self.half_rows = 0
        self.top = 0
        self.ref = 0.0
        self._live: HeatColumn | None = None
        self._past: list[HeatColumn] = []
        self._past_market: MarketKey = NO_MARKET
        self._stamp = (-1, -1)
        self._seen = 0

    # -- feeding ---------------------------------------------------------------

    def add(self, frame: Frame) -> bool:
        """Take a frame, once; return True when a column was closed and the map moved on."""
        market = frame.market
        if market_of(market) != self.market:
            self._reset(market_of(market))
        stamp = (frame.seq, frame.published_ns)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        slot = frame.published_ns // COLUMN_NS
        live = self._live
        if live is not None and slot < live.slot - _STEP_BACK:
            self._reset(market_of(market))
            live = None
        closed = False
        trades = list(frame.trades)
        if live is not None and slot <= live.slot:
            trades = live.trades + trades
            slot = live.slot
        elif live is not None:
            self._close(live, slot)
            closed = True
        self._live = HeatColumn(
            slot, frame.depth, mid_of(frame), market.obi, trades, own_prices(frame)
        )
        if not self.bucket and self.half_rows:
            self._choose(frame.depth, market.atr_ticks)
        return closed

    def load(self, history: History) -> bool:
        """Take past columns; return True when the last piece came and the map changed.

        History of a market that is not shown yet waits for its first frame.
        """
        if market_of(history) != self._past_market:
            self._past_market, self._past = market_of(history), []
        self._past += [
            HeatColumn(
                column.at_ns // COLUMN_NS, column.depth, column.mid_ticks, column.obi, column.trades
            )
            for column in history.columns[-KEEP:]
        ]
        if self.market == NO_MARKET:
            self.market = market_of(history)
        return history.last and self._merge()

    def _merge(self) -> bool:
        if self._past_market != self.market or not self._past:
            return False
        merged = {column.slot: column for column in (*self._past, *self.columns)}
        newest = self._live.slot if self._live is not None else max(merged) + 1
        self._past = []
        self.columns = [merged[slot] for slot in sorted(merged) if slot < newest][-KEEP:]
        if not self.bucket and self.half_rows:
            self._choose(_depth_of(self.columns[-1]) if self.columns else _NOTHING, math.nan)
        else:
            self.regroup()
        return True

    def _reset(self, market: MarketKey) -> None:
        self.market = market
        self.columns, self._live = [], None
        self.bucket, self.ref, self._seen = 0, 0.0, 0
        self._merge()

    def _close(self, live: HeatColumn, next_slot: int) -> None:
        """Keep the finished column; short holes repeat it, long ones stay empty."""
        self._append(live)
        missing = min(next_slot - live.slot - 1, KEEP)
        for number in range(missing):
            slot = next_slot - missing + number
            depth = _depth_of(live) if missing <= 2 else _NOTHING
            mid = live.mid_ticks if missing <= 2 else math.nan
            self._append(HeatColumn(slot, depth, mid, live.obi if missing <= 2 else 0.0, []))

    def _append(self, column: HeatColumn) -> None:
        if self.columns and self.columns[-1].slot >= column.slot:
            return
        if self.bucket:
            self._follow(column)
            self._learn(column)
            self._group(column, self.columns[-1] if self.columns else None)
        self.columns.append(column)
        del self.columns[:-KEEP]

    # -- window ----------------------------------------------------------------

    def resize(self, half_rows: int) -> None:
        """Set the height of the window; the price stays in the middle."""
        if half_rows == self.half_rows:
            return
        self.half_rows = half_rows
        newest = self._newest()
        if newest is not None and not self.bucket:
            self._choose(_depth_of(newest), math.nan)
            return
        self.centre()
        self.regroup()

    def zoom(self, inwards: bool) -> None:
        """Go to the next finer or coarser grouping and group the past again."""
        if not self.bucket:
            return
        self.bucket = finer(self.bucket) if inwards else coarser(self.bucket)
        self.centre()
        self.regroup()

    def centre(self) -> None:
        """Put the newest price in the middle."""
        newest = self._newest()
        if newest is not None and self.bucket and math.isfinite(newest.mid_ticks):
            self.top = int(newest.mid_ticks // self.bucket) + self.half_rows // 2

    def regroup(self) -> None:
        """Group every kept column again, with a reference that fits the grouping."""
        if not self.bucket:
            return
        self.ref, self._seen = 0.0, 0
        for column in self.columns[-40:]:
            self._learn(column)
        before = None
        for column in self.columns:
            self._group(column, before)
            before = column

    def _newest(self) -> HeatColumn | None:
        return self._live or (self.columns[-1] if self.columns else None)

    def _choose(self, depth: Depth, atr_ticks: float) -> None:
        newest = self._newest()
        if newest is None or not math.isfinite(newest.mid_ticks):
            return
        self.bucket = auto_bucket(depth, self.half_rows, newest.mid_ticks, atr_ticks)
        self.centre()
        self.regroup()

    def _follow(self, column: HeatColumn) -> None:
        """Recentre only when the price has left the inner part (design/TUI.md §4)."""
        if not math.isfinite(column.mid_ticks):
            return
        row = self.top - int(column.mid_ticks // self.bucket)
        margin = self.half_rows * (1 - _INNER) / 2
        if not margin <= row < self.half_rows - margin:
            self.top = int(column.mid_ticks // self.bucket) + self.half_rows // 2

    # -- grouping --------------------------------------------------------------

    def _learn(self, column: HeatColumn) -> None:
        """Let a column move the reference size."""
        low = self.top - self.half_rows + 1
        bids, asks = column.sizes(self.bucket, low, self.half_rows)
        self.ref = smooth_ref(self.ref, high_size(bids + asks), self._seen)
        self._seen += 1

    def _group(self, column: HeatColumn, before: HeatColumn | None) -> None:
        """Turn the levels of a column into steps and its price into a line."""
        column.cells = None
        column.line = self._line(column, before)
        if not column.bids[0] and not column.asks[0]:
            column.values = b""
            return
        count = self.half_rows * _REACH
        low = self.top - self.half_rows // 2 - count // 2
        bids, asks = column.sizes(self.bucket, low, count)
        column.low = low
        column.values = self._values(column, before, bids, asks)

    def _values(
        self, column: HeatColumn, before: HeatColumn | None, bids: list[int], asks: list[int]
    ) -> bytes:
        low, ref = column.low, self.ref
        floor, ceiling = _reach(column, self.bucket)
        edge = _edge(column, self.bucket)
        values = bytearray()
        for place, (bid, ask) in enumerate(zip(bids, asks, strict=True)):
            bucket = low + place
            if not floor <= bucket <= ceiling:
                values.append(VOID)
                continue
            is_ask = ask > bid or (ask == bid and bucket > edge)
            base = RAMP_STEPS if is_ask else 0
            size = ask if is_ask else bid
            past = before.value(bucket) - base if before is not None else -1
            if 0 <= past < RAMP_STEPS:
                values.append(base + held_step(size, ref, past))
            else:
                values.append(base + step_of(size, ref))
        return bytes(values)

    def _line(self, column: HeatColumn, before: HeatColumn | None) -> tuple[int, int] | None:
        """Return the buckets of the price line: here, and the way up or down to here."""
        if not math.isfinite(column.mid_ticks):
            return None
        here = int(column.mid_ticks // self.bucket)
        if before is None or not math.isfinite(before.mid_ticks):
            return here, here
        there = int(before.mid_ticks // self.bucket)
        if there < here:
            return there + 1, here
        return (here, there - 1) if there > here else (here, here)


def mid_of(frame: Frame) -> float:
    """Return the middle of the book in ticks, else the last price, else ``nan``."""
    market = frame.market
    if market.bid_ticks > 0 and market.ask_ticks > 0:
        return (market.bid_ticks + market.ask_ticks) / 2
    return float(market.last_ticks) if market.last_ticks > 0 else math.nan


def own_prices(frame: Frame) -> tuple[int, ...]:
    """Return the prices at which our orders on the shown market rest or wait."""
    market = market_of(frame.market)
    prices = {
        order.price_ticks or order.trigger_ticks
        for order in frame.orders
        if market_of(order) == market and not order.state.is_final
    }
    prices.discard(0)
    return tuple(sorted(prices))


def _depth_of(column: HeatColumn) -> Depth:
    lists: Iterable[Sequence[int]] = (*column.bids, *column.asks)
    return Depth(*(list(values) for values in lists))


def _reach(column: HeatColumn, bucket: int) -> tuple[int, int]:
    """Return the lowest and the highest bucket that the column's book tells about."""
    bids, asks = column.bids[0], column.asks[0]
    lowest = bids[-1] if bids else asks[0]
    highest = asks[-1] if asks else bids[0]
    return lowest // bucket, highest // bucket


def _edge(column: HeatColumn, bucket: int) -> float:
    """Return the bucket of the price: empty buckets above it are the ask side's."""
    if math.isfinite(column.mid_ticks):
        return column.mid_ticks // bucket
    bids, asks = column.bids[0], column.asks[0]
    return (bids[0] if bids else asks[0]) // bucket
