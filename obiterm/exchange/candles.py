"""The tape of one market: recent prints and one-minute candles made from them.

Candles are without holes: a minute without a print repeats the last close with
no volume, as the venue's own klines do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from obiterm.core.values import NS_PER_MS, Side
from obiterm.exchange.api import Candle, MarketSpec, PublicTrade

MINUTE_MS = 60_000
INTERVALS_MS: dict[str, int] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "2h": 120 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "6h": 360 * MINUTE_MS,
    "8h": 480 * MINUTE_MS,
    "12h": 720 * MINUTE_MS,
    "1d": 1440 * MINUTE_MS,
}
"""Intervals that ``Tape.candles`` can build, by the venue's names."""

AVERAGE_MINUTES = 5
NO_TRADE = -1
_KEPT_PRINTS = 5_000


class _Bar(msgspec.Struct, gc=False):
    """A candle in whole numbers; ``quote_units`` is the sum of ticks x lots."""

    open_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int = 0
    quote_units: int = 0
    trades: int = 0
    taker_buy_lots: int = 0
    taker_buy_units: int = 0
    first_trade_id: int = NO_TRADE
    last_trade_id: int = NO_TRADE

    def add(self, ticks: int, lots: int, aggressor: Side, trade_id: int) -> None:
        """Take in one print; the first one of a minute that stood empty sets its open."""
        if self.trades == 0:
            self.open_ticks = self.high_ticks = self.low_ticks = ticks
        self.high_ticks = max(self.high_ticks, ticks)
        self.low_ticks = min(self.low_ticks, ticks)
        self.close_ticks = ticks
        self.lots += lots
        self.quote_units += ticks * lots
        self.trades += 1
        if aggressor is Side.BUY:
            self.taker_buy_lots += lots
            self.taker_buy_units += ticks * lots
        if self.first_trade_id == NO_TRADE:
            self.first_trade_id = trade_id
        self.last_trade_id = trade_id

    def merge(self, later: _Bar) -> None:
        """Append the bar that follows; a bar without prints says nothing about prices."""
        if later.trades == 0:
            return
        if self.trades == 0:
            self.open_ticks = later.open_ticks
            self.high_ticks = self.low_ticks = later.open_ticks
        self.high_ticks = max(self.high_ticks, later.high_ticks)
        self.low_ticks = min(self.low_ticks, later.low_ticks)
        self.close_ticks = later.close_ticks
        self.lots += later.lots
        self.quote_units += later.quote_units
        self.trades += later.trades
        self.taker_buy_lots += later.taker_buy_lots
        self.taker_buy_units += later.taker_buy_units
        if self.first_trade_id == NO_TRADE:
            self.first_trade_id = later.first_trade_id
        self.last_trade_id = later.last_trade_id


class Tape:
    """Prints and candles of one market."""

    def __init__(self, spec: MarketSpec) -> None:
        self._spec = spec
        self._unit = spec.tick_size * spec.lot_size
        self._prints: deque[PublicTrade] = deque(maxlen=_KEPT_PRINTS)
        self._minutes: list[_Bar] = []
        self.last_ticks = 0
        """Price of the last print; 0 before the first."""
        self.last_trade_id = NO_TRADE

    def add(self, trade: PublicTrade) -> None:
        """Take in a print; one older than the open minute counts into that minute."""
        self._prints.append(trade)
        self.last_ticks = trade.price_ticks
        self.last_trade_id = trade.trade_id
        minute = self._minute_of(trade.time_ns)
        if not self._minutes or minute > self._minutes[-1].open_ms:
            self.roll(trade.time_ns - MINUTE_MS * NS_PER_MS)
            price = trade.price_ticks
            self._minutes.append(_Bar(minute, price, price, price, price))
        self._minutes[-1].add(trade.price_ticks, trade.lots, trade.aggressor, trade.trade_id)

    def roll(self, now_ns: int) -> None:
        """Open empty minutes up to ``now_ns``."""
        if not self._minutes:
            return
        last = self._minutes[-1]
        close = last.close_ticks
        for open_ms in range(last.open_ms + MINUTE_MS, self._minute_of(now_ns) + 1, MINUTE_MS):
            self._minutes.append(_Bar(open_ms, close, close, close, close))

    def trades(self, limit: int) -> list[PublicTrade]:
        """Return the newest prints, oldest first."""
        if limit <= 0:
            return []
        return list(self._prints)[-limit:]

    def candles(self, interval_ms: int) -> list[Candle]:
        """Return candles of an interval, oldest first; the last one is open.

        Raise ``ValueError`` for an interval that is not a whole number of minutes.
        """
        if interval_ms <= 0 or interval_ms % MINUTE_MS:
            raise ValueError(f"interval {interval_ms} ms is not a whole number of minutes")
        return [self._candle(bar, interval_ms) for bar in self._merged(interval_ms)]

    def average_price(self) -> Decimal:
        """Return the volume-weighted price of the last five minutes, in quote.

        The last price stands in when nothing traded.
        """
        recent = self._minutes[-AVERAGE_MINUTES:]
        lots = sum(bar.lots for bar in recent)
        if lots == 0:
            return self._spec.tick_size * self.last_ticks
        return self._spec.tick_size * sum(bar.quote_units for bar in recent) / lots

    def _merged(self, interval_ms: int) -> Iterable[_Bar]:
        if interval_ms == MINUTE_MS:
            return self._minutes
        merged: list[_Bar] = []
        for bar in self._minutes:
            open_ms = bar.open_ms - bar.open_ms % interval_ms
            if merged and merged[-1].open_ms == open_ms:
                merged[-1].merge(bar)
            else:
                merged.append(msgspec.structs.replace(bar, open_ms=open_ms))
        return merged

    def _candle(self, bar: _Bar, interval_ms: int) -> Candle:
        return Candle(
            symbol=self._spec.symbol,
            interval_ms=interval_ms,
            open_ms=bar.open_ms,
            open_ticks=bar.open_ticks,
            high_ticks=bar.high_ticks,
            low_ticks=bar.low_ticks,
            close_ticks=bar.close_ticks,
            lots=bar.lots,
            quote=self._unit * bar.quote_units,
            trades=bar.trades,
            taker_buy_lots=bar.taker_buy_lots,
            taker_buy_quote=self._unit * bar.taker_buy_units,
            first_trade_id=bar.first_trade_id,
            last_trade_id=bar.last_trade_id,
        )

    @staticmethod
    def _minute_of(time_ns: int) -> int:
        time_ms = time_ns // NS_PER_MS
        return time_ms - time_ms % MINUTE_MS
