"""Aggregate trades: prints of one taker order at one price, numbered without holes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.api import PublicTrade
from obiterm.exchange.binance.wire import Scale, ms
from obiterm.exchange.wire.office import Json

KEPT = 10_000


class AggTrade(msgspec.Struct):
    """One aggregate trade; grows while its taker order goes on at the same price."""

    agg_id: int
    price_ticks: int
    lots: int
    first_id: int
    last_id: int
    time_ns: int
    aggressor: Side
    taker_order_id: int

    def row(self, scale: Scale) -> Json:
        """Write a row of ``aggTrades``; the stream adds event name, time and symbol."""
        return {
            "a": self.agg_id,
            "p": scale.price(self.price_ticks),
            "q": scale.size(self.lots),
            "f": self.first_id,
            "l": self.last_id,
            "T": ms(self.time_ns),
            "m": self.aggressor is Side.SELL,
            "M": True,
        }


class Tape:
    """The newest aggregate trades of one market."""

    def __init__(self, history: Iterable[PublicTrade]) -> None:
        self.rows: deque[AggTrade] = deque(maxlen=KEPT)
        self._next_id = 1
        self.add(history)

    def add(self, trades: Iterable[PublicTrade]) -> list[AggTrade]:
        """Take prints in order and return the aggregates that they make up.

        One call takes all prints of a moment, so that the returned aggregates are
        complete and may be published.
        """
        made: list[AggTrade] = []
        for trade in trades:
            last = made[-1] if made else None
            if last is not None and _continues(last, trade):
                last.lots += trade.lots
                last.last_id = trade.trade_id
            else:
                made.append(self._start(trade))
        return made

    def _start(self, trade: PublicTrade) -> AggTrade:
        row = AggTrade(
            agg_id=self._next_id,
            price_ticks=trade.price_ticks,
            lots=trade.lots,
            first_id=trade.trade_id,
            last_id=trade.trade_id,
            time_ns=trade.time_ns,
            aggressor=trade.aggressor,
            taker_order_id=_taker(trade),
        )
        self._next_id += 1
        self.rows.append(row)
        return row


def _taker(trade: PublicTrade) -> int:
    return trade.buyer_order_id if trade.aggressor is Side.BUY else trade.seller_order_id


def _continues(row: AggTrade, trade: PublicTrade) -> bool:
    return (
        row.price_ticks == trade.price_ticks
        and row.aggressor is trade.aggressor
        and row.time_ns == trade.time_ns
        and row.taker_order_id == _taker(trade)
    )
