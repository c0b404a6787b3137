"""Candles from trades, without gaps (R42), and their average true range."""

from __future__ import annotations

from math import nan

from obiterm.core.events import CandleClosed, Traded
from obiterm.core.values import NS_PER_S, Symbol

_LATE_NS = NS_PER_S
"""A candle without a later trade is closed this long after its end, so that trades that are
still on their way count."""


class CandleBuilder:
    """Builds candles of one timeframe by the venue's trade times.

    The candle in which it starts is incomplete and is not given out. A time without
    trades gives candles of zero volume at the last close.
    """

    __slots__ = (
        "_close",
        "_high",
        "_lots",
        "_low",
        "_open",
        "_open_ns",
        "_step_ns",
        "_whole",
        "late_trades",
        "symbol",
        "timeframe_s",
    )

    def __init__(self, symbol: Symbol, timeframe_s: int) -> None:
        if timeframe_s <= 0:
            raise ValueError(f"timeframe_s must be positive, not {timeframe_s}")
        self.symbol = symbol
        self.timeframe_s = timeframe_s
        self.late_trades = 0
        """Trades that came after their candle was closed; they are left out."""
        self._step_ns = timeframe_s * NS_PER_S
        self._open_ns = -1
        self._whole = False
        self._open = self._high = self._low = self._close = self._lots = 0

    def add(self, trade: Traded) -> list[CandleClosed]:
        """Take one trade; return the candles that it closes, oldest first."""
        start_ns = trade.event_ns - trade.event_ns % self._step_ns
        if self._open_ns < 0:
            self._open_ns = start_ns
            self._begin(trade.price_ticks)
        elif start_ns < self._open_ns:
            self.late_trades += 1
            return []
        closed = self._close_until(start_ns, trade.received_ns)
        price = trade.price_ticks
        if not self._lots:
            self._open = self._high = self._low = price
        elif price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._close = price
        self._lots += trade.lots
        return closed

    def advance(self, event_ns: int, received_ns: int) -> list[CandleClosed]:
        """Close what ended before the venue's time ``event_ns``, even without a trade."""
        if self._open_ns < 0 or event_ns < self._open_ns + self._step_ns + _LATE_NS:
            return []
        reached_ns = event_ns - _LATE_NS
        return self._close_until(reached_ns - reached_ns % self._step_ns, received_ns)

    def _close_until(self, start_ns: int, received_ns: int) -> list[CandleClosed]:
        closed: list[CandleClosed] = []
        while self._open_ns < start_ns:
            if self._whole:
                closed.append(self._candle(received_ns))
            self._whole = True
            self._open_ns += self._step_ns
            self._begin(self._close)
        return closed

    def _begin(self, price_ticks: int) -> None:
        self._open = self._high = self._low = self._close = price_ticks
        self._lots = 0

    def _candle(self, received_ns: int) -> CandleClosed:
        return CandleClosed(
            symbol=self.symbol,
            timeframe_s=self.timeframe_s,
            open_ns=self._open_ns,
            open_ticks=self._open,
            high_ticks=self._high,
            low_ticks=self._low,
            close_ticks=self._close,
            lots=self._lots,
            received_ns=received_ns,
        )


class Atr:
    """Average true range of closed candles by Wilder's smoothing, in ticks.

    ``value`` is nan until ``period`` true ranges are known; each needs the close before,
    so that the first value comes with candle ``period + 1``.
    """

    __slots__ = ("_close", "_count", "_period", "_sum", "value")

    def __init__(self, period: int = 14) -> None:
        if period < 1:
            raise ValueError(f"period must be at least 1, not {period}")
        self._period = period
        self._count = 0
        self._sum = 0
        self._close = 0
        self.value = nan

    def add(self, candle: CandleClosed) -> float:
        """Take the next closed candle; return the new value."""
        before, self._close = self._close, candle.close_ticks
        if not before:
            return self.value
        true_range = max(candle.high_ticks, before) - min(candle.low_ticks, before)
        self._count += 1
        if self._count <= self._period:
            self._sum += true_range
            if self._count == self._period:
                self.value = self._sum / self._period
        else:
            self.value += (true_range - self.value) / self._period
        return self.value
