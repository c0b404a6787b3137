"""Exact integers from the decimal texts of recorded messages."""

from __future__ import annotations

from decimal import Decimal


class Grid:
    """Turns decimal text into whole multiples of a unit (a tick or a lot)."""

    def __init__(self, unit: Decimal) -> None:
        exponent = unit.normalize().as_tuple().exponent
        if not isinstance(exponent, int) or unit <= 0:
            raise ValueError(f"{unit} is not a usable unit")
        self.unit = unit
        self._digits = max(0, -exponent)
        self._step = int(unit.scaleb(self._digits))

    def whole(self, text: str) -> int:
        """Return how many units ``text`` is; raise ``ValueError`` if it is off the grid."""
        head, _, tail = text.partition(".")
        digits = self._digits
        count, rest = divmod(int(head + tail[:digits].ljust(digits, "0")), self._step)
        if rest or tail[digits:].strip("0"):
            raise ValueError(f"{text} is not a multiple of {self.unit}")
        return count

    def floor(self, text: str) -> int:
        """Return how many whole units fit into ``text``.

        Recorded level sizes are not all multiples of the lot: dust of old orders
        adds up in them.
        """
        head, _, tail = text.partition(".")
        digits = self._digits
        return int(head + tail[:digits].ljust(digits, "0")) // self._step
