"""Panic keys reach the host from every focus, field, modal and the palette (R127)."""

from __future__ import annotations

import time
from typing import Any

import pytest
from textual.command import CommandPalette
from textual.screen import Screen
from textual.widgets import Input, OptionList

from obiterm.core.commands import EmergencyExit, HoldFire, Kill, Rearm
from obiterm.ui.screens.ask import ArmModal, AskModal
from obiterm.ui.screens.base import Box
from obiterm.ui.screens.help import HelpScreen
from obiterm.ui.screens.kill import KillModal
from obiterm.ui.screens.leave import LeaveModal
from obiterm.ui.screens.pick import PickModal
from obiterm.ui.screens.trade import TradeScreen
from obiterm.ui.state import UiSettings
from tests.ui_support.fake_host import FakeHost
from tests.unit.ui_app.conftest import Attach, Attached, app_of, shown
from tests.unit.ui_app.test_accounts import text

LIMIT_S = 0.5
"""From the second tap to the host, on a busy machine; the pty tests measure the real path."""

PANES = ["heat", "ladder", "positions", "log", "strategy"]
BOXES: dict[str, type[Screen[Any]]] = {
    "n": AskModal,
    "slash": AskModal,
    "s": PickModal,
    "question_mark": HelpScreen,
    "ctrl+q": LeaveModal,
    "ctrl+p": CommandPalette,
}


async def kill_arrives(pilot: Attached, host: FakeHost) -> None:
    await pilot.press("f9")
    began = time.monotonic()
    await pilot.press("f9")
    await host.until(lambda: host.commands(Kill), LIMIT_S)
    assert time.monotonic() - began < LIMIT_S + 0.5
    assert host.all_commands() == [HoldFire("*"), Kill("*")]


@pytest.mark.parametrize("pane", PANES)
async def test_kill_with_the_focus_in_every_pane(host: FakeHost, attach: Attach, pane: str) -> None:
    async with attach() as pilot:
        app_of(pilot).trade.query_one(f"#{pane}").focus()
        await pilot.pause()
        await kill_arrives(pilot, host)


@pytest.mark.parametrize("key", list(BOXES))
async def test_kill_with_every_box_open(host: FakeHost, attach: Attach, key: str) -> None:
    async with attach() as pilot:
        await pilot.press(key)
        assert isinstance(pilot.app.screen, BOXES[key])
        await kill_arrives(pilot, host)


@pytest.mark.parametrize("size", [(160, 48), (120, 36), (80, 24), (60, 15), (30, 8)])
async def test_kill_at_every_size(host: FakeHost, attach: Attach, size: tuple[int, int]) -> None:
    async with attach(size=size) as pilot:
        await kill_arrives(pilot, host)


