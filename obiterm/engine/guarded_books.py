"""Where orders of several accounts can meet, for the self-trade guard (docs/decisions/0011)."""

from __future__ import annotations

import msgspec

from obiterm.core.instruments import Instrument
from obiterm.core.values import Environment, MarketKind, Symbol

Place = tuple[str, Environment, str, Symbol]


def place_of(venue: str, environment: Environment, address: str, symbol: Symbol) -> Place:
    """Return what names a book before its instrument is known; addresses as in ``Book``."""
    return venue, environment, address if environment is Environment.SIM else "", symbol


class Book(msgspec.Struct, frozen=True):
    """What identifies an order book: orders can only meet inside one.

    Named by what is traded, not by the symbol, so that one book under two names is one book.
    The address counts in the simulated environment alone: there each exchange has books of
    its own, while all addresses of a real venue lead to the same ones.
    """

    venue: str
    environment: Environment
    address: str
    kind: MarketKind
    base: str
    quote: str
    settle: str


def book_of(instrument: Instrument, environment: Environment, address: str) -> Book:
    """Return the book of an instrument; ``address`` is the venue's base address."""
    return Book(
        venue=instrument.venue,
        environment=environment,
        address=address if environment is Environment.SIM else "",
        kind=instrument.kind,
        base=instrument.base,
        quote=instrument.quote,
        settle=instrument.settle,
    )
