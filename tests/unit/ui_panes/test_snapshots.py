"""How the whole screen looks, at fixed sizes, data and time."""

from __future__ import annotations

import msgspec
import pytest

from obiterm.core.values import TradingState
from obiterm.link.messages import Frame, PanicAccount, PanicPane
from obiterm.ui.panes import HeatMap, Ladder
from tests.ui_support.harness import Harness
from tests.ui_support.market import log_lines
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
