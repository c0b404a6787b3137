"""ACTIVE, REDUCING, HALTED; the day's loss; blind times; strategies that fail (T1–T4 T9)."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from obiterm.core.commands import (
    CancelSymbol,
    EmergencyExit,
    HoldFire,
    Kill,
    PlaceOrder,
    Rearm,
    StartStrategy,
    StopStrategy,
)
from obiterm.core.effects import Effect, Latch, Panic, Verb
from obiterm.core.events import DepthSnapshotted, FeedChanged, OrderRefused, TopChanged
from obiterm.core.orders import LiveOrder
from obiterm.core.values import (
    ClientOrderId,
    Environment,
    OrderKind,
    OrderState,
    Side,
    TradingState,
    VenueOrderId,
)
from tests.trading_support.stage import (
    ASK,
    BID,
    BTC,
    GENEROUS,
    Puppet,
    Stage,
    cancels,
    entry,
    leave,
    listed,
    notes,
    queries,
    reconciles,
    sends,
    stop,
)

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED


def latched(effects: list[Effect]) -> list[TradingState]:
    return [effect.state for effect in effects if isinstance(effect, Latch)]


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


# -- kill -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "flatten"), [(Kill, False), (EmergencyExit, True)])
def test_a_kill_latches_halts_and_hands_over_to_the_panic_path(
    command: type[Kill | EmergencyExit], flatten: bool
) -> None:
    stage = holding()
    effects = stage.command(command(account="*"), "F9")
    assert latched(effects) == [HALTED]
    (panic,) = [effect for effect in effects if isinstance(effect, Panic)]
    assert panic.flatten is flatten
    assert stage.kernel.state is HALTED
    assert effects.index(panic) > 0  # the latch comes first


def test_nothing_is_sent_when_halted_whatever_a_strategy_wishes() -> None:
    """T4: no send of any kind by strategies, on any event, after HALT is set."""
    stage = holding()
    stage.command(Kill(account="main"))
    count = len(stage.sent)
    for wishes in ((entry(10),), (stop(1_000, tag="other"),), (leave(1_000),)):
        stage.puppet.wishes = wishes
        stage.ticks(3)
        stage.snapshot()
        stage.reconcile([listed(stage.order("stop"))])
        stage.balance("USDT", Decimal(5))
        stage.command(StartStrategy(account="main", name="one"))
    assert len(stage.sent) == count


def test_an_order_that_was_on_its_way_at_the_kill_is_cancelled_when_it_shows_up() -> None:
    """T4: the venue takes it two seconds after the kill has found nothing open."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.book()
    order = stage.order("entry").intent
    stage.command(Kill(account="main"))
    assert stage.kernel.desk.on_the_way(stage.now_ns) == 1
    stage.ticks(2)
    assert cancels(stage.report(order, OrderState.OPEN)) == [order.client_id]
    assert stage.kernel.desk.on_the_way(stage.now_ns) == 0


def test_a_stop_that_was_on_its_way_at_the_kill_goes_too() -> None:
    """A kill means every order; afterwards the human looks after the position."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = (stop(1_000),)
    stage.fill("entry", 1_000)
    stop_id = stage.order("stop").intent.client_id
    stage.later(1)
    stage.command(Kill(account="main"))
    stage.later(5)
    assert cancels(stage.ack("stop")) == [stop_id]


def test_a_restart_that_is_halted_cancels_entries_it_finds_and_leaves_stops() -> None:
    """T5: a crash between a cancel and its answer; the position must not lose its stop."""
    before = holding()
    stop_order = before.order("stop")
    stage = Stage(start_state=HALTED)
    stage.ready()
    found = entry_at_venue("ob-run0-7e-one-entry")
    effects = stage.reconcile([found, listed(stop_order)])
    assert cancels(effects) == [found.client_id]
    assert stage.kernel.state is HALTED


def entry_at_venue(client_id: str) -> LiveOrder:
    return LiveOrder(
        symbol=BTC,
        client_id=ClientOrderId(client_id),
        venue_id=VenueOrderId("700"),
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        lots=500,
        filled_lots=0,
        price_ticks=BID - 100,
        trigger_ticks=0,
        created_ns=0,
    )


# -- arming -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "typed", "armed"),
    [
        ("main", "main", True),
        ("main", "Main", False),
        ("main", "", False),
        ("main", "all", False),
        ("*", "all", True),
        ("*", "main", False),
        ("other", "other", False),
    ],
)
def test_arming_needs_the_typed_word(account: str, typed: str, armed: bool) -> None:
    """T3: HALTED → ACTIVE only by a deliberate act."""
    stage = Stage(start_state=HALTED)
    stage.ready()
    effects = stage.command(Rearm(account=account, typed=typed))
    assert stage.kernel.last_result[0] is armed
    assert (stage.kernel.state is ACTIVE) is armed
    assert latched(effects) == ([ACTIVE] if armed else [])


def test_real_money_that_is_not_armed_enters_nothing_but_may_leave() -> None:
    stage = Stage(environment=Environment.LIVE, armed=False)
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.book()
    assert stage.sent == []
    assert stage.kernel.runners[0].reason.startswith("armed:")
    stage.command(Rearm(account="main", typed="main"))
    stage.ticks(1.1)
    assert len(stage.sent) == 1
    stage.command(Kill(account="main"))
    assert stage.kernel.gate.armed is False


# -- hold fire ----------------------------------------------------------------------------------


def test_hold_fire_leaves_resting_entries_as_they_are_and_sends_no_new_ones() -> None:
    """TUI.md §5: the first tap of F9 cancels nothing."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(1_000),)
    stage.book()
    stage.ack("entry")
    effects = stage.command(HoldFire(account="main"), "F9")
    assert latched(effects) == [REDUCING]
    assert stage.kernel.gate.holding
    assert cancels(effects) == []
    stage.puppet.wishes = (entry(1_000, BID - 20), entry(1_000, BID - 40, tag="second"))
    effects = stage.ticks(2)
    assert [sends(effects), cancels(effects)] == [[], []]
    stage.fill("entry", 300)
    assert cancels(stage.log) == []


