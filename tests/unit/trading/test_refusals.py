"""What a venue refuses is tried with patience, and not for ever (T50)."""

from __future__ import annotations

from obiterm.core.events import (
    OrderRefused,
)
from obiterm.core.values import OrderState
from tests.trading_support.stage import (
    BTC,
    Stage,
    entry,
)


def with_entry(lots: int = 1_000) -> Stage:
    """A kernel whose entry is on its way."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(lots),)
    stage.book()
    assert stage.live() == [("entry", OrderState.SENT)]
    return stage


def refuse(stage: Stage, code: str, text: str) -> None:
    client_id = stage.order("entry").intent.client_id
    stage.step(OrderRefused(BTC, client_id, code, text, stage.now_ns))


def test_refusals_wait_longer_and_pause_the_strategy_after_three() -> None:
    """T50: no endless loop of refused orders."""
    stage = with_entry()
    refuse(stage, "-1013", "Filter failure: NOTIONAL")
    assert len(stage.sent) == 1
    stage.ticks(0.1)
    assert len(stage.sent) == 2
    refuse(stage, "-1013", "Filter failure: NOTIONAL")
    stage.ticks(0.1)
    assert len(stage.sent) == 2
    stage.ticks(0.1)
    assert len(stage.sent) == 3
    refuse(stage, "-1013", "Filter failure: NOTIONAL")
    runner = stage.kernel.runners[0]
    assert not runner.running
    assert runner.reason == "paused after 3 refusals: Filter failure: NOTIONAL"
    stage.ticks(30)
    assert len(stage.sent) == 3


def test_a_post_only_price_that_had_gone_does_not_pause() -> None:
    stage = with_entry()
    for _ in range(6):
        refuse(stage, "-2010", "Order would immediately match and take.")
        stage.ticks(10)
    assert stage.kernel.runners[0].running
    assert len(stage.sent) == 7


def test_a_refusal_told_twice_counts_once() -> None:
    """An expiry comes by reply and by stream."""
    stage = with_entry()
    intent = stage.sent[0]
    for _ in range(4):
        stage.report(intent, OrderState.EXPIRED, code="NOTHING", text="expired")
    assert stage.kernel.runners[0].running
    assert stage.kernel.runners[0]._refusals["entry"].in_a_row == 1


def test_an_acceptance_forgets_refusals() -> None:
    stage = with_entry()
    refuse(stage, "-1013", "Filter failure: NOTIONAL")
    stage.ticks(0.2)
    stage.ack("entry")
    assert stage.kernel.runners[0]._refusals == {}
