"""Bybit's market data for all accounts of a host, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

import aiohttp
import pytest

from obiterm.core.events import (
    DepthChanged,
    DepthSnapshotted,
    Event,
    FeedChanged,
    FundingChanged,
    Traded,
)
from obiterm.core.values import NS_PER_MS, Symbol
from obiterm.engine.bybit import market_line
from obiterm.engine.bybit.hub import BybitHub
from obiterm.market.book import Book, SequenceRule
from tests.engine_bybit.conftest import (
    AT_EXCHANGE,
    DEADLINE_S,
    PERP,
    SPOT,
    BackDoor,
    CountedExchange,
    hub_of,
)

E = TypeVar("E")


class Listener:
    """One account's ear: what it heard, and its own books."""

    def __init__(self, hub: BybitHub, *symbols: Symbol) -> None:
        self.hub = hub
        self.symbols = symbols
        self.events: list[Event] = []
        self.books = {symbol: Book(SequenceRule.BYBIT) for symbol in symbols}
        self.snapshots = 0

    def take(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, DepthSnapshotted):
            self.snapshots += 1
            self.books[event.symbol].snapshot(event)
        elif isinstance(event, DepthChanged):
            self.books[event.symbol].change(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def is_synced(self) -> bool:
        return all(book.synced and not book.empty for book in self.books.values())


class Floor:
    """Listeners on one hub, and the exchange behind it."""

    def __init__(self, server: CountedExchange, hub: BybitHub, back: BackDoor) -> None:
        self.server = server
        self.hub = hub
        self.back = back
        self._inside = ExitStack()

    async def join(self, *symbols: Symbol) -> Listener:
        await self.hub.feed.listing(symbols)
        one = Listener(self.hub, *symbols)
        self._inside.enter_context(self.hub.feed.joined(symbols, one.take))
        return one

    async def synced(self, *symbols: Symbol) -> Listener:
        one = await self.join(*symbols)
        for symbol in symbols:  # as a kernel does that has no book
            copy = await self.hub.feed.resync(symbol)
            if copy is not None:
                one.take(copy)
        await until(lambda: one.is_synced)
        return one

    def leave(self) -> None:
        self._inside.close()

    def sockets(self) -> int:
        return self.server.count("/v5/public/")


def applied(one: Listener, changes: int) -> bool:
    return one.books[PERP].diffs_applied >= changes


async def until(condition: Callable[[], object], limit_s: float = DEADLINE_S) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - any state of the program may be waited for
            await asyncio.sleep(0.005)


@pytest.fixture
async def floor(server: CountedExchange) -> AsyncIterator[Floor]:
    hub = hub_of(server)
    async with aiohttp.ClientSession() as session:
        one = Floor(server, hub, BackDoor(server, session))
        yield one
        one.leave()
        await hub.close()


async def test_accounts_share_sockets_and_only_watched_categories_have_one(floor: Floor) -> None:
    first = await floor.synced(PERP)
    assert floor.sockets() == 1
    await until(lambda: first.of(Traded) and first.of(FundingChanged))
    funding = first.of(FundingChanged)[-1]
    assert abs(funding.mark_ticks - first.books[PERP].best_bid_ticks) < 5_000
    second = await floor.synced(PERP, SPOT)
    assert floor.sockets() == 2
    assert not [event for event in second.of(FundingChanged) if event.symbol == SPOT]
    assert floor.hub.feed.source.sockets() == {"market linear 1": "up", "market spot 2": "up"}
    assert first.of(FeedChanged)[0].symbols == [PERP]
    assert {symbol for event in second.of(FeedChanged) for symbol in event.symbols} == {PERP, SPOT}


async def test_a_book_equals_the_exchanges_own(floor: Floor) -> None:
    one = await floor.synced(PERP, SPOT)
    await until(lambda: len(one.of(DepthChanged)) > 20)
    for symbol in (PERP, SPOT):
        book = one.books[symbol]
        seen = (book.best_bid_ticks, book.best_ask_ticks)
        top = floor.server.venue.top(AT_EXCHANGE[symbol])
        assert abs(seen[0] - top.bid_ticks) < 1_000
        bids, asks = book.top(50)
        assert (len(bids), len(asks)) == (50, 50)
        assert seen[0] < seen[1]


async def test_a_newcomer_gets_the_book_without_a_word_to_the_venue(floor: Floor) -> None:
    """Ten of them in a row disturb nobody: the first one hears no second snapshot."""
    first = await floor.synced(PERP)
    for _ in range(10):
        late = await floor.join(PERP)
        copy = await floor.hub.feed.resync(PERP)
        assert copy is not None
        late.take(copy)
        await until(partial(applied, late, 3))
        assert late.books[PERP].gaps == 0
    assert first.snapshots == 1
    assert floor.sockets() == 1
    last = late.books[PERP]
    await until(lambda: last.last_id == first.books[PERP].last_id)
    assert last.top(50) == first.books[PERP].top(50)


async def test_askers_right_after_the_start_cause_no_request(floor: Floor) -> None:
    """The first snapshot is on its way: whoever asks meanwhile waits for it."""
    one = await floor.join(PERP)
    assert await floor.hub.feed.resync(PERP) is None
    await until(lambda: one.is_synced)
    copies = await asyncio.gather(*(floor.hub.feed.resync(PERP) for _ in range(20)))
    assert all(copy is not None and copy.max_levels == 50 for copy in copies)
    assert one.snapshots == 1


async def test_t48_a_gap_is_mended_once_for_all(floor: Floor) -> None:
    first, second = await floor.synced(PERP), await floor.synced(PERP)
    before = first.snapshots, second.snapshots
    await floor.back.fault("gap", count=1)
    await until(lambda: first.books[PERP].gaps == 1)
    await until(lambda: first.is_synced and second.is_synced)
    assert (first.snapshots, second.snapshots) == (before[0] + 1, before[1] + 1)
    assert floor.sockets() == 1
    await until(lambda: first.books[PERP].last_id == second.books[PERP].last_id)
    assert first.books[PERP].top(50) == second.books[PERP].top(50)


async def test_t38_a_silent_book_is_asked_for_and_its_socket_replaced(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trades and tickers go on: the one silent stream is noticed all the same."""
    monkeypatch.setattr(market_line, "QUIET_NS", 300 * NS_PER_MS)
    monkeypatch.setattr(market_line, "_AWAITED_NS", 300 * NS_PER_MS)
    monkeypatch.setattr(market_line, "_MUTE_NS", 900 * NS_PER_MS)
    one = await floor.synced(PERP)
    await floor.back.fault("silence", match="*orderbook*")
    await until(lambda: one.of(FeedChanged)[-1].up is False)
    assert "no book of BTCUSDT" in one.of(FeedChanged)[-1].text
    heard = one.snapshots
    await floor.back.mend()
    await until(lambda: one.snapshots > heard)
    assert floor.sockets() <= 4


async def test_a_quiet_book_is_asked_for_and_answers(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A market without news is no dead stream: a snapshot proves it, the socket stays."""
    one = await floor.synced(PERP)
    monkeypatch.setattr(market_line, "QUIET_NS", 0)
    await until(lambda: one.snapshots >= 4)
    monkeypatch.undo()
    assert floor.sockets() == 1
    assert one.of(FeedChanged)[-1].up


async def test_t16_a_cut_socket_comes_back_with_its_markets(floor: Floor) -> None:
    one = await floor.synced(PERP, SPOT)
    await floor.back.fault("cut", match="market")
    await until(lambda: sum(not event.up for event in one.of(FeedChanged)) == 2)
    assert {tuple(e.symbols) for e in one.of(FeedChanged) if not e.up} == {(PERP,), (SPOT,)}
    assert await floor.hub.feed.source.resync(PERP) is None
    one.books = {symbol: Book(SequenceRule.BYBIT) for symbol in (PERP, SPOT)}
    await until(lambda: one.is_synced, 10)
    assert floor.sockets() == 4


async def test_the_feed_ends_with_its_last_listener_and_starts_again(floor: Floor) -> None:
    await floor.synced(PERP)
    floor.leave()
    await until(lambda: floor.hub.feed.source.sockets() == {})
    await floor.synced(PERP)
    assert floor.sockets() == 2


async def test_the_picker_sees_every_market_and_the_listing_is_read_once(floor: Floor) -> None:
    every = await floor.hub.feed.source.all_instruments()
    assert {one.symbol for one in every} == {PERP, SPOT}
    await floor.hub.feed.listing([PERP, SPOT])
    await floor.hub.feed.listing([PERP])
    assert floor.server.count("instruments-info") == 2
    assert floor.server.count("risk-limit") == 1


async def test_the_clock_is_measured(floor: Floor) -> None:
    floor.server.exchange.office.clock_offset_ns = -7_000 * NS_PER_MS
    offset_ns, trip_ns = await floor.hub.feed.source.measure_clock()
    assert abs(offset_ns + 7_000 * NS_PER_MS) < 500 * NS_PER_MS
    assert 0 < trip_ns < 1_000 * NS_PER_MS
    assert floor.hub.feed.offset_ns == offset_ns
