"""Orders by hand, with keys and mouse (R127)."""

from __future__ import annotations

import time

import msgspec
import pytest

from obiterm.core.commands import (
    AnyCommand,
    CancelOrder,
    CancelSymbol,
    ClosePosition,
    PlaceOrder,
    RepriceOrder,
    StopStrategy,
)
from obiterm.core.values import ClientOrderId, Side, Symbol
from obiterm.link.messages import Done, TakeLease, Watch
from obiterm.ui.desk import REPEAT_NS
from obiterm.ui.panes import Ladder, Positions
from tests.ui_support.fake_host import FakeHost
from tests.unit.ui_app.conftest import Attach, Attached, app_of, shown

BTC = Symbol("BTCUSDT")
ACCOUNT = "bybit-main"


def notice(pilot: Attached) -> str:
    current = app_of(pilot).board.current(time.monotonic_ns())
    return current.text if current else ""


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        (["b"], PlaceOrder(ACCOUNT, BTC, Side.BUY, 100, join=True)),
        (["o"], PlaceOrder(ACCOUNT, BTC, Side.SELL, 100, join=True)),
        (["B", "y"], PlaceOrder(ACCOUNT, BTC, Side.BUY, 100, post_only=False)),
        (["S", "y"], PlaceOrder(ACCOUNT, BTC, Side.SELL, 100, post_only=False)),
        (["8", "b"], PlaceOrder(ACCOUNT, BTC, Side.BUY, 1000, join=True)),
        (["]", "]", "[", "o"], PlaceOrder(ACCOUNT, BTC, Side.SELL, 500, join=True)),
        (["C"], CancelSymbol(ACCOUNT, BTC)),
        (["f", "y"], ClosePosition(ACCOUNT, BTC)),
        (["g", "y"], StopStrategy(ACCOUNT, "obi-surf")),
    ],
)
async def test_one_key_one_command(
    host: FakeHost, attach: Attach, keys: list[str], command: AnyCommand
) -> None:
    async with attach() as pilot:
        await pilot.press(*keys)
        await host.until(lambda: host.all_commands())
        assert host.all_commands() == [command]
        await shown(pilot, lambda: "accepted" in notice(pilot))


@pytest.mark.parametrize("keys", [["B", "n"], ["S", "enter"], ["f", "B"], ["B", "escape"]])
async def test_anything_but_yes_is_no(host: FakeHost, attach: Attach, keys: list[str]) -> None:
    async with attach() as pilot:
        await pilot.press(*keys)
        await pilot.press("o")
        await host.until(lambda: host.all_commands())
        assert host.all_commands() == [PlaceOrder(ACCOUNT, BTC, Side.SELL, 100, join=True)]


