"""A clock that is off is measured, shown and corrected; entries wait for it (R14 T47)."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from obiterm.core.values import NS_PER_MS, NS_PER_S, OrderState, Side, Symbol
from obiterm.host.slots import clock_trouble
from obiterm.net.clock import SteadyClock
from tests.trading_support.crowd import BTC, ROOMY, Crowd, crowd

A = "main"


async def until_open(one: Crowd, account: str) -> int:
    bid, _ = one.best(account)
    deep = bid - bid // 200
    one.place(account, Side.BUY, deep)
    await one.until(lambda: (Side.BUY, deep, OrderState.OPEN.value) in one.live(account))
    return deep


def off_ms(one: Crowd) -> float:
    return one.engines[A].kernel.gate.clock_offset_ns / NS_PER_MS


@pytest.mark.parametrize(
    ("venue", "symbol", "seconds"),
    [
        ("binance", "BTCUSDT", 30),
        ("binance", "BTCUSDT", -30),
        ("binance-futures", "BTCUSDT-PERP", 30),
        ("bybit", "BTCUSDT", -30),
        ("backpack", "SOL_USDC_PERP", 30),
    ],
)
async def test_a_step_of_half_a_minute_is_corrected_and_entries_wait_until_it_is_over(
    tmp_path: Path, venue: str, symbol: str, seconds: int
) -> None:
    async with crowd(tmp_path, [A], venue=venue, symbol=Symbol(symbol)) as one:
        engine = one.engines[A]
        await until_open(one, A)
        await one.fault(kind="clock_offset_ms", ms=seconds * 1_000)
        bid, _ = one.best(A)
        one.place(A, Side.BUY, bid - bid // 150)  # refused for its time: that is how it is found
        await one.until(lambda: abs(off_ms(one) - seconds * 1_000) < 500)
        where = "behind" if seconds > 0 else "ahead of"
        assert f"machine's clock is 30.0 s {where} the venue's" in clock_trouble(engine.kernel)
        sent = engine.orders_sent
        ok, text = one.place(A, Side.BUY, bid - bid // 140)
        assert not ok
        assert text.startswith("max_clock_offset_ms")
        assert engine.orders_sent == sent
        # What makes it safer goes on: requests carry the venue's time.
        for order in list(engine.kernel.desk.live()):
            engine.cancel_order(order)
        await one.until(lambda: not one.live(A))
        await one.fault(kind="clock_offset_ms", ms=0)
        engine.feed.suspect_clock()
        await one.until(lambda: abs(off_ms(one)) < 500)
        assert clock_trouble(engine.kernel) == ""
        await until_open(one, A)


async def test_an_account_that_allows_it_trades_half_a_minute_off(tmp_path: Path) -> None:
    limits = ROOMY.model_copy(update={"max_clock_offset_ms": 60_000})
    async with crowd(tmp_path, [A], limits=limits) as one:
        await one.fault(kind="clock_offset_ms", ms=30_000)
        engine = one.engines[A]
        engine.feed.suspect_clock()
        await one.until(lambda: abs(off_ms(one) - 30_000) < 500)
        await until_open(one, A)
        one.place(A, Side.BUY, 0, 500)
        await one.until(lambda: engine.kernel.gate.net_lots(BTC) > 0)
        assert one.close(A)[0]
        await one.until(lambda: engine.exposure_lots(BTC) <= 0)


async def test_refused_times_make_one_measurement_not_a_flood(tmp_path: Path) -> None:
    async with crowd(tmp_path, [A]) as one:
        feed = one.engines[A].feed
        measured: list[float] = []
        source_measures = feed.source.measure_clock

        async def counted() -> tuple[int, int]:
            measured.append(time.monotonic())
            return await source_measures()

        feed.source.measure_clock = counted  # type: ignore[method-assign]
        for _ in range(200):
            feed.suspect_clock()
        await one.until(lambda: measured)
        for _ in range(200):
            feed.suspect_clock()
        await one.until(lambda: len(measured) == 2)
        assert measured[1] - measured[0] > 0.9


class SteppedClock(SteadyClock):
    """A machine whose clock is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.stepped_ns = 0

    def machine_ns(self) -> int:
        return super().machine_ns() + self.stepped_ns


async def test_a_step_of_the_machine_is_noticed_without_a_refusal_and_breaks_no_signature(
    tmp_path: Path,
) -> None:
    """T47: our own time goes on steadily, so that nothing that is signed is refused."""
    clock = SteppedClock()
    async with crowd(tmp_path, [A], clock=clock) as one:
        engine = one.engines[A]
        await until_open(one, A)
        clock.stepped_ns = -30 * NS_PER_S
        for order in list(engine.kernel.desk.live()):
            engine.cancel_order(order)
        await one.until(lambda: not one.live(A))
        await one.until(lambda: abs(off_ms(one) - 30_000) < 500)
        assert "30.0 s behind" in clock_trouble(engine.kernel)
        clock.stepped_ns = 0
        await one.until(lambda: abs(off_ms(one)) < 500)
        await until_open(one, A)
        refused = [e for _, e in one.heard if type(e).__name__ == "OrderRefused"]
        assert refused == [], msgspec.json.encode(refused)
