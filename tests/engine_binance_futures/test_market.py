"""The futures market feed: books in step, trades, marks; silence, cuts, markets that join later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from obiterm.core.events import (
    ClockMeasured,
    DepthChanged,
    DepthSnapshotted,
    Event,
    FeedChanged,
    FundingChanged,
    MarketEvent,
    TopChanged,
    Traded,
)
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.engine.binance_futures.hub import FuturesHub
from obiterm.exchange.serve import ExchangeServer
from obiterm.market.book import Applied
from obiterm.market.state import MarketState
from tests.clients.futures_support import FuturesRest, futures_rest
from tests.engine_binance_futures.conftest import BTC, DEADLINE_S, ETH, hub_of


class Watcher:
    """Keeps books as an account does, and asks for snapshots when it must."""

    def __init__(self, hub: FuturesHub, rest: FuturesRest) -> None:
        self.hub = hub
        self.rest = rest
        self.events: list[Event] = []
        self.markets: dict[Symbol, MarketState] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def watch(self, instruments: dict[Symbol, Instrument]) -> None:
        for symbol, instrument in instruments.items():
            self.markets[symbol] = MarketState(symbol, instrument)

    def take(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, FeedChanged):
            for symbol in event.symbols:
                self.markets[symbol].reset()
                if event.up:
                    self._resync(symbol)
        elif isinstance(event, MarketEvent):
            applied = self.markets[event.symbol].apply(event)
            if applied is Applied.GAP:
                self._resync(event.symbol)

    def _resync(self, symbol: Symbol) -> None:
        async def fetch() -> None:
            snapshot = await self.hub.feed.resync(symbol)
            assert snapshot is not None
            self.take(snapshot)

        task = asyncio.get_running_loop().create_task(fetch())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def count(self, kind: type[Event], symbol: Symbol = BTC) -> int:
        return sum(
            isinstance(e, kind) and getattr(e, "symbol", symbol) == symbol for e in self.events
        )

    def ups(self) -> list[FeedChanged]:
        return [e for e in self.events if isinstance(e, FeedChanged) and e.up]

    async def until(self, condition: Callable[[], object], limit_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110 - any state of the program may be waited for
                await asyncio.sleep(0.005)

    async def until_synced(self, symbol: Symbol = BTC, changes: int = 5) -> None:
        market = self.markets[symbol]
        await self.until(lambda: market.book.synced and market.diffs_applied >= changes)


@asynccontextmanager
async def watching(server: ExchangeServer, *symbols: Symbol) -> AsyncIterator[Watcher]:
    hub = hub_of(server)
    async with futures_rest(server) as rest:
        watcher = Watcher(hub, rest)
        watcher.watch(await hub.feed.listing(symbols))
        with hub.feed.joined(symbols, watcher.take):
            yield watcher
    await hub.close()


@pytest.fixture
async def btc(server: ExchangeServer) -> AsyncIterator[Watcher]:
    async with watching(server, BTC) as one:
        await one.until_synced()
        yield one


async def assert_same_book(one: Watcher) -> None:
    """A book built anew from a snapshot and the messages behind it equals ours."""
    market = one.markets[BTC]
    reference = MarketState(BTC, market.instrument)
    snapshot = await one.hub.feed.resync(BTC)
    assert snapshot is not None
    await one.until(lambda: market.book.synced and market.book.last_id > snapshot.last_id)
    assert reference.apply(snapshot) is Applied.APPLIED
    for event in one.events:
        if isinstance(event, DepthChanged) and event.last_id > snapshot.last_id:
            assert reference.apply(event) is Applied.APPLIED
    assert reference.book.last_id == market.book.last_id
    assert reference.book.top(200) == market.book.top(200)
    assert market.crossed == 0
    assert market.top_of_book_matches == market.top_of_book_compared > 0


async def test_the_instrument_tells_the_venues_own_terms(btc: Watcher) -> None:
    instrument = btc.markets[BTC].instrument
    assert (instrument.venue, instrument.kind) == ("binance-futures", MarketKind.PERP)
    assert instrument.settle == "USDT"
    assert instrument.funding_interval_s == 8 * 3600
    listed = await btc.hub.feed.source.all_instruments()
    assert {each.symbol for each in listed} == {BTC, ETH}


async def test_book_tops_trades_and_marks_come(btc: Watcher) -> None:
    await btc.rest.control("market_order", side="SELL", qty="1")
    for kind in (TopChanged, Traded, FundingChanged, DepthChanged, DepthSnapshotted, ClockMeasured):
        await btc.until(lambda kind=kind: btc.count(kind))  # type: ignore[misc]
    market = btc.markets[BTC]
    await assert_same_book(btc)
    assert market.gaps == 0
    assert market.crossed == 0
    assert market.funding is not None
    assert market.funding.next_funding_ns > 0
    assert btc.hub.feed.source.sockets() == {"market": "up", "trades": "up"}


async def test_t48_lost_messages_are_noticed_and_the_book_is_right_again(btc: Watcher) -> None:
    market = btc.markets[BTC]
    before = market.gaps
    await btc.rest.fault("gap", match="btcusdt@depth@100ms", count=2)
    await btc.until(lambda: market.gaps > before)
    applied = market.diffs_applied
    await btc.until(lambda: market.book.synced and market.diffs_applied > applied + 5)
    await assert_same_book(btc)


async def test_t16_a_cut_connection_comes_back(btc: Watcher) -> None:
    await btc.rest.fault("cut", match="market")
    await btc.until(lambda: len(btc.ups()) == 2)
    market = btc.markets[BTC]
    applied = market.diffs_applied
    await btc.until(lambda: market.book.synced and market.diffs_applied > applied + 5)
    await assert_same_book(btc)


async def test_t38_a_book_that_stands_still_while_best_prices_move_is_opened_anew(
    btc: Watcher,
) -> None:
    await btc.rest.fault("silence", match="*@depth*", ms=4_000)
    await btc.until(lambda: len(btc.ups()) == 2)
    down = next(e for e in btc.events if isinstance(e, FeedChanged) and not e.up)
    assert "stands still" in down.text
    await btc.until_synced()


async def test_t41_streams_without_data_are_opened_anew(btc: Watcher) -> None:
    tape = btc.hub.feed.source._streams[BTC]._tape_socket  # type: ignore[attr-defined]
    await btc.rest.fault("silence", match="market", ms=6_000)
    await btc.until(lambda: tape.connects == 2)


async def test_an_announced_end_is_obeyed(btc: Watcher) -> None:
    await btc.rest.control("shutdown_notice")
    await btc.until(lambda: len(btc.ups()) == 2)
    await btc.until_synced()


async def test_a_market_that_joins_later_leaves_the_others_alone(
    btc: Watcher, server: ExchangeServer
) -> None:
    late = Watcher(btc.hub, btc.rest)
    late.watch(await btc.hub.feed.listing([BTC, ETH]))
    with btc.hub.feed.joined([BTC, ETH], late.take):
        await late.until_synced(ETH)
        await late.until_synced(BTC)
        assert len(btc.ups()) == 1
        assert btc.markets[BTC].gaps == 0
        listeners = server.exchange.hub.everyone  # type: ignore[attr-defined]
        assert len(listeners) == 4  # two paths of each market
    assert btc.count(DepthChanged, ETH) == 0


async def test_a_path_that_says_nothing_is_named(server: ExchangeServer) -> None:
    async with futures_rest(server) as rest:
        await rest.fault("silence", match="*bookTicker")
        async with watching(server, BTC) as one:
            await one.until_synced()
            streams = one.hub.feed.source._streams[BTC]  # type: ignore[attr-defined]
            streams._book._opened_ns -= 11 * 10**9  # as if it had been open for long enough
            assert one.hub.feed.source.sockets()["market"] == "stale"
            await one.until(lambda: streams._unheard == ["btcusdt@bookTicker"])
