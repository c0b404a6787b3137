"""Strategies that fail, are stopped or meet each other; what protects stays (R15 R98 T22–T24)."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import msgspec

from obiterm.core.commands import (
    CancelSymbol,
    HoldFire,
    Kill,
    PlaceOrder,
    Rearm,
    StartStrategy,
    StopStrategy,
)
from obiterm.core.effects import Verb
from obiterm.core.events import OrderRefused
from obiterm.core.values import (
    OrderKind,
    OrderState,
    Side,
)
from tests.trading_support.stage import (
    BID,
    BTC,
    Puppet,
    Stage,
    cancels,
    entry,
    leave,
    listed,
    notes,
    queries,
    sends,
    stop,
)


def holding(lots: int = 1_000) -> Stage:
    """A kernel that holds a position with its stop at the venue."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(lots),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = (stop(lots),)
    stage.fill("entry", lots)
    stage.ack("stop")
    assert stage.live() == [("stop", OrderState.OPEN)]
    return stage


def two_strategies() -> tuple[Stage, Puppet, Puppet]:
    one, two = Puppet(), Puppet()
    stage = Stage({"one": one, "two": two})
    stage.ready()
    one.wishes = (entry(1_000),)
    two.wishes = (entry(500, BID - 5, tag="bid"),)
    stage.book()
    stage.ack("entry")
    stage.ack("bid")
    one.wishes = (entry(600), stop(400))
    stage.fill("entry", 400)
    stage.ack("stop")
    return stage, one, two


def test_a_strategy_that_raises_is_stopped_alone_and_keeps_its_stop() -> None:
    stage, one, _ = two_strategies()
    one.error = ZeroDivisionError("no depth")
    effects = stage.book()
    assert notes(effects, Verb.RISK) == ["stopped: ZeroDivisionError: no depth"]
    assert len(cancels(effects)) == 1
    stage.cancelled("entry")
    stage.ticks(3)
    assert stage.live() == [("bid", OrderState.OPEN), ("stop", OrderState.OPEN)]
    assert [runner.running for runner in stage.kernel.runners] == [False, True]
    assert len([view for view in one.views if view.now_ns > stage.now_ns - 10**9]) == 0


def test_a_stopped_strategy_sends_no_entry_and_no_exit_but_keeps_its_stop_right() -> None:
    """The fill that arrives after the stop command must not stay naked."""
    stage, one, _ = two_strategies()
    effects = stage.command(StopStrategy(account="main", name="one"))
    assert len(cancels(effects)) == 1
    one.wishes = (stop(700),)
    effects = stage.fill("entry", 300)  # in the moment of the cancel
    stop_id = stage.order("stop").intent.client_id
    assert cancels(effects) == [stop_id]
    stage.cancelled("entry")
    (bigger,) = sends(stage.cancelled("stop"))
    assert bigger.lots == 700
    stage.ack("stop")
    one.wishes = (leave(700),)
    assert sends(stage.ticks(2)) == []
    assert ("stop", OrderState.OPEN) in stage.live()
    one.wishes = (entry(100),)
    assert sends(stage.ticks(2)) == []
    effects = stage.command(StartStrategy(account="main", name="one"))
    assert [intent.tag for intent in sends(effects)] == ["entry"]


def test_cancel_symbol_cancels_all_but_the_stop_of_a_position_and_nothing_comes_back() -> None:
    stage, _, _ = two_strategies()
    kept = stage.order("stop").intent.client_id
    effects = stage.command(CancelSymbol(account="main", symbol=BTC))
    assert len(cancels(effects)) == 2
    assert kept not in cancels(effects)
    ok, text = stage.kernel.last_result
    assert ok
    assert text.startswith(f"2 cancels sent; strategies on {BTC} stopped; stop kept: 0.004 stop ")
    for tag in ("entry", "bid"):
        stage.cancelled(tag)
    assert sends(stage.ticks(3)) == []
    assert stage.live() == [("stop", OrderState.OPEN)]
    effects = stage.command(StartStrategy(account="main", name="one"))
    assert {intent.tag for intent in sends(effects)} == {"entry"}


def test_cancel_symbol_by_hand_keeps_the_stop_of_a_stopped_strategy() -> None:
    stage, _, _ = two_strategies()
    stage.command(StopStrategy(account="main", name="one"))
    stage.command(CancelSymbol(account="main", symbol=BTC))
    assert ("stop", OrderState.OPEN) in stage.live()
    assert "stop kept" in stage.kernel.last_result[1]


