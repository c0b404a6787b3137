"""What panes show: no cut text, staleness, masks, sizes, and only changed lines sent."""

from __future__ import annotations

import msgspec
import pytest
from rich.style import Style
from textual.geometry import Region

from obiterm.core.effects import Verb
from obiterm.core.values import OrderState, Side
from obiterm.link.messages import Frame, LogLine, PanicAccount, PanicPane
from obiterm.ui.paint.line import Line
from obiterm.ui.panes import (
    Header,
    HeatMap,
    KeyBar,
    Ladder,
    OrderLog,
    RiskBar,
    Ticker,
)
from obiterm.ui.panes.base import RowPane
from tests.ui_support.harness import Harness, screen_text, start
from tests.ui_support.market import START_NS, MadeUpMarket
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
            differences=["SOL_USDC_PERP: the venue holds 3.2, our fills make 3.0 " * 3],
            prepared=False, link="down",
        )
        for number, account in enumerate(frame.accounts * 3)
    ]  # fmt: skip
    positions = [
        msgspec.structs.replace(
            row, account=accounts[0].name, lots=10**15, unrealised_quote=-1e11,
            unrealised_pct=-98_765.0, entry_price="61812.123456789", stop_ticks=0,
            unprotected_ms=7.2e6, liquidation_ticks=10**12, leverage=123.45,
        )
        for row in frame.positions * 9
    ]  # fmt: skip
    orders = [
        msgspec.structs.replace(
            row, lots=10**15, filled_lots=3, age_ms=4e8, owner="an-owner-of-some-length",
            state=state,
        )
        for row, state in zip(
            frame.orders * 3, (OrderState.UNKNOWN, OrderState.CANCELLING, OrderState.OPEN) * 7,
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
        accounts=12, clock_offset_ms=-4_812.0, self_trades_prevented=12_345,
        account=accounts[2].name,
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
        frame = await start(pilot, app)
        if extreme:
            words = "w" * 200
            line = LogLine(99, START_NS, "x" * 30, Verb.REJECT, "v", "VERYLONGSYMBOL", words)
            app.add_log([line])
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
        frame = await start(pilot, app)
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
            line = screen_text(app).splitlines()[-1]
        assert line.strip().startswith("F9 F9")
        assert "F12 X" in line.upper()
        assert line.index("F9") < line.upper().index("F12 X")


async def test_words_of_a_venue_are_wrapped_not_cut_and_never_obeyed() -> None:
    app = Harness()
    async with app.run_test(size=(120, 36)) as pilot:
        await start(pilot, app)
        words = "Filter failure: PERCENT_PRICE_BY_SIDE \x1b[2J\x07 and more words than fit"
        line = LogLine(90, START_NS, "bybit-main", Verb.REJECT, "bybit", "BTCUSDT", words, Side.BUY)
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
        frame = await start(pilot, app)
        assert "STALE" not in screen_text(app)
        app.connected = False
        for _ in range(2):
            app.show(frame)
        await pilot.pause()
        lines = screen_text(app).splitlines()
        assert sum(line.count("STALE") for line in lines) == 3
        heat = app.query_one(HeatMap)
        assert "STALE" in str(heat.border_title)
        app.connected = True
        for _ in range(2):
            app.show(frame)
        await pilot.pause()
        assert "STALE" not in screen_text(app)


async def test_a_mask_hides_balances_and_results() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = await start(pilot, app)
        assert "+184.35" in screen_text(app)
        app.masked = True
        app.show(frame)
        await pilot.pause()
        text = screen_text(app)
    for secret in ("184.35", "12,431.20", "21.40", "28.48"):
        assert secret not in text
    assert "****" in text


async def test_a_new_size_is_filled_at_once() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        await start(pilot, app)
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        small = screen_text(app)
        assert "LADDER" in small
        assert "ORDER LOG" in small
        assert "STRATEGY" not in small
        await pilot.resize_terminal(160, 48)
        await pilot.pause()
        assert "STRATEGY" in screen_text(app)
        assert "OBI·L20" in screen_text(app)


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
        text = screen_text(app)
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
        await start(pilot, app)
        runs = [run for line in screen_runs(app) for run in line]
        text = screen_text(app)
    for word in ("LIVE", "demo", "SAFE", "ARMED 2/3", "FILL", "F9 F9 KILL", "▲LONG", "BUY"):
        assert word in text
    for _, look in runs:
        for colour in (look.color, look.bgcolor):
            if colour is not None and colour.triplet is not None:
                assert len(set(colour.triplet)) == 1


async def test_a_risk_bar_after_a_kill_counts_what_is_open_now() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = await start(pilot, app)
        held = frame.positions
        assert held
        for account, told in (("", 0), (held[0].account, -1)):
            progress = [
                PanicAccount(one.name, told == 0, 2, told, told, 1, 3.0, "")
                for one in frame.accounts
            ]
            rows = [one for one in held if account in ("", one.account)]
            shown = msgspec.structs.replace(
                frame,
                panic=PanicPane(False, "F9 F9", frame.published_ns, progress),
                positions=rows,
                risk=msgspec.structs.replace(frame.risk, account=account, orders_open=3),
            )
            bar = app.query_one(RiskBar)
            bar.show(shown, app.context(shown))
            text = bar.render_line(0).text
            unknown = "" if told == 0 else "+?"
            assert f"open orders 3{unknown} " in text
            assert f"positions {len(rows)}{unknown} " in text
            assert " orders 3/" not in text
