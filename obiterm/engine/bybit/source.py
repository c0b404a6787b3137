"""The public side of Bybit: market streams of both categories, listing, clock (bybit.md §4, §8)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from obiterm.core.clock import Clock
from obiterm.core.errors import DataError, UsageError, VenueError
from obiterm.core.events import DepthSnapshotted
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S, MarketKind, Symbol
from obiterm.engine.bybit.market_line import MOST_SYMBOLS, MarketLine
from obiterm.engine.bybit.wire import RestWire
from obiterm.engine.gateway import Emit
from obiterm.engine.shared.clock import quickest_offset
from obiterm.venues.bybit import (
    Budget,
    BybitUrls,
    Category,
    Listing,
    Market,
    MarketRequests,
    RollingPool,
    category_of,
    check,
    instruments_info,
    maintenance_margins,
    server_time_ns,
    with_margin,
)
from obiterm.venues.bybit.limits import ADDRESS_LIMIT, ADDRESS_WINDOW_NS
from obiterm.venues.bybit.listing import tradable

_BEAT_S = 0.25
_LISTING_AGE_NS = 24 * 3600 * NS_PER_S
"""Sizes change and markets are taken off: a listing is read again after a day (§4.2)."""


class BybitSource:
    """Sockets and requests that need no key, one for all accounts of a host.

    Market data of demo comes from the real market's streams (R91).

    Attributes:
        urls: hosts of the environment.
        offset_ns: the venue's clock minus ours; applied to every signature (R14).
        address: requests of this machine's address; every account counts in it.
    """

    def __init__(self, urls: BybitUrls, clock: Clock, address: RollingPool | None = None) -> None:
        self.urls = urls
        self.offset_ns = 0
        self.address = address or RollingPool("address", ADDRESS_LIMIT, ADDRESS_WINDOW_NS)
        self._clock = clock
        self._wire = RestWire(
            urls.rest, clock, lambda: self.offset_ns, Budget(address=self.address), _no_clock
        )
        self._requests = MarketRequests()
        self._listings: dict[Category, tuple[int, Listing]] = {}
        self._margins: dict[Symbol, Instrument] = {}
        self._watched: dict[Symbol, Instrument] = {}
        self._lines: list[MarketLine] = []
        self._line_of: dict[Symbol, MarketLine] = {}
        self._running: tuple[asyncio.TaskGroup, Emit] | None = None

    # -- reference -----------------------------------------------------------------------------

    async def measure_clock(self) -> tuple[int, int]:
        """Measure the venue's clock; return ``(offset, round trip)`` of the quickest sample, ns."""
        offset_ns, trip_ns = await quickest_offset(self._venue_time, self._clock)
        self.offset_ns = offset_ns
        return offset_ns, trip_ns

    async def _venue_time(self) -> int:
        reply = await self._wire.ask(lambda _: self._requests.server_time())
        return server_time_ns(reply.status, reply.body)

    async def listing(self, symbols: Iterable[Symbol]) -> dict[Symbol, Instrument]:
        """Return the instruments of ``symbols``; a category is read once a day at most.

        Raises ``UsageError`` naming the symbols that the venue does not have, or does not
        trade now.
        """
        wanted = list(symbols)
        markets: dict[Symbol, Market] = {}
        for category in {category_of(symbol) for symbol in wanted}:
            markets |= (await self._listed(category)).markets
        trading = {symbol for symbol, market in markets.items() if market.is_trading}
        missing = [symbol for symbol in wanted if symbol not in trading]
        if missing:
            raise UsageError(
                f"the venue has no market {', '.join(missing)}",
                hint="perpetuals are named like BTCUSDT, spot markets like BTCUSDT.SPOT",
            )
        return {symbol: await self._with_margin(markets[symbol].instrument) for symbol in wanted}

    async def all_instruments(self) -> list[Instrument]:
        """Return every market that takes orders, perpetuals first."""
        markets: list[Market] = []
        for category in (Category.LINEAR, Category.SPOT):
            markets += (await self._listed(category)).markets.values()
        return [market.instrument for market in tradable(markets)]

    async def _listed(self, category: Category) -> Listing:
        """Return all markets of a category, page by page where the venue has pages."""
        now_ns = self._clock.monotonic_ns()
        read_ns, listing = self._listings.get(category, (0, Listing({})))
        if listing.markets and now_ns - read_ns < _LISTING_AGE_NS:
            return listing
        listing, cursor = Listing({}), ""
        while True:
            page = await self._page(category, cursor)
            listing = listing.joined(page)
            if page.cursor in ("", cursor):
                break
            cursor = page.cursor
        self._listings[category] = (now_ns, listing)
        return listing

    async def _page(self, category: Category, cursor: str) -> Listing:
        reply = await self._wire.ask(lambda _: self._requests.instruments(category, cursor))
        return await asyncio.to_thread(instruments_info, category, reply.status, reply.body)

    async def _with_margin(self, instrument: Instrument) -> Instrument:
        """Return an instrument with its maintenance margin; without one the listing's estimate."""
        if instrument.kind is not MarketKind.PERP:
            return instrument
        symbol = instrument.symbol
        known = self._margins.get(symbol)
        if known is None:
            known = instrument
            reply = await self._wire.ask(lambda _: self._requests.risk_limits(symbol))
            try:
                check(reply.status, reply.headers, reply.body)
                known = with_margin(instrument, maintenance_margins(reply.status, reply.body))
            except (VenueError, DataError):
                pass  # not told for this market: the estimate stays
            self._margins[symbol] = known
        return with_margin(instrument, {symbol: known.maintenance_margin})

    def reachable(self, url: str) -> str:
        """Return ``url``; raise ``OSError`` while the venue keeps this address away (T44).

        A handshake is a request like any other: none is tried then.
        """
        away_ns = self.address.blocked_ns(self._wire.venue_ns())
        if away_ns:
            raise ConnectionError(f"the venue keeps this address away for {away_ns // NS_PER_S} s")
        return url

    # -- streams -------------------------------------------------------------------------------

    def watch(self, symbols: Iterable[Symbol]) -> None:
        """Add listed symbols; while ``run`` is at work they are subscribed at once."""
        new = [symbol for symbol in symbols if symbol not in self._watched]
        listed: dict[Symbol, Instrument] = {}
        for category in {category_of(symbol) for symbol in new}:
            listed |= self._listings[category][1].instruments
        added = {symbol: listed[symbol] for symbol in new}
        self._watched |= added
        if self._running is not None:
            self._carry(added)

    async def run(self, emit: Emit) -> None:
        """Keep the sockets up until cancelled; only watched categories have one."""
        try:
            async with asyncio.TaskGroup() as group:
                self._running = (group, emit)
                self._carry(self._watched)
                group.create_task(self._beat())
        finally:
            self._running = None
            self._lines = []
            self._line_of = {}

    async def resync(self, symbol: Symbol) -> DepthSnapshotted | None:
        """Return the book as the stream has told it; ``None`` while it is asked for anyway.

        Nothing is sent: a book that is out of step is asked for by its line, once for all.
        """
        line = self._line_of.get(symbol)
        return None if line is None else line.copy_of(symbol)

    def sockets(self) -> dict[str, str]:
        """Return the state of each market socket."""
        return {
            f"market {line.category.value} {number}": line.state()
            for number, line in enumerate(self._lines, 1)
        }

    def _carry(self, instruments: Mapping[Symbol, Instrument]) -> None:
        """Put markets on sockets of their category: those with room, else new ones."""
        for category in Category:
            waiting = [s for s in instruments if category_of(s) is category]
            for line in [one for one in self._lines if one.category is category]:
                mine, waiting = waiting[: line.room], waiting[line.room :]
                if mine:
                    self._line_of |= dict.fromkeys(mine, line)
                    line.add({symbol: instruments[symbol] for symbol in mine})
            while waiting:
                waiting = self._open_line(category, waiting, instruments)

    def _open_line(
        self, category: Category, waiting: list[Symbol], instruments: Mapping[Symbol, Instrument]
    ) -> list[Symbol]:
        """Open one more socket; return the markets that it does not carry."""
        if self._running is None:
            return []
        group, emit = self._running
        mine, rest = waiting[:MOST_SYMBOLS], waiting[MOST_SYMBOLS:]
        carried = {symbol: instruments[symbol] for symbol in mine}
        url = self.urls.market_stream(category)
        line = MarketLine(lambda: self.reachable(url), category, carried, self._clock, emit)
        self._lines.append(line)
        self._line_of |= dict.fromkeys(mine, line)
        group.create_task(line.run())
        return rest

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            for line in self._lines:
                line.beat()

    async def close(self) -> None:
        """Close the connections."""
        self._wire.close()


def _no_clock() -> None:
    """Ignore what a public request never hears: that our time is off."""