def test_what_a_strategy_does_is_what_is_now() -> None:
    """Its card tells no wish that the account's state has set aside."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.command(HoldFire(account="main"))
    stage.book()
    assert stage.kernel.runners[0].reason == "would enter: fire is held"
    stage.command(Kill(account="main"))
    assert stage.kernel.runners[0].reason == "halted: it trades again when the account is armed"
    stage.command(StopStrategy(account="main", name="one"))
    stage.ticks(1)
    assert stage.kernel.runners[0].reason == "stopped by test"
    stage.command(Rearm(account="main", typed="main"))
    stage.command(StartStrategy(account="main", name="one"))
    assert stage.kernel.runners[0].reason == "as told"


def test_a_position_without_a_stop_is_told_once() -> None:
    """T24: the time without protection is measured and alarmed."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = ()
    stage.fill("entry", 1_000)
    effects = stage.ticks(5)
    alarms = [text for text in notes(effects, Verb.RISK) if text.startswith("no stop")]
    assert alarms == ["no stop at the venue for 2.0 s: as told"]
    stage.puppet.wishes = (stop(1_000),)
    stage.book()
    stage.ack("stop")
    assert stage.kernel.runners[0].unprotected_longest_ns == 5_000_000_000


def test_a_refused_stop_is_tried_again_with_patience_and_never_becomes_a_market_exit() -> None:
    """T23: a stop refused by a price filter led another program to dump at a loss."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = (stop(1_000),)
    stage.fill("entry", 1_000)
    tried = []
    for _ in range(300):
        if ("stop", OrderState.SENT) in stage.live():
            tried.append(stage.now_ns)
            client_id = stage.order("stop").intent.client_id
            stage.step(OrderRefused(BTC, client_id, "-1013", "PERCENT_PRICE", stage.now_ns))
        stage.tick()
        stage.book()
    waits = [after - before for before, after in pairwise(tried)]
    assert waits == sorted(waits)
    assert 6 <= len(tried) <= 10
    assert {intent.kind for intent in stage.sent} == {OrderKind.LIMIT, OrderKind.STOP_MARKET}
    assert any(text.startswith("no stop at the venue") for text in notes(stage.log, Verb.RISK))
    assert stage.kernel.runners[0].running  # it must go on trying


def test_a_stop_that_nobody_can_explain_is_left_alone() -> None:
    """The disk is lost: the stop protects coins that the journal no longer tells of."""
    before = holding()
    stop_order = before.order("stop")
    stage = Stage()
    setup = msgspec.structs.replace(stage.kernel.setup, knows_past=False)
    stage.kernel = type(stage.kernel)(setup)
    stage.feed("market", up=True)
    stage.snapshot()
    stage.feed("account", up=True)
    effects = stage.reconcile([listed(stop_order)])
    assert cancels(effects) == []
    assert "a stop was found without its position: close or cancel by hand" in notes(
        effects, Verb.RISK
    )
    assert cancels(stage.ticks(5)) == []
    assert stage.live() == [("stop", OrderState.OPEN)]
    stage.command(StartStrategy(account="main", name="one"))  # the human decides
    assert cancels(stage.log) == [stop_order.client_id]


def test_a_leftover_stop_of_a_known_past_is_swept() -> None:
    """T22: an orphan of a position that is closed would sell somebody else's coins."""
    before = holding()
    stop_order = before.order("stop")
    stage = Stage()
    stage.ready()
    assert cancels(stage.reconcile([listed(stop_order)])) == [stop_order.client_id]


def test_own_orders_never_meet() -> None:
    """R15: two strategies and a human on one account."""
    one, two = Puppet(), Puppet()
    stage = Stage({"one": one, "two": two}, base=Decimal(1))
    stage.ready()
    one.wishes = (entry(1_000),)
    stage.book()
    stage.ack("entry")
    two.wishes = (entry(500, BID, tag="ask", side=Side.SELL),)
    stage.book()
    assert len(stage.sent) == 1
    sell = PlaceOrder(
        account="main", symbol=BTC, side=Side.SELL, lots=100, price_ticks=BID - 1, post_only=False
    )
    stage.command(sell)
    assert len(stage.sent) == 1
    ok, text = stage.kernel.last_result
    assert not ok
    assert text.startswith("self_cross: would meet our own BUY")


def test_money_on_its_way_is_not_spent_twice() -> None:
    """R28: the venue's balance does not know yet of what has just been sent."""
    one, two = Puppet(), Puppet()
    stage = Stage({"one": one, "two": two}, quote=Decimal(1_500))
    stage.ready()
    one.wishes, two.wishes = (entry(1_000),), (entry(1_000, BID - 1, tag="other"),)
    stage.book()
    assert [intent.tag for intent in stage.sent] == ["entry"]
    assert stage.kernel.runners[1].reason.startswith("available")


def test_a_fill_before_the_first_look_at_the_account_sends_no_stop_yet() -> None:
    """T32: what an earlier run left may rest at the venue already; look first."""
    before = holding()
    stop_order = before.order("stop")
    stage = Stage()
    stage.feed("market", up=True)
    stage.snapshot()
    stage.puppet.wishes = (stop(1_000),)
    buy = before.sent[0]
    assert sends(stage.step(stage.fill_event(buy, 1_000))) == []
    stage.ticks(2)
    stage.feed("account", up=True)
    assert stage.sent == []
    effects = stage.reconcile([listed(stop_order)])
    assert notes(effects, Verb.INFO) == ["adopted from the venue: 0.01 stop 99949.50"]
    assert queries(effects) in ([], [buy.client_id])
    stage.ticks(2)
    assert stage.sent == []  # it rests already: no second one
