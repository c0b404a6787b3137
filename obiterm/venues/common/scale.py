"""Prices and sizes of one instrument: between the venue's text and ticks and lots.

Market data uses the float way (one multiplication), orders and money the exact way.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from obiterm.core.errors import DataError
from obiterm.core.instruments import Instrument

EXACT_UNITS = 2.0**49
"""Up to here ``int(value * scale + 0.5)`` equals the decimal result: three roundings of
relative size 2**-53 stay below half a unit."""

_OFF_TICK = 0.05
"""Far more than floats err, less than the next finer tick of any venue."""
_FEW = 4


class Scale:
    """The float way of one instrument.

    Attributes:
        per_price: ticks in a price of 1.
        per_quantity: lots in a quantity of 1.
        price_limit: prices from here on are refused, they would not be exact.
        quantity_limit: the same for quantities.
    """

    __slots__ = ("per_price", "per_quantity", "price_limit", "quantity_limit")

    def __init__(self, instrument: Instrument) -> None:
        self.per_price = float(1 / instrument.tick_size)
        self.per_quantity = float(1 / instrument.lot_size)
        self.price_limit = EXACT_UNITS / self.per_price
        self.quantity_limit = EXACT_UNITS / self.per_quantity

    def check_prices(self, levels: Sequence[tuple[float, float]], field: str) -> None:
        """Refuse one side of a snapshot that is on a finer grid than the listing says.

        A venue may make a tick finer while we trade; rounded, its levels would fall into one
        another. Single levels off the grid are orders from before a tick became coarser.

        Raises:
            DataError: more than a quarter of the prices lie between two ticks.
        """
        per_price = self.per_price
        between = [p for p, _ in levels if abs(p * per_price - round(p * per_price)) > _OFF_TICK]
        if len(between) * _FEW > len(levels):
            raise DataError(
                f"{field}: price {between[0]} is no whole number of ticks of {1 / per_price:g}",
                hint="the venue has changed the tick: restart, so that the listing is read again",
            )


def decimal(text: str, field: str) -> Decimal:
    """Read a venue decimal; raise ``DataError`` naming ``field`` unless it is a finite number."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise DataError(f"{field} = {text!r} is not a number")
    return value


def amount(text: str, field: str) -> Decimal:
    """Read a venue decimal that cannot be negative."""
    value = decimal(text, field)
    if value < 0:
        raise DataError(f"{field} = {text!r} is negative")
    return value


def exact_ticks(instrument: Instrument, text: str, field: str) -> int:
    """Return the ticks of a price; ``DataError`` unless it lies on the grid."""
    return _whole(amount(text, field) / instrument.tick_size, text, field)


def exact_lots(instrument: Instrument, text: str, field: str) -> int:
    """Return the lots of a quantity; ``DataError`` unless it lies on the grid."""
    return _whole(amount(text, field) / instrument.lot_size, text, field)


def near_ticks(instrument: Instrument, text: str, field: str) -> int:
    """Return the nearest tick: orders of other programs may be older than the present grid."""
    return round(amount(text, field) / instrument.tick_size)


def lots_down(instrument: Instrument, text: str, field: str) -> int:
    """Return the lots that a quantity covers, for orders that may not be ours."""
    return int(amount(text, field) / instrument.lot_size)


def plain(value: Decimal) -> str:
    """Write a decimal for the venue: no exponent, no trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _whole(units: Decimal, text: str, field: str) -> int:
    whole = int(units)
    if whole != units:
        raise DataError(f"{field} = {text!r} is off the instrument's grid")
    return whole
