"""What a venue refuses is tried with patience, in its own words, and not for ever (R13 T50)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from obiterm.core.events import OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.values import OrderKind, OrderRole, OrderState, RefusalKind, Side, Symbol
from obiterm.strategies.base import Decision, Report, View, Wish
from obiterm.trading.kernel import Kernel
from obiterm.trading.patience import PRICE_TRIES
from obiterm.trading.runner import Runner
from obiterm.trading.setup import StrategySetup
from tests.trading_support.crowd import Crowd, crowd

A = "main"
MARKETS = [
    ("binance", "BTCUSDT"),
    ("binance-futures", "BTCUSDT-PERP"),
    ("bybit", "BTCUSDT"),
    ("bybit", "BTCUSDT.SPOT"),
    ("backpack", "SOL_USDC_PERP"),
]


class Blind:
    """Wishes one post-only buy at a price that only the test knows."""

    kind: ClassVar[str] = "blind"
    obi_levels = 20

    def __init__(self, lots: int) -> None:
        self.lots = lots
        self.above = 0
        """Ticks above the best ask: a price that would take."""
        self.price = 0
        self.on = False

    def decide(self, view: View) -> Decision:
        if not self.on:
            return Decision((), "resting")
        price = self.price or view.market.ask_ticks + self.above
        wish = Wish(
            tag="entry",
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            lots=self.lots,
            role=OrderRole.ENTRY,
            price_ticks=price,
            post_only=True,
        )
        return Decision((wish,), "wishing")

    def report(self, view: View) -> Report:
        return Report(signal=0.0, enter_at=0.0, exit_at=0.0, position_share=0.0)


def let_in(kernel: Kernel, instrument: Instrument, strategy: Blind) -> Runner:
    """Let a strategy that no profile knows trade in a running kernel."""
    setup = StrategySetup(name="blind", symbol=instrument.symbol, strategy=strategy)
    runner = Runner(setup, instrument, kernel.gate.position("blind", instrument.symbol))
    kernel.runners.append(runner)
    kernel._runners_of[instrument.symbol].append(runner)
    return runner


def enough(one: Crowd, instrument: Instrument) -> int:
    """Return lots worth 30 quote at least."""
    return max(instrument.min_lots * 5, int(30 / instrument.notional(one.best(A)[0], 1)))


@pytest.mark.parametrize(("venue", "symbol"), MARKETS)
async def test_prices_that_would_take_are_known_as_such_and_pause_after_six(
    tmp_path: Path, venue: str, symbol: str
) -> None:
    async with crowd(tmp_path, [A], venue=venue, symbol=Symbol(symbol)) as one:
        kernel = one.engines[A].kernel
        [instrument] = kernel.setup.instruments.values()
        strategy = Blind(enough(one, instrument))
        strategy.above = one.best(A)[1] // 500  # beyond where the market goes meanwhile
        runner = let_in(kernel, instrument, strategy)
        strategy.on = True
        await one.until(lambda: not runner.running)
        assert runner.reason.startswith(f"paused: the price had gone {PRICE_TRIES} times: ")
        words = runner.reason.rpartition(": ")[2]
        assert words, "the venue's own words"
        told = [getattr(event, "refusal", None) for _, event in one.heard if _is_end(event)]
        assert set(told) == {RefusalKind.WOULD_TAKE}
        assert not one.live(A)


def _is_end(event: object) -> bool:
    if isinstance(event, OrderReported):
        return event.state in (OrderState.REJECTED, OrderState.EXPIRED)
    return type(event).__name__ == "OrderRefused"


async def test_a_price_that_has_just_gone_is_followed_by_one_a_tick_behind(tmp_path: Path) -> None:
    async with crowd(tmp_path, [A]) as one:
        kernel = one.engines[A].kernel
        [instrument] = kernel.setup.instruments.values()
        strategy = Blind(enough(one, instrument))
        runner = let_in(kernel, instrument, strategy)
        strategy.price = one.best(A)[1] * 501 // 500  # our book lags: the market is lower
        strategy.on = True
        await one.until(lambda: runner.patience.in_a_row("entry") >= 3)
        prices = [
            order.intent.price_ticks
            for order in kernel.desk._final.values()
            if order.state is OrderState.REJECTED
        ]
        assert prices[:3] == [strategy.price, strategy.price - 1, strategy.price - 2]


@pytest.mark.parametrize(
    ("venue", "symbol"),
    [("binance", "BTCUSDT"), ("binance-futures", "BTCUSDT-PERP"), ("bybit", "BTCUSDT.SPOT")],
)
async def test_a_size_that_the_venue_does_not_take_pauses_after_three(
    tmp_path: Path, venue: str, symbol: str
) -> None:
    """T50: the venue's least value has risen since we read it."""
    async with crowd(tmp_path, [A], venue=venue, symbol=Symbol(symbol)) as one:
        kernel = one.engines[A].kernel
        [instrument] = kernel.setup.instruments.values()
        blind_to = _without_minimum(instrument)
        kernel.setup.instruments[instrument.symbol] = blind_to
        strategy = Blind(1)
        strategy.price = one.best(A)[0] * 99 // 100
        runner = let_in(kernel, blind_to, strategy)
        strategy.on = True
        await one.until(lambda: not runner.running)
        assert runner.reason.startswith("paused after 3 refusals: ")
        told = [getattr(event, "refusal", None) for _, event in one.heard if _is_end(event)]
        assert told == [RefusalKind.TOO_SMALL] * 3


def _without_minimum(instrument: Instrument) -> Instrument:
    return msgspec.structs.replace(instrument, min_lots=1, min_notional=Decimal(0))
