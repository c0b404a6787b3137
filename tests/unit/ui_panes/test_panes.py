"""What panes do: no cut text, keys, mouse, selection, staleness, and only changed lines sent."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from rich.style import Style
from textual.geometry import Region
from textual.pilot import Pilot

from obiterm.core.effects import Verb
from obiterm.core.values import OrderRole, OrderState, Side
from obiterm.link.messages import Frame, LogLine, OrderRow, PositionRow
from obiterm.ui.paint.line import Line
from obiterm.ui.panes import (
    Header,
    HeatMap,
    KeyBar,
    KeyHint,
    Ladder,
    OrderLog,
    Positions,
    RiskBar,
    StrategyPane,
    Ticker,
)
from obiterm.ui.panes.base import RowPane
from tests.ui_support.harness import HINTS, Harness
from tests.ui_support.market import START_NS, MadeUpMarket, log_lines
from tests.ui_support.picture import screen_runs

Cuts = list[tuple[str, int, int]]


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Cuts:
    """Collect every text that a pane tried to write outside of its line."""
    found: Cuts = []
    real = Line.put

    def put(self: Line, left: int, text: str, style: Style) -> int:
        end = real(self, left, text, style)
        if left < 0 or end > self.width:
            found.append((text, left, self.width))
        return end

    monkeypatch.setattr(Line, "put", put)
    return found


async def _start(pilot: Pilot[None], app: Harness, frames: int = 4) -> Frame:
    app.query_one(HeatMap).load_history(app.market.history(40))
    app.add_log(log_lines())
    for _ in range(frames):
        frame = app.market.frame()
        app.show(frame)
    await pilot.pause()
    return frame


def _text(app: Harness) -> str:
    return "\n".join("".join(text for text, _ in runs) for runs in screen_runs(app))


def _extreme(frame: Frame) -> Frame:
    """Return a frame with the largest and oddest numbers that can come."""
    nan = float("nan")
    market = msgspec.structs.replace(
        frame.market, change_pct=-12345.678, flow=nan, micro_ticks=nan, obi=nan,
        volume_quote=9.87e14, wall_lots=10**15, spread_bps=48_210.0, spread_ticks=4_800_000,
        stale=True, crossed=True, feed_age_ms=8.1e7,
    )  # fmt: skip
    accounts = [
        msgspec.structs.replace(
            account, name=f"a-very-long-account-name-{number}", equity_quote=-1.2e12,
            day_pnl_quote=-9.87654321e11, round_trip_ms=nan, note="clock is 4,812 ms behind",
        )
        for number, account in enumerate(frame.accounts * 3)
    ]  # fmt: skip
    positions = [
        msgspec.structs.replace(
            row, account=accounts[0].name, lots=10**15, unrealised_quote=-1e11,
            unrealised_pct=-98_765.0, entry_price="61812.123456789", stop_ticks=0,
            unprotected_ms=7.2e6,
        )
        for row in frame.positions * 9
    ]  # fmt: skip
    orders = [
        msgspec.structs.replace(
            row, lots=10**15, filled_lots=3, age_ms=4e8, owner="an-owner-of-some-length",
            state=state,
        )
        for row, state in zip(
            frame.orders * 3, (OrderState.UNKNOWN, OrderState.CANCELLING, OrderState.OPEN) * 5,
            strict=True,
        )
    ]  # fmt: skip
    cards = [
        msgspec.structs.replace(
            card, name="a-strategy-with-a-long-name", signal=nan, realised_quote=-9e11,
            reason="a reason that goes on and on " * 6, round_trips=123_456, wins=99_999,
        )
        for card in frame.strategies
    ]  # fmt: skip
    risk = msgspec.structs.replace(
        frame.risk, day_loss_share=12.0, exposure_share=nan, orders_open=9_999, orders_limit=9_999,
        rtt_p50_ms=nan, rtt_p99_ms=123_456.0, sockets=["down"] * 12, gaps=98_765,
        loop_lag_ms=98_765, refusals=98_765, stops_resting=7, stops_needed=12, armed=12,
        accounts=12,
    )  # fmt: skip
    return msgspec.structs.replace(
        frame, market=market, accounts=accounts, positions=positions, orders=orders,
        strategies=cards, risk=risk, has_lease=False, viewers=12,
    )  # fmt: skip


@pytest.mark.parametrize("size", [(160, 48), (120, 36), (100, 30), (80, 24), (70, 20)])
@pytest.mark.parametrize("extreme", [False, True])
async def test_no_text_is_cut(size: tuple[int, int], extreme: bool, cuts: Cuts) -> None:
    app = Harness()
    async with app.run_test(size=size) as pilot:
        frame = await _start(pilot, app)
        if extreme:
            app.add_log([LogLine(99, START_NS, "x" * 30, Verb.REJECT, "VERYLONGSYMBOL", "w" * 200)])
            cuts.clear()
            app.show(_extreme(frame))
        else:
            for key in ("masked", "connected"):
                setattr(app, key, not getattr(app, key))
                app.show(frame)
        await pilot.pause()
        for pane in app.query(RowPane):
            if pane.content_size.width and pane.display:
                for y in range(pane.content_size.height):
                    assert pane.render_line(y).cell_length == pane.content_size.width, pane
    assert cuts == []


async def test_the_same_frame_twice_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = await _start(pilot, app)
        app.show(frame)
        sent: list[tuple[object, tuple[Region, ...]]] = []
        real = RowPane.refresh

        def refresh(self: RowPane, *regions: Region, **options: bool) -> RowPane:
            sent.append((self, regions))
            return real(self, *regions, **options)

        monkeypatch.setattr(RowPane, "refresh", refresh)
        app.show(frame)
        app.show(frame)
        assert sent == []
        other = msgspec.structs.replace(
            frame, accounts=[msgspec.structs.replace(frame.accounts[0], day_pnl_quote=1.0)]
        )
        header = app.query_one(Header)
        header.show(other, app.context(other))
        assert sent == [(header, (Region(0, 0, 160, 1),))]


async def test_panic_chips_come_first_at_every_width() -> None:
    for width in (160, 80, 40, 24):
        app = Harness()
        async with app.run_test(size=(width, 24)) as pilot:
            app.query_one(KeyBar).show(frame := app.market.frame(), app.context(frame))
            await pilot.pause()
            line = _text(app).splitlines()[-1]
        assert line.strip().startswith("F9 F9")
        assert "F12 X" in line.upper()
        assert line.index("F9") < line.upper().index("F12 X")


async def test_keys_of_the_registry_replace_each_other() -> None:
    app = Harness()
    async with app.run_test(size=(120, 36)) as pilot:
        await _start(pilot, app)
        app.query_one(KeyBar).set_keys([*HINTS[:2], KeyHint("j", "join bid")])
        await pilot.pause()
        line = _text(app).splitlines()[-1]
    assert "join bid" in line
    assert "strategy" not in line


async def test_a_click_on_the_ladder_tells_price_side_and_button() -> None:
    picked: list[tuple[int, Side | None, int]] = []

    class Listening(Harness):
        def on_ladder_price_picked(self, message: Ladder.PricePicked) -> None:
            picked.append((message.ticks, message.side, message.button))

    app = Listening()
    async with app.run_test(size=(160, 48)) as pilot:
        await _start(pilot, app)
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
        frame = await _start(pilot, app)
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
        frame = await _start(pilot, app)
        positions = app.query_one(Positions)

        def chosen() -> str:
            row = positions.selected
            return row.client_id if isinstance(row, OrderRow) else ""

        assert chosen() == ""
        for _ in range(4):
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
            told.append(f"{message.account}/{message.symbol}")

    app = Listening()
    async with app.run_test(size=(160, 48)) as pilot:
        await _start(pilot, app)
        positions = app.query_one(Positions)
        for row in (1, 2, 6):
            await pilot.click(positions, offset=(10, row))
        await pilot.pause()
        chosen = positions.selected
    assert told == ["binance-main/BTCUSDT", "e1"]
    assert isinstance(chosen, OrderRow)


async def test_an_account_narrows_what_is_shown() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = await _start(pilot, app)
        chosen = replace(app.context(frame), account="binance-demo")
        positions = app.query_one(Positions)
        positions.show(frame, chosen)
        positions.move_selection(1)
        row = positions.selected
        assert isinstance(row, PositionRow)
        assert row.symbol == "SOLUSDT"
        positions.move_selection(5)
        assert positions.selected == row
        card = app.query_one(StrategyPane)
        card.show(frame, chosen)
        assert card.card is None
        await pilot.pause()


async def test_log_filter_scroll_and_repeats() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        await _start(pilot, app)
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


async def test_words_of_a_venue_are_wrapped_not_cut_and_never_obeyed() -> None:
    app = Harness()
    async with app.run_test(size=(120, 36)) as pilot:
        await _start(pilot, app)
        words = "Filter failure: PERCENT_PRICE_BY_SIDE \x1b[2J\x07 and more words than fit"
        line = LogLine(90, START_NS, "binance-main", Verb.REJECT, "BTCUSDT", words, Side.BUY)
        app.add_log([line])
        await pilot.pause()
        log = app.query_one(OrderLog)
        text = " ".join(log.render_line(y).text[8:].strip() for y in range(4))
    assert "\x1b" not in text
    for word in ("REJ", "BUY", "Filter", "PERCENT_PRICE_BY_SIDE", "than", "fit"):
        assert word in text


async def test_stale_market_looks_stale_everywhere() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = await _start(pilot, app)
        assert "STALE" not in _text(app)
        app.connected = False
        for _ in range(2):
            app.show(frame)
        await pilot.pause()
        lines = _text(app).splitlines()
        assert sum(line.count("STALE") for line in lines) == 3
        heat = app.query_one(HeatMap)
        assert "STALE" in str(heat.border_title)
        app.connected = True
        for _ in range(2):
            app.show(frame)
        await pilot.pause()
        assert "STALE" not in _text(app)


async def test_a_mask_hides_balances_and_results() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = await _start(pilot, app)
        assert "+184.35" in _text(app)
        app.masked = True
        app.show(frame)
        await pilot.pause()
        text = _text(app)
    for secret in ("184.35", "12,431.20", "21.40", "23.36"):
        assert secret not in text
    assert "****" in text


async def test_heat_map_keys() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        await _start(pilot, app)
        heat = app.query_one(HeatMap)
        heat.zoom_out()
        await pilot.pause()
        assert "2/level" in _text(app)
        heat.zoom_in()
        await pilot.pause()
        before = _text(app)
        heat.toggle_walls()
        heat.toggle_trades()
        await pilot.pause()
        assert _text(app) != before
        heat.toggle_walls()
        heat.toggle_trades()
        await pilot.pause()
        assert _text(app) == before


async def test_a_new_size_is_filled_at_once() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        await _start(pilot, app)
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        small = _text(app)
        assert "LADDER" in small
        assert "ORDER LOG" in small
        assert "STRATEGY" not in small
        await pilot.resize_terminal(160, 48)
        await pilot.pause()
        assert "STRATEGY" in _text(app)
        assert "OBI·L20" in _text(app)


async def test_an_empty_frame_is_shown_without_numbers_made_up() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = MadeUpMarket().frame()
        nan = float("nan")
        market = msgspec.structs.replace(
            frame.market, bid_ticks=0, ask_ticks=0, last_ticks=0, obi=nan, synced=False,
            spread_ticks=0, spread_bps=nan, wall_ticks=0, micro_ticks=nan, atr_ticks=nan,
        )  # fmt: skip
        empty = msgspec.structs.replace(
            frame, market=market, depth=type(frame.depth)([], [], [], []), trades=[], orders=[],
            positions=[], strategies=[], accounts=[],
        )  # fmt: skip
        for _ in range(3):
            app.show(empty)
        await pilot.pause()
        text = _text(app)
        assert "RESYNC" in text
        assert "no position" in text
        assert "no strategy here" in text
        assert app.query_one(Ladder).cursor_ticks == 0
        assert app.query_one(Ticker).render_line(0).cell_length == 160
        assert app.query_one(RiskBar).render_line(0).cell_length == 160


async def test_without_colour_every_state_is_still_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Harness(depth="none")
    async with app.run_test(size=(160, 48)) as pilot:
        await _start(pilot, app)
        runs = [run for line in screen_runs(app) for run in line]
        text = _text(app)
    for word in ("LIVE", "DEMO", "SAFE", "ARMED 2/3", "FILL", "F9 F9 KILL", "▲LONG", "BUY"):
        assert word in text
    for _, look in runs:
        for colour in (look.color, look.bgcolor):
            if colour is not None and colour.triplet is not None:
                assert len(set(colour.triplet)) == 1
