"""One market feed for all accounts of a venue, over a real socket (SPEC §3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from obiterm.core.events import ClockMeasured, DepthChanged, Event, FeedChanged
from obiterm.core.values import Environment, Symbol
from obiterm.engine.feed import Membership, SharedFeed
from obiterm.engine.venues import open_hub
from obiterm.exchange.serve import ExchangeServer, ServeOptions
from obiterm.net.clock import SteadyClock

BTC = Symbol("BTCUSDT")
DEADLINE_S = 10.0


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - another program is waited for
            await asyncio.sleep(0.01)


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(ServeOptions(seed=3)) as running:
        yield running


@pytest.fixture
async def feed(server: ExchangeServer) -> AsyncIterator[SharedFeed]:
    told = server.announcement()
    overrides = {"rest": told.rest, "stream": told.stream, "ws_api": told.ws_api or ""}
    hub = open_hub("binance", Environment.SIM, overrides, SteadyClock())
    await hub.feed.listing([BTC])
    yield hub.feed
    await hub.close()


def changes(events: list[Event]) -> int:
    return sum(isinstance(event, DepthChanged) for event in events)


def ups(events: list[Event]) -> list[bool]:
    return [event.up for event in events if isinstance(event, FeedChanged)]


async def test_two_accounts_share_one_socket_and_a_late_one_is_told_what_is_up(
    feed: SharedFeed,
) -> None:
    first: list[Event] = []
    second: list[Event] = []
    with feed.joined([BTC], first.append):
        await until(lambda: changes(first) > 2)
        with feed.joined([BTC], second.append):
            assert isinstance(second[0], FeedChanged)
            assert second[0].symbols == [BTC]
            assert isinstance(second[1], ClockMeasured)
            await until(lambda: changes(second) > 2)
            assert feed.listeners == 2
        seen = changes(second)
        await until(lambda: changes(first) > seen + 3)
        assert changes(second) == seen
    ids = [event.last_id for event in first if isinstance(event, DepthChanged)]
    assert next(e.last_id for e in second if isinstance(e, DepthChanged)) in ids
    assert ups(first) == [True]  # one connection served both all the time


async def test_the_last_one_closes_the_socket_and_the_next_one_opens_it(feed: SharedFeed) -> None:
    events: list[Event] = []
    with feed.joined([BTC], events.append):
        await until(lambda: changes(events))
    await until(lambda: feed.source.sockets() == {"market": "down"})
    with feed.joined([BTC], events.append):
        before = changes(events)
        await until(lambda: changes(events) > before)


async def test_snapshots_that_several_accounts_need_are_asked_for_once(feed: SharedFeed) -> None:
    with feed.joined([BTC], lambda event: None):
        first, second = await asyncio.gather(feed.resync(BTC), feed.resync(BTC))
        assert first is not None
        assert first is second
        assert await feed.resync(BTC) is not first


async def test_what_one_account_cannot_take_is_its_own_trouble(feed: SharedFeed) -> None:
    good: list[Event] = []

    def bad(event: Event) -> None:
        if isinstance(event, DepthChanged):
            raise ZeroDivisionError("a defect")

    async def fails(member: Membership) -> None:
        with pytest.raises(ZeroDivisionError):
            async with asyncio.timeout(DEADLINE_S):
                await member.failed()

    with feed.joined([BTC], bad) as member, feed.joined([BTC], good.append):
        await fails(member)
        seen = changes(good)
        await until(lambda: changes(good) > seen + 2)
        assert ups(good) == [True]


async def test_a_source_that_fails_is_started_again(feed: SharedFeed) -> None:
    events: list[Event] = []
    with feed.joined([BTC], events.append):
        await until(lambda: changes(events))
        session = feed.source._session  # type: ignore[attr-defined]
        session._readers = None  # a defect of the reader
        await until(lambda: ups(events)[-1] is False)
        assert "market feed: TypeError" in feed.trouble or "AttributeError" in feed.trouble
        session._readers = {}
        feed.source._watched = {}  # type: ignore[attr-defined]
        feed.source.watch([BTC])
        seen = changes(events)
        await until(lambda: ups(events)[-1] and changes(events) > seen)
