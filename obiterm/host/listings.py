"""Every market of the host's venues, for the picker: read when a viewer first asks, then kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S
from obiterm.host.places import MarketKey
from obiterm.host.spectators import OpenFeed
from obiterm.link.messages import ListedMarket, Listings

KEPT_NS = 600 * NS_PER_S
"""A venue is asked again at most after this time."""
TRIED_AGAIN_NS = 30 * NS_PER_S
"""One that did not tell, at most after this."""
_PATIENCE_S = 20.0


class _Listing:
    """What one venue told, and when."""

    def __init__(self) -> None:
        self.markets: list[ListedMarket] = []
        self.trouble = ""
        self.due_ns = 0
        self.task: asyncio.Task[None] | None = None


class ListingStore:
    """Reads the venues' listings; a failure is told in the picker and hurts nothing else.

    Args:
        places: the venues, as the link names them.
        traders: the accounts of the profile that trade each market.
        open_feed: opens market data of a venue; not the one that trading hangs on.
        clock: of the host.
        changed: called when a venue has told, or has not.
    """

    def __init__(
        self,
        places: Iterable[str],
        traders: Mapping[MarketKey, list[str]],
        open_feed: OpenFeed,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self._listings = {place: _Listing() for place in dict.fromkeys(places)}
        self._traders = traders
        self._open_feed = open_feed
        self._clock = clock
        self._changed = changed

    def ask(self) -> None:
        """Read what was not read for a while."""
        now_ns = self._clock.monotonic_ns()
        for place, listing in self._listings.items():
            if listing.task is None and now_ns >= listing.due_ns:
                listing.task = asyncio.get_running_loop().create_task(self._read(place, listing))

    @property
    def is_reading(self) -> bool:
        """Return whether another message will follow."""
        return any(listing.task is not None for listing in self._listings.values())

    def message(self) -> Listings:
        """Return what is known now."""
        return Listings(
            markets=[one for listing in self._listings.values() for one in listing.markets],
            reading=[place for place, one in self._listings.items() if one.task is not None],
            troubles=[
                f"{place}: {one.trouble}" for place, one in self._listings.items() if one.trouble
            ],
        )

    async def close(self) -> None:
        """Give up what is being read."""
        tasks = [one.task for one in self._listings.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, place: str, listing: _Listing) -> None:
        kept_ns = TRIED_AGAIN_NS
        try:
            async with asyncio.timeout(_PATIENCE_S):
                feed = await self._open_feed(place)
                try:
                    told = await feed.source.all_instruments()
                finally:
                    await feed.source.close()
            listing.markets = [self._listed(one, place) for one in told]
            listing.trouble, kept_ns = "", KEPT_NS
        except (ObitermError, OSError, TimeoutError) as error:
            listing.trouble = f"{error or 'no answer'}"
        except Exception as error:  # task boundary: one venue's listing, told in the picker
            listing.trouble = f"{type(error).__name__}: {error}"
        finally:
            listing.due_ns = self._clock.monotonic_ns() + kept_ns
            listing.task = None
        self._changed()

    def _listed(self, instrument: Instrument, place: str) -> ListedMarket:
        symbol = str(instrument.symbol)
        accounts = self._traders.get((place, symbol), [])
        return ListedMarket(
            place, symbol, instrument.kind, instrument.base, instrument.quote, accounts
        )
