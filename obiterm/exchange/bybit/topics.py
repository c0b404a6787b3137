"""Names of public topics (bybit.md §8)."""

from __future__ import annotations

from enum import Enum

import msgspec

from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.errors import ApiError, bad
from obiterm.exchange.bybit.market import INTERVALS
from obiterm.exchange.bybit.numbers import Scale
from obiterm.exchange.bybit.office import BackOffice

DEPTHS: dict[Category, dict[int, int]] = {
    Category.LINEAR: {1: 10, 50: 20, 200: 100, 1000: 200},
    Category.SPOT: {1: 10, 50: 20, 200: 100, 1000: 200},
}
"""Milliseconds between two frames, by depth."""


class Kind(Enum):
    """What a topic tells."""

    BOOK = "orderbook"
    TRADES = "publicTrade"
    TICKER = "tickers"
    KLINE = "kline"
    LIQUIDATIONS = "allLiquidation"


class Topic(msgspec.Struct, frozen=True):
    """A public topic of one market."""

    name: str
    kind: Kind
    scale: Scale
    depth: int = 0
    interval: str = ""

    @property
    def stream(self) -> str:
        """Its name inside the exchange: two products share the venue's names."""
        return f"{self.scale.category.value}/{self.name}"


def parse(office: BackOffice, category: Category, name: str) -> Topic:
    """Read a topic's name, or refuse in the words of the subscribe reply."""
    parts = name.split(".")
    unknown = bad(f"error:handler not found,topic:{name}")
    try:
        kind = Kind(parts[0])
    except ValueError:
        raise unknown from None
    middle = kind in (Kind.BOOK, Kind.KLINE)
    if len(parts) != 2 + middle:
        raise unknown
    try:
        scale = office.market(category, parts[-1])
    except ApiError:
        raise bad(f"error:Invalid symbol :[{name}]") from None
    if kind is Kind.BOOK:
        if not parts[1].isdigit() or int(parts[1]) not in DEPTHS[category]:
            raise unknown
        return Topic(name, kind, scale, depth=int(parts[1]))
    if kind is Kind.KLINE:
        if parts[1] not in INTERVALS:
            raise unknown
        return Topic(name, kind, scale, interval=parts[1])
    return Topic(name, kind, scale)
