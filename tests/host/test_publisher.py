"""Frames of several accounts, prepared or not, on real engines and a simulated exchange."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from obiterm.config.models import AccountProfile
from obiterm.core.commands import Kill
from obiterm.core.effects import Note, Verb
from obiterm.core.events import Traded
from obiterm.core.values import Environment, MarketKind, Side, Symbol, TradingState
from obiterm.engine.latches import LatchStore
from obiterm.host import frames, history
from obiterm.host.history import COLUMN_LEVELS, MOST_MARKETS, DepthHistory
from obiterm.host.places import venue_names
from obiterm.host.publisher import Publisher
from obiterm.host.slots import AccountSlot
from obiterm.link.framing import decode_to_screen, encode
from obiterm.link.messages import (
    Depth,
    Frame,
    History,
    LogLines,
    Markets,
    ToScreen,
    TradeDot,
    Watch,
)
from obiterm.link.server import Viewer
from obiterm.market.book import Book
from obiterm.market.state import MarketState
from obiterm.net.clock import SteadyClock
from tests.trading_support.crowd import crowd

CLOCK = SteadyClock()
NAMES = ("one", "two")


class Screen:
    """A viewer that keeps what it is sent, as it would read it."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.has_lease = True
        self.wants_frames = True
        self.messages: list[ToScreen] = []

    def post(self, message: ToScreen) -> None:
        self.messages.append(decode_to_screen(encode(message)[4:]))

    def viewer(self) -> Viewer:
        return cast("Viewer", self)

    def frame(self) -> Frame:
        return [one for one in self.messages if isinstance(one, Frame)][-1]


def slot(
    folder: Path, name: str, venue: str, environment: str = "sim", symbol: str = "BTCUSDT"
) -> AccountSlot:
    """Return the place of an account that is not prepared yet."""
    profile = AccountProfile.model_validate(
        {
            "name": name,
            "venue": venue,
            "environment": environment,
            "symbols": [symbol],
            "keys": "sim" if environment == "sim" else "",
        }
    )
    return AccountSlot(profile, LatchStore(folder / "latches"), CLOCK)


def test_a_venue_in_two_environments_is_two_places(tmp_path: Path) -> None:
    slots = [
        slot(tmp_path, "a", "bybit", "demo"),
        slot(tmp_path, "b", "bybit", "testnet"),
        slot(tmp_path, "c", "binance", "testnet"),
    ]
    assert venue_names(slots) == {"a": "bybit demo", "b": "bybit testnet", "c": "binance"}


async def test_accounts_without_an_engine_say_why_and_hide_nothing(tmp_path: Path) -> None:
    slots = [slot(tmp_path, "main", "bybit", "demo"), slot(tmp_path, "alt", "binance", "demo")]
    slots[0].suffer("key refused (10003): make a new key with the right Trade")
    slots[1].command(Kill(account="alt"), "F9 F9")
    publisher = Publisher(slots, CLOCK)
    screen = Screen(Watch(*publisher.first_market()))
    publisher.publish([screen.viewer()])
    frame = screen.frame()
    assert (frame.market.venue, frame.market.symbol) == ("bybit", "BTCUSDT")
    assert not frame.market.synced
    assert frame.depth.bid_ticks == []
    main, alt = frame.accounts
    assert main.note.startswith("key refused (10003)")
    assert (main.prepared, main.link, main.armed) == (False, "down", False)
    assert alt.state is TradingState.HALTED
    assert frame.panic is not None
    assert [(one.account, one.done) for one in frame.panic.accounts] == [("alt", False)]
    assert (frame.risk.armed, frame.risk.accounts) == (0, 2)
    assert publisher.instruments() == []
    assert publisher.has_market("binance", "BTCUSDT")
    assert not publisher.has_market("kraken", "BTCUSDT")
    await slots[1].close()


async def test_two_accounts_of_a_venue_share_a_market_and_nothing_else(tmp_path: Path) -> None:
    slots = [*(slot(tmp_path, name, "bybit") for name in NAMES), slot(tmp_path, "off", "binance")]
    publisher = Publisher(slots, CLOCK, (Decimal("0.0004"), Decimal("0.002"), Decimal("0.5")))
    screen = Screen(Watch("bybit", "BTCUSDT"))
    other = Screen(Watch("bybit", "BTCUSDT", "two"))
    both = [screen.viewer(), other.viewer()]
    publisher.publish(both)
    async with crowd(tmp_path, NAMES, venue="bybit") as made:
        await made.until(made.is_ready)
        for name, place in zip(NAMES, slots[:2], strict=True):
            place.take(made.engines[name])
        publisher.publish(both)
        told = [one for one in screen.messages if isinstance(one, Markets)][-1]
        [info] = told.instruments
        assert info.accounts == list(NAMES)
        assert info.kind is MarketKind.PERP
        assert info.size_presets == [2, 500], "in lots of 0.001; one is below the smallest order"

        made.place("two", Side.BUY, made.best("two")[0] - 50_000, lots=3)
        await made.settled()
        made.place("one", Side.SELL, 0, lots=2)
        await made.until(lambda: made.engines["one"].kernel.gate.net_lots(Symbol("BTCUSDT")) == -2)
        publisher.publish(both)
        frame = screen.frame()
        assert [(row.account, row.venue, row.lots) for row in frame.orders] == [("two", "bybit", 3)]
        [position] = frame.positions
        assert (position.account, position.side, position.lots) == ("one", Side.SELL, 2)
        assert position.leverage > 0
        assert position.owner == "manual"
        assert frame.depth.bid_ticks == other.frame().depth.bid_ticks
        assert frame.market.mark_ticks > 0
        assert frame.market.next_funding_ns > 0
        await made.until(lambda: _liquidation(publisher, screen) > position.mark_ticks)

        for _ in range(3):  # what is painted slowly is looked at every third round
            publisher.publish(both)
        assert (screen.frame().risk.account, other.frame().risk.account) == ("", "two")
        assert other.frame().risk.orders_open == 1
        shared = len(made.engines["one"].feed.source.sockets())
        private = len(made.engines["one"].gateway.health().sockets)
        assert len(screen.frame().risk.sockets) == shared + 2 * private


