"""The venue's word on positions against our own fills (T12 T25 T31 T32 T39)."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from obiterm.core.values import OrderKind, OrderRole, OrderState, Side, Symbol
from tests.trading_support.perpetual import PerpStage, alarms, close
from tests.trading_support.stage import ASK, BID, BTC, entry, reconciles, sends

BUY, SELL = Side.BUY, Side.SELL


def holding(lots: int = 1_000, side: Side = BUY) -> PerpStage:
    stage = PerpStage()
    stage.ready()
    stage.enter(entry(lots, BID if side is BUY else ASK, side=side))
    return stage


def closable(stage: PerpStage) -> int:
    return stage.kernel.gate.position("one", BTC).closable_lots


def test_agreement_is_silent() -> None:
    stage = holding()
    effects = stage.settle(1_000, seconds=6.0)
    assert (alarms(effects), reconciles(effects)) == ([], [])
    assert stage.kernel.gate.venue.alarms == 0


@pytest.mark.parametrize("side", Side)
def test_a_position_that_the_house_took_is_booked_out_at_its_price(side: Side) -> None:
    """A liquidation: a fill that is not ours, and the position is gone at the venue."""
    stage = holding(side=side)
    price = BID - 100_000 if side is BUY else ASK + 100_000
    assert reconciles(stage.foreign_fill(side.opposite, 1_000, price)) == [
        "a fill that is not ours"
    ]
    assert stage.position == 1_000 * side.sign  # not yet: a fill alone proves nothing
    stage.told(0)
    effects = stage.settle()
    assert stage.position == 0
    assert "liquidation" in alarms(effects)[0]
    assert stage.kernel.gate.venue.alarms == 1
    assert stage.kernel.gate.result_quote() == Decimal(-10)
    assert alarms(stage.settle(seconds=8.0)) == []


def test_without_a_fill_the_mark_is_the_price() -> None:
    stage = holding()
    stage.mark(BID - 50_000)
    stage.told(0)
    stage.settle()
    assert stage.kernel.gate.result_quote() == Decimal(-5)


def test_a_part_that_is_gone_is_not_closed_again() -> None:
    """Never overshoot: from the venue's word on, closes are for what it holds."""
    stage = holding()
    assert closable(stage) == 1_000
    stage.later(10)
    stage.told(400)
    assert closable(stage) == 400
    assert stage.kernel.gate.exposure_lots(BTC) == 400
    stage.puppet.wishes = (close(400, SELL, OrderKind.MARKET, OrderRole.EXIT),)
    assert [order.lots for order in sends(stage.book())] == [400]
    stage.puppet.wishes = ()
    stage.fill("exit", 400)
    stage.told(0)
    stage.settle()
    assert stage.position == 0


def test_a_word_from_before_a_fill_bounds_nothing() -> None:
    """The stop of a fresh entry must not wait for the position stream."""
    stage = PerpStage()
    stage.ready()
    stage.fetched()
    stage.later(2_000)
    stage.told(0)
    stage.later(5)
    stage.puppet.wishes = (entry(1_000, BID),)
    stage.book()
    stage.fill("entry", 1_000)
    assert closable(stage) == 1_000
    stage.told(0, at_ns=stage.now_ns - 5_000_000)  # overtaken on its way
    assert closable(stage) == 1_000
    stage.fetched()  # fetched before the fill was in
    assert closable(stage) == 1_000
    stage.told(1_000)
    assert closable(stage) == 1_000


def test_a_difference_asks_first_and_acts_only_when_it_lasts() -> None:
    stage = holding()
    stage.later(10)
    stage.told(0)
    assert reconciles(stage.ticks(0.9)) == []
    (reason,) = reconciles(stage.ticks(1.0))
    assert "differs" in reason
    assert stage.position == 1_000
    stage.fetched(1_000)  # the venue corrects itself
    assert alarms(stage.ticks(5.0)) == []
    assert stage.position == 1_000
    assert closable(stage) == 1_000


