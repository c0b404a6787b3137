"""The screen as a whole: attach, lose, re-attach, views, pictures, faults."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from textual.widgets import OptionList

from obiterm.core.errors import ConfigError
from obiterm.link.messages import Frame, Leave, Watch
from obiterm.ui.actions import BY_NAME
from obiterm.ui.app import ObitermApp
from obiterm.ui.ending import EndReason
from obiterm.ui.paint.context import PaintContext
from obiterm.ui.panes import Header, KeyBar, Ladder, OrderLog
from obiterm.ui.screens.leave import LeaveModal
from obiterm.ui.screens.notice import NoticeLine
from obiterm.ui.state import UiSettings
from tests.ui_support import picture
from tests.ui_support.fake_host import FakeHost
from tests.unit.ui_app.conftest import Attach, Attached, app_of, shown


def text(pilot: Attached) -> str:
    return "\n".join("".join(run for run, _ in runs) for runs in picture.screen_runs(pilot.app))


def saved_in(folder: Path) -> list[Path]:
    return list(folder.glob("*.svg"))


def banner(pilot: Attached) -> str:
    return app_of(pilot).board.banner


@pytest.mark.parametrize("theme", ["night-city"])
@pytest.mark.parametrize(
    ("size", "seen", "hidden"),
    [
        ((160, 48), ["DEPTH", "LADDER", "POSITIONS", "ORDER LOG", "STRATEGY"], ["too small"]),
        ((120, 36), ["DEPTH", "LADDER", "POSITIONS", "ORDER LOG"], ["STRATEGY"]),
        ((80, 24), ["DEPTH", "LADDER", "POSITIONS", "stops on exch"], ["ORDER LOG"]),
        ((60, 15), ["BTCUSDT", "ARMED", "uPnL", "LONG"], ["LADDER", "POSITIONS"]),
        ((30, 8), ["too small"], ["LADDER", "BTCUSDT"]),
    ],
)
async def test_what_is_shown_at_each_size(
    attach: Attach, theme: str, size: tuple[int, int], seen: list[str], hidden: list[str]
) -> None:
    async with attach(UiSettings(theme=theme), size) as pilot:
        await shown(pilot, lambda: all(word in text(pilot) for word in seen))
        assert not [word for word in hidden if word in text(pilot)]
        if size != (30, 8):
            assert "F9 F9 KILL" in text(pilot)
            assert "F12 X FLATTEN" in text(pilot)


@pytest.mark.parametrize(
    ("keys", "seen", "hidden"),
    [
        (["2"], ["POSITIONS", "ORDER LOG"], ["LADDER", "DEPTH"]),
        (["3"], ["STRATEGY"], ["LADDER", "POSITIONS"]),
        (["3", "1"], ["LADDER", "DEPTH"], []),
        (["tab", "z"], ["POSITIONS"], ["LADDER", "ORDER LOG"]),
        (["z"], ["LADDER"], ["DEPTH", "POSITIONS"]),
        (["z", "tab"], ["POSITIONS"], ["LADDER", "DEPTH"]),
        (["z", "z"], ["LADDER", "DEPTH", "POSITIONS"], []),
        (["z", "escape"], ["LADDER", "DEPTH", "POSITIONS"], []),
    ],
)
@pytest.mark.parametrize("size", [(160, 48), (80, 24)])
async def test_views_and_zoom(
    attach: Attach, size: tuple[int, int], keys: list[str], seen: list[str], hidden: list[str]
) -> None:
    async with attach(size=size) as pilot:
        await pilot.press(*keys)
        await shown(pilot, lambda: all(word in text(pilot) for word in seen))
        assert not [word for word in hidden if word in text(pilot)]


async def test_the_key_bar_offers_only_what_works(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        for name in ("1 trade", "2 orders", "3 strategy", "a arm", "? help", "^Q detach"):
            assert name in text(pilot)
        host.lease = False
        await shown(pilot, lambda: "WATCHING" in banner(pilot))
        assert not app_of(pilot).can_perform("order.join-bid")
        assert app_of(pilot).can_perform("account.control")


async def test_the_palette_follows_what_is_possible(host: FakeHost, attach: Attach) -> None:
    host.lease = False
    async with attach() as pilot:
        await pilot.press("ctrl+p")
        await shown(pilot, lambda: pilot.app.screen.query_one(OptionList).option_count > 5)
        options = pilot.app.screen.query_one(OptionList)
        shown_names = str(
            [options.get_option_at_index(n).prompt for n in range(options.option_count)]
        )
        assert BY_NAME["account.control"].palette in shown_names
        assert BY_NAME["order.join-bid"].palette not in shown_names


async def test_help_lists_every_action(attach: Attach) -> None:
    async with attach(UiSettings(keymap={"order.join-bid": "i"})) as pilot:
        await pilot.press("?")
        await pilot.pause()
        lines = [str(line.render()) for line in pilot.app.screen.query("Static")]
        everything = "\n".join(lines)
        for action in BY_NAME.values():
            assert action.description in everything
        assert any(line.split()[:1] == ["i"] for line in lines)


async def test_a_lost_host_is_shown_and_found_again(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        app = app_of(pilot)
        await pilot.press("s", "down", "enter")
        host.stop()
        await shown(pilot, lambda: "HOST GONE" in banner(pilot))
        assert "HOST GONE" in text(pilot)
        assert not app.painter.context().connected
        await pilot.press("b")
        assert "no host" in str(app.board.current(time.monotonic_ns()))
        log = app.trade.query_one(OrderLog)
        with FakeHost(host.path) as second:
            await shown(pilot, lambda: app.cockpit.connected, 10.0)
            await second.until(lambda: second.messages(Watch))
            assert banner(pilot) == ""
            seq = app.cockpit.frame.seq if app.cockpit.frame else 0
            await shown(pilot, lambda: app.cockpit.frame and app.cockpit.frame.seq != seq)
        assert "HOST GONE" not in text(pilot) or log is not None


async def test_lines_of_the_past_come_once(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        app = app_of(pilot)
        await shown(pilot, lambda: "line 30" in text(pilot))
        host.stop()
        with FakeHost(host.path):
            await shown(pilot, lambda: app.cockpit.connected, 10.0)
            await shown(pilot, lambda: app.attachment.mailbox is not None)
            await pilot.press("2")
            await shown(pilot, lambda: "line 30" in text(pilot))
            assert text(pilot).count("line 30") == 1


async def test_a_picture_hides_balances_and_the_screen_shows_them_again(
    attach: Attach, tmp_path: Path
) -> None:
    async with attach(UiSettings(pictures_dir=tmp_path)) as pilot:
        await shown(pilot, lambda: "12,431.20" in text(pilot))
        await pilot.press("P")
        await shown(pilot, lambda: saved_in(tmp_path))
        drawn = saved_in(tmp_path)[0].read_text()
        assert "12,431.20" not in drawn
        assert "184.35" not in drawn
        assert "****" in drawn
        assert "BTCUSDT" in drawn
        assert saved_in(tmp_path)[0].stat().st_mode & 0o077 == 0
        await shown(pilot, lambda: "12,431.20" in text(pilot))


async def test_masking_stays_until_it_is_lifted(attach: Attach) -> None:
    async with attach(UiSettings(masked=True)) as pilot:
        await shown(pilot, lambda: "****" in text(pilot))
        assert "12,431.20" not in text(pilot)
        await pilot.press("m")
        await shown(pilot, lambda: "12,431.20" in text(pilot))


async def test_a_pane_that_fails_rests_and_the_others_go_on(
    host: FakeHost, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Header, frame: Frame, context: PaintContext) -> None:
        raise KeyError("no such account")

    async with attach() as pilot:
        app = app_of(pilot)
        monkeypatch.setattr(Header, "show", fails)
        await shown(pilot, lambda: "pane header failed" in text(pilot))
        before = app.cockpit.frame
        assert before is not None
        await shown(pilot, lambda: (app.cockpit.frame or before).seq > before.seq + 3)
        await pilot.press("f9", "f9")
        await host.until(lambda: host.all_commands())
        monkeypatch.undo()
        await pilot.press("enter", "1")
        await shown(pilot, lambda: "OBITERM" in text(pilot))


@pytest.mark.parametrize(
    ("key", "reason", "message"),
    [
        ("d", EndReason.DETACHED, Leave(stop=False)),
        ("s", EndReason.STOPPED, Leave(stop=True)),
    ],
)
async def test_leaving_asks_which(
    host: FakeHost, attach: Attach, key: str, reason: EndReason, message: Leave
) -> None:
    async with attach() as pilot:
        await pilot.press("ctrl+q", "escape", "ctrl+q")
        assert isinstance(pilot.app.screen, LeaveModal)
        assert host.messages(Leave) == []
        await pilot.press(key)
        await host.until(lambda: host.messages(Leave))
        await shown(pilot, lambda: app_of(pilot).return_value is not None)
        assert app_of(pilot).return_value is reason
    assert host.messages(Leave) == [message]


async def test_a_watching_screen_cannot_stop_the_host(host: FakeHost, attach: Attach) -> None:
    host.lease = False
    async with attach() as pilot:
        await pilot.press("ctrl+q", "s")
        assert isinstance(pilot.app.screen, LeaveModal)
        assert "stop trading" not in text(pilot)
        assert host.messages(Leave) == []


async def test_questions_lie_over_the_keys_but_not_over_the_panic_chips(attach: Attach) -> None:
    async with attach(size=(120, 36)) as pilot:
        await pilot.press("B")
        await pilot.pause()
        last = text(pilot).splitlines()[-1]
        assert "F9 F9 KILL" in last
        assert "F12 X FLATTEN" in last
        assert "y = yes" in last
        line = app_of(pilot).trade.query_one(NoticeLine)
        assert line.has_class("-question")
        assert app_of(pilot).trade.query_one(KeyBar).region.y == line.region.y


async def test_host_text_is_shown_as_it_is(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        app_of(pilot).say("[bold]no [markup\x1b[2J")
        await pilot.pause()
        assert "[bold]no [markup" in text(pilot)
        assert "\x1b" not in text(pilot)


def test_bad_settings_are_refused_before_anything_is_painted(tmp_path: Path) -> None:
    for settings in (UiSettings(theme="no-such"), UiSettings(keymap={"panic.kill": "f12"})):
        with pytest.raises(ConfigError):
            ObitermApp(tmp_path / "socket", settings)


async def test_the_focus_starts_on_the_ladder_and_tab_goes_round(attach: Attach) -> None:
    async with attach() as pilot:
        trade = app_of(pilot).trade
        assert isinstance(trade.focused, Ladder)
        order = []
        for _ in range(5):
            await pilot.press("tab")
            order.append(trade.focused.id if trade.focused else None)
        assert order == ["positions", "log", "strategy", "heat", "ladder"]
        await pilot.press("shift+tab")
        assert trade.focused is not None
        assert trade.focused.id == "heat"