def _liquidation(publisher: Publisher, screen: Screen) -> int:
    publisher.publish([screen.viewer()])
    return next((row.liquidation_ticks for row in screen.frame().positions), 0)


async def test_a_print_that_every_account_hears_is_shown_once(tmp_path: Path) -> None:
    slots = [slot(tmp_path, name, "binance") for name in NAMES]
    publisher = Publisher(slots, CLOCK)
    screen = Screen(Watch("binance", "BTCUSDT"))
    async with crowd(tmp_path, NAMES) as made:
        await made.until(made.is_ready)
        for name, place in zip(NAMES, slots, strict=True):
            place.take(made.engines[name])
        publisher.publish([screen.viewer()])
        event = Traded(Symbol("BTCUSDT"), 1, 6_000_000, 70, Side.BUY, 1, 1)
        for name in NAMES:
            publisher.on_event(name, event)
        publisher.publish([screen.viewer()])
        assert screen.frame().trades == [TradeDot(6_000_000, 70, Side.BUY)]


async def test_only_watched_books_are_read_each_once_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = [slot(tmp_path, name, "binance") for name in NAMES]
    publisher = Publisher(slots, CLOCK)
    screens = [Screen(Watch("binance", "BTCUSDT")) for _ in range(3)]
    async with crowd(tmp_path, NAMES) as made:
        await made.until(made.is_ready)
        for name, place in zip(NAMES, slots, strict=True):
            place.take(made.engines[name])
        read: list[int] = []
        real = frames.depth_of

        def depth_of(book: Book, levels: int = 400) -> Depth:
            read.append(levels)
            return real(book, levels)

        for reader in (frames, history):
            monkeypatch.setattr(reader, "depth_of", depth_of)
        publisher.publish([])
        assert read == [COLUMN_LEVELS], "nobody looks: the past alone is kept"
        read.clear()
        publisher.publish([screen.viewer() for screen in screens])
        assert [levels for levels in read if levels != COLUMN_LEVELS] == [400]


def test_log_lines_name_the_market_of_their_account(tmp_path: Path) -> None:
    slots = [slot(tmp_path, "a", "bybit", "demo"), slot(tmp_path, "b", "binance", "demo")]
    publisher = Publisher(slots, CLOCK)
    screen = Screen(Watch("bybit", "BTCUSDT"))
    publisher.on_note("b", Note(verb=Verb.FILL, symbol=Symbol("BTCUSDT"), text="", at_ns=1))
    publisher.on_note("b", Note(verb=Verb.INFO, symbol=Symbol(""), text="", at_ns=1))
    publisher.publish([screen.viewer()])
    [lines] = [one for one in screen.messages if isinstance(one, LogLines)]
    assert [(line.account, line.venue) for line in lines.lines] == [("b", "binance"), ("b", "")]


def test_the_past_comes_back_as_it_was_kept_and_is_bounded() -> None:
    history = DepthHistory("bybit", "BTCUSDT", kept=100)
    for number in range(150):
        depth = Depth([100 - number], [1], [101], [2])
        history.add(number, depth, 100.5, 0.1, [TradeDot(101, 3, Side.BUY)])
    pieces = [decode_to_screen(encode(message)[4:]) for message in history.messages()]
    assert all(isinstance(piece, History) for piece in pieces)
    columns = [column for piece in pieces for column in cast("History", piece).columns]
    assert [column.at_ns for column in columns] == list(range(50, 150))
    assert columns[-1].depth == Depth([-49], [1], [101], [2])
    assert [cast("History", piece).last for piece in pieces] == [False, True]


@pytest.mark.parametrize("watched", [[], [("bybit", "M40")]])
def test_only_so_many_markets_keep_a_past_the_watched_ones_first(
    watched: list[tuple[str, str]],
) -> None:
    book = SimpleNamespace(synced=True, top=lambda levels: ([], []), imbalance=lambda levels: 0.0)
    market = cast("MarketState", SimpleNamespace(book=book, best=lambda: (1, 1, 2, 1)))
    pasts = history.Pasts()
    pasts.keep(CLOCK.wall_ns(), watched, {("bybit", f"M{number}"): market for number in range(50)})
    assert len(pasts.kept) == MOST_MARKETS
    assert pasts.kept[: len(watched)] == watched


def test_the_environment_of_an_account_is_on_its_chip(tmp_path: Path) -> None:
    publisher = Publisher([slot(tmp_path, "a", "bybit", "demo")], CLOCK)
    screen = Screen(Watch("bybit", "BTCUSDT"))
    publisher.publish([screen.viewer()])
    assert screen.frame().accounts[0].environment is Environment.DEMO
