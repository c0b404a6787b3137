"""ACTIVE, REDUCING, HALTED: kill, arming, hold fire (T3 T4 T5)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.commands import (
    EmergencyExit,
    HoldFire,
    Kill,
    Rearm,
    StartStrategy,
)
from obiterm.core.effects import Effect, Latch, Panic
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
    BID,
    BTC,
    Stage,
    cancels,
    entry,
    leave,
    listed,
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
