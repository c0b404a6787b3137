"""Payloads of the futures' market streams (binance.md §11.1)."""

from __future__ import annotations

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.api import MarkPrice, Order, PublicTrade, Top
from obiterm.exchange.binance.market import DayStats
from obiterm.exchange.binance.stream_messages import DepthBatch, Words, encode
from obiterm.exchange.binance.tape import AggTrade
from obiterm.exchange.binance.wire import Scale, amount, ms
from obiterm.exchange.binance_futures import rows
from obiterm.exchange.wire.office import Json

UM = 1
"""``st`` of USDⓈ-M messages."""
_ID_STEP = 7


def wire_id(update_id: int) -> int:
    """Return an update id as the futures number them: with holes (binance.md §11.2)."""
    return update_id * _ID_STEP


def _first_wire_id(update_id: int) -> int:
    return update_id * _ID_STEP - 2


class FuturesWords(Words):
    """How the futures write their market streams, and how often."""

    speeds = (("@100ms", 100), ("@500ms", 500), ("", 250))
    candle_every_ms = 300

    def __init__(self) -> None:
        self._partial_ids: dict[str, int] = {}

    def depth(self, batch: DepthBatch, previous_id: int, scale: Scale, now_ns: int) -> bytes:
        """Write a ``depthUpdate``: ``pu`` is the ``u`` of the one before."""
        return self._book(
            scale,
            now_ns,
            (_first_wire_id(batch.first_id), wire_id(batch.last_id), wire_id(previous_id)),
            sorted(batch.bids.items(), reverse=True),
            sorted(batch.asks.items()),
        )

    def partial_depth(
        self,
        last_id: int,
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
        scale: Scale,
        now_ns: int,
    ) -> bytes:
        """Write the best levels, in the shape of a diff."""
        key = f"{scale.spec.symbol}/{len(bids)}"
        previous = self._partial_ids.get(key, last_id)
        self._partial_ids[key] = last_id
        ids = (_first_wire_id(last_id), wire_id(last_id), wire_id(previous))
        return self._book(scale, now_ns, ids, bids, asks)

    def _book(
        self,
        scale: Scale,
        now_ns: int,
        ids: tuple[int, int, int],
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
    ) -> bytes:
        symbol = scale.spec.symbol
        return encode(
            {
                "e": "depthUpdate",
                "E": ms(now_ns),
                "T": ms(now_ns),
                "s": symbol,
                "ps": symbol,
                "st": UM,
                "U": ids[0],
                "u": ids[1],
                "pu": ids[2],
                "b": scale.levels(bids),
                "a": scale.levels(asks),
            }
        )

    def book_ticker(self, top: Top, scale: Scale, now_ns: int) -> bytes:
        """Write a ``bookTicker``."""
        return encode(book_ticker(top, scale, now_ns))

    def trade(self, print_: PublicTrade, scale: Scale, now_ns: int) -> bytes:
        """Write a ``trade``."""
        return encode(
            {
                "e": "trade",
                "E": ms(now_ns),
                "T": ms(print_.time_ns),
                "s": print_.symbol,
                "t": print_.trade_id,
                "p": scale.price(print_.price_ticks),
                "q": scale.size(print_.lots),
                "X": "MARKET",
                "m": print_.aggressor is Side.SELL,
                "st": UM,
            }
        )

    def agg_trade(self, row: AggTrade, scale: Scale, now_ns: int) -> bytes:
        """Write an ``aggTrade``."""
        body = {"e": "aggTrade", "E": ms(now_ns), "s": scale.spec.symbol} | row.row(scale)
        del body["M"]
        return encode(body | {"nq": body["q"], "st": UM})

    def ticker(self, stats: DayStats, now_ns: int) -> bytes:
        """Write a ``24hrTicker``: without best prices."""
        body = msgspec.json.decode(super().ticker(stats, now_ns), type=dict[str, object])
        for name in ("x", "b", "B", "a", "A"):
            del body[name]
        return encode(body | {"ps": stats.symbol, "st": UM})

    def mini_ticker(self, stats: DayStats, now_ns: int) -> bytes:
        """Write a ``24hrMiniTicker``."""
        body = msgspec.json.decode(super().mini_ticker(stats, now_ns), type=dict[str, object])
        return encode(body | {"ps": stats.symbol, "st": UM})


def book_ticker(top: Top, scale: Scale, now_ns: int) -> Json:
    """Write best bid and ask."""
    return {
        "e": "bookTicker",
        "u": wire_id(top.update_id),
        "E": ms(now_ns),
        "T": ms(now_ns),
        "s": top.symbol,
        "ps": top.symbol,
        "b": scale.price(top.bid_ticks),
        "B": scale.size(top.bid_lots),
        "a": scale.price(top.ask_ticks),
        "A": scale.size(top.ask_lots),
        "st": UM,
    }


def mark_price(mark: MarkPrice, now_ns: int) -> Json:
    """Write a ``markPriceUpdate``."""
    return {
        "e": "markPriceUpdate",
        "E": ms(now_ns),
        "s": mark.symbol,
        "p": amount(mark.mark),
        "ap": amount(mark.mark),
        "i": amount(mark.index),
        "P": amount(mark.index),
        "r": amount(mark.rate),
        "T": ms(mark.next_funding_ns),
        "st": UM,
    }


def force_order(order: Order, scale: Scale, now_ns: int) -> Json:
    """Write a ``forceOrder``: somebody was liquidated."""
    size = scale.size(order.filled_lots)
    average = rows.average(order, scale)
    return {
        "e": "forceOrder",
        "E": ms(now_ns),
        "o": {
            "s": order.symbol,
            "S": order.side.value,
            "o": "LIMIT",
            "f": "IOC",
            "q": scale.size(order.lots),
            "p": average,
            "ap": average,
            "X": order.status.value,
            "l": size,
            "z": size,
            "T": ms(order.updated_ns),
        },
    }
