"""Product categories, and which market of the core a name means in each."""

from __future__ import annotations

from enum import Enum

from obiterm.exchange.api import MarketSpec


class Category(Enum):
    """Products that this exchange trades."""

    SPOT = "spot"
    LINEAR = "linear"


OTHER_CATEGORIES = frozenset({"inverse", "option"})
"""Products that the venue has and this exchange does not list: their lists are empty."""


def category_of(spec: MarketSpec) -> Category:
    """Return the category of a market."""
    return Category.LINEAR if spec.is_perpetual else Category.SPOT
