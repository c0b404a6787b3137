"""Perpetual positions: shorts, one net position for all, margin, and orders that only reduce."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.commands import ClosePosition, PlaceOrder
from obiterm.core.limits import RiskLimits
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import OrderKind, OrderRole, OrderState, Side, TradingState
from tests.trading_support.perpetual import PerpStage, alarms, close
from tests.trading_support.stage import ASK, BID, BTC, MID, Puppet, entry, notes, sends

BUY, SELL = Side.BUY, Side.SELL
D = Decimal


def started(limits: RiskLimits | None = None, quote: int = 10_000_000) -> PerpStage:
    stage = PerpStage(quote=D(quote)) if limits is None else PerpStage(None, limits, quote=D(quote))
    stage.ready()
    return stage


def place(stage: PerpStage, side: Side, lots: int, price: int = 0) -> list[OrderIntent]:
    """Place by hand and return what was sent."""
    return sends(stage.command(PlaceOrder("main", BTC, side, lots, price, post_only=bool(price))))


# -- shorts ---------------------------------------------------------------------------------


def test_a_short_is_opened_protected_and_closed_with_its_result() -> None:
    stage = started()
    stage.enter(entry(1_000, ASK, side=SELL))
    assert stage.position == -1_000
    stop = close(1_000, BUY, OrderKind.STOP_MARKET, OrderRole.STOP, ASK + 5_000)
    stage.puppet.wishes = (stop,)
    (sent,) = sends(stage.book())
    assert (sent.side, sent.lots, sent.reduce_only) == (BUY, 1_000, True)
    assert stage.kernel.runners[0].unprotected_since_ns > 0
    stage.ack("stop")
    assert stage.kernel.runners[0].unprotected_since_ns == 0
    stage.puppet.wishes = (close(1_000, BUY, OrderKind.MARKET, OrderRole.EXIT),)
    stage.book()
    stage.cancelled("stop")
    stage.book()
    assert stage.sent[-1].reduce_only
    stage.fill("exit", 1_000, ASK - 20_000)
    assert stage.position == 0
    assert stage.kernel.gate.result_quote() == D(2)  # 0.01 BTC, 200.00 lower


def test_an_exit_beyond_the_position_is_refused() -> None:
    stage = started()
    stage.enter(entry(500, ASK, side=SELL))
    stage.puppet.wishes = (close(501, BUY, OrderKind.MARKET, OrderRole.EXIT),)
    effects = stage.book()
    assert sends(effects) == []
    assert "more than the 0.005 BTC" in alarms(effects)[0]


def test_a_position_may_be_turned_by_hand_in_one_order() -> None:
    stage = started()
    stage.enter(entry(1_000, BID))
    stage.puppet.wishes = ()
    (order,) = place(stage, SELL, 1_500)
    assert not order.reduce_only
    stage.fill(order.tag, 1_500, BID)
    assert stage.position == -500
    assert stage.kernel.gate.position("one", BTC).is_flat
    assert stage.kernel.gate.position("manual", BTC).lots == -500


# -- orders that only reduce ----------------------------------------------------------------


def test_by_hand_what_shrinks_a_position_cannot_open_one() -> None:
    """A stop may close the position before: the order must not open the other way then."""
    stage = started()
    stage.enter(entry(1_000, BID))
    stage.puppet.wishes = ()
    assert [o.reduce_only for o in place(stage, SELL, 1_000, ASK)] == [True]
    assert [o.reduce_only for o in place(stage, SELL, 1_001, ASK)] == [False]
    assert [o.reduce_only for o in place(stage, BUY, 10, BID)] == [False]


@pytest.mark.parametrize(
    ("lots", "reduces", "passes"),
    [(1_000, True, True), (1_001, True, False), (10, False, False)],
)
def test_while_reducing_only_what_the_venue_cuts_passes(
    lots: int, reduces: bool, passes: bool
) -> None:
    """Anything else opens the other way once a stop has closed the position before it."""
    stage = started()
    stage.enter(entry(1_000, BID))
    gate = stage.kernel.gate
    gate.enter(TradingState.REDUCING, holding=True)
    order = OrderIntent(
        client_id=gate.next_id(OrderRole.ENTRY, "one", "ask"),
        symbol=BTC,
        side=SELL,
        kind=OrderKind.LIMIT,
        lots=lots,
        role=OrderRole.ENTRY,
        owner="one",
        price_ticks=ASK,
        reduce_only=reduces,
    )
    assert isinstance(gate.check(order, stage.now_ns), ApprovedOrder) is passes


def test_a_close_by_hand_is_sized_by_what_the_venue_holds() -> None:
    stage = started()
    stage.enter(entry(1_000, ASK, side=SELL))
    stage.puppet.wishes = ()
    stage.told(-300)  # the house took a part; its fills are not ours
    (order,) = sends(stage.command(ClosePosition("main", BTC)))
    assert (order.side, order.lots, order.reduce_only) == (BUY, 300, True)
    stage.later(5)
    stage.fill("close", 300)
    stage.told(0)
    stage.settle()
    assert stage.position == 0


# -- one net position -------------------------------------------------------------------------


def two_strategies() -> tuple[PerpStage, Puppet, Puppet]:
    one, two = Puppet(), Puppet()
    stage = PerpStage({"one": one, "two": two})
    stage.ready()
    return stage, one, two


def test_t12_two_strategies_never_hold_against_each_other() -> None:
    stage, one, two = two_strategies()
    one.wishes = (entry(1_000, BID),)
    stage.book()
    two.wishes = (entry(400, ASK, "short", SELL),)
    effects = stage.book()
    assert sends(effects) == []
    assert "one has a BUY open" in alarms(effects)[0]
    one.wishes = ()
    stage.fill("entry", 1_000)
    stage.later(2_000)
    assert sends(stage.book()) == []
    assert "0.01 BTC are held by others" in stage.kernel.runners[1].reason
    two.wishes = (entry(400, BID, "long"),)
    stage.later(2_000)
    assert [order.owner for order in sends(stage.book())] == ["two"]


def test_foreign_lots_count_as_others() -> None:
    stage = started()
    stage.told(700)
    stage.settle(700)
    assert stage.kernel.gate.venue.foreign == {BTC: 700}
    stage.puppet.wishes = (entry(100, ASK, side=SELL),)
    assert sends(stage.book()) == []
    assert "held by others" in stage.kernel.runners[0].reason


def test_t31_hedge_mode_is_told_and_opens_nothing() -> None:
    stage = started()
    stage.told(500, leg="LONG")
    stage.told(-200, leg="SHORT")
    (text,) = alarms(stage.ticks(0.5))
    assert "set one-way mode" in text
    stage.puppet.wishes = (entry(100, BID),)
    assert sends(stage.book()) == []
    reports = stage.kernel.gate.venue.reports()
    assert [report.lots for report in reports] == [500, -200]  # T39: no phantom of 300
    stage.puppet.wishes = ()
    assert alarms(stage.ticks(5.0)) == []


# -- money ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("leverage", "most"), [("1", 1_000), ("5", 5_000)])
def test_q21_perpetuals_are_worth_at_most_the_money_times_the_leverage(
    leverage: str, most: int
) -> None:
    """1,000 of settle asset at 100,000 a coin buy 0.01 BTC without leverage."""
    limits = RiskLimits(
        max_leverage=D(leverage),
        max_order_notional=D(10**7),
        max_position_notional=D(10**7),
        max_exposure_notional=D(10**7),
    )
    stage = started(limits, quote=1_000)
    stage.puppet.wishes = (entry(most + 1, BID),)
    effects = stage.book()
    assert sends(effects) == []
    assert "x the 1000.00 USDT held" in alarms(effects)[0]
    stage.later(2_000)
    stage.puppet.wishes = (entry(most, BID),)
    stage.book()
    stage.fill("entry", most)
    # At the venue's own leverage most of the money is free again: ours still counts.
    stage.balance("USDT", D(900), D(100))
    stage.puppet.wishes = (entry(10, BID, "more"),)
    stage.later(2_000)
    assert sends(stage.book()) == []
    assert stage.kernel.runners[0].reason.startswith("max_leverage")


def test_an_order_needs_its_margin_free() -> None:
    limits = RiskLimits(
        max_leverage=D(10),
        max_order_notional=D(10**7),
        max_position_notional=D(10**7),
        max_exposure_notional=D(10**7),
    )
    stage = started(limits, quote=1_000)
    stage.balance("USDT", D(50), D(950))  # another program binds the rest
    stage.puppet.wishes = (entry(501, BID),)
    stage.book()
    assert stage.kernel.runners[0].reason.startswith("available")
    stage.later(2_000)
    stage.puppet.wishes = (entry(500, BID),)
    assert len(sends(stage.book())) == 1


def test_fees_and_results_are_in_the_settle_asset() -> None:
    stage = started()
    stage.puppet.wishes = (entry(1_000, BID),)
    stage.book()
    order = stage.order("entry").intent
    stage.step(stage.fill_event(order, 1_000, fee=D("0.2")))
    position = stage.kernel.gate.position("one", BTC)
    assert (position.fees_quote, position.fees_other) == (D("0.2"), {})
    stage.report(order, OrderState.FILLED, 1_000)
    assert stage.position == 1_000  # a fee takes no coins off a perpetual
    assert stage.kernel.gate.exposure_lots(BTC) == 1_000


# -- funding (T35) ----------------------------------------------------------------------------


def test_t35_funding_is_no_fill_and_is_booked_once() -> None:
    stage = started()
    stage.enter(entry(1_000, BID), BID)
    stage.puppet.wishes = ()
    before = stage.kernel.gate.result_quote()
    assert notes(stage.paid("-1.25", "f1")) == ["funding -1.25 USDT"]
    assert stage.paid("-1.25", "f1") == []
    stage.paid("0.25", "f2")
    gate = stage.kernel.gate
    assert stage.position == 1_000
    assert gate.funding.by_symbol == {BTC: D(-1)}
    assert gate.result_quote() == before - 1
    assert gate.day_result_quote == before - 1
    assert gate.position("one", BTC).fees_quote == 0
    stage.paid("3", "f3", asset="BNB")
    assert (gate.funding.other, gate.result_quote()) == ({"BNB": D(3)}, before - 1)


def test_funding_of_an_earlier_day_is_not_the_days_result() -> None:
    stage = started()
    stage.tick()
    stage.paid("-7", "old", at_ns=stage.now_ns - 86_400_000_000_000)
    assert stage.kernel.gate.day_result_quote == 0
    assert stage.kernel.gate.result_quote() == -7


def test_a_days_loss_by_funding_stops_entries() -> None:
    stage = started(RiskLimits(max_daily_loss=D(10)))
    effects = stage.paid("-10", "f1")
    assert stage.kernel.state is TradingState.REDUCING
    assert "max_daily_loss" in alarms(effects)[0]


def test_mark_and_funding_rate_are_the_markets() -> None:
    stage = started()
    assert stage.mark(MID) == []
    funding = stage.kernel.markets[BTC].funding
    assert funding is not None
    assert (funding.mark_ticks, funding.rate) == (MID, D("0.0001"))