def test_hold_fire_protects_and_leaves() -> None:
    stage = holding()
    stage.command(HoldFire(account="main"))
    stage.puppet.wishes = (leave(1_000),)
    assert len(cancels(stage.book())) == 1
    (exit_,) = sends(stage.cancelled("stop"))
    assert exit_.lots == 1_000


def test_an_entry_that_its_strategy_gives_up_goes_in_hold_fire_too() -> None:
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.book()
    stage.ack("entry")
    stage.command(HoldFire(account="main"))
    stage.puppet.wishes = ()
    assert len(cancels(stage.book())) == 1


# -- the day's loss -----------------------------------------------------------------------------


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


# -- blind times --------------------------------------------------------------------------------


def test_entries_go_when_the_account_stream_is_lost_and_stops_stay() -> None:
    """A fill that nobody tells of would have no stop."""
    stage = Stage({"one": Puppet(), "two": Puppet()})
    one, two = (runner.setup.strategy for runner in stage.kernel.runners)
    assert isinstance(one, Puppet)
    assert isinstance(two, Puppet)
    stage.ready()
    one.wishes, two.wishes = (entry(1_000),), (entry(500, BID - 10, tag="wait"),)
    stage.book()
    stage.ack("entry")
    stage.ack("wait")
    one.wishes = (stop(1_000),)
    stage.fill("entry", 1_000)
    stage.ack("stop")
    waiting = stage.order("wait").intent.client_id
    assert cancels(stage.feed("account", up=False)) == [waiting]
    stage.cancelled("wait")
    count = len(stage.sent)
    one.wishes = (leave(1_000),)
    stage.ticks(5)
    assert len(stage.sent) == count  # not even an exit: the position may be another by now
    assert reconciles(stage.feed("account", up=True)) == ["account stream connected"]
    stage.ticks(1)
    assert len(stage.sent) == count
    assert len(cancels(stage.reconcile([listed(stage.order("stop"))]))) == 1


def test_a_silent_book_withdraws_entries_within_two_seconds() -> None:
    """T9 T38: trades and tickers that still flow are no book."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.book()
    stage.ack("entry")
    silent_ns = stage.now_ns
    original = stage.puppet.decide

    def careful(view: object) -> object:
        decision = original(view)  # type: ignore[arg-type]
        tradable = view.market.tradable  # type: ignore[attr-defined]
        return decision if tradable else msgspec.structs.replace(decision, wishes=())

    stage.puppet.decide = careful  # type: ignore[assignment,method-assign]
    while not cancels(effects := stage.tick()):
        assert stage.now_ns - silent_ns < 2_000_000_000
    assert notes(effects, Verb.GAP) == [
        f"feed silent or book not in order for {BTC}: entries withdrawn"
    ]
    assert stage.now_ns - silent_ns < 2_000_000_000 - 50_000_000


def test_a_gap_asks_for_a_snapshot_and_a_stale_one_is_not_asked_for_in_a_storm() -> None:
    """T48: one question at a time, with time for the venue in between."""
    stage = Stage()
    stage.ready()
    effects = stage.book(skip=3)
    assert notes(effects, Verb.GAP) == ["book: gap in update ids"]
    old = DepthSnapshotted(
        symbol=BTC,
        last_id=1,
        bids=[(BID, 10)],
        asks=[(ASK, 10)],
        event_ns=stage.now_ns,
        received_ns=stage.now_ns,
    )
    stage.later(20)
    assert stage.step(old) == []
    asked = 0
    for _ in range(10):
        stage.later(50)
        effects = stage.book()
        asked += len(notes(effects, Verb.GAP))
    assert asked == 1
    stage.snapshot()
    assert stage.kernel.markets[BTC].book.synced


def test_a_ticker_that_crosses_sends_nothing() -> None:
    """The ticker may be newer than the book; its prices count, so its sanity counts too."""
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(),)
    stage.step(TopChanged(BTC, 10_000, ASK + 10, 5, ASK, 5, stage.now_ns))
    assert stage.sent == []
    assert not stage.kernel.gate.tradable(BTC, stage.now_ns)


def test_prices_are_forgotten_with_the_feed() -> None:
    stage = Stage()
    stage.ready()
    stage.step(TopChanged(BTC, 10_000, BID, 5, ASK, 5, stage.now_ns))
    stage.feed("market", up=False)
    assert stage.kernel.markets[BTC].best() == (0, 0, 0, 0)


# -- strategies ---------------------------------------------------------------------------------


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


def test_cancel_symbol_cancels_all_and_nothing_comes_back() -> None:
    stage, _, _ = two_strategies()
    stage.command(CancelSymbol(account="main", symbol=BTC))
    for tag in ("entry", "stop", "bid"):
        stage.cancelled(tag)
    assert sends(stage.ticks(3)) == []
    assert stage.live() == []
    effects = stage.command(StartStrategy(account="main", name="one"))
    assert {intent.tag for intent in sends(effects)} == {"entry", "stop"}


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
