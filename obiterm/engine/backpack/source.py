"""The public side of Backpack: one market socket, books, listing, clock (backpack.md §5, §8, §9).

One connection carries every market of every account. The venue confirms no subscription, so
a market that says nothing is asked for again, and a connection without data is replaced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from obiterm.core.clock import Clock
from obiterm.core.errors import RetryLater, UsageError
from obiterm.core.events import DepthSnapshotted, FeedChanged
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S, MarketKind, Symbol
from obiterm.engine.backpack.calls import Caller, Firewall
from obiterm.engine.backpack.silence import SilenceWatch
from obiterm.engine.gateway import Emit, nowhere
from obiterm.net.http import HttpPool
from obiterm.net.ws import Socket, SocketOptions
from obiterm.venues.backpack.client_ids import ClientIds
from obiterm.venues.backpack.clock import best, sample
from obiterm.venues.backpack.environments import BackpackUrls
from obiterm.venues.backpack.limits import Budget
from obiterm.venues.backpack.listing import Listing, markets
from obiterm.venues.backpack.market_session import MarketSession
from obiterm.venues.backpack.requests import MarketRequests
from obiterm.venues.backpack.rest_codec import RestCodec, server_time

_CLOCK_SAMPLES = 3
_SNAPSHOT_LEVELS = 1000
_SILENCE_S = 10.0
_PING_S = 4.0
_DEAF_NS = 5 * NS_PER_S
"""A socket without data for this long is opened anew, even if it answers pings (T38)."""
_DEAF_SPOT_NS = 20 * NS_PER_S
"""The same without perpetuals, whose mark prices come every second: spot may be quiet."""
_WATCH_EVERY_S = 0.5
_LISTING_KEPT_NS = 3600 * NS_PER_S


class BackpackSource:
    """Sockets and requests that need no key, one for all accounts of a host.

    Attributes:
        urls: hosts of the environment.
        offset_ns: the venue's clock minus ours; applied to every signature (R14).
        calls: public requests within the limits of our address.
        firewall: whether our address is kept away.
        measured_ns: when the clock was measured, monotonic; 0 = never.
    """

    def __init__(
        self,
        urls: BackpackUrls,
        clock: Clock,
        budget: Budget | None = None,
        firewall: Firewall | None = None,
    ) -> None:
        self.urls = urls
        self.offset_ns = 0
        self.measured_ns = 0
        self.firewall = firewall or Firewall()
        self.calls = Caller(HttpPool(urls.rest), budget or Budget(), clock.wall_ns, self.firewall)
        self._clock = clock
        self._requests = MarketRequests()
        self._listing: Listing | None = None
        self._listed_ns = 0
        self._codec = RestCodec({}, ClientIds())
        self._reading = asyncio.Lock()
        self._watched: dict[Symbol, Instrument] = {}
        self._session = MarketSession({})
        self._silence = SilenceWatch()
        self._emit: Emit = nowhere
        self._socket = Socket(
            urls.stream,
            clock,
            SocketOptions(silence_s=_SILENCE_S, ping_s=_PING_S),
        )

    def venue_ns(self) -> int:
        """Return the venue's time in Unix ns."""
        return self._clock.wall_ns() + self.offset_ns

    # -- reference ---------------------------------------------------------------------------

    async def measure_clock(self) -> tuple[int, int]:
        """Measure and keep the venue's clock; return ``(offset, round trip)`` in ns."""
        samples = []
        for _ in range(_CLOCK_SAMPLES):
            before_ns = self._clock.wall_ns()
            reply = await self.calls.get(self._requests.server_time())
            after_ns = self._clock.wall_ns()
            samples.append(sample(server_time(reply.body), before_ns, after_ns))
        measured = best(samples)
        self.offset_ns = measured.offset_ns
        self.measured_ns = self._clock.monotonic_ns()
        return measured.offset_ns, measured.round_trip_ns

    async def listing(self, symbols: Iterable[Symbol]) -> dict[Symbol, Instrument]:
        """Return the instruments of ``symbols``; the venue tells all its markets at once."""
        wanted = list(symbols)
        listing = await self.markets()
        missing = [symbol for symbol in wanted if symbol not in listing.markets]
        if missing:
            raise UsageError(
                f"Backpack has no market {', '.join(missing)} that can be traded here",
                hint="names look like SOL_USDC (spot) and SOL_USDC_PERP (perpetual)",
            )
        return {symbol: listing.markets[symbol].instrument for symbol in wanted}

    async def all_instruments(self) -> list[Instrument]:
        """Return every market that the venue shows, by symbol."""
        listing = await self.markets()
        shown = [one.instrument for one in listing.markets.values() if one.visible]
        return sorted(shown, key=lambda instrument: instrument.symbol)

    async def markets(self) -> Listing:
        """Return the venue's markets with their states; read anew after an hour."""
        async with self._reading:
            age_ns = self._clock.monotonic_ns() - self._listed_ns
            if self._listing is None or age_ns > _LISTING_KEPT_NS:
                self._listing = markets((await self.calls.get(self._requests.markets())).body)
                self._listed_ns = self._clock.monotonic_ns()
                self._codec = RestCodec(self._listing.instruments, ClientIds())
            return self._listing

    # -- stream --------------------------------------------------------------------------------

    def watch(self, symbols: Iterable[Symbol]) -> None:
        """Add listed markets to the stream; an open connection is told of them at once."""
        listing = self._listing
        for symbol in symbols:
            if symbol in self._watched:
                continue
            if listing is None or symbol not in listing.markets:
                raise UsageError(f"{symbol} was not listed before it was watched")
            instrument = listing.markets[symbol].instrument
            self._watched[symbol] = instrument
            self._session.add(instrument)
            if self._socket.is_up:
                self._silence.begin(symbol, self._clock.monotonic_ns())
                self._send(self._session.subscribe(symbol))
                self._tell(True, "subscribed", [symbol])

    async def run(self, emit: Emit) -> None:
        """Keep the stream up until cancelled."""
        self._emit = emit
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._socket.run(self._receive, self._up, self._down))
                group.create_task(self._keep_watch())
        finally:
            self._emit = nowhere

    async def resync(self, symbol: Symbol) -> DepthSnapshotted:
        """Fetch a book of 1,000 levels a side; the venue sends its bids worst first (§1.1)."""
        reply = await self.calls.get(self._requests.depth(symbol, _SNAPSHOT_LEVELS))
        return self._codec.depth(symbol, reply.body, self._clock.wall_ns())

    def sockets(self) -> dict[str, str]:
        """Return the state of the market socket."""
        return {"market": "up" if self._socket.is_up else "down"}

    async def close(self) -> None:
        """Close the connections."""
        self.calls.close()

    def _up(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for frame in self._session.opening_frames():
            self._socket.send(frame)
        for symbol in self._watched:
            self._silence.begin(symbol, now_ns)
        self._tell(True, "connected", list(self._watched))

    def _down(self, reason: str) -> None:
        self._silence.clear()
        self._tell(False, reason, list(self._watched))

    def _receive(self, data: bytes, received_ns: int) -> None:
        now_ns = self._clock.monotonic_ns()
        for event in self._session.receive(data, received_ns):
            self._silence.hear(event, now_ns)
            self._emit(event)

    async def _keep_watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            now_ns = self._clock.monotonic_ns()
            if not self._socket.is_up or not self._watched:
                continue
            kinds = {instrument.kind for instrument in self._watched.values()}
            limit_ns = _DEAF_NS if MarketKind.PERP in kinds else _DEAF_SPOT_NS
            silent_ns = self._silence.silent_ns(now_ns)
            if silent_ns >= limit_ns:
                self._socket.reconnect(f"no data for {silent_ns / NS_PER_S:.1f} s")
                continue
            for symbol in self._silence.due(now_ns):
                self._send(self._session.renew(symbol))

    def _send(self, frames: Iterable[bytes]) -> None:
        try:
            for frame in frames:
                self._socket.send(frame)
        except RetryLater as error:
            self._socket.reconnect(str(error))

    def _tell(self, is_up: bool, text: str, symbols: list[Symbol]) -> None:
        self._emit(FeedChanged("market", is_up, text, self._clock.wall_ns(), symbols))
