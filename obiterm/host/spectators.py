"""Markets that no account trades, for those who look at them (SPEC §10).

Each is fed by a source of its own: looking around never touches a socket that trading hangs
on. It is opened when the first viewer looks and closed a while after the last one went. Its
requests count in the venue's budget of our address and never use what is kept back for
cancels (T44). Its failures are told on the screen and hurt nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from obiterm.core.clock import Clock
from obiterm.core.effects import Effect, Resync
from obiterm.core.errors import ObitermError, Refused, UsageError
from obiterm.core.events import (
    DepthChanged,
    DepthSnapshotted,
    Event,
    FeedChanged,
    MarketEvent,
    Traded,
)
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S, Symbol
from obiterm.engine.feed import SharedFeed
from obiterm.engine.reconciliation import asked_to_wait_s
from obiterm.host.places import MarketKey
from obiterm.market.state import MarketState
from obiterm.net.backoff import Backoff
from obiterm.trading.book_sync import BookSync

GRACE_NS = 10 * NS_PER_S
"""A market that nobody looks at any more stays open for so long."""
MOST_OPEN = 8
"""Markets that are watched at once."""
MOST_OPENED = 20
OPENED_WITHIN_NS = 60 * NS_PER_S
"""Venues bound connections per address (Binance: 300 in five minutes); browsing takes a part."""
_MOST_PENDING_TRADES = 5_000
_TICK_S = 0.5
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0
_TRADABLE_NS = 1_500_000_000
"""A book that is older looks stale; where little happens it says nothing of the connection."""

_LOG = logging.getLogger("obiterm.host")

OpenFeed = Callable[[str], Awaitable[SharedFeed]]
"""Takes a venue as the link names it; returns market data that is the caller's to close."""


class Spectator:
    """One market that is only watched.

    Attributes:
        state: book, candles, flow; ``None`` until the venue has told its instrument.
        trouble: why it shows nothing; empty when all is well.
        wanted_ns: when somebody last looked, monotonic.
    """

    def __init__(self, key: MarketKey, open_feed: OpenFeed, clock: Clock) -> None:
        self.state: MarketState | None = None
        self.trouble = ""
        self.wanted_ns = clock.monotonic_ns()
        self._place, self._symbol = key[0], Symbol(key[1])
        self._open_feed = open_feed
        self._clock = clock
        self._trades: list[Traded] = []
        self._sync: BookSync | None = None
        self._resyncing: asyncio.Task[None] | None = None

    @property
    def instrument(self) -> Instrument | None:
        """How its prices and sizes are counted; ``None`` while that is not known."""
        return self.state.instrument if self.state is not None else None

    def is_fresh(self, now_ns: int) -> bool:
        """Return whether its book may look alive."""
        return self.state is not None and self.state.tradable(now_ns, _TRADABLE_NS)

    def take_trades(self) -> list[Traded]:
        """Return the prints since the last call."""
        taken, self._trades = self._trades, []
        return taken

    async def run(self) -> None:
        """Watch until cancelled; what goes wrong is told and tried again, later and later."""
        backoff = Backoff(first_s=_FIRST_WAIT_S, ceiling_s=_LONGEST_WAIT_S)
        while True:
            wait_s = 0.0
            try:
                await self._watch()
            except (UsageError, Refused) as error:  # the venue has no such market
                self.trouble, wait_s = error.message, _LONGEST_WAIT_S
            except (ObitermError, OSError, TimeoutError) as error:
                self.trouble = f"{error or type(error).__name__}"
                wait_s = asked_to_wait_s(error) if isinstance(error, ObitermError) else 0.0
            except Exception as error:  # task boundary: one market that is looked at, told there
                self.trouble = f"{type(error).__name__}: {error}"
                _LOG.error("watching %s: %s", self._symbol, self.trouble, exc_info=error)
            await asyncio.sleep(max(backoff.next_s(), wait_s))

    async def _watch(self) -> None:
        """Feed the state until something fails."""
        feed = await self._open_feed(self._place)
        try:
            instruments = await feed.listing([self._symbol])
            state = MarketState(self._symbol, instruments[self._symbol])
            self.state, self._sync, self.trouble = state, BookSync({self._symbol: state}), ""
            with feed.joined([self._symbol], lambda event: self._take(event, feed)) as member:
                failed = asyncio.ensure_future(member.failed())
                try:
                    while not failed.done():
                        await asyncio.wait([failed], timeout=_TICK_S)
                        self._obey(self._sync.missing(self._symbol, self._now_ns()), feed)
                        self.trouble = feed.trouble or self.trouble
                    await failed
                finally:
                    failed.cancel()
        finally:
            if self._resyncing is not None:
                self._resyncing.cancel()
            await feed.source.close()

    def _take(self, event: Event, feed: SharedFeed) -> None:
        state, sync = self.state, self._sync
        if state is None or sync is None:
            return
        now_ns = self._now_ns()
        if isinstance(event, FeedChanged):
            self.trouble = "" if event.up else f"connection lost: {event.text}"
            self._obey(sync.reset(event, now_ns), feed)
        elif isinstance(event, MarketEvent):
            outcome = state.apply(event)
            if isinstance(event, Traded) and len(self._trades) < _MOST_PENDING_TRADES:
                self._trades.append(event)
            elif isinstance(event, DepthChanged | DepthSnapshotted) and outcome is not None:
                self._obey(sync.judge(event, outcome, now_ns), feed)

    def _obey(self, effects: Iterable[Effect], feed: SharedFeed) -> None:
        if any(isinstance(effect, Resync) for effect in effects) and (
            self._resyncing is None or self._resyncing.done()
        ):
            self._resyncing = asyncio.get_running_loop().create_task(self._resync(feed))

    async def _resync(self, feed: SharedFeed) -> None:
        try:
            snapshot = await feed.resync(self._symbol)
        except (ObitermError, OSError, TimeoutError) as error:
            self.trouble = f"no book: {error or type(error).__name__}"
            return
        self.trouble = ""
        if snapshot is not None:
            self._take(snapshot, feed)

    def _now_ns(self) -> int:
        return self._clock.wall_ns()


