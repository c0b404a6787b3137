"""The public side of Binance futures: streams, snapshots, listing, clock (binance.md §9, §11)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from obiterm.core.clock import Clock
from obiterm.core.errors import UsageError
from obiterm.core.events import DepthSnapshotted, Event
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, NS_PER_S, Symbol
from obiterm.engine.binance.wire import send_within
from obiterm.engine.binance_futures.streams import MarketStreams
from obiterm.engine.gateway import Emit, nowhere
from obiterm.engine.shared.clock import quickest_offset
from obiterm.net.http import HttpPool
from obiterm.venues.binance.futures.conditional import ConditionalOrders
from obiterm.venues.binance.futures.environments import FuturesUrls
from obiterm.venues.binance.futures.errors import check
from obiterm.venues.binance.futures.http_request import FuturesRequest
from obiterm.venues.binance.futures.limits import FUNDING, FuturesBudget
from obiterm.venues.binance.futures.listing import (
    Market,
    completed,
    exchange_info,
    funding_terms,
)
from obiterm.venues.binance.futures.market_requests import MarketRequests
from obiterm.venues.binance.futures.rest_codec import RestCodec, server_time

_SNAPSHOT_LEVELS = 1000
_STATES = ("down", "stale", "up")
"""Worst first."""


class FuturesSource:
    """Sockets and requests that need no key, one for all accounts of a host.

    Markets that are watched later get connections of their own: those that stream already
    are not disturbed.

    Attributes:
        urls: hosts of the environment.
        offset_ns: the venue's clock minus ours; applied to every signature (R14).
        budget: the weight of our address; accounts share its counters and its ban.
        markets: what the venue lists, with the rules that an instrument has no room for.
    """

    def __init__(
        self, urls: FuturesUrls, clock: Clock, budget: FuturesBudget | None = None
    ) -> None:
        self.urls = urls
        self.offset_ns = 0
        self.budget = budget or FuturesBudget()
        self.markets: dict[Symbol, Market] = {}
        self._clock = clock
        self._pool = HttpPool(urls.rest)
        self._requests = MarketRequests()
        self._listed: dict[Symbol, Instrument] = {}
        self._streams: dict[Symbol, MarketStreams] = {}
        self._group: asyncio.TaskGroup | None = None
        self._emit: Emit = nowhere

    # -- reference -----------------------------------------------------------------------------

    async def measure_clock(self) -> tuple[int, int]:
        """Measure the venue's clock; return ``(offset, round trip)`` of the quickest sample, ns."""
        best = await quickest_offset(self._ask_time, self._clock)
        self.offset_ns = best[0]
        return best

    async def _ask_time(self) -> int:
        return server_time(await self.read(self._requests.server_time())) * NS_PER_MS

    async def listing(self, symbols: Iterable[Symbol]) -> dict[Symbol, Instrument]:
        """Return the instruments of ``symbols``; the list is read again for an unknown one.

        Leverage and fees are the account's to tell and are not in them.
        """
        wanted = list(symbols)
        if any(symbol not in self._listed for symbol in wanted):
            await self._read_listing()
        missing = [symbol for symbol in wanted if symbol not in self._listed]
        if missing:
            raise UsageError(
                f"the venue has no market {', '.join(missing)}",
                hint="perpetuals are named like BTCUSDT-PERP",
            )
        return {symbol: self._listed[symbol] for symbol in wanted}

    async def all_instruments(self) -> list[Instrument]:
        """Return every market of the venue that takes orders."""
        await self._read_listing()
        return [self._listed[symbol] for symbol, one in self.markets.items() if one.is_trading]

    async def _read_listing(self) -> None:
        body = await self.read(self._requests.exchange_info())
        told = await asyncio.to_thread(exchange_info, body)  # a megabyte: not on the loop
        self.budget.spend({FUNDING: 1}, self.venue_ns())
        terms = funding_terms(await self.read(self._requests.funding_info()))
        self.budget.take_rate_limits(told.rate_limits, self.venue_ns())
        self.markets = told.markets
        for symbol, instrument in told.instruments.items():
            self._listed[symbol] = completed(instrument, terms=terms.get(symbol))

    async def price_band(self, symbol: Symbol) -> tuple[int, int]:
        """Return the lowest sell and the highest buy that are safe around the mark, in ticks.

        A tenth inside of the venue's own band, because the mark moves meanwhile.
        """
        codec = RestCodec({symbol: self._listed[symbol]}, ConditionalOrders())
        body = await self.read(self._requests.premium_index(symbol))
        mark_ticks = codec.premium(body, self._clock.wall_ns()).mark_ticks
        lowest, highest = self.markets[symbol].price_band(mark_ticks)
        return lowest + (mark_ticks - lowest) // 10, highest - (highest - mark_ticks) // 10

    # -- streams -------------------------------------------------------------------------------

    def watch(self, symbols: Iterable[Symbol]) -> None:
        """Add listed symbols to those that ``run`` streams."""
        new = {symbol: self._listed[symbol] for symbol in symbols if symbol not in self._streams}
        if not new:
            return
        streams = MarketStreams(self.urls, self.reachable, new, self._clock, self._tell)
        self._streams.update(dict.fromkeys(new, streams))
        if self._group is not None:
            self._group.create_task(streams.run())

    async def run(self, emit: Emit) -> None:
        """Keep the market sockets up until cancelled."""
        self._emit = emit
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for streams in dict.fromkeys(self._streams.values()):
                    group.create_task(streams.run())
                await asyncio.Event().wait()  # watch() starts more; they end with us
        finally:
            self._group = None
            self._emit = nowhere

    async def resync(self, symbol: Symbol) -> DepthSnapshotted:
        """Fetch a book of 1,000 levels a side (§11.2)."""
        body = await self.read(self._requests.depth(symbol, _SNAPSHOT_LEVELS))
        codec = RestCodec({symbol: self._listed[symbol]}, ConditionalOrders())
        return codec.depth(symbol, body, self._clock.wall_ns())

    def sockets(self) -> dict[str, str]:
        """Return the worst state of the book connections and of those with trades and marks."""
        return {
            "market": self._worst(MarketStreams.book_state),
            "trades": self._worst(MarketStreams.tape_state),
        }

    def _worst(self, state: Callable[[MarketStreams], str]) -> str:
        states = {state(streams) for streams in self._streams.values()}
        return min(states, key=_STATES.index, default="down")

    def _tell(self, event: Event) -> None:
        self._emit(event)

    # -- the wire ------------------------------------------------------------------------------

    def reachable(self, url: str) -> str:
        """Return ``url``; raise ``OSError`` while the venue has banned this address (T44).

        A handshake is a request like any other: none is tried then.
        """
        banned_ns = self.budget.ban.until_ns - self.venue_ns()
        if banned_ns > 0:
            raise ConnectionError(f"the venue keeps this address away: {banned_ns // NS_PER_S} s")
        return url

    def venue_ns(self) -> int:
        """Return the venue's time in Unix ns."""
        return self._clock.wall_ns() + self.offset_ns

    async def read(self, request: FuturesRequest) -> bytes:
        """Send a public request and return its body; raises the venue's refusal."""
        reply = await send_within(self._pool, self.budget, request, self.venue_ns)
        check(reply.status, reply.headers, reply.body)
        return reply.body

    async def close(self) -> None:
        """Close the connections."""
        self._pool.close()
