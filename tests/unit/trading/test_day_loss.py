"""The day's loss: own fills only, no single bad price (T2)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.effects import Effect, Latch, Verb
from obiterm.core.events import FeedChanged
from obiterm.core.values import (
    OrderState,
    TradingState,
)
from tests.trading_support.stage import (
    ASK,
    BID,
    GENEROUS,
    Stage,
    cancels,
    entry,
    listed,
    notes,
    stop,
)

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED


def latched(effects: list[Effect]) -> list[TradingState]:
    return [effect.state for effect in effects if isinstance(effect, Latch)]


LOSING = GENEROUS.model_copy(update={"max_daily_loss": Decimal(50)})


def losing_stage(lots: int = 100_000) -> Stage:
    """A kernel that bought 1 BTC at 100,000 with a loss limit of 50."""
    stage = Stage(limits=LOSING)
    stage.ready()
    stage.puppet.wishes = (entry(lots),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = (stop(lots), entry(1_000, BID - 300, tag="more"))
    stage.fill("entry", lots)
    stage.ack("stop")
    stage.ack("more")
    return stage


def shift(stage: Stage, ticks: int) -> list[Effect]:
    """Move the whole book."""
    stage.step(FeedChanged("market", True, "again", stage.now_ns))
    return stage.snapshot(BID + ticks, ASK + ticks)


def test_a_loss_beyond_the_limit_stops_entries_and_withdraws_those_that_rest() -> None:
    stage = losing_stage()
    more = stage.order("more").intent.client_id
    shift(stage, -10_000)
    effects = stage.ticks(1.2)
    assert latched(effects) == [REDUCING]
    (reason,) = [text for text in notes(effects, Verb.RISK) if "max_daily_loss" in text]
    assert "max_daily_loss 50: result today -9" in reason
    assert cancels(effects) == [more]
    assert not stage.kernel.gate.holding
    assert ("stop", OrderState.OPEN) in stage.live()


def test_one_bad_price_never_trips_the_breaker() -> None:
    """T2: a glitch of a tenth of a second, then the market is back."""
    stage = losing_stage()
    stage.tick()
    shift(stage, -500_000)
    assert latched(stage.tick()) == []
    shift(stage, 0)
    assert latched(stage.ticks(5)) == []
    assert stage.kernel.state is ACTIVE


def test_a_price_from_a_book_out_of_order_counts_for_nothing() -> None:
    """T2: a crossed or stale book is no evidence of a loss."""
    stage = losing_stage()
    shift(stage, -500_000)
    stage.book(bids=[(ASK, 5)])
    assert latched(stage.ticks(10, with_book=False)) == []
    assert stage.kernel.state is ACTIVE


def test_a_deposit_or_a_withdrawal_is_no_result() -> None:
    """T2: only own fills count."""
    stage = losing_stage(1_000)
    stage.balance("USDT", Decimal(1))
    stage.balance("BTC", Decimal(0))
    stage.reconcile([listed(stage.order("stop")), listed(stage.order("more"))])
    assert latched(stage.ticks(3)) == []


def test_a_booked_loss_trips_at_once() -> None:
    stage = losing_stage()
    stop_order = stage.order("stop").intent
    effects = stage.step(stage.fill_event(stop_order, 100_000, BID - 6_000))
    assert latched(effects) == [REDUCING]


def test_the_loss_of_earlier_runs_of_the_day_counts() -> None:
    """A restart does not give the day's loss back."""
    stage = losing_stage()
    setup = msgspec.structs.replace(stage.kernel.setup, result_before_quote=Decimal(-45))
    fresh = Stage()
    fresh.kernel = type(stage.kernel)(setup)
    fresh.ready()
    fresh.tick()
    assert fresh.kernel.gate.day_result_quote == -45
    assert fresh.kernel.state is ACTIVE


def test_a_new_day_begins_at_midnight_utc() -> None:
    stage = losing_stage()
    stop_order = stage.order("stop").intent
    stage.step(stage.fill_event(stop_order, 100_000, BID - 6_000))
    assert stage.kernel.gate.day_result_quote == -60
    stage.now_ns = (stage.now_ns // (86_400 * 10**9) + 1) * 86_400 * 10**9
    stage.tick()
    assert stage.kernel.gate.day_result_quote == 0


def test_the_figures_of_the_day_do_not_depend_on_who_reads_them() -> None:
    """A screen that reads must not decide when the day begins."""
    stage = losing_stage()
    stage.now_ns += 86_400 * 10**9
    before = stage.kernel.gate.day_result_quote
    assert stage.kernel.gate.day_result_quote == before
