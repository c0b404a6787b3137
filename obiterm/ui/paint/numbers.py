"""Numbers as text that never outgrows its cells.

A number that does not fit loses its thousands signs, then decimals, then becomes
``k``, ``M``, ``B`` or ``T``; only when nothing is left to lose it becomes ``#`` signs,
so that a wrong number is never shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import chain

from obiterm.link.messages import AccountPane, InstrumentInfo

UNKNOWN = "-"
MASK = "****"
_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


class Scale:
    """Exact text of ticks and lots of one market.

    Attributes:
        tick: price of one tick, for pixels and estimates only.
        lot: quantity of one lot, likewise.
    """

    __slots__ = ("_lot_decimals", "_lot_unit", "_tick_decimals", "_tick_unit", "lot", "tick")

    def __init__(self, tick_size: str, lot_size: str, decimals: tuple[int, int]) -> None:
        self._tick_decimals, self._lot_decimals = decimals
        self._tick_unit = int(Decimal(tick_size).scaleb(decimals[0]))
        self._lot_unit = int(Decimal(lot_size).scaleb(decimals[1]))
        self.tick = float(tick_size)
        self.lot = float(lot_size)

    @property
    def price_decimals(self) -> int:
        """Digits after the point of a full price."""
        return self._tick_decimals

    def price(self, ticks: int) -> str:
        """Return the whole price with thousands separators."""
        return _fixed(ticks * self._tick_unit, self._tick_decimals)

    def step(self, ticks: int) -> str:
        """Return a price difference without zeros at its end: ``1``, ``0.05``."""
        return _trim(self.price(ticks))

    def price_fit(self, ticks: float, width: int) -> str:
        """Return a price that fits, with fewer decimals where it must."""
        if not math.isfinite(ticks):
            return UNKNOWN
        text = self.price(round(ticks))
        if len(text) > width:
            text = text.replace(",", "")
        return text if len(text) <= width else fit(ticks * self.tick, width, self._tick_decimals)

    def quantity(self, lots: int) -> str:
        """Return the whole quantity, without zeros at its end."""
        return _trim(_fixed(lots * self._lot_unit, self._lot_decimals))

    def quantity_fit(self, lots: int, width: int) -> str:
        """Return a quantity that fits."""
        text = self.quantity(lots)
        return text if len(text) <= width else fit(lots * self.lot, width, self._lot_decimals)

    def size(self, lots: int, width: int, decimals: int) -> str:
        """Return a book size for a column that has the same decimals in every row.

        A size that would read as zero gets as many decimals as it needs.
        """
        value = lots * self.lot
        text = fit(value, width, min(decimals, self._lot_decimals))
        if lots and not text.strip("0."):
            exact = self.quantity(lots)
            return exact if len(exact) <= width else f"{value:.0e}"[:width]
        return text


@lru_cache(maxsize=256)
def _scale(tick_size: str, lot_size: str, decimals: tuple[int, int]) -> Scale:
    return Scale(tick_size, lot_size, decimals)


def scale_of(info: InstrumentInfo | None) -> Scale:
    """Return the scale of a market; bare ticks and lots for one that is not known."""
    if info is None:
        return _scale("1", "1", (0, 0))
    return _scale(info.tick_size, info.lot_size, (info.price_decimals, info.quantity_decimals))


def _fixed(units: int, decimals: int) -> str:
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units), 10**decimals)
    return f"{sign}{whole:,}.{rest:0{decimals}d}" if decimals else f"{sign}{whole:,}"


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def fit(value: float, width: int, decimals: int, *, sign: bool = False) -> str:
    """Return ``value`` in at most ``width`` cells, with at most ``decimals`` decimals."""
    if not math.isfinite(value):
        return UNKNOWN[:width]
    plus = "+" if sign else ""
    for places in range(decimals, -1, -1):
        for comma in (",", ""):
            text = f"{value:{plus}{comma}.{places}f}"
            if len(text) <= width:
                return text
    for unit, letter in _UNITS:
        if abs(value) < unit * 0.9995:
            continue
        for places in (2, 1, 0):
            text = f"{value / unit:{plus}.{places}f}{letter}"
            if len(text) <= width:
                return text
        break
    plain = f"{value:{plus}.0f}"
    return plain if len(plain) <= width else "#" * width


def money(value: float, width: int, *, masked: bool = False) -> str:
    """Return a balance in quote with two decimals where they fit."""
    return MASK[:width] if masked else fit(value, width, 2)


def result(value: float, width: int, *, masked: bool = False) -> str:
    """Return a profit or loss; the sign is always there."""
    return MASK[:width] if masked else fit(value, width, 2, sign=True)


def percent(value: float, width: int, *, sign: bool = False, decimals: int = 2) -> str:
    """Return a percentage (12.5 → ``12.50%``)."""
    if not math.isfinite(value):
        return UNKNOWN[:width]
    return fit(value, max(1, width - 1), decimals, sign=sign) + "%" if width > 1 else "#"


def share(value: float) -> str:
    """Return a share 0 … 1 as whole percent, always four cells."""
    if not math.isfinite(value):
        return f"{UNKNOWN:>4}"
    return f"{round(min(max(value, 0.0), 9.99) * 100):>3d}%"


def milliseconds(value: float) -> str:
    """Return a delay: ``0.4ms``, ``11ms``, ``1.2s``, ``38s``, ``4:11``."""
    if not math.isfinite(value):
        return UNKNOWN
    if value < 9.95:
        return f"{value:.1f}ms"
    if value < 999.5:
        return f"{value:.0f}ms"
    if value < 9_950:
        return f"{value / 1000:.1f}s"
    return duration(value / 1000)


def microseconds(value: float) -> str:
    """Return a short delay: ``85us``, ``1.2ms``."""
    if not math.isfinite(value):
        return UNKNOWN
    return f"{value:.0f}us" if value < 999.5 else milliseconds(value / 1000)


def duration(seconds: float) -> str:
    """Return an age: ``38s``, ``4:11``, ``1:02:03``, ``3d``."""
    if not math.isfinite(seconds):
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < _MINUTE_S:
        return f"{whole}s"
    if whole < _HOUR_S:
        return f"{whole // 60}:{whole % 60:02d}"
    if whole < _DAY_S:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // _DAY_S}d"


def clock(at_ns: int) -> str:
    """Return the time of day in UTC, ``14:22:06``."""
    seconds = at_ns // 1_000_000_000 % _DAY_S
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def clean(text: str) -> str:
    """Return text of another machine without signs that a terminal would obey."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def offset(value_ms: float) -> str:
    """Return a clock's offset with its sign: ``+3ms``, ``-1.2s``."""
    if not math.isfinite(value_ms):
        return UNKNOWN
    size = abs(value_ms)
    if size < 0.5:
        return "0ms"
    sign = "-" if value_ms < 0 else "+"
    return f"{sign}{size:.0f}ms" if size < 999.5 else f"{sign}{size / 1000:.1f}s"


