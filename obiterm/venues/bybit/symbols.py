"""Our names of markets and the venue's: the one place that knows both.

Bybit uses one name in two categories: ``BTCUSDT`` is a spot market and a perpetual. Inside,
a perpetual keeps the venue's name and a spot market gets ``.SPOT`` behind it, so that both
can be held by one account. The venue writes no dot in a name, so the mapping is total both
ways; a name with a dot would be refused, not guessed.
"""

from __future__ import annotations

from enum import Enum

from obiterm.core.errors import DataError
from obiterm.core.values import MarketKind, Symbol

SPOT_MARK = ".SPOT"
"""What our symbol of a spot market ends with."""


class Category(Enum):
    """The venue's word for a kind of market."""

    SPOT = "spot"
    LINEAR = "linear"

    @property
    def kind(self) -> MarketKind:
        """The kind of market in our words."""
        return MarketKind.SPOT if self is Category.SPOT else MarketKind.PERP


def symbol_of(category: Category, name: str) -> Symbol:
    """Return our symbol of the venue's ``name``; ``DataError`` for a name with a dot."""
    if "." in name or not name:
        raise DataError(f"{category.value} symbol {name!r} cannot be told from ours")
    return Symbol(name + SPOT_MARK if category is Category.SPOT else name)


def category_of(symbol: Symbol) -> Category:
    """Return the category of one of our symbols."""
    return Category.SPOT if symbol.endswith(SPOT_MARK) else Category.LINEAR


def name_of(symbol: Symbol) -> str:
    """Return the venue's name of one of our symbols."""
    return symbol.removesuffix(SPOT_MARK)


def known_category(text: str | None) -> Category | None:
    """Read a category; None for those that we do not trade (inverse, option, new ones)."""
    if text == "linear":
        return Category.LINEAR
    return Category.SPOT if text == "spot" else None