async def test_flatten_in_a_text_field_is_not_typed(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        await pilot.press("slash", "a")
        await pilot.press("f12", "x", "b")
        await host.until(lambda: host.commands(EmergencyExit))
        field = next(iter(pilot.app.screen_stack[1].query(Input)))
        assert field.value in ("ab", "a")
        assert "x" not in field.value


async def test_the_strip_says_what_comes_next(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        board = app_of(pilot).board
        await pilot.press("f9")
        await shown(pilot, lambda: "F9 again = KILL" in str(board.current(time.monotonic_ns())))
        await pilot.press("f12")
        await shown(pilot, lambda: "x = FLATTEN" in str(board.current(time.monotonic_ns())))
        await pilot.press("j")
        await shown(pilot, lambda: "FLATTEN" not in str(board.current(time.monotonic_ns())))


async def test_the_modal_follows_flattens_and_closes(host: FakeHost, attach: Attach) -> None:
    async with attach(size=(120, 36)) as pilot:
        await pilot.press("f9", "f9")
        await shown(pilot, lambda: isinstance(pilot.app.screen, KillModal))
        await pilot.press("x")
        await host.until(lambda: host.commands(EmergencyExit))
        await shown(pilot, lambda: "EXIT" in str(pilot.app.screen.query_one(Box).border_title))
        await pilot.press("a")
        await shown(pilot, lambda: isinstance(pilot.app.screen, PickModal))
        await pilot.press("enter")
        await shown(pilot, lambda: isinstance(pilot.app.screen, ArmModal))
        await pilot.press("enter")
        assert host.commands(Rearm) == []
        await pilot.press("a", "l", "l", "enter")
        await host.until(lambda: host.commands(Rearm) == [Rearm("*", "all")])
        await shown(pilot, lambda: isinstance(pilot.app.screen, TradeScreen))


async def test_keeping_positions_closes_the_modal_until_another_panic(
    host: FakeHost, attach: Attach
) -> None:
    async with attach() as pilot:
        await pilot.press("f9", "f9")
        await shown(pilot, lambda: isinstance(pilot.app.screen, KillModal))
        await pilot.press("enter")
        seq = _seq(pilot)
        await shown(pilot, lambda: _seq(pilot) > seq + 3)
        assert isinstance(pilot.app.screen, TradeScreen)
        await pilot.press("f12", "x")
        await shown(pilot, lambda: isinstance(pilot.app.screen, KillModal))


async def test_a_modal_that_opens_while_typing_takes_no_key_at_once(
    host: FakeHost, attach: Attach
) -> None:
    async with attach() as pilot:
        await pilot.press("slash")
        host._act(Kill("*"))
        await shown(pilot, lambda: isinstance(pilot.app.screen, KillModal))
        await pilot.press("x", "enter")
        assert isinstance(pilot.app.screen, KillModal)
        assert host.commands(EmergencyExit) == []


async def test_palette_offers_panic_last_and_asks(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        await pilot.press("ctrl+p")
        await shown(pilot, lambda: pilot.app.screen.query_one(OptionList).option_count > 5)
        first = pilot.app.screen.query_one(OptionList).get_option_at_index(0)
        assert "panic" not in str(first.prompt)
        await pilot.press(*"Kill cancel")
        await pilot.press("enter")
        await shown(pilot, lambda: app_of(pilot).board.asking(time.monotonic_ns()))
        assert host.commands(Kill) == []
        await pilot.press("y")
        await host.until(lambda: host.commands(Kill))


async def test_a_watching_screen_may_panic_and_a_read_only_one_may_not(
    host: FakeHost, attach: Attach
) -> None:
    host.lease = False
    async with attach() as pilot:
        await pilot.press("b", "o", "C", "f9", "f9")
        await host.until(lambda: host.commands(Kill))
        assert host.all_commands() == [HoldFire("*"), Kill("*")]
    host.received.clear()
    async with attach(UiSettings(read_only=True)) as pilot:
        await pilot.press("f9", "f9", "f12", "x", "b")
        await pilot.pause(0.2)
        assert host.all_commands() == []


async def test_a_read_only_screen_can_only_close_the_box(host: FakeHost, attach: Attach) -> None:
    async with attach(UiSettings(read_only=True), size=(120, 36)) as pilot:
        host._act(Kill("*"))
        await shown(pilot, lambda: isinstance(pilot.app.screen, KillModal))
        await shown(pilot, lambda: "close this box" in text(pilot))
        for word in ("flatten", "keep positions", "re-arm"):
            assert word not in text(pilot)
        await pilot.press("x", "a")
        await pilot.pause()
        assert isinstance(pilot.app.screen, KillModal)
        await pilot.press("enter")
        await shown(pilot, lambda: isinstance(pilot.app.screen, TradeScreen))
        assert host.all_commands() == []


async def test_moved_panic_keys_work(host: FakeHost, attach: Attach) -> None:
    async with attach(UiSettings(keymap={"panic.kill": "f8"})) as pilot:
        await pilot.press("f9", "f9")
        await pilot.press("f8", "f8")
        await host.until(lambda: host.commands(Kill))
        assert host.all_commands() == [HoldFire("*"), Kill("*")]


def _seq(pilot: Attached) -> int:
    frame = app_of(pilot).cockpit.frame
    return frame.seq if frame else 0
