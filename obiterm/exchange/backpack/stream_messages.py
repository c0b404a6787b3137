"""Messages of the public streams (backpack.md §8.3). Engine times are microseconds."""

from __future__ import annotations

import msgspec

from obiterm.core.values import NS_PER_MS, Side
from obiterm.exchange.api import Candle, DepthDelta, MarkPrice, OrderUpdate, PublicTrade, Top
from obiterm.exchange.backpack.wire import SIDE_NAMES, Json, Scale, amount, ms, us, utc_text

encode = msgspec.json.encode


class DepthBatch:
    """Levels that changed since the last frame of one depth stream."""

    def __init__(self) -> None:
        self.first_id = 0
        self._last_id = 0
        self._time_ns = 0
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def add(self, delta: DepthDelta) -> None:
        """Take in what changed; the last word on a level counts."""
        self.first_id = self.first_id or delta.first_id
        self._last_id = delta.last_id
        self._time_ns = delta.time_ns
        self._bids.update(delta.bids)
        self._asks.update(delta.asks)

    def message(self, scale: Scale, now_ns: int) -> bytes:
        """Write the frame."""
        return encode(
            {
                "e": "depth",
                "E": us(now_ns),
                "T": us(self._time_ns),
                "s": scale.spec.symbol,
                "U": self.first_id,
                "u": self._last_id,
                "a": scale.levels(sorted(self._asks.items())),
                "b": scale.levels(sorted(self._bids.items())),
            }
        )


def depth(delta: DepthDelta, scale: Scale, now_ns: int) -> bytes:
    """Write one change of the book."""
    batch = DepthBatch()
    batch.add(delta)
    return batch.message(scale, now_ns)


def book_ticker(top: Top, scale: Scale, now_ns: int) -> bytes:
    """Write best bid and ask."""
    return encode(
        {
            "e": "bookTicker",
            "E": us(now_ns),
            "T": us(now_ns),
            "s": top.symbol,
            "a": scale.price(top.ask_ticks),
            "A": scale.size(top.ask_lots),
            "b": scale.price(top.bid_ticks),
            "B": scale.size(top.bid_lots),
            "u": top.update_id,
        }
    )


def trade(one: PublicTrade, scale: Scale, now_ns: int) -> bytes:
    """Write a print; ``m`` is true when the aggressor sold."""
    return encode(
        {
            "e": "trade",
            "E": us(now_ns),
            "T": us(one.time_ns),
            "s": one.symbol,
            "p": scale.price(one.price_ticks),
            "q": scale.size(one.lots),
            "b": str(one.buyer_order_id),
            "a": str(one.seller_order_id),
            "t": one.trade_id,
            "m": one.aggressor is Side.SELL,
        }
    )


def kline(candle: Candle, scale: Scale, now_ns: int, *, closed: bool) -> bytes:
    """Write a candle; its times are UTC text and it has no quote volume."""
    start_ns = candle.open_ms * NS_PER_MS
    return encode(
        {
            "e": "kline",
            "E": us(now_ns),
            "s": candle.symbol,
            "t": utc_text(start_ns),
            "T": utc_text(start_ns + candle.interval_ms * NS_PER_MS),
            "o": scale.price(candle.open_ticks),
            "c": scale.price(candle.close_ticks),
            "h": scale.price(candle.high_ticks),
            "l": scale.price(candle.low_ticks),
            "v": scale.size(candle.lots),
            "n": candle.trades,
            "X": closed,
        }
    )


def ticker(row: Json, now_ns: int) -> bytes:
    """Write 24 hours from a row of ``/ticker``."""
    return encode(
        {
            "e": "ticker",
            "E": us(now_ns),
            "s": row["symbol"],
            "o": row["firstPrice"],
            "c": row["lastPrice"],
            "h": row["high"],
            "l": row["low"],
            "v": row["volume"],
            "V": row["quoteVolume"],
            "n": int(str(row["trades"])),
        }
    )


def mark_price(mark: MarkPrice, now_ns: int) -> bytes:
    """Write mark, index and the funding estimate; the next payment is in ms."""
    return encode(
        {
            "e": "markPrice",
            "E": us(now_ns),
            "T": us(mark.time_ns),
            "s": mark.symbol,
            "p": amount(mark.mark),
            "i": amount(mark.index),
            "f": amount(mark.rate),
            "n": ms(mark.next_funding_ns),
        }
    )


def open_interest(symbol: str, held: str, now_ns: int) -> bytes:
    """Write the open interest."""
    return encode({"e": "openInterest", "E": us(now_ns), "s": symbol, "o": held})


def liquidation(update: OrderUpdate, scale: Scale, now_ns: int) -> bytes | None:
    """Write a fill by which the house closed a position."""
    fill = update.fill
    if fill is None:
        return None
    return encode(
        {
            "e": "liquidation",
            "E": us(now_ns),
            "T": us(fill.time_ns),
            "s": fill.symbol,
            "S": SIDE_NAMES[fill.side],
            "p": scale.price(fill.price_ticks),
            "q": scale.size(fill.lots),
        }
    )