def test_nothing_is_booked_out_while_an_order_is_in_flight() -> None:
    stage = holding()
    stage.puppet.wishes = (close(1_000, SELL, OrderKind.MARKET, OrderRole.EXIT),)
    stage.book()
    stage.told(0)  # the exit has filled; its answer and its fill are late
    stage.ticks(1.5)
    stage.fetched()
    stage.ticks(1.5)
    assert stage.position == 1_000
    stage.fill("exit", 1_000)
    assert alarms(stage.settle()) == []
    assert (stage.position, stage.kernel.gate.venue.alarms) == (0, 0)


def test_a_fill_that_comes_after_all_does_not_leave_a_phantom() -> None:
    """The position was booked out, then the fill that closed it turns up (T34)."""
    stage = holding()
    stage.puppet.wishes = (close(1_000, SELL, OrderKind.STOP_MARKET, OrderRole.STOP, BID - 900),)
    stage.book()
    stage.ack("stop")
    order = stage.order("stop").intent
    stage.told(0)
    stage.puppet.wishes = ()
    stage.ticks(1.5)
    stage.fetched()
    stage.ticks(2.5)
    stage.cancelled("stop")
    stage.settle()
    assert stage.position == 0
    stage.later(100)
    stage.step(stage.fill_event(order, 1_000, BID - 900))
    assert stage.position == -1_000
    stage.settle(seconds=6.0)
    stage.settle()
    assert stage.position == 0


def test_more_than_ours_is_shown_and_left_alone() -> None:
    stage = holding(1_000)
    stage.told(1_500)
    effects = stage.settle(1_500)
    assert "+0.005 BTC; it is left alone" in alarms(effects)[0]
    gate = stage.kernel.gate
    assert (stage.position, gate.venue.foreign) == (1_000, {BTC: 500})
    assert gate.exposure_lots(BTC) == 1_000
    assert alarms(stage.settle(1_500, seconds=8.0)) == []  # told once
    stage.told(1_000)
    (text,) = alarms(stage.settle(1_000))
    assert text == "no position but our own is left at the venue"
    assert gate.venue.foreign == {BTC: 0}


def test_a_position_turned_by_others_leaves_us_none() -> None:
    stage = holding(1_000)
    stage.told(-300)
    stage.settle(-300)
    assert (stage.position, stage.kernel.gate.venue.foreign) == (0, {BTC: -300})


def test_of_several_owners_the_humans_part_goes_first() -> None:
    stage = holding(1_000)
    stage.kernel.gate.position("manual", BTC).adopt(500, BID, stage.now_ns)
    stage.told(1_200)
    stage.settle(1_200)
    gate = stage.kernel.gate
    assert gate.position("manual", BTC).lots == 200
    assert gate.position("one", BTC).lots == 1_000


def test_positions_of_other_markets_are_known() -> None:
    stage = holding()
    stage.step(msgspec.structs.replace(stage.position_event(5), symbol=Symbol("ETHUSDT")))
    assert {r.symbol for r in stage.kernel.gate.venue.reports()} == {BTC, "ETHUSDT"}


def restarted() -> PerpStage:
    """Return a kernel that has read the fill of an earlier run, a minute old."""
    stage = holding(side=SELL)
    again = PerpStage()
    again.now_ns = stage.now_ns + 60_000_000_000
    again.step(stage.fill_event(stage.sent[0], 1_000))
    again.report(stage.sent[0], OrderState.FILLED, 1_000)
    again.ready()
    return again


def test_t32_after_a_restart_what_is_gone_is_noticed_at_once() -> None:
    """Carried fills are old: the first word of the venue holds them all."""
    again = restarted()
    assert (again.position, closable(again)) == (-1_000, 0)
    again.settle()
    assert again.position == 0
    assert again.kernel.gate.venue.alarms == 1


def test_t32_after_a_restart_what_is_there_is_carried_on() -> None:
    again = restarted()
    again.fetched(-1_000)
    assert alarms(again.settle(-1_000, seconds=8.0)) == []
    assert (again.position, closable(again)) == (-1_000, 1_000)
