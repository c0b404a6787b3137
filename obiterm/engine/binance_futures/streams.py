"""The two connections of some markets: books on one path, trades and marks on the other (§11.1).

A connection may be up and carry nothing, or leave out one stream (T38 T41). Three watches
notice it: no data at all; best prices that move while the book of the same connection does
not; streams that never spoke since the start, which are named and not opened again, because
that is what a wrong path looks like.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from obiterm.core.clock import Clock
from obiterm.core.events import DepthChanged, FeedChanged, TopChanged
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S, Symbol
from obiterm.engine.gateway import Emit
from obiterm.net.ws import Socket, SocketOptions
from obiterm.venues.binance.futures.environments import FuturesUrls
from obiterm.venues.binance.futures.market_session import MarketSession, Route

LONGEST_WAIT_S = 8.0
"""A venue that was away is found again within 10 s of its return."""
_SILENCE_S = 10.0
_PING_S = 4.0
_BOOK_SILENCE_S = 10.0
_TAPE_SILENCE_S = 5.0
"""The mark price comes every second, whatever the market does."""
_DEAF_BOOK_NS = 3 * NS_PER_S
"""A book that did not change for so long, although its best price did, is not told of."""
_WATCH_EVERY_S = 1.0

_LOG = logging.getLogger("obiterm.engine")


class MarketStreams:
    """Books, trades and marks of markets that were watched together."""

    def __init__(
        self,
        urls: FuturesUrls,
        reachable: Callable[[str], str],
        instruments: Mapping[Symbol, Instrument],
        clock: Clock,
        emit: Emit,
    ) -> None:
        self._symbols = list(instruments)
        self._clock = clock
        self._emit = emit
        self._book = MarketSession(instruments, Route.PUBLIC)
        self._tape = MarketSession(instruments, Route.MARKET)
        self._changed_ns: dict[Symbol, int] = {}
        self._unheard: list[str] = []
        self._book_socket = Socket(
            lambda: reachable(urls.public + self._book.connect_path()),
            clock,
            SocketOptions(
                silence_s=_SILENCE_S,
                ping_s=_PING_S,
                data_silence_s=_BOOK_SILENCE_S,
                backoff_ceiling_s=LONGEST_WAIT_S,
                overlap=True,  # a message that comes twice changes nothing in a book
            ),
        )
        self._tape_socket = Socket(
            lambda: reachable(urls.market + self._tape.connect_path()),
            clock,
            SocketOptions(
                silence_s=_SILENCE_S,
                ping_s=_PING_S,
                data_silence_s=_TAPE_SILENCE_S,
                backoff_ceiling_s=LONGEST_WAIT_S,
            ),
        )

    async def run(self) -> None:
        """Keep both connections up until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._book_socket.run(self._on_book, self._book_up, self._book_down))
            group.create_task(
                self._tape_socket.run(
                    self._on_tape, lambda: self._tape.opened(self._clock.monotonic_ns())
                )
            )
            group.create_task(self._watch())

    def book_state(self) -> str:
        """Return ``up``, ``stale`` or ``down``."""
        return _state(self._book_socket, self._book, self._clock.monotonic_ns())

    def tape_state(self) -> str:
        """Return ``up``, ``stale`` or ``down``."""
        return _state(self._tape_socket, self._tape, self._clock.monotonic_ns())

    def _on_book(self, data: bytes, received_ns: int) -> None:
        for event in self._book.receive(data, received_ns):
            if isinstance(event, DepthChanged):
                self._changed_ns[event.symbol] = received_ns
            elif isinstance(event, TopChanged):
                changed_ns = self._changed_ns.setdefault(event.symbol, received_ns)
                if received_ns - changed_ns > _DEAF_BOOK_NS:
                    self._book.must_reconnect = f"the book of {event.symbol} stands still"
            self._emit(event)
        _obey(self._book, self._book_socket)

    def _on_tape(self, data: bytes, received_ns: int) -> None:
        for event in self._tape.receive(data, received_ns):
            self._emit(event)
        _obey(self._tape, self._tape_socket)

    def _book_up(self) -> None:
        self._changed_ns.clear()
        self._book.opened(self._clock.monotonic_ns())
        self._tell(True, "connected")

    def _book_down(self, reason: str) -> None:
        self._tell(False, reason)

    def _tell(self, is_up: bool, text: str) -> None:
        self._emit(FeedChanged("market", is_up, text, self._clock.wall_ns(), self._symbols))

    async def _watch(self) -> None:
        """Name streams that never spoke, once."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            now_ns = self._clock.monotonic_ns()
            unheard = [*self._book.silent(now_ns), *self._tape.silent(now_ns)]
            if unheard and unheard != self._unheard:
                _LOG.warning("streams that say nothing since they were opened: %s", unheard)
            self._unheard = unheard


def _obey(session: MarketSession, socket: Socket) -> None:
    if session.must_reconnect:
        reason, session.must_reconnect = session.must_reconnect, ""
        socket.reconnect(reason)


def _state(socket: Socket, session: MarketSession, now_ns: int) -> str:
    if not socket.is_up:
        return "down"
    return "stale" if session.silent(now_ns) else "up"
