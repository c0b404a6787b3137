"""How the whole screen looks, at fixed sizes, data and time."""

from __future__ import annotations

import math

import msgspec
import pytest
from textual.app import ComposeResult

from obiterm.core.values import TradingState
from obiterm.link.messages import Frame, PanicAccount, PanicPane
from obiterm.ui.panes import HeatMap, KeyBar, Ladder
from obiterm.ui.screens.tiny import TinyView
from tests.ui_support.harness import Harness
from tests.ui_support.market import MadeUpMarket, log_lines
from tests.ui_support.picture import dump
from tests.ui_support.snapshot import check_snapshot

SIZES = [(160, 48), (120, 36), (80, 24)]


def killed(frame: Frame) -> Frame:
    """Return a frame in which the panic path is at work."""
    accounts = [
        msgspec.structs.replace(account, state=TradingState.HALTED, armed=False)
        for account in frame.accounts
    ]
    progress = [
        PanicAccount(account.name, number < 2, 7 - number, 0 if number < 2 else -1, 1, 1, 142.0, "")
        for number, account in enumerate(accounts)
    ]
    panic = PanicPane(False, "F9 F9", frame.published_ns - 2_000_000_000, progress)
    risk = msgspec.structs.replace(frame.risk, armed=0)
    return msgspec.structs.replace(frame, accounts=accounts, panic=panic, risk=risk)


async def _fill(app: Harness) -> Frame:
    app.query_one(HeatMap).load_history(app.market.history(130))
    app.add_log(log_lines())
    for _ in range(6):
        frame = app.market.frame()
        app.show(frame)
    return frame


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("theme", ["night-city", "amber-crt", "contrast"])
async def test_main_screen(theme: str, width: int, height: int) -> None:
    app = Harness(theme)
    async with app.run_test(size=(width, height)) as pilot:
        await _fill(app)
        await pilot.pause()
        text = dump(app)
    if theme != "night-city":
        text = text.split("----\n")[1] if height == 36 else text.split("----\n")[0]
    check_snapshot(f"{width}x{height}-{theme}", text)


async def test_killed_screen() -> None:
    app = Harness()
    async with app.run_test(size=(120, 36)) as pilot:
        frame = await _fill(app)
        app.show(killed(frame))
        await pilot.pause()
        check_snapshot("120x36-killed", dump(app))


async def test_stale_and_masked_screen() -> None:
    app = Harness()
    async with app.run_test(size=(120, 36)) as pilot:
        frame = await _fill(app)
        app.now_offset_ns = 5_000_000_000
        app.masked = True
        app.show(frame)
        await pilot.pause()
        check_snapshot("120x36-stale-masked", dump(app))


async def test_ladder_with_cursor() -> None:
    app = Harness()
    async with app.run_test(size=(120, 36)) as pilot:
        await _fill(app)
        ladder = app.query_one(Ladder)
        ladder.focus()
        ladder.move_cursor(-3)
        await pilot.pause()
        check_snapshot("120x36-ladder-cursor", dump(app).split("----\n")[0])


def _troubled(frame: Frame) -> Frame:
    """Return a frame in which one account cannot trade and another holds fire."""
    first, second, third = frame.accounts
    words = (
        "key refused (10003 API key is invalid): make a new key with the right Trade, put it "
        "into BYBIT_MAIN_KEY and BYBIT_MAIN_SECRET, then press a"
    )
    first = msgspec.structs.replace(
        first, note=words, prepared=False, armed=False, link="down", round_trip_ms=math.nan,
        equity_quote=math.nan, day_pnl_quote=math.nan,
    )  # fmt: skip
    second = msgspec.structs.replace(second, state=TradingState.REDUCING, holding=True)
    third = msgspec.structs.replace(third, differences=["BTCUSDT: +0.5 BTC are not of our fills"])
    return msgspec.structs.replace(frame, accounts=[first, second, third])


@pytest.mark.parametrize(("width", "height"), [(120, 36), (80, 24)])
async def test_account_in_trouble(width: int, height: int) -> None:
    app = Harness()
    async with app.run_test(size=(width, height)) as pilot:
        frame = _troubled(await _fill(app))
        app.show(frame)
        frame = msgspec.structs.replace(frame, published_ns=frame.published_ns + 2_500_000_000)
        app.show(frame)
        await pilot.pause()
        app.show(frame)
        await pilot.pause()
        check_snapshot(f"{width}x{height}-trouble", dump(app).split("----\n")[0])


async def test_one_account_killed_and_chosen() -> None:
    app = Harness()
    async with app.run_test(size=(160, 48)) as pilot:
        frame = killed(await _fill(app))
        assert frame.panic is not None
        panic = msgspec.structs.replace(frame.panic, accounts=frame.panic.accounts[:1])
        first, *others = frame.accounts
        others = [
            msgspec.structs.replace(one, state=TradingState.ACTIVE, armed=True) for one in others
        ]
        risk = msgspec.structs.replace(frame.risk, account=first.name, armed=2)
        app.account = first.name
        app.show(msgspec.structs.replace(frame, panic=panic, accounts=[first, *others], risk=risk))
        await pilot.pause()
        check_snapshot("160x48-one-killed", dump(app).split("----\n")[0])


async def test_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Harness(depth="none")
    async with app.run_test(size=(160, 48)) as pilot:
        await _fill(app)
        await pilot.pause()
        check_snapshot("160x48-no-colour", dump(app).split("----\n")[0])


@pytest.mark.parametrize(("width", "height"), [(60, 18), (40, 12)])
async def test_below_the_smallest_layout(width: int, height: int) -> None:
    app = Tiny()
    async with app.run_test(size=(width, height)) as pilot:
        frame = _troubled(MadeUpMarket().frame())
        for pane in (TinyView, KeyBar):
            app.query_one(pane).show(frame, app.context(frame))
        await pilot.pause()
        check_snapshot(f"{width}x{height}-tiny", dump(app).split("----\n")[0])


class Tiny(Harness):
    """What is left on a very small terminal."""

    CSS = "HeatMap { display: none; } TinyView { height: 1fr; }"

    def compose(self) -> ComposeResult:
        yield TinyView()
        yield HeatMap()
        yield KeyBar()
