"""The venue's spelling of prices, sizes, times and ids.

Ids are opaque to clients: spot orders have decimal ids, perpetual ones UUIDs
(bybit.md §5.1). Here both are bijections of the core's own numbers.
"""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.api import MarketSpec
from obiterm.exchange.bybit.category import Category, category_of

Json = dict[str, object]

_SPOT_BASE = 1_600_000_000_000_000_000
_MASK = 0x9E3779B97F4A4C15A1D0C6E83F2781D3
_STEP = Decimal("0.00000001")
_ORDER_TAG, _FILL_TAG, _PAYMENT_TAG, _TRADE_TAG = 1, 2, 3, 4


def ms(time_ns: int) -> int:
    """Return Unix milliseconds."""
    return time_ns // NS_PER_MS


def ms_text(time_ns: int) -> str:
    """Return Unix milliseconds as text; never counts as 0."""
    return str(max(0, time_ns // NS_PER_MS))


def amount(value: Decimal) -> str:
    """Write an amount without exponent, trailing zeros or a bare minus zero."""
    text = format(value.quantize(_STEP), "f").rstrip("0").rstrip(".")
    return "0" if text in ("", "-0", "-") else text


def _uuid(tag: int, number: int) -> str:
    return str(UUID(int=((tag << 96) | number) ^ _MASK))


def order_id(category: Category, number: int) -> str:
    """Write the id of an order."""
    if category is Category.SPOT:
        return str(_SPOT_BASE + number)
    return _uuid(_ORDER_TAG, number)


def order_number(category: Category, text: str) -> int | None:
    """Read the id of an order; ``None`` for one that this exchange never gave."""
    if category is Category.SPOT:
        return int(text) - _SPOT_BASE if text.isdigit() else None
    try:
        value = UUID(text).int ^ _MASK
    except ValueError:
        return None
    return value & ((1 << 96) - 1) if value >> 96 == _ORDER_TAG else None


def fill_id(category: Category, trade_id: int, *, is_maker: bool) -> str:
    """Write the id of an execution; the two sides of a trade have ids of their own."""
    number = trade_id * 2 + is_maker
    if category is Category.SPOT:
        return str(2_100_000_000_000_000_000 + number)
    return _uuid(_FILL_TAG, number)


def payment_id(number: int) -> str:
    """Write the id of a funding record."""
    return _uuid(_PAYMENT_TAG, number)


def trade_id(category: Category, number: int) -> str:
    """Write the id of a public trade."""
    if category is Category.SPOT:
        return str(2_290_000_000_000_000_000 + number)
    return _uuid(_TRADE_TAG, number)


class Scale:
    """Writes ticks and lots of one market as the venue's decimal texts."""

    __slots__ = ("_lot", "_lot_places", "_tick", "_tick_places", "category", "spec", "symbol")

    def __init__(self, spec: MarketSpec) -> None:
        self.spec = spec
        self.category = category_of(spec)
        self.symbol = spec.venue_symbol
        self._tick_places = _places(spec.tick_size)
        self._lot_places = _places(spec.lot_size)
        self._tick = int(spec.tick_size.scaleb(self._tick_places))
        self._lot = int(spec.lot_size.scaleb(self._lot_places))

    def price(self, ticks: int) -> str:
        """Write a price."""
        return _fixed(ticks * self._tick, self._tick_places)

    def size(self, lots: int) -> str:
        """Write a base quantity."""
        return _fixed(lots * self._lot, self._lot_places)

    def mark(self, price: Decimal) -> str:
        """Write a price that need not lie on the grid, cut to the grid's places."""
        return f"{price:.{self._tick_places}f}"

    def quote(self, ticks: int, lots: int) -> str:
        """Write price x quantity."""
        return amount(self.spec.tick_size * self.spec.lot_size * (ticks * lots))

    def levels(self, levels: list[tuple[int, int]]) -> list[list[str]]:
        """Write book levels as ``[price, size]``; size ``0`` deletes."""
        price, size = self.price, self.size
        return [[price(ticks), size(lots) if lots else "0"] for ticks, lots in levels]


def _places(step: Decimal) -> int:
    exponent = step.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _fixed(units: int, places: int) -> str:
    if not places:
        return str(units)
    whole, rest = divmod(units, 10**places)
    return f"{whole}.{rest:0{places}d}"
