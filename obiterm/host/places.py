"""Which markets the host has, and whose book shows each of them.

A market is ``(venue, symbol)``; the venue is named with its environment where the host
trades it in several, since those are different books. All accounts of a venue see the
same book, so one of them, the leader, stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from obiterm.core.instruments import Instrument
from obiterm.core.values import Symbol
from obiterm.engine.account import AccountEngine
from obiterm.host.rows import instrument_info
from obiterm.host.slots import AccountSlot
from obiterm.link.messages import InstrumentInfo

MarketKey = tuple[str, str]
"""Venue as the link names it, and symbol."""


def venue_names(slots: Sequence[AccountSlot]) -> dict[str, str]:
    """Return the venue of each account as the link names it, by account name."""
    worlds: dict[str, set[str]] = {}
    for slot in slots:
        worlds.setdefault(slot.venue, set()).add(slot.environment.value)
    return {
        slot.name: slot.venue
        if len(worlds[slot.venue]) == 1
        else f"{slot.venue} {slot.environment.value.lower()}"
        for slot in slots
    }


class Places:
    """The markets of some accounts.

    Attributes:
        slots: the accounts, in the order of the profile.
        venues: the venue of each account as the link names it.
    """

    def __init__(self, slots: Sequence[AccountSlot], sizes: tuple[Decimal, ...] = ()) -> None:
        self.slots = list(slots)
        self.venues = venue_names(slots)
        self._sizes = sizes

    def engines(self) -> list[AccountEngine]:
        """Return the engines that there are now."""
        return [slot.engine for slot in self.slots if slot.engine is not None]

    def symbols(self) -> list[MarketKey]:
        """Return every market of the profile, each once, prepared or not."""
        keys = [(self.venues[slot.name], str(one)) for slot in self.slots for one in slot.symbols]
        return list(dict.fromkeys(keys))

    def traders(self) -> dict[MarketKey, list[str]]:
        """Return the accounts that trade each market of the profile, prepared or not."""
        found: dict[MarketKey, list[str]] = {}
        for slot in self.slots:
            for symbol in slot.symbols:
                found.setdefault((self.venues[slot.name], str(symbol)), []).append(slot.name)
        return found

    def is_elsewhere(self, key: MarketKey) -> bool:
        """Tell whether a market is none of the profile's, at a venue where an account trades."""
        venue, symbol = key
        is_here = any(
            self.venues[slot.name] == venue and symbol in slot.symbols for slot in self.slots
        )
        return bool(symbol) and not is_here and venue in self.venues.values()

    def watched(self, instruments: Mapping[MarketKey, Instrument | None]) -> list[InstrumentInfo]:
        """Return how to print markets that no account trades, as far as they are known."""
        return [
            instrument_info(instrument, venue, self._sizes, [])
            for (venue, _), instrument in instruments.items()
            if instrument is not None
        ]

    def leaders(self) -> dict[MarketKey, AccountEngine]:
        """Return the engine whose book shows each market: the first with a book in step."""
        found: dict[MarketKey, AccountEngine] = {}
        for engine in self.engines():
            for symbol, market in engine.kernel.markets.items():
                key = (self.venues[engine.name], str(symbol))
                known = found.get(key)
                if known is None or (
                    market.book.synced and not known.kernel.markets[symbol].book.synced
                ):
                    found[key] = engine
        return found

    def instruments(self) -> list[InstrumentInfo]:
        """Return how to print every market that is known, and who trades it."""
        traders: dict[MarketKey, list[AccountEngine]] = {}
        for engine in self.engines():
            for traded in engine.kernel.setup.instruments:
                traders.setdefault((self.venues[engine.name], str(traded)), []).append(engine)
        infos = []
        for (venue, symbol), engines in traders.items():
            instrument = engines[0].kernel.setup.instruments[Symbol(symbol)]
            names = [str(engine.name) for engine in engines]
            infos.append(instrument_info(instrument, venue, self._sizes, names))
        return infos
