"""What a venue refuses is tried with patience, and not for ever (T50)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.commands import StartStrategy
from obiterm.core.effects import Verb
from obiterm.core.events import (
    OrderRefused,
)
from obiterm.core.values import OrderKind, OrderRole, OrderState, RefusalKind, Side
from obiterm.strategies.base import Wish
from tests.trading_support.stage import (
    ASK,
    BID,
    BTC,
    Stage,
    entry,
    notes,
)


def with_entry(lots: int = 1_000) -> Stage:
    """A kernel whose entry is on its way."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(lots),)
    stage.book()
    assert stage.live() == [("entry", OrderState.SENT)]
    return stage


def refuse(
    stage: Stage,
    code: str,
    text: str,
    kind: RefusalKind = RefusalKind.ORDER,
    *,
    tag: str = "entry",
) -> None:
    client_id = stage.order(tag).intent.client_id
    stage.step(OrderRefused(BTC, client_id, code, text, stage.now_ns, kind))


def price_gone(stage: Stage, tag: str = "entry") -> None:
    words = "Order would immediately match and take."
    refuse(stage, "-2010", words, RefusalKind.WOULD_TAKE, tag=tag)


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
        price_gone(stage)
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
    assert stage.kernel.runners[0].patience.in_a_row("entry") == 1


def test_an_acceptance_forgets_refusals() -> None:
    stage = with_entry()
    refuse(stage, "-1013", "Filter failure: NOTIONAL")
    stage.ticks(0.2)
    stage.ack("entry")
    assert stage.kernel.runners[0].patience.in_a_row("entry") == 0


def test_a_price_that_had_gone_is_not_tried_again_at_once() -> None:
    """Each next try is a tick further behind, and the strategy's own price when that is."""
    stage = with_entry()
    for behind in range(1, 4):
        price_gone(stage)
        stage.ticks(1)
        assert stage.sent[-1].price_ticks == BID - behind
    stage.ack("entry")
    stage.ticks(0.2)
    assert stage.live() == [("entry", OrderState.OPEN)], "the order stays where it came to rest"
    stage.ticks(3)  # the bound has run out: the wish is what it was
    stage.cancelled("entry")
    assert stage.sent[-1].price_ticks == BID


def test_a_price_behind_the_refused_one_is_taken_as_it_is() -> None:
    stage = with_entry()
    price_gone(stage)
    stage.puppet.wishes = (entry(price=BID - 40),)
    stage.ticks(0.5)
    assert stage.sent[-1].price_ticks == BID - 40


def test_a_sell_is_moved_up_and_the_other_side_is_not_moved() -> None:
    stage = Stage(base=Decimal(1))
    stage.ready()
    patience = stage.kernel.runners[0].patience
    stage.puppet.wishes = (entry(),)
    stage.book()
    price_gone(stage)
    sell = entry(price=BID, side=Side.SELL)
    assert patience.repriced(sell, stage.now_ns) == sell
    assert patience.repriced(entry(), stage.now_ns).price_ticks == BID - 1


def test_six_prices_gone_in_ten_seconds_pause_with_the_venues_words() -> None:
    stage = with_entry()
    for _ in range(6):
        price_gone(stage)
        stage.ticks(3.3 if len(stage.sent) == 6 else 1.7)
    runner = stage.kernel.runners[0]
    assert not runner.running
    assert runner.reason == (
        "paused: the price had gone 6 times: Order would immediately match and take."
    )
    assert runner.reason in notes(stage.log, Verb.RISK)
    sent = len(stage.sent)
    stage.ticks(15)
    assert len(stage.sent) == sent


@pytest.mark.parametrize("kind", [RefusalKind.LATER, RefusalKind.SELF_TRADE])
def test_a_busy_venue_and_our_own_guard_only_make_it_wait(kind: RefusalKind) -> None:
    stage = with_entry()
    for _ in range(8):
        refuse(stage, "429", "wait", kind)
        stage.ticks(0.1)
        assert stage.kernel.runners[0].reason in ("wait", "as told")
        stage.ticks(10)
    assert stage.kernel.runners[0].running
    assert len(stage.sent) == 9


def test_what_it_waits_for_is_told_on_the_card() -> None:
    stage = with_entry()
    for _ in range(3):
        stage.ticks(0.4)
        refuse(stage, "self_trade", "would meet our own SELL (R15)", RefusalKind.SELF_TRADE)
    stage.ticks(0.1)
    assert stage.kernel.runners[0].reason == "would meet our own SELL (R15)"


def test_a_target_that_is_too_small_is_tried_once_a_minute_and_nothing_pauses() -> None:
    """T21 T50: dust is no reason to flood the venue, nor to drop the protection of the rest."""
    stage = with_entry()
    stage.fill("entry", 1_000)
    target = Wish(
        tag="target",
        side=Side.SELL,
        kind=OrderKind.LIMIT,
        lots=1_000,
        role=OrderRole.TAKE_PROFIT,
        price_ticks=ASK + 900,
        post_only=True,
    )
    stage.puppet.wishes = (target,)
    stage.book()
    for _ in range(3):
        refuse(stage, "-1013", "Filter failure: NOTIONAL", RefusalKind.TOO_SMALL, tag="target")
        stage.ticks(1)
    sent = len(stage.sent)
    stage.ticks(55)
    assert len(stage.sent) == sent
    stage.ticks(6)
    assert len(stage.sent) == sent + 1
    assert stage.kernel.runners[0].running


def test_a_start_by_a_human_forgets_all() -> None:
    stage = with_entry()
    for _ in range(3):
        refuse(stage, "-1013", "Filter failure: NOTIONAL", RefusalKind.TOO_SMALL)
        stage.ticks(1)
    assert not stage.kernel.runners[0].running
    stage.command(StartStrategy(account="main", name="one"))
    assert stage.live() == [("entry", OrderState.SENT)]
