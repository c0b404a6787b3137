"""Keys, mouse, selection and filter of the panes."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from obiterm.core.values import OrderRole, Side
from obiterm.link.messages import OrderRow, PositionRow
from obiterm.ui.panes import (
    HeatMap,
    KeyBar,
    KeyHint,
    Ladder,
    OrderLog,
    Positions,
    StrategyPane,
)
from tests.ui_support.harness import HINTS, Harness, screen_text, start
from tests.ui_support.market import log_lines


async def test_keys_of_the_registry_replace_each_other() -> None:
    app = Harness()
    async with app.run_test(size=(120, 36)) as pilot:
        await start(pilot, app)
        app.query_one(KeyBar).set_keys([*HINTS[:2], KeyHint("j", "join bid")])
        await pilot.pause()
        line = screen_text(app).splitlines()[-1]
    assert "join bid" in line
    assert "strategy" not in line


async def test_a_click_on_the_ladder_tells_price_side_and_button() -> None:
    picked: list[tuple[int, Side | None, int]] = []

    class Listening(Harness):
        def on_ladder_price_picked(self, message: Ladder.PricePicked) -> None:
            picked.append((message.ticks, message.side, message.button))

    app = Listening()
    async with app.run_test(size=(160, 48)) as pilot:
        await start(pilot, app)
        ladder = app.query_one(Ladder)
        rows = [pilot.click(ladder, offset=(x, 3)) for x in (6, 25, 44)]
        for click in rows:
            await click
        await pilot.pause()
        top_price = ladder.cursor_ticks
        assert [side for _, side, _ in picked] == [Side.BUY, None, Side.SELL]
        assert {ticks for ticks, _, _ in picked} == {top_price}
        assert {button for _, _, button in picked} == {1}
        ladder.move_cursor(2)
        assert ladder.cursor_ticks == top_price + 2 * ladder.step_ticks
        step = ladder.step_ticks
        ladder.coarser()
        assert ladder.step_ticks > step
        ladder.finer()
        assert ladder.step_ticks == step


async def test_own_orders_stand_on_the_empty_side() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = await start(pilot, app)
        bid, ask = frame.depth.bid_ticks[0], frame.depth.ask_ticks[0]
        buy = msgspec.structs.replace(frame.orders[0], price_ticks=bid, lots=820)
        sell = msgspec.structs.replace(frame.orders[2], price_ticks=ask + 3, lots=4214)
        assert sell.role is OrderRole.TAKE_PROFIT
        app.show(msgspec.structs.replace(frame, orders=[buy, sell]))
        await pilot.pause()
        ladder = app.query_one(Ladder)
        lines = [ladder.render_line(y).text for y in range(ladder.content_size.height)]
    middle = len(lines[0]) // 2
    marked = [line for line in lines if "◆" in line]
    assert any("◆ 0.0082" in line[middle:] for line in marked)
    assert any("0.04214 tp ◆" in line[:middle] for line in marked)


async def test_a_selection_is_bound_to_its_order() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = await start(pilot, app)
        positions = app.query_one(Positions)

        def chosen() -> str:
            row = positions.selected
            return row.client_id if isinstance(row, OrderRow) else ""

        assert chosen() == ""
        for _ in range(5):
            positions.move_selection(1)
        assert chosen() == "e2"
        app.show(msgspec.structs.replace(frame, orders=frame.orders[1:]))
        assert chosen() == "e2"
        app.show(msgspec.structs.replace(frame, orders=frame.orders[2:]))
        assert chosen() == ""


async def test_clicks_on_positions_and_orders() -> None:
    told: list[str] = []

    class Listening(Harness):
        def on_positions_order_picked(self, message: Positions.OrderPicked) -> None:
            told.append(message.client_id)

        def on_positions_position_picked(self, message: Positions.PositionPicked) -> None:
            told.append(f"{message.account}/{'/'.join(message.market)}")

    app = Listening()
    async with app.run_test(size=(160, 48)) as pilot:
        await start(pilot, app)
        positions = app.query_one(Positions)
        for row in (1, 2, 7):
            await pilot.click(positions, offset=(10, row))
        await pilot.pause()
        chosen = positions.selected
    assert told == ["bybit-main/bybit/BTCUSDT", "e1"]
    assert isinstance(chosen, OrderRow)


async def test_an_account_narrows_what_is_shown() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = await start(pilot, app)
        chosen = replace(app.context(frame), account="binance-alt")
        positions = app.query_one(Positions)
        positions.show(frame, chosen)
        positions.move_selection(1)
        row = positions.selected
        assert isinstance(row, PositionRow)
        assert (row.venue, row.symbol) == ("binance", "BTCUSDT")
        positions.move_selection(5)
        order = positions.selected
        assert isinstance(order, OrderRow)
        assert order.account == "binance-alt"
        card = app.query_one(StrategyPane)
        card.show(frame, chosen)
        assert card.card is None
        await pilot.pause()


async def test_log_filter_scroll_and_repeats() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        await start(pilot, app)
        log = app.query_one(OrderLog)

        def lines() -> list[str]:
            return [log.render_line(y).text for y in range(log.content_size.height)]

        assert "FILL SELL 0.00836" in lines()[0]
        log.add(log_lines())
        assert sum("0.00836" in line for line in lines()) == 1
        log.set_filter("gap resync")
        assert "book resync 142 ms" in lines()[0]
        assert lines()[1].strip() == ""
        log.set_filter("")
        log.scroll_lines(2)
        first = lines()[0]
        newest = msgspec.structs.replace(log_lines()[0], seq=50, text="newest")
        log.add([newest])
        assert lines()[0] == first
        log.scroll_lines(-99)
        assert "newest" in lines()[0]


async def test_heat_map_keys() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        await start(pilot, app)
        heat = app.query_one(HeatMap)
        heat.zoom_out()
        await pilot.pause()
        assert "2/level" in screen_text(app)
        heat.zoom_in()
        await pilot.pause()
        before = screen_text(app)
        heat.toggle_walls()
        heat.toggle_trades()
        await pilot.pause()
        assert screen_text(app) != before
        heat.toggle_walls()
        heat.toggle_trades()
        await pilot.pause()
        assert screen_text(app) == before
