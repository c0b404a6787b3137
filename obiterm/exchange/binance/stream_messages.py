"""Payloads of the market streams (binance.md §8)."""

from __future__ import annotations

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.api import Candle, DepthDelta, PublicTrade, Top
from obiterm.exchange.binance.market import DayStats
from obiterm.exchange.binance.tape import AggTrade
from obiterm.exchange.binance.wire import Scale, amount, ms

encode = msgspec.json.Encoder().encode


class DepthBatch:
    """Changes of one book since the last message; later sizes replace earlier ones."""

    __slots__ = ("asks", "bids", "first_id", "last_id")

    def __init__(self) -> None:
        self.first_id = self.last_id = 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def add(self, delta: DepthDelta) -> None:
        """Take in a change."""
        if not self.first_id:
            self.first_id = delta.first_id
        self.last_id = delta.last_id
        self.bids.update(delta.bids)
        self.asks.update(delta.asks)


class Words:
    """How the venue writes its market streams, and how often."""

    speeds: tuple[tuple[str, int], ...] = (("@100ms", 100), ("", 1000))
    """Suffixes of book streams, with milliseconds between messages."""
    candle_every_ms = 2000

    def depth(self, batch: DepthBatch, previous_id: int, scale: Scale, now_ns: int) -> bytes:
        """Write a ``depthUpdate``; ``previous_id`` is the last id of the stream's last one."""
        return encode(
            {
                "e": "depthUpdate",
                "E": ms(now_ns),
                "s": scale.spec.symbol,
                "U": batch.first_id,
                "u": batch.last_id,
                "b": scale.levels(sorted(batch.bids.items(), reverse=True)),
                "a": scale.levels(sorted(batch.asks.items())),
            }
        )

    def partial_depth(
        self,
        last_id: int,
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
        scale: Scale,
        now_ns: int,
    ) -> bytes:
        """Write the best levels; it carries neither symbol nor time."""
        return encode(
            {"lastUpdateId": last_id, "bids": scale.levels(bids), "asks": scale.levels(asks)}
        )

    def book_ticker(self, top: Top, scale: Scale, now_ns: int) -> bytes:
        """Write a ``bookTicker``; it carries neither event name nor time."""
        return encode(
            {
                "u": top.update_id,
                "s": top.symbol,
                "b": scale.price(top.bid_ticks),
                "B": scale.size(top.bid_lots),
                "a": scale.price(top.ask_ticks),
                "A": scale.size(top.ask_lots),
            }
        )

    def trade(self, print_: PublicTrade, scale: Scale, now_ns: int) -> bytes:
        """Write a ``trade``."""
        return encode(
            {
                "e": "trade",
                "E": ms(now_ns),
                "s": print_.symbol,
                "t": print_.trade_id,
                "p": scale.price(print_.price_ticks),
                "q": scale.size(print_.lots),
                "T": ms(print_.time_ns),
                "m": print_.aggressor is Side.SELL,
                "M": True,
            }
        )

    def agg_trade(self, row: AggTrade, scale: Scale, now_ns: int) -> bytes:
        """Write an ``aggTrade``."""
        head = {"e": "aggTrade", "E": ms(now_ns), "s": scale.spec.symbol}
        return encode(head | row.row(scale))

    def kline(
        self, candle: Candle, scale: Scale, interval: str, now_ns: int, *, closed: bool
    ) -> bytes:
        """Write a ``kline``; ``x`` tells that the candle will not change any more."""
        return encode(
            {
                "e": "kline",
                "E": ms(now_ns),
                "s": candle.symbol,
                "k": {
                    "t": candle.open_ms,
                    "T": candle.open_ms + candle.interval_ms - 1,
                    "s": candle.symbol,
                    "i": interval,
                    "f": candle.first_trade_id,
                    "L": candle.last_trade_id,
                    "o": scale.price(candle.open_ticks),
                    "c": scale.price(candle.close_ticks),
                    "h": scale.price(candle.high_ticks),
                    "l": scale.price(candle.low_ticks),
                    "v": scale.size(candle.lots),
                    "n": candle.trades,
                    "x": closed,
                    "q": amount(candle.quote),
                    "V": scale.size(candle.taker_buy_lots),
                    "Q": amount(candle.taker_buy_quote),
                    "B": "0",
                },
            }
        )

    def mini_ticker(self, stats: DayStats, now_ns: int) -> bytes:
        """Write a ``24hrMiniTicker``."""
        numbers = stats.numbers()
        return encode(
            {
                "e": "24hrMiniTicker",
                "E": ms(now_ns),
                "s": stats.symbol,
                "c": numbers["last"],
                "o": numbers["open"],
                "h": numbers["high"],
                "l": numbers["low"],
                "v": numbers["volume"],
                "q": numbers["quote"],
            }
        )

    def ticker(self, stats: DayStats, now_ns: int) -> bytes:
        """Write a ``24hrTicker``."""
        numbers, (first_id, last_id, count) = stats.numbers(), stats.ids()
        top, scale = stats.top, stats.scale
        return encode(
            {
                "e": "24hrTicker",
                "E": ms(now_ns),
                "s": stats.symbol,
                "p": numbers["change"],
                "P": numbers["percent"],
                "w": numbers["average"],
                "x": numbers["open"],
                "c": numbers["last"],
                "Q": numbers["last_size"],
                "b": scale.price(top.bid_ticks),
                "B": scale.size(top.bid_lots),
                "a": scale.price(top.ask_ticks),
                "A": scale.size(top.ask_lots),
                "o": numbers["open"],
                "h": numbers["high"],
                "l": numbers["low"],
                "v": numbers["volume"],
                "q": numbers["quote"],
                "O": stats.open_ms,
                "C": stats.close_ms,
                "F": first_id,
                "L": last_id,
                "n": count,
            }
        )
