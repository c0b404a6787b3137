"""The public side of Binance spot: market stream, snapshots, listing, clock (binance.md §8)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from obiterm.core.clock import Clock
from obiterm.core.errors import UsageError
from obiterm.core.events import DepthSnapshotted, FeedChanged
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, Symbol
from obiterm.engine.binance.wire import send_within
from obiterm.engine.gateway import Emit
from obiterm.engine.shared.clock import quickest_offset
from obiterm.net.http import HttpPool
from obiterm.net.http_parser import HttpReply
from obiterm.net.ws import Socket, SocketOptions
from obiterm.venues.binance.environments import BinanceUrls
from obiterm.venues.binance.limits import Budget
from obiterm.venues.binance.listing import exchange_info
from obiterm.venues.binance.market_session import MarketSession
from obiterm.venues.binance.requests import HttpRequest, RestRequests
from obiterm.venues.binance.rest_codec import RestCodec, check, server_time

_SNAPSHOT_LEVELS = 1000
_SILENCE_S = 10.0
_PING_S = 4.0
DATA_SILENCE_S = 5.0
"""A market stream without data for this long is opened anew, even if it answers pings (T38)."""


class BinanceSource:
    """Sockets and requests that need no key, one for all accounts of a host.

    Attributes:
        urls: hosts of the environment.
        offset_ns: the venue's clock minus ours; applied to every signature (R14).
        budget: the weight of our address; accounts share its counters.
        self_trade_modes: what the venue's markets allow, by symbol.
    """

    def __init__(
        self,
        urls: BinanceUrls,
        clock: Clock,
        budget: Budget | None = None,
        data_silence_s: float = DATA_SILENCE_S,
    ) -> None:
        self.urls = urls
        self.offset_ns = 0
        self.budget = budget or Budget()
        self.self_trade_modes: dict[Symbol, frozenset[str]] = {}
        self._clock = clock
        self._pool = HttpPool(urls.rest)
        self._requests = RestRequests()
        self._listed: dict[Symbol, Instrument] = {}
        self._watched: dict[Symbol, Instrument] = {}
        self._session = MarketSession({})
        self._emit: Emit | None = None
        self._socket = Socket(
            lambda: urls.stream + self._session.connect_path(),
            clock,
            SocketOptions(silence_s=_SILENCE_S, ping_s=_PING_S, data_silence_s=data_silence_s),
        )

    # -- reference -----------------------------------------------------------------------------

    async def measure_clock(self) -> tuple[int, int]:
        """Measure the venue's clock; return ``(offset, round trip)`` of the quickest sample, ns."""
        best = await quickest_offset(self._ask_time, self._clock)
        self.offset_ns = best[0]
        return best

    async def _ask_time(self) -> int:
        reply = await self._get(self._requests.server_time())
        return server_time(reply.body) * NS_PER_MS

    async def listing(self, symbols: Iterable[Symbol]) -> dict[Symbol, Instrument]:
        """Return the instruments of ``symbols``; those that are not known yet are read."""
        wanted = list(symbols)
        unknown = [symbol for symbol in wanted if symbol not in self._listed]
        if unknown:
            told = exchange_info((await self._get(self._requests.exchange_info(unknown))).body)
            missing = [symbol for symbol in unknown if symbol not in told.markets]
            if missing:
                raise UsageError(f"the venue has no market {', '.join(missing)}")
            self._listed.update(told.instruments)
            self.self_trade_modes.update(told.self_trade_modes)
            self.budget.take_rate_limits(told.rate_limits, self._venue_ns())
        return {symbol: self._listed[symbol] for symbol in wanted}

    async def all_instruments(self) -> list[Instrument]:
        """Return every market of the venue; the megabytes of it are read beside the loop."""
        reply = await self._get(self._requests.exchange_info([]))
        told = await asyncio.to_thread(exchange_info, reply.body)
        return list(told.instruments.values())

    # -- stream --------------------------------------------------------------------------------

    def watch(self, symbols: Iterable[Symbol]) -> None:
        """Add listed symbols to the stream; it is opened anew when it is up already."""
        new = {symbol: self._listed[symbol] for symbol in symbols if symbol not in self._watched}
        if not new:
            return
        self._watched.update(new)
        self._session = MarketSession(self._watched)
        self._socket.reconnect("another market is watched")

    async def run(self, emit: Emit) -> None:
        """Keep the stream up until cancelled."""
        self._emit = emit
        await self._socket.run(
            self._receive,
            lambda: self._tell(True, "connected"),
            lambda reason: self._tell(False, reason),
        )

    def _receive(self, data: bytes, received_ns: int) -> None:
        emit = self._emit
        if emit is None:
            return
        for event in self._session.receive(data, received_ns):
            emit(event)
        if self._session.must_reconnect:
            reason, self._session.must_reconnect = self._session.must_reconnect, ""
            self._socket.reconnect(reason)

    def _tell(self, is_up: bool, text: str) -> None:
        if self._emit is not None:
            self._emit(
                FeedChanged("market", is_up, text, self._clock.wall_ns(), list(self._watched))
            )

    async def resync(self, symbol: Symbol) -> DepthSnapshotted:
        """Fetch a book of 1,000 levels a side (binance.md §8.1)."""
        reply = await self._get(self._requests.depth(symbol, _SNAPSHOT_LEVELS))
        codec = RestCodec({symbol: self._listed[symbol]})
        return codec.depth(symbol, reply.body, self._clock.wall_ns())

    def sockets(self) -> dict[str, str]:
        """Return the state of the market socket."""
        return {"market": "up" if self._socket.is_up else "down"}

    # -- the wire ------------------------------------------------------------------------------

    def _venue_ns(self) -> int:
        return self._clock.wall_ns() + self.offset_ns

    async def _get(self, request: HttpRequest) -> HttpReply:
        reply = await send_within(self._pool, self.budget, request, self._venue_ns)
        check(reply.status, reply.headers, reply.body)
        return reply

    async def close(self) -> None:
        """Close the connections."""
        self._pool.close()
