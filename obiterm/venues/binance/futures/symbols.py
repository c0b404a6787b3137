"""Our names of USD-M perpetuals and the venue's: the one place that knows both.

The venue calls two markets ``BTCUSDT``: one on Spot, one among the futures. Inside, Spot
keeps the bare name and the perpetual is ``BTCUSDT-PERP``, so that one account, one journal
and one screen can hold both. Appending the mark is total, taking it off is its inverse; a
symbol without the mark is Spot's and is refused, never guessed. Contracts with an end date
(``BTCUSDT_260327``) are not traded and get no symbol (``listing``).
"""

from __future__ import annotations

from collections.abc import Mapping

from obiterm.core.errors import DataError, UsageError
from obiterm.core.instruments import Instrument
from obiterm.core.values import Symbol

PERP_MARK = "-PERP"
"""What our symbol of a perpetual ends with."""


def symbol_of(name: str) -> Symbol:
    """Return our symbol of the venue's ``name``; raise ``DataError`` for an empty one."""
    if not name:
        raise DataError("the venue gave a market without a name")
    return Symbol(name + PERP_MARK)


def is_perpetual(symbol: Symbol) -> bool:
    """Tell our symbols of perpetuals from those of Spot."""
    return symbol.endswith(PERP_MARK) and symbol != PERP_MARK


def name_of(symbol: Symbol) -> str:
    """Return the venue's name of one of our symbols; raise ``UsageError`` for Spot's."""
    if not is_perpetual(symbol):
        raise UsageError(f"{symbol} is no USD-M perpetual, these end with {PERP_MARK}")
    return symbol.removesuffix(PERP_MARK)


def by_name(instruments: Mapping[Symbol, Instrument]) -> dict[str, Instrument]:
    """Return instruments by the venue's names."""
    return {name_of(symbol): instrument for symbol, instrument in instruments.items()}