_VENUE_CODES = {"backpack": "BPK", "binance": "BIN", "binance-futures": "BNF", "bybit": "BYB"}


def venue_code(venue: str) -> str:
    """Return three letters for a venue, whatever environment stands behind its name."""
    name = venue.partition(" ")[0]
    return _VENUE_CODES.get(name) or _letters(name)[:3].ljust(3)


def account_codes(accounts: Sequence[AccountPane]) -> dict[str, str]:
    """Return three letters for each account that say venue and account, all different.

    The venue's code where it has one account (``BPK``); else two letters of it and one of
    the account's own words (``bybit-main`` and ``bybit-demo``: ``BYm``, ``BYd``).
    """
    venues = [venue_code(account.venue) for account in accounts]
    codes: dict[str, str] = {}
    for account, code in zip(accounts, venues, strict=True):
        if venues.count(code) == 1 and code not in codes.values():
            codes[account.name] = code
            continue
        words = "".join(c if c.isalnum() else " " for c in account.name.lower()).split() or ["?"]
        signs = chain("".join([words[-1], *words[:-1]]), _SIGNS)
        taken = set(codes.values())
        tries = (f"{code[:2]}{sign}" for sign in signs)
        codes[account.name] = next(text for text in tries if text not in taken)
    return codes


_SIGNS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _letters(name: str) -> str:
    return "".join(c for c in name.upper() if c.isalnum()) or "?"
