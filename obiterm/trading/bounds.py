"""Limits of an account in the whole units of one instrument, so that checks are quick and exact.

A notional is ``ticks x lots`` of the instrument's unit (tick size x lot size in money), so
``notional <= limit`` is the same as ``ticks x lots <= floor(limit / unit)``, without decimals.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from obiterm.core.instruments import Instrument
from obiterm.core.limits import RiskLimits
from obiterm.core.values import NS_PER_MS


class Bounds:
    """What one order on one instrument is compared with.

    Attributes:
        unit: money that one tick x lot is worth.
        min_units: least value of an order, ticks x lots.
        order_units: most value of an order.
        position_units: most value of a position with open entries.
        spread: widest spread as a fraction (numerator, denominator) of the mid.
        collar: largest distance beyond a reference price, as such a fraction.
    """

    __slots__ = (
        "clock_ns",
        "collar",
        "instrument",
        "is_perpetual",
        "min_units",
        "most_age_ns",
        "order_units",
        "position_units",
        "spread",
        "unit",
    )

    def __init__(self, instrument: Instrument, limits: RiskLimits) -> None:
        self.instrument = instrument
        self.is_perpetual = instrument.is_perpetual
        self.unit = instrument.tick_size * instrument.lot_size
        self.min_units = _whole(instrument.min_notional / self.unit, ROUND_CEILING)
        self.order_units = _whole(limits.max_order_notional / self.unit, ROUND_FLOOR)
        self.position_units = _whole(limits.max_position_notional / self.unit, ROUND_FLOOR)
        self.spread = (limits.max_spread_bps / 10_000).as_integer_ratio()
        self.collar = (limits.price_collar_bps / 10_000).as_integer_ratio()
        self.most_age_ns = limits.max_book_age_ms * NS_PER_MS
        self.clock_ns = limits.max_clock_offset_ms * NS_PER_MS


def _whole(value: Decimal, rounding: str) -> int:
    return int(value.to_integral_value(rounding))
