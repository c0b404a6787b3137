"""Markets that no account trades: every one is listed, can be watched, and hurts nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import msgspec
import pytest

from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.core.commands import PlaceOrder
from obiterm.core.errors import RetryLater
from obiterm.core.events import Event, FeedChanged
from obiterm.core.values import NS_PER_S, Environment, Side, Symbol
from obiterm.engine.feed import SharedFeed
from obiterm.engine.hub import Hub
from obiterm.engine.venues import open_hub
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from obiterm.host.exchange_child import ExchangeAddress
from obiterm.host.listings import KEPT_NS, ListingStore
from obiterm.host.run import RunningHost, run_host
from obiterm.host.spectators import MOST_OPEN, MOST_OPENED, Spectators
from obiterm.link.client import LinkClient
from obiterm.link.messages import (
    AskListings,
    Done,
    Frame,
    History,
    Listings,
    Markets,
    Request,
    ToHost,
    ToScreen,
    Watch,
)
from obiterm.net.clock import SteadyClock
from obiterm.venues.binance.limits import RESERVE, WEIGHT
from tests.host.accounts import MARKETS, Account, write_accounts

DEADLINE_S = 20.0
SEEN_WITHIN_S = 3.0
OTHERS = {
    "backpack": ("ETH_USDC_PERP", "SOL_USDC"),
    "bybit": ("ETHUSDT", "BTCUSDT.SPOT"),
    "binance": ("ETHUSDT", "SOLUSDT"),
    "binance-futures": ("ETHUSDT-PERP", "SOLUSDT-PERP"),
}
EXCHANGE_MARKETS = {
    "backpack": "BTC_USDC_PERP,ETH_USDC_PERP,SOL_USDC",
    "bybit": "BTCUSDT.P,ETHUSDT.P,BTCUSDT",
    "binance": "BTCUSDT,ETHUSDT,SOLUSDT",
    "binance-futures": "BTCUSDT,ETHUSDT,SOLUSDT",
}


async def until(condition: Callable[[], object], limit_s: float = DEADLINE_S) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - any state of the program may be waited for
            await asyncio.sleep(0.01)


class Screen:
    """A screen that keeps what it is told."""

    def __init__(self, link: LinkClient) -> None:
        self.link = link
        self.messages: list[ToScreen] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            self.messages.append(await self.link.receive())

    def say(self, message: ToHost) -> None:
        self.messages.clear()
        self.link.send(message)

    def last(self, kind: type) -> ToScreen | None:
        return next((one for one in reversed(self.messages) if isinstance(one, kind)), None)

    @property
    def frame(self) -> Frame | None:
        return cast("Frame | None", self.last(Frame))

    async def close(self) -> None:
        self._reader.cancel()
        await self.link.close()


class Stage:
    """A host with one account on an exchange that makes three markets."""

    def __init__(self, server: ExchangeServer, running: RunningHost, screen: Screen) -> None:
        self.server = server
        self.running = running
        self.screen = screen

    @property
    def listeners(self) -> set[object]:
        """The market connections that the exchange has."""
        return set(cast("Any", self.server.exchange).hub.everyone)

    async def shows(self, symbol: str) -> Frame:
        """Return a frame with a live book of a market."""

        def is_live() -> bool:
            frame = self.screen.frame
            if frame is None or frame.market.symbol != symbol:
                return False
            return frame.market.synced and not frame.market.stale and len(frame.depth.ask_ticks) > 5

        await until(is_live)
        assert self.screen.frame is not None
        return self.screen.frame


@asynccontextmanager
async def staged(venue: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    options = ServeOptions(
        venue=venue, symbol=EXCHANGE_MARKETS[venue], accounts=[AccountOptions(name="one")]
    )
    paths = Paths.from_environment()
    async with ExchangeServer(options) as server:
        address = msgspec.convert(msgspec.to_builtins(server.announcement()), ExchangeAddress)
        monkeypatch.setenv("ONE_KEY", address.accounts[0].api_key)
        monkeypatch.setenv("ONE_SECRET", address.accounts[0].api_secret)
        account = Account("one", venue).outside("ONE", address.urls())
        profile = load_profile(write_accounts("spectate", [account]), user_dir=paths.profiles)
        ready: asyncio.Future[RunningHost] = asyncio.get_running_loop().create_future()
        host = asyncio.create_task(
            run_host(profile, paths, on_ready=ready.set_result, handle_signals=False)
        )
        running = await asyncio.wait_for(ready, DEADLINE_S)
        link = await LinkClient.connect(paths.socket(profile.name), role="screen", client="test")
        stage = Stage(server, running, Screen(link))
        try:
            await stage.shows(MARKETS[venue])
            yield stage
        finally:
            await stage.screen.close()
            running.service.ask_stop("test over")
            await asyncio.wait_for(host, DEADLINE_S)


@contextmanager
def heard(feed: SharedFeed, symbol: str) -> Iterator[list[Event]]:
    """Collect what an account hears of its market."""
    events: list[Event] = []
    with feed.joined([Symbol(symbol)], events.append):
        yield events


@pytest.mark.parametrize("venue", list(MARKETS))
async def test_a_market_that_no_account_trades_is_watched_beside_the_trading_socket(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    traded, (other, another) = MARKETS[venue], OTHERS[venue]
    async with staged(venue, monkeypatch) as stage:
        screen, spectators = stage.screen, stage.running.service._publisher._spectators
        assert spectators is not None
        monkeypatch.setattr(spectators, "_grace_ns", NS_PER_S // 5)
        trading = stage.listeners
        with heard(stage.running.engines[0].feed, traded) as events:
            screen.say(Watch(venue, other))
            began = time.monotonic()
            frame = await stage.shows(other)
            assert time.monotonic() - began < SEEN_WITHIN_S
            assert frame.market.watch_only
            assert frame.market.trouble == ""
            assert frame.depth.bid_ticks[0] < frame.depth.ask_ticks[0]
            markets = cast("Markets", screen.last(Markets)).instruments
            assert [(one.symbol, one.accounts) for one in markets] == [
                (traded, ["one"]),
                (other, []),
            ]
            await until(lambda: screen.frame is not None and screen.frame.market.last_ticks)
            assert trading < stage.listeners
            screen.say(Watch(venue, another))
            await stage.shows(another)
            screen.say(Watch(venue, traded))
            frame = await stage.shows(traded)
            assert not frame.market.watch_only
            await until(lambda: stage.listeners == trading)
            assert spectators.all() == {}
            changes = [one for one in events if isinstance(one, FeedChanged)]
            assert [one.text for one in changes] == ["joined"]


async def test_the_picker_is_told_every_market(monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged("binance", monkeypatch) as stage:
        screen = stage.screen
        screen.say(AskListings())
        await until(lambda: sum(isinstance(one, Listings) for one in screen.messages) == 2)
        first, told = (one for one in screen.messages if isinstance(one, Listings))
        assert (first.markets, first.reading, told.reading) == ([], ["binance"], [])
        assert [(one.venue, one.symbol) for one in told.markets] == [
            ("binance", "BTCUSDT"),
            ("binance", "ETHUSDT"),
            ("binance", "SOLUSDT"),
        ]
        assert told.troubles == []


async def test_who_comes_later_gets_the_past_of_a_watched_market(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with staged("binance", monkeypatch) as stage:
        screen = stage.screen
        screen.say(Watch("binance", "ETHUSDT"))
        seq = (await stage.shows("ETHUSDT")).seq
        await until(lambda: screen.frame is not None and screen.frame.seq > seq + 6)
        screen.say(Watch("binance", "ETHUSDT"))
        await until(lambda: screen.last(History) is not None)
        past = cast("History", screen.last(History))
        assert (past.symbol, past.last) == ("ETHUSDT", True)
        assert past.columns[-1].depth.bid_ticks


async def test_what_goes_wrong_is_told_on_its_screen_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged("binance", monkeypatch) as stage:
        screen = stage.screen
        screen.say(Watch("binance", "NOSUCHUSDT"))
        await until(lambda: screen.frame is not None and screen.frame.market.trouble)
        assert screen.frame is not None
        assert screen.frame.market.watch_only
        assert "Invalid symbol" in screen.frame.market.trouble
        assert screen.frame.accounts[0].note == ""
        screen.say(Watch("binance", "BTCUSDT"))
        await stage.shows("BTCUSDT")


async def test_an_order_by_hand_for_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged("binance", monkeypatch) as stage:
        screen = stage.screen
        screen.say(Watch("binance", "ETHUSDT"))
        await stage.shows("ETHUSDT")
        order = PlaceOrder("one", Symbol("ETHUSDT"), Side.BUY, 100, join=True)
        screen.say(Request(1, order))
        await until(lambda: screen.last(Done) is not None)
        done = cast("Done", screen.last(Done))
        assert not done.ok
        assert "not traded by one" in done.text


async def until_held_back(feed: SharedFeed, symbol: Symbol) -> None:
    """Ask for books until the limits allow no more."""
    while True:
        try:
            await feed.source.resync(symbol)
        except RetryLater:
            return


async def no_venue(place: str) -> SharedFeed:
    raise RetryLater("exchange", f"{place} does not answer")


async def test_only_so_many_are_open_and_only_so_many_opened_in_a_minute() -> None:
    spectators = Spectators(no_venue, SteadyClock())
    first = [("bybit", f"A{number}") for number in range(MOST_OPEN)]
    assert spectators.want(first) == []
    assert spectators.want([*first, ("bybit", "B")]) == []
    assert spectators.at(("bybit", "B")) is None
    assert spectators.refusal == f"{MOST_OPEN} markets are watched already"
    assert spectators.want([*first[1:], ("bybit", "B")]) == first[:1], "the unseen one makes room"
    assert spectators.at(("bybit", "B")) is not None
    for number in range(MOST_OPENED - MOST_OPEN - 1):
        spectators.want([("bybit", f"C{number}")])
        assert spectators.refusal == ""
    spectators.want([("bybit", "D")])
    assert "opened in a minute" in spectators.refusal
    assert len(spectators.all()) <= MOST_OPEN
    await until(lambda: all("does not answer" in one.trouble for one in spectators.all().values()))
    await spectators.close()
    assert spectators.all() == {}


async def test_a_venue_is_asked_once_in_ten_minutes_and_a_silent_one_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ExchangeServer(ServeOptions(symbol="BTCUSDT,ETHUSDT")) as server:
        hub = hub_at(server)
        asked: list[str] = []

        async def open_feed(place: str) -> SharedFeed:
            asked.append(place)
            return await no_venue(place) if place == "bybit" else hub.spectate()

        traders = {("binance", "BTCUSDT"): ["one"]}
        clock = SteadyClock()
        store = ListingStore(["binance", "bybit"], traders, open_feed, clock, lambda: None)
        for _ in range(3):
            store.ask()
            await until(lambda: not store.is_reading)
        assert asked == ["binance", "bybit"]
        told = store.message()
        assert [(one.symbol, one.accounts) for one in told.markets] == [
            ("BTCUSDT", ["one"]),
            ("ETHUSDT", []),
        ]
        assert told.troubles == ["bybit: exchange bybit does not answer"]
        later_ns = clock.monotonic_ns() + KEPT_NS
        monkeypatch.setattr(clock, "monotonic_ns", lambda: later_ns)
        store.ask()
        await until(lambda: not store.is_reading)
        assert asked == ["binance", "bybit"] * 2
        await store.close()
        await hub.close()


async def test_browsing_shares_the_budget_and_leaves_what_is_kept_for_cancels() -> None:
    async with ExchangeServer(ServeOptions(symbol="BTCUSDT,ETHUSDT")) as server:
        hub = hub_at(server)
        feed, eth = hub.spectate(), Symbol("ETHUSDT")
        await feed.listing([eth])
        await until_held_back(feed, eth)
        budget = cast("Any", hub.feed.source).budget
        now_ns = time.time_ns() + hub.feed.offset_ns
        assert budget.may_send(50, False, False, now_ns) > 0, "trading knows of it"
        assert budget.may_send(1, False, True, now_ns) == 0, "a cancel is not kept back"
        assert budget.used_share(WEIGHT, now_ns) <= 1 - RESERVE
        await feed.source.close()
        await hub.close()


def hub_at(server: ExchangeServer) -> Hub:
    told = server.announcement()
    overrides = {"rest": told.rest, "stream": told.stream, "ws_api": told.ws_api or ""}
    return open_hub("binance", Environment.SIM, overrides, SteadyClock())