async def test_enter_places_only_at_a_cursor_that_was_moved(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        ladder = app_of(pilot).trade.query_one(Ladder)
        await pilot.press("enter")
        assert "move the price cursor" in notice(pilot)
        await pilot.press("down", "down", "enter")
        await host.until(lambda: host.commands(PlaceOrder))
        order = host.commands(PlaceOrder)[0]
        assert (order.side, order.price_ticks) == (Side.BUY, ladder.cursor_ticks)
        assert order.post_only
        await pilot.press("escape", "enter")
        await pilot.press("pageup", "pageup", "pageup", "enter")
        await host.until(lambda: len(host.commands(PlaceOrder)) == 2)
        assert host.commands(PlaceOrder)[1].side is Side.SELL


async def test_enter_in_another_pane_places_nothing(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        await pilot.press("down")
        app_of(pilot).trade.query_one("#positions").focus()
        await pilot.press("enter", "o")
        await host.until(lambda: host.all_commands())
        assert [one.price_ticks for one in host.commands(PlaceOrder)] == [0]


@pytest.mark.timed
async def test_a_held_key_is_one_order(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        await pilot.press(*["b"] * 8)
        await pilot.press("o")
        await host.until(lambda: len(host.all_commands()) >= 2)
        assert [one.side for one in host.commands(PlaceOrder)] == [Side.BUY, Side.SELL]
        await pilot.pause(REPEAT_NS / 1e9 + 0.05)
        await pilot.press("o")
        await host.until(lambda: len(host.all_commands()) == 3)


async def test_a_stop_is_cancelled_after_a_question_that_names_it(
    host: FakeHost, attach: Attach
) -> None:
    async with attach() as pilot:
        for _ in range(7):  # three positions, then the fourth order
            await pilot.press(".")
        await pilot.press("c")
        words = "cancel the protective stop SELL 0.04214 BTCUSDT at 61,500.00 on bybit-main"
        assert words in notice(pilot)
        await pilot.press("n", "c")
        assert host.commands(CancelOrder) == []
        await pilot.press("y")
        chosen = CancelOrder(ACCOUNT, BTC, ClientOrderId("s1"))
        await host.until(lambda: host.commands(CancelOrder) == [chosen])


async def test_choose_cancel_and_move_an_order(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        app = app_of(pilot)
        await pilot.press("c")
        assert "choose an order" in notice(pilot)
        for _ in range(4):  # three positions, then the first order
            await pilot.press(".")
        await pilot.press("c")
        chosen = CancelOrder(ACCOUNT, BTC, ClientOrderId("e1"))
        await host.until(lambda: host.commands(CancelOrder) == [chosen])
        await pilot.press("home", "down", "r")
        await host.until(lambda: host.commands(RepriceOrder))
        moved = host.commands(RepriceOrder)[0]
        assert moved.client_id == "e1"
        assert moved.price_ticks == app.trade.query_one(Ladder).cursor_ticks


async def test_a_typed_size_is_checked(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        await pilot.press("n", *"0.000001", "enter")
        assert app_of(pilot).cockpit.lots == 100
        await pilot.press("ctrl+u", *"0.025", "enter")
        await shown(pilot, lambda: app_of(pilot).cockpit.lots == 2500)


async def test_a_click_moves_the_cursor_and_the_second_places(
    host: FakeHost, attach: Attach
) -> None:
    async with attach() as pilot:
        ladder = app_of(pilot).trade.query_one(Ladder)
        height = ladder.size.height
        await pilot.click(Ladder, offset=(3, height - 2))
        assert host.all_commands() == []
        await pilot.click(Ladder, offset=(3, height - 2))
        await host.until(lambda: host.commands(PlaceOrder))
        order = host.commands(PlaceOrder)[0]
        assert (order.side, order.price_ticks) == (Side.BUY, ladder.cursor_ticks)


async def test_a_right_click_cancels_own_orders_of_the_row(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        app = app_of(pilot)
        frame = app.cockpit.frame
        assert frame is not None
        ticks = frame.market.bid_ticks // 100 * 100
        orders = [
            msgspec.structs.replace(frame.orders[0], client_id=f"c{place}", price_ticks=price)
            for place, price in enumerate((ticks, ticks + 9, ticks + 10))
        ]
        host.changes = {"orders": orders}
        seq = frame.seq
        await shown(pilot, lambda: (app.cockpit.frame or frame).seq > seq + 2)
        app.desk.clicked(ticks, 10, Side.BUY, 3)
        await host.until(lambda: len(host.commands(CancelOrder)) == 2)
        assert [one.client_id for one in host.commands(CancelOrder)] == ["c0", "c1"]


async def test_a_refusal_shows_the_hosts_words(host: FakeHost, attach: Attach) -> None:
    host.answer = Done(0, False, "max_position: 0.5 of 0.4 BTC")
    async with attach() as pilot:
        await pilot.press("b")
        await shown(pilot, lambda: "max_position: 0.5 of 0.4 BTC" in notice(pilot))
        current = app_of(pilot).board.current(time.monotonic_ns())
        assert current is not None
        assert current.kind == "bad"


async def test_control_is_asked_for_and_taken(host: FakeHost, attach: Attach) -> None:
    host.lease = False
    async with attach() as pilot:
        await pilot.press("b")
        assert "press L" in notice(pilot)
        assert host.all_commands() == []
        await pilot.press("L")
        await host.until(lambda: host.messages(TakeLease))
        await shown(pilot, lambda: app_of(pilot).cockpit.has_lease)
        await pilot.press("b")
        await host.until(lambda: host.commands(PlaceOrder))


async def test_another_market_forgets_the_cursor(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        await pilot.press("down", "s", "down", "enter")
        await host.until(lambda: host.messages(Watch) == [Watch("backpack", "SOL_USDC_PERP")])
        await pilot.press("enter")
        assert "move the price cursor" in notice(pilot)
        app_of(pilot).desk.cursor_moved()
        await pilot.press("enter")  # frames are still of the other market
        assert host.commands(PlaceOrder) == []


async def test_a_chosen_row_is_cleared_by_escape(host: FakeHost, attach: Attach) -> None:
    async with attach() as pilot:
        await pilot.press(".")
        positions = app_of(pilot).trade.query_one(Positions)
        assert positions.selected is not None
        await pilot.press("escape")
        assert positions.selected is None
