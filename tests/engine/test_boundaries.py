"""One account's defect is its own; what a broken journal and a defect may not hold back."""

from __future__ import annotations

from pathlib import Path

import pytest

from obiterm.core.errors import DataError
from obiterm.core.events import AccountReconciled, ClockMeasured, OrderOutcomeLost
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import Side, Symbol
from tests.trading_support.crowd import Crowd, crowd

A, B = "main", "account-2"


async def holds(one: Crowd, account: str) -> int:
    """Buy at market, and return the lots that can be sold again."""
    assert one.place(account, Side.BUY, 0, 100)[0]
    [symbol] = one.engines[account].kernel.markets
    await one.until(lambda: one.engines[account].exposure_lots(symbol))
    await one.settled()
    return one.engines[account].exposure_lots(symbol)


async def test_a_defect_of_one_account_does_not_end_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A close that waits leaves in the turn of the account that gave way."""
    async with crowd(tmp_path, [A, B]) as one:
        await holds(one, A)
        bid, _ = one.best(B)
        assert one.place(B, Side.BUY, bid - 3, 100)[0]
        await one.settled()

        def fails(_: ApprovedOrder) -> None:
            raise RuntimeError("a defect")

        with monkeypatch.context() as broken:
            broken.setattr(one.engines[A].gateway, "send", fails)
            assert one.close(A)[0]
            assert one.engines[A].door.held == 1
            await one.until(lambda: one.engines[A].faults)
        lost = [(name, e) for name, e in one.heard if isinstance(e, OrderOutcomeLost)]
        assert [(name, "a defect" in e.text) for name, e in lost] == [(A, True)]
        assert one.engines[B].faults == 0
        assert not any(task.done() for task in one.tasks.values())
        await one.settled()
        assert one.place(B, Side.BUY, bid - 3_000, 100)[0]
        assert one.close(A)[0]
        await one.until(lambda: not one.engines[A].exposure_lots(Symbol("BTCUSDT")))


async def test_a_defect_in_the_guard_ends_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crowd(tmp_path, [A, B]) as one:

        def fails(_: object) -> None:
            raise RuntimeError("a defect")

        with monkeypatch.context() as broken:
            broken.setattr(one.guard, "near_stops", fails)
            await one.until(lambda: one.engines[A].faults and one.engines[B].faults)
        assert not any(task.done() for task in one.tasks.values())


async def test_a_close_that_left_at_once_leaves_no_timer(tmp_path: Path) -> None:
    """What stands in its way may be gone before the account learns that it waits."""
    async with crowd(tmp_path, [A, B]) as one:
        await holds(one, A)
        bid, _ = one.best(B)
        assert one.place(B, Side.BUY, bid - 3, 100)[0]
        await one.settled()
        assert one.close(A)[0]
        await one.until(lambda: not one.engines[A].exposure_lots(Symbol("BTCUSDT")))
        await one.until(lambda: not one.engines[A].door._timers)


@pytest.mark.parametrize(
    ("venue", "symbol"), [("binance", "BTCUSDT"), ("bybit", "BTCUSDT"), ("bybit", "BTCUSDT.SPOT")]
)
async def test_orders_by_hand_that_only_reduce_leave_without_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, venue: str, symbol: str
) -> None:
    async with crowd(tmp_path, [A], venue=venue, symbol=Symbol(symbol)) as one:
        lots = await holds(one, A)

        def full() -> None:
            raise DataError("no space left")

        with monkeypatch.context() as broken:
            broken.setattr(one.journal, "commit", full)
            await one.until(lambda: one.engines[A].trouble)
            bid, ask = one.best(A)
            assert not one.place(A, Side.BUY, bid - 5, 100)[0]
            done, text = one.place(A, Side.SELL, ask + 50, lots, post_only=False)
            assert done, text
            await one.settled()
            assert (Side.SELL, ask + 50, "OPEN") in one.live(A)


async def test_what_reads_again_goes_on_after_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reconciliation and the venue's clock: without them an account would go blind for good."""
    async with crowd(tmp_path, [A]) as one:
        engine = one.engines[A]

        async def fails() -> None:
            raise ValueError("a defect")

        reconciled = len([e for _, e in one.heard if isinstance(e, AccountReconciled)])
        with monkeypatch.context() as broken:
            broken.setattr(engine.gateway, "balances", fails)
            broken.setattr(engine.feed.source, "measure_clock", fails)
            engine._reconciler.ask()
            engine.feed.suspect_clock()
            await one.until(lambda: any("ValueError: a defect" in t for t in one.texts(A)))
        measured = len([e for _, e in one.heard if isinstance(e, ClockMeasured)])
        engine.feed.suspect_clock()
        await one.until(
            lambda: (
                len([e for _, e in one.heard if isinstance(e, AccountReconciled)]) > reconciled
                and len([e for _, e in one.heard if isinstance(e, ClockMeasured)]) > measured
            )
        )
        assert not one.tasks[A].done()
