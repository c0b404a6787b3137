"""Market data of Backpack through the shared feed, on a market that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from obiterm.core.errors import UsageError
from obiterm.core.events import (
    ClockMeasured,
    DepthChanged,
    DepthSnapshotted,
    Event,
    FeedChanged,
    FundingChanged,
    TopChanged,
    Traded,
)
from obiterm.core.values import MarketKind, Symbol
from obiterm.engine.backpack.hub import BackpackHub
from obiterm.engine.backpack.silence import DEAF_BOOK_NS, QUIET_NS, SilenceWatch
from obiterm.market.book import Applied, Book
from tests.engine_backpack.support import PERP, SPOT, Exchange, T, until

SECOND = 1_000_000_000
SUBSCRIBED = "market"


class Reader:
    """An account's ear: one book per market, kept by the engine's rules."""

    def __init__(self, hub: BackpackHub) -> None:
        self.events: list[Event] = []
        self.books: dict[Symbol, Book] = {}
        self.resyncs = 0
        self._hub = hub
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, FeedChanged):
            for symbol in event.symbols:
                self.books[symbol] = Book()
                if event.up:
                    self._resync(symbol)
        elif isinstance(event, DepthChanged):
            self._took(event.symbol, self.books[event.symbol].change(event))
        elif isinstance(event, DepthSnapshotted):
            self._took(event.symbol, self.books[event.symbol].snapshot(event))

    def _took(self, symbol: Symbol, applied: Applied) -> None:
        if applied is Applied.GAP:
            self._resync(symbol)

    def _resync(self, symbol: Symbol) -> None:
        self.resyncs += 1

        async def fetch() -> None:
            snapshot = await self._hub.feed.resync(symbol)
            assert snapshot is not None
            self.hear(snapshot)

        task = asyncio.create_task(fetch())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def told(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def synced(self, symbol: Symbol, diffs: int = 20) -> bool:
        book = self.books.get(symbol)
        return book is not None and book.synced and book.diffs_applied >= diffs


@contextlib.asynccontextmanager
async def hub_of(exchange: Exchange) -> AsyncIterator[BackpackHub]:
    hub = exchange.hub()
    try:
        yield hub
    finally:
        await hub.close()


@contextlib.asynccontextmanager
async def listening(hub: BackpackHub, *symbols: Symbol) -> AsyncIterator[Reader]:
    await hub.feed.source.listing(symbols)
    reader = Reader(hub)
    with hub.feed.joined(symbols, reader.hear):
        yield reader


async def test_both_kinds_of_market_on_one_socket(exchange: Exchange) -> None:
    async with hub_of(exchange) as hub, listening(hub, PERP, SPOT) as reader:
        await until(lambda: reader.synced(PERP) and reader.synced(SPOT))
        await until(lambda: reader.told(Traded))
        await until(lambda: reader.told(TopChanged))
        [mark, *_] = await until(lambda: reader.told(FundingChanged))
        assert (mark.symbol, mark.mark_ticks > 0) == (PERP, True)
        assert hub.feed.source.sockets() == {"market": "up"}
        assert reader.told(ClockMeasured)
        for symbol in (PERP, SPOT):
            book = reader.books[symbol]
            assert (book.gaps, book.crossed_seen) == (0, 0)


async def test_the_best_prices_are_the_venues(exchange: Exchange) -> None:
    """REST books begin with the worst bid (backpack.md §1.1)."""
    async with hub_of(exchange) as hub, listening(hub, PERP):
        snapshot = await hub.feed.resync(PERP)
        assert snapshot is not None
        assert snapshot.bids[0][0] == max(price for price, _ in snapshot.bids)
        assert snapshot.bids[0][0] < snapshot.asks[0][0]


async def test_a_second_market_joins_the_open_socket(exchange: Exchange) -> None:
    async with hub_of(exchange) as hub, listening(hub, PERP) as first:
        await until(lambda: first.synced(PERP))
        async with listening(hub, SPOT) as second:
            await until(lambda: second.synced(SPOT))
        assert not [event for event in first.told(FeedChanged) if not event.up]


async def test_accounts_share_snapshots(exchange: Exchange) -> None:
    async with hub_of(exchange) as hub, listening(hub, PERP), listening(hub, PERP):
        await asyncio.gather(*(hub.feed.resync(PERP) for _ in range(20)))
        assert exchange.requests["GET /api/v1/depth"] <= 2
        assert exchange.requests["GET /api/v1/markets"] == 1


async def test_a_lost_frame_is_noticed(exchange: Exchange) -> None:
    async with hub_of(exchange) as hub, listening(hub, PERP) as reader:
        await until(lambda: reader.synced(PERP))
        before = reader.resyncs
        await exchange.fault("gap", match=f"depth.{PERP}")
        await until(lambda: reader.resyncs > before)
        await until(lambda: reader.synced(PERP))


async def test_a_cut_socket_comes_back(exchange: Exchange) -> None:
    async with hub_of(exchange) as hub, listening(hub, PERP) as reader:
        await until(lambda: reader.synced(PERP))
        await exchange.fault("cut", match="market")
        await until(lambda: [event for event in reader.told(FeedChanged) if not event.up])
        await until(lambda: len([e for e in reader.told(FeedChanged) if e.up]) == 2)
        await until(lambda: reader.synced(PERP))


async def test_a_silent_socket_is_replaced(exchange: Exchange) -> None:
    """T38."""
    async with hub_of(exchange) as hub, listening(hub, PERP) as reader:
        await until(lambda: reader.synced(PERP))
        await exchange.fault("silence", match="market", ms=60_000)
        [lost] = await until(lambda: [e for e in reader.told(FeedChanged) if not e.up])
        assert lost.text.startswith("no data for ")
        await exchange.mend()
        await until(lambda: reader.synced(PERP))


async def test_a_deaf_book_is_asked_for_again(exchange: Exchange) -> None:
    """T38: the other streams of the market go on."""
    async with hub_of(exchange) as hub, listening(hub, PERP) as reader:
        await until(lambda: reader.synced(PERP))
        session = next(iter(exchange.server.exchange.streams.clients)).listener  # type: ignore[attr-defined]
        exchange.server.exchange.hub.unsubscribe(session, f"depth.{PERP}")  # type: ignore[attr-defined]
        heard = len(reader.told(DepthChanged))
        await until(lambda: len(reader.told(DepthChanged)) > heard + 20)
        await until(lambda: reader.synced(PERP))
        assert not [event for event in reader.told(FeedChanged) if not event.up]


def test_a_quiet_market_is_asked_for_less_and_less() -> None:
    watch = SilenceWatch()
    watch.begin(PERP, 0)
    asked = [second for second in range(200) if watch.due(second * SECOND)]
    waits = [later - earlier for earlier, later in zip([0, *asked], asked, strict=False)]
    first = QUIET_NS // SECOND + 1
    assert waits[:2] == [first, 2 * first - 1]
    assert len(asked) <= 4


def test_a_best_price_without_its_book() -> None:
    watch = SilenceWatch()
    watch.begin(PERP, 0)
    top = TopChanged(PERP, 1, 1, 1, 2, 1, 0)
    watch.hear(top, DEAF_BOOK_NS)
    assert watch.due(DEAF_BOOK_NS) == []
    watch.hear(top, DEAF_BOOK_NS + 1)
    assert watch.due(DEAF_BOOK_NS + 1) == [PERP]
    assert watch.due(DEAF_BOOK_NS + 2) == []
    assert watch.silent_ns(DEAF_BOOK_NS + 5) == 4


async def test_the_listing(exchange: Exchange) -> None:
    async with hub_of(exchange) as hub:
        every = await hub.feed.source.all_instruments()
        assert {one.kind for one in every} == {MarketKind.SPOT, MarketKind.PERP}
        assert [one.symbol for one in every] == sorted(one.symbol for one in every)
        with pytest.raises(UsageError, match=r"no market SOLUSDC.*SOL_USDC_PERP"):
            await hub.feed.source.listing([PERP, Symbol("SOLUSDC")])
