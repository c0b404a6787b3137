"""Prices and sizes of one instrument; the arithmetic is the same at every venue."""

from obiterm.venues.common.scale import (
    EXACT_UNITS,
    Scale,
    amount,
    decimal,
    exact_lots,
    exact_ticks,
    lots_down,
    near_ticks,
    plain,
)

__all__ = [
    "EXACT_UNITS",
    "Scale",
    "amount",
    "decimal",
    "exact_lots",
    "exact_ticks",
    "lots_down",
    "near_ticks",
    "plain",
]