class Spectators:
    """Opens and closes what viewers look at.

    Args:
        open_feed: opens market data of a venue.
        clock: of the host.
        grace_ns: how long a market stays open that nobody looks at.
    """

    def __init__(self, open_feed: OpenFeed, clock: Clock, *, grace_ns: int = GRACE_NS) -> None:
        self._open_feed = open_feed
        self._clock = clock
        self._grace_ns = grace_ns
        self._open: dict[MarketKey, tuple[Spectator, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._opened_ns: deque[int] = deque(maxlen=MOST_OPENED)
        self.refusal = ""
        """Why one more market is not opened now; empty when nothing was refused."""

    def at(self, key: MarketKey) -> Spectator | None:
        """Return what watches a market, if anything does."""
        found = self._open.get(key)
        return found[0] if found is not None else None

    def all(self) -> dict[MarketKey, Spectator]:
        """Return everything that is watched."""
        return {key: spectator for key, (spectator, _) in self._open.items()}

    def want(self, keys: Iterable[MarketKey]) -> list[MarketKey]:
        """Watch these markets, and the ones of before for a while; call it often.

        Returns:
            The markets that are not watched any more.
        """
        now_ns = self._clock.monotonic_ns()
        wanted = dict.fromkeys(keys)
        for key in wanted.keys() & self._open.keys():
            self._open[key][0].wanted_ns = now_ns
        new = [key for key in wanted if key not in self._open]
        closed = self._not_kept(len(new), now_ns)
        for key in closed:
            self._close(key)
        self.refusal = ""
        for key in new:
            self.refusal = self._no_room(now_ns)
            if not self.refusal:
                self._start(key, now_ns)
        return closed

    async def close(self) -> None:
        """End everything."""
        for key in list(self._open):
            self._close(key)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _not_kept(self, new: int, now_ns: int) -> list[MarketKey]:
        """Return what nobody has looked at for the grace time, or that makes room for others."""
        ages = {key: now_ns - one.wanted_ns for key, (one, _) in self._open.items()}
        unseen = sorted((key for key, age in ages.items() if age), key=lambda key: -ages[key])
        surplus = max(0, len(self._open) + new - MOST_OPEN)
        return [
            key for place, key in enumerate(unseen) if ages[key] > self._grace_ns or place < surplus
        ]

    def _no_room(self, now_ns: int) -> str:
        if len(self._open) >= MOST_OPEN:
            return f"{MOST_OPEN} markets are watched already"
        first = self._opened_ns[0] if len(self._opened_ns) == MOST_OPENED else 0
        wait_ns = first + OPENED_WITHIN_NS - now_ns if first else 0
        if wait_ns > 0:
            return f"{MOST_OPENED} markets were opened in a minute: {wait_ns / NS_PER_S:.0f} s more"
        return ""

    def _start(self, key: MarketKey, now_ns: int) -> None:
        spectator = Spectator(key, self._open_feed, self._clock)
        task = asyncio.get_running_loop().create_task(spectator.run())
        self._open[key] = (spectator, task)
        self._opened_ns.append(now_ns)

    def _close(self, key: MarketKey) -> None:
        _, task = self._open.pop(key)
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
