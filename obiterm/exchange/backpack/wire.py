"""The venue's spelling of prices, sizes and times (backpack.md §5, §13)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from obiterm.core.values import NS_PER_MS, NS_PER_S, Side
from obiterm.exchange.api import MarketSpec

Json = dict[str, object]
SIDES = {"Bid": Side.BUY, "Ask": Side.SELL}
SIDE_NAMES = {side: name for name, side in SIDES.items()}


def ms(time_ns: int) -> int:
    """Return Unix milliseconds."""
    return time_ns // NS_PER_MS


def us(time_ns: int) -> int:
    """Return Unix microseconds: the unit of streams and of the book's time."""
    return time_ns // 1000


def utc_text(time_ns: int) -> str:
    """Write a time without a zone, to the millisecond where it has a part of a second."""
    seconds, rest_ns = divmod(time_ns, NS_PER_S)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    rest_ms = rest_ns // NS_PER_MS
    return f"{text}.{rest_ms:03d}" if rest_ms else text


def amount(value: Decimal) -> str:
    """Write a decimal plainly, to at most eight places and without trailing zeros."""
    text = f"{value:.8f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Scale:
    """Writes ticks and lots of one market as the venue's decimal texts."""

    __slots__ = ("_lot", "_lot_places", "_tick", "_tick_places", "spec")

    def __init__(self, spec: MarketSpec) -> None:
        self.spec = spec
        self._tick, self._tick_places = _whole(spec.tick_size)
        self._lot, self._lot_places = _whole(spec.lot_size)

    def price(self, ticks: int) -> str:
        """Write a price with the digits of the tick."""
        return _written(ticks * self._tick, self._tick_places)

    def size(self, lots: int) -> str:
        """Write a base quantity with the digits of the step."""
        return _written(lots * self._lot, self._lot_places)

    def quote(self, ticks: int, lots: int) -> str:
        """Write price x quantity."""
        return amount(self.spec.tick_size * self.spec.lot_size * (ticks * lots))

    def levels(self, levels: list[tuple[int, int]]) -> list[list[str]]:
        """Write book levels as ``[price, quantity]``."""
        price, size = self.price, self.size
        return [[price(ticks), size(lots)] for ticks, lots in levels]


def _whole(step: Decimal) -> tuple[int, int]:
    """Return a step as ``(whole number, decimal places)``."""
    exponent = step.as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    return int(step.scaleb(places)), places


def _written(value: int, places: int) -> str:
    if not places:
        return str(value)
    whole, rest = divmod(abs(value), 10**places)
    return f"{'-' if value < 0 else ''}{whole}.{rest:0{places}d}"
