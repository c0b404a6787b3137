"""What the spelling of a market in a profile says: its kind, its name at a simulated exchange."""

from __future__ import annotations

from obiterm.core.values import MarketKind
from obiterm.exchange.specs import every_listing

_SPOT = ".SPOT"
_PERP = "-PERP"
_EXCHANGE_PERP = ".P"


def market_kind(venue: str, symbol: str) -> MarketKind:
    """Return whether a market is spot or perpetual; every venue's spelling tells it."""
    match venue:
        case "binance":
            is_spot = True
        case "bybit":
            is_spot = symbol.endswith(_SPOT)
        case "backpack":
            is_spot = not symbol.endswith("_PERP")
        case _:
            is_spot = False
    return MarketKind.SPOT if is_spot else MarketKind.PERP


def exchange_symbol(venue: str, symbol: str) -> str:
    """Return the simulated exchange's own name of a market that profiles spell ``symbol``."""
    match venue:
        case "bybit":
            spot = symbol.endswith(_SPOT)
            return symbol.removesuffix(_SPOT) if spot else f"{symbol}{_EXCHANGE_PERP}"
        case "binance-futures":
            return symbol.removesuffix(_PERP)
    return symbol


def made_markets(venue: str) -> list[str]:
    """Return the markets that a simulated exchange can make, spelt as in profiles."""
    return [_spelt(venue, one.spec.symbol) for one in every_listing(venue)]


def _spelt(venue: str, name: str) -> str:
    match venue:
        case "bybit":
            is_perp = name.endswith(_EXCHANGE_PERP)
            return name.removesuffix(_EXCHANGE_PERP) if is_perp else f"{name}{_SPOT}"
        case "binance-futures":
            return f"{name}{_PERP}"
    return name
