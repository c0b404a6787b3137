"""Price-time priority: a book of FIFO queues, and the sweep of a taker through it.

Prices are integer ticks and sizes integer lots. The book knows nothing of
balances, fees or messages; ``sweep`` reports what happened and the caller
settles it. Every function is deterministic: queues keep arrival order.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Protocol

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.words import Stp

HOUSE = ""
"""Owner of orders that belong to no account; they may meet each other."""

MARKET_PRICE = 0
"""Limit of a taker that accepts any price."""


class Resting(msgspec.Struct, gc=False):
    """An order, or a piece of recorded size, that a taker may meet. Mutable."""

    order_id: int
    owner: str
    side: Side
    ticks: int
    lots: int
    """What is left of it."""


class Taker(msgspec.Struct, frozen=True):
    """An incoming order as the sweep sees it."""

    order_id: int
    owner: str
    side: Side
    limit_ticks: int
    """Worst acceptable price, or ``MARKET_PRICE``."""
    lots: int
    stp: Stp = Stp.NONE


class Match(msgspec.Struct, frozen=True):
    """The taker traded ``lots`` with ``maker`` at the maker's price."""

    maker: Resting
    lots: int


class Prevented(msgspec.Struct, frozen=True):
    """The taker met an order of its own owner; no trade took place."""

    maker: Resting
    maker_expires: bool
    taker_expires: bool


class Swept(msgspec.Struct, frozen=True):
    """Outcome of a sweep."""

    steps: list[Match | Prevented]
    left_lots: int
    taker_expired: bool
    """Self-trade prevention ended the taker."""


class Liquidity(Protocol):
    """What a taker can sweep: a matching book, or a recorded one with our queue places."""

    def walk(self, taker_side: Side, limit_ticks: int) -> Iterator[Resting]:
        """Yield what a taker meets, best price first, first in time first."""
        ...

    def consume(self, maker: Resting, lots: int) -> None:
        """Take ``lots`` from what ``walk`` yielded first."""
        ...

    def rest(self, order: Resting) -> None:
        """Queue an order behind everything at its price."""
        ...

    def remove(self, order_id: int) -> Resting | None:
        """Take an order out; ``None`` when it does not rest here."""
        ...

    def find(self, order_id: int) -> Resting | None:
        """Return an order of an account that rests here."""
        ...

    def best(self, side: Side) -> tuple[int, int]:
        """Return ``(ticks, lots)`` of the best level, ``(0, 0)`` for an empty side."""
        ...

    def levels(self, side: Side, limit: int) -> list[tuple[int, int]]:
        """Return up to ``limit`` levels, best first."""
        ...


class Level:
    """One price: a FIFO queue and its total."""

    __slots__ = ("lots", "queue")

    def __init__(self) -> None:
        self.lots = 0
        # Insertion order is time priority; removal from the middle is O(1).
        self.queue: dict[int, Resting] = {}


class BookSide:
    """One side of the book: levels by price, prices sorted upwards."""

    __slots__ = ("levels", "prices", "touched")

    def __init__(self) -> None:
        self.levels: dict[int, Level] = {}
        self.prices: list[int] = []
        self.touched: dict[int, None] = {}
        """Prices whose size changed since the last publication, in order."""

    def add(self, order: Resting) -> None:
        """Queue ``order`` at the end of its level."""
        level = self.levels.get(order.ticks)
        if level is None:
            level = self.levels[order.ticks] = Level()
            insort(self.prices, order.ticks)
        level.queue[order.order_id] = order
        level.lots += order.lots
        self.touched[order.ticks] = None

    def reduce(self, order: Resting, lots: int) -> None:
        """Take ``lots`` off ``order``; an empty order leaves, an empty level too."""
        level = self.levels[order.ticks]
        order.lots -= lots
        level.lots -= lots
        if order.lots == 0:
            del level.queue[order.order_id]
        if not level.queue:
            del self.levels[order.ticks]
            del self.prices[bisect_left(self.prices, order.ticks)]
        self.touched[order.ticks] = None

    def size_at(self, ticks: int) -> int:
        """Return the lots that rest at a price."""
        level = self.levels.get(ticks)
        return level.lots if level is not None else 0


