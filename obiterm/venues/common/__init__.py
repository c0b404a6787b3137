"""What every venue needs and none owns: exact numbers and request budgets."""

from obiterm.venues.common.budget import RESERVE, Bucket, Counter, Pools
from obiterm.venues.common.narrow import exact_floats, exact_levels, narrowed
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
from obiterm.venues.common.sift import sift

__all__ = [
    "EXACT_UNITS",
    "RESERVE",
    "Bucket",
    "Counter",
    "Pools",
    "Scale",
    "amount",
    "decimal",
    "exact_floats",
    "exact_levels",
    "exact_lots",
    "exact_ticks",
    "lots_down",
    "narrowed",
    "near_ticks",
    "plain",
    "sift",
]
