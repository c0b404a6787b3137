"""One market socket of Bybit: a category's streams, and a copy of each book (bybit.md §8).

Books come by the stream alone. The copy tells at once when one is out of step or silent, so
that it is asked for anew by the line itself, once for all accounts; and an account that
joins later gets the copy, without a word to the venue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from obiterm.core.clock import Clock
from obiterm.core.errors import RetryLater
from obiterm.core.events import DepthChanged, DepthSnapshotted, FeedChanged
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S, Symbol
from obiterm.engine.gateway import Emit
from obiterm.market.book import Applied, Book, SequenceRule
from obiterm.net.ws import Socket, SocketOptions
from obiterm.venues.bybit import Category, MarketSession

DEPTH = 50
"""Levels a side: the fastest of the book streams, every 20 ms (§8.1)."""
MOST_SYMBOLS = 50
"""Markets on one socket: far below the 21,000 characters of topics that it takes (§7)."""

QUIET_NS = 4 * NS_PER_S
"""A book without news for this long is asked for: one that lives answers with a snapshot."""
_AWAITED_NS = 2 * NS_PER_S
"""A snapshot that did not come is asked for again after this time."""
_MUTE_NS = 12 * NS_PER_S
"""A book that stays without an answer for this long has its socket replaced (T38)."""
_LONGEST_MUTE_NS = 600 * NS_PER_S
"""The wait doubles up to this: a halted market must not take the others down again and again."""

_SOCKET = SocketOptions(silence_s=10.0, ping_s=4.0, data_silence_s=8.0, backoff_ceiling_s=8.0)


class _Copy:
    """One book as the stream has told it so far."""

    __slots__ = ("asked_ns", "book", "event_ns", "heard_ns", "is_doubted", "mute_ns", "received_ns")

    def __init__(self, now_ns: int) -> None:
        self.book = Book(SequenceRule.BYBIT)
        self.heard_ns = now_ns
        """Monotonic time of the last news, or of the connection."""
        self.asked_ns = now_ns
        self.is_doubted = False
        """Messages were missing: the session says how soon it may be asked for again."""
        self.mute_ns = _MUTE_NS
        self.event_ns = 0
        self.received_ns = 0


class MarketLine:
    """Keeps one socket up and its books in step; not shared between categories."""

    def __init__(
        self,
        address: Callable[[], str],
        category: Category,
        instruments: Mapping[Symbol, Instrument],
        clock: Clock,
        emit: Emit,
    ) -> None:
        self.category = category
        self._clock = clock
        self._emit = emit
        self._session = MarketSession(category, instruments, depth=DEPTH)
        now_ns = clock.monotonic_ns()
        self._copies = {symbol: _Copy(now_ns) for symbol in instruments}
        self._socket = Socket(address, clock, _SOCKET)
        self._told_refused: set[str] = set()

    # -- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the socket up until cancelled."""
        await self._socket.run(self._receive, self._connected, self._lost)

    def beat(self) -> None:
        """Do what time asks for; call it a few times a second."""
        if not self._socket.is_up:
            return
        session, now_ns = self._session, self._clock.monotonic_ns()
        self._send(session.to_send(now_ns))
        if session.must_reconnect:
            self._socket.reconnect(session.must_reconnect)
            return
        self._tell_refused()
        for symbol, copy in self._copies.items():
            silent_ns = now_ns - copy.heard_ns
            if silent_ns >= copy.mute_ns:
                copy.mute_ns = min(_LONGEST_MUTE_NS, 2 * copy.mute_ns)
                self._socket.reconnect(f"no book of {symbol} for {silent_ns / NS_PER_S:.0f} s")
                return
            self._ask(symbol, copy, silent_ns, now_ns)

    def _ask(self, symbol: Symbol, copy: _Copy, silent_ns: int, now_ns: int) -> None:
        """Ask for a book that is out of step or silent, never faster than its pace."""
        if copy.is_doubted:
            self._send(self._session.resubscribe(symbol, now_ns))
            return
        wait_ns = QUIET_NS if copy.book.synced else _AWAITED_NS
        if silent_ns >= wait_ns and now_ns - copy.asked_ns >= wait_ns:
            copy.asked_ns = now_ns
            self._send(self._session.refresh(symbol, now_ns))

    # -- asking ------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many markets still fit."""
        return MOST_SYMBOLS - len(self._copies)

    def add(self, instruments: Mapping[Symbol, Instrument]) -> None:
        """Take more markets."""
        now_ns = self._clock.monotonic_ns()
        self._copies.update({symbol: _Copy(now_ns) for symbol in instruments})
        frames = self._session.add(instruments, now_ns)
        if self._socket.is_up:
            self._tell(True, "subscribed", list(instruments))
            self._send(frames)

    def copy_of(self, symbol: Symbol) -> DepthSnapshotted | None:
        """Return a book as it is now; ``None`` when it is out of step and on its way.

        It is as old as its last news, not as this copy.
        """
        copy = self._copies.get(symbol)
        if copy is None or not copy.book.synced:
            return None
        bids, asks = copy.book.top(DEPTH)
        return DepthSnapshotted(
            symbol, copy.book.last_id, bids, asks, copy.event_ns, copy.received_ns, DEPTH
        )

    def state(self) -> str:
        """Return ``up``, ``stale`` while a book is out of step or silent, or ``down``."""
        if not self._socket.is_up:
            return "down"
        now_ns = self._clock.monotonic_ns()
        fresh = (
            copy.book.synced and now_ns - copy.heard_ns < 2 * QUIET_NS
            for copy in self._copies.values()
        )
        return "up" if all(fresh) else "stale"

    # -- the socket --------------------------------------------------------------------------

    def _connected(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for copy in self._copies.values():
            copy.book.reset()
            copy.heard_ns = copy.asked_ns = now_ns
            copy.is_doubted = False
        self._told_refused.clear()
        self._tell(True, "connected", list(self._copies))
        self._send(self._session.connect_frames(now_ns))

    def _lost(self, reason: str) -> None:
        for copy in self._copies.values():
            copy.book.reset()
        self._tell(False, reason, list(self._copies))

    def _receive(self, data: bytes, received_ns: int) -> None:
        for event in self._session.receive(data, received_ns):
            self._emit(event)  # first: what trades on it must not wait for the copy
            if isinstance(event, DepthChanged | DepthSnapshotted):
                self._follow(event)

    def _follow(self, event: DepthChanged | DepthSnapshotted) -> None:
        copy, now_ns = self._copies[event.symbol], self._clock.monotonic_ns()
        if isinstance(event, DepthSnapshotted):
            applied = copy.book.snapshot(event)
        else:
            applied = copy.book.change(event)
        if applied is Applied.GAP:
            copy.is_doubted = True
            self._send(self._session.resubscribe(event.symbol, now_ns))
        if copy.book.synced:
            copy.heard_ns = now_ns
            copy.event_ns, copy.received_ns = event.event_ns, event.received_ns
            copy.is_doubted = False
            copy.mute_ns = _MUTE_NS

    def _tell_refused(self) -> None:
        """Tell once of streams that the venue does not give (T41)."""
        for topic, words in self._session.refused.items():
            if topic in self._told_refused:
                continue
            self._told_refused.add(topic)
            name = topic.rpartition(".")[2]
            symbols = [one for one in self._copies if one.partition(".")[0] == name]
            if topic.startswith("orderbook"):
                self._tell(False, f"the venue does not give {topic}: {words}", symbols)

    def _tell(self, is_up: bool, text: str, symbols: list[Symbol]) -> None:
        self._emit(FeedChanged("market", is_up, text, self._clock.wall_ns(), symbols))

    def _send(self, frames: list[bytes]) -> None:
        try:
            for frame in frames:
                self._socket.send(frame)
        except RetryLater as error:
            self._socket.reconnect(str(error))