class FifoBook:
    """A whole book in price-time priority."""

    def __init__(self) -> None:
        self.bids = BookSide()
        self.asks = BookSide()
        self.orders: dict[int, Resting] = {}

    def side(self, side: Side) -> BookSide:
        """Return the half on which orders of ``side`` rest."""
        return self.bids if side is Side.BUY else self.asks

    def walk(self, taker_side: Side, limit_ticks: int) -> Iterator[Resting]:
        """Yield resting orders that a taker meets; do not change the book meanwhile."""
        half = self.side(taker_side.opposite)
        prices = half.prices if taker_side is Side.BUY else reversed(half.prices)
        for ticks in prices:
            if not reaches(taker_side, limit_ticks, ticks):
                return
            yield from half.levels[ticks].queue.values()

    def consume(self, maker: Resting, lots: int) -> None:
        """Take ``lots`` from a resting order."""
        self.side(maker.side).reduce(maker, lots)
        if maker.lots == 0:
            del self.orders[maker.order_id]

    def rest(self, order: Resting) -> None:
        """Queue an order; it must not cross the other side."""
        self.orders[order.order_id] = order
        self.side(order.side).add(order)

    def remove(self, order_id: int) -> Resting | None:
        """Take an order out of its queue."""
        order = self.orders.pop(order_id, None)
        if order is not None:
            left = order.lots
            self.side(order.side).reduce(order, left)
            order.lots = left
        return order

    def find(self, order_id: int) -> Resting | None:
        """Return a resting order."""
        return self.orders.get(order_id)

    def best(self, side: Side) -> tuple[int, int]:
        """Return the best level of a side."""
        half = self.side(side)
        if not half.prices:
            return (0, 0)
        ticks = half.prices[-1] if side is Side.BUY else half.prices[0]
        return (ticks, half.levels[ticks].lots)

    def levels(self, side: Side, limit: int) -> list[tuple[int, int]]:
        """Return up to ``limit`` levels, best first."""
        half = self.side(side)
        if limit <= 0:
            return []
        prices = half.prices[: -limit - 1 : -1] if side is Side.BUY else half.prices[:limit]
        return [(ticks, half.levels[ticks].lots) for ticks in prices]

    def take_changes(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return and forget the changed levels as ``(bids, asks)`` with their new sizes."""
        changes: list[list[tuple[int, int]]] = []
        for half in (self.bids, self.asks):
            changes.append([(ticks, half.size_at(ticks)) for ticks in half.touched])
            half.touched = {}
        return changes[0], changes[1]


def reaches(taker_side: Side, limit_ticks: int, maker_ticks: int) -> bool:
    """Tell whether a taker with this limit accepts the maker's price."""
    if limit_ticks == MARKET_PRICE:
        return True
    return maker_ticks <= limit_ticks if taker_side is Side.BUY else maker_ticks >= limit_ticks


def is_self(taker: Taker, maker: Resting) -> bool:
    """Tell whether both orders belong to one owner that is not the house."""
    return maker.owner == taker.owner and maker.owner != HOUSE


class Sweep:
    """One taker's way through a book: iterate to trade, then read what is left.

    Fills happen at the maker's price. The taker's mode decides what happens
    between orders of one owner (binance.md §6.3): the maker leaves the book, the
    taker ends, or both. The book may change between two steps.
    """

    def __init__(self, book: Liquidity, taker: Taker) -> None:
        self._book = book
        self._taker = taker
        self.left_lots = taker.lots
        self.taker_expired = False
        """Self-trade prevention ended the taker."""

    def __iter__(self) -> Iterator[Match | Prevented]:
        book, taker = self._book, self._taker
        while self.left_lots > 0:
            maker = next(book.walk(taker.side, taker.limit_ticks), None)
            if maker is None:
                return
            if taker.stp is not Stp.NONE and is_self(taker, maker):
                prevented = Prevented(
                    maker=maker,
                    maker_expires=taker.stp is not Stp.EXPIRE_TAKER,
                    taker_expires=taker.stp is not Stp.EXPIRE_MAKER,
                )
                if prevented.maker_expires:
                    book.remove(maker.order_id)
                self.taker_expired = prevented.taker_expires
                yield prevented
                if self.taker_expired:
                    return
                continue
            lots = min(self.left_lots, maker.lots)
            book.consume(maker, lots)
            self.left_lots -= lots
            yield Match(maker, lots)


def sweep(book: Liquidity, taker: Taker) -> Swept:
    """Match ``taker`` against ``book`` until filled, out of reach or prevented."""
    way = Sweep(book, taker)
    steps = list(way)
    return Swept(steps, way.left_lots, way.taker_expired)


class Quoted(msgspec.Struct, frozen=True):
    """What a sweep would cost, without doing it."""

    lots: int
    cost: int
    """Sum of ticks x lots."""
    exhausted: bool
    """The book ends before the request is met."""


def quote_lots(book: Liquidity, taker: Taker) -> Quoted:
    """Price a sweep of ``taker.lots``; own orders count as absent under prevention."""
    left, cost = taker.lots, 0
    for maker in book.walk(taker.side, taker.limit_ticks):
        if taker.stp is not Stp.NONE and is_self(taker, maker):
            continue
        lots = min(left, maker.lots)
        left -= lots
        cost += lots * maker.ticks
        if left == 0:
            break
    return Quoted(taker.lots - left, cost, exhausted=left > 0)


def quote_budget(book: Liquidity, taker: Taker, budget: int) -> Quoted:
    """Find how many lots ``budget`` (in ticks x lots) covers; ``taker.lots`` is ignored."""
    left, total, cost = budget, 0, 0
    for maker in book.walk(taker.side, taker.limit_ticks):
        if taker.stp is not Stp.NONE and is_self(taker, maker):
            continue
        lots = min(left // maker.ticks, maker.lots)
        left -= lots * maker.ticks
        total += lots
        cost += lots * maker.ticks
        if lots < maker.lots:
            return Quoted(total, cost, exhausted=False)
    return Quoted(total, cost, exhausted=True)
