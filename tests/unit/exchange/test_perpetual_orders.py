"""Reduce-only, close-position and conditional orders of a perpetual, and amending."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, OrderUpdate, Refusal, Status, TriggerBy, Why

from .conftest import PERPETUAL, Floor, PerpetualFloor

D = Decimal


def test_reduce_only_is_refused_without_a_position_and_cut_to_it(
    perpetual: PerpetualFloor,
) -> None:
    assert perpetual.refused(Side.SELL, Kind.MARKET, lots=10, reduce_only=True).why is (
        Why.REDUCE_ONLY
    )
    perpetual.buy(100)
    assert perpetual.refused(Side.BUY, Kind.MARKET, lots=10, reduce_only=True).why is (
        Why.REDUCE_ONLY
    )
    order = perpetual.sell(500, reduce_only=True)
    assert (order.lots, order.filled_lots, order.status) == (100, 100, Status.FILLED)
    assert perpetual.position().lots == 0


def test_reduce_only_may_be_smaller_than_the_least_notional() -> None:
    floor = PerpetualFloor(msgspec.structs.replace(PERPETUAL, min_notional=D(100)))
    floor.buy(10)
    assert floor.refused(Side.SELL, lots=1, price_ticks=600_400).detail == "MIN_NOTIONAL"
    floor.place(Side.SELL, lots=1, price_ticks=600_400, reduce_only=True)


def test_the_better_exit_knocks_out_the_worse(perpetual: PerpetualFloor) -> None:
    perpetual.buy(100)
    far = perpetual.place(Side.SELL, lots=100, price_ticks=620_000, reduce_only=True)
    assert perpetual.refused(Side.SELL, lots=50, price_ticks=625_000, reduce_only=True).why is (
        Why.REDUCE_ONLY
    )
    near = perpetual.place(Side.SELL, lots=60, price_ticks=610_000, reduce_only=True)
    assert (near.status, near.lots) == (Status.NEW, 60)
    assert (far.status, far.lots) == (Status.NEW, 40)
    exit_order = perpetual.sell(70, reduce_only=True)
    assert exit_order.status is Status.FILLED
    assert (near.lots, near.status) == (30, Status.NEW)
    assert (far.status, far.expiry_reason) == (Status.EXPIRED, "REDUCE_ONLY")
    perpetual.sell(30, reduce_only=True)
    assert near.status is Status.EXPIRED
    executions = [one.execution for one in perpetual.venue.drain() if isinstance(one, OrderUpdate)]
    assert "AMENDMENT" in executions


def test_stop_on_the_mark_ignores_the_last_price(perpetual: PerpetualFloor) -> None:
    perpetual.buy(100)
    perpetual.mark(60_000)
    stop = perpetual.place(
        Side.SELL,
        Kind.STOP_MARKET,
        lots=100,
        trigger_ticks=599_800,
        trigger_by=TriggerBy.MARK,
        reduce_only=True,
    )
    by_last = perpetual.place(
        Side.SELL, Kind.STOP_MARKET, lots=100, trigger_ticks=599_920, reduce_only=True
    )
    perpetual.hit(Side.SELL, 599_700, 2_500)
    assert stop.status is Status.NEW
    perpetual.mark(59_970)
    assert (stop.status, stop.triggered) == (Status.FILLED, True)
    assert stop.triggered_ns == stop.working_ns
    assert by_last.status is Status.NEW
    assert perpetual.position().lots == 0
    # A stop that finds nothing to close when it fires just ends.
    perpetual.hit(Side.SELL, 599_000, 9_000)
    assert (by_last.status, by_last.expiry_reason) == (Status.EXPIRED, "REDUCE_ONLY")


def test_take_profit_waits_above_a_long(perpetual: PerpetualFloor) -> None:
    perpetual.buy(100)
    profit = perpetual.place(
        Side.SELL,
        Kind.TAKE_PROFIT_MARKET,
        lots=100,
        trigger_ticks=605_000,
        trigger_by=TriggerBy.MARK,
        reduce_only=True,
    )
    assert perpetual.refused(
        Side.SELL,
        Kind.TAKE_PROFIT_MARKET,
        lots=100,
        trigger_ticks=590_000,
        trigger_by=TriggerBy.MARK,
    ).why is (Why.WOULD_TRIGGER)
    perpetual.mark(60_500)
    assert profit.status is Status.FILLED


def test_close_position_takes_its_size_when_it_fires(perpetual: PerpetualFloor) -> None:
    perpetual.buy(100)
    stop = perpetual.place(
        Side.SELL,
        Kind.STOP_MARKET,
        trigger_ticks=590_000,
        trigger_by=TriggerBy.MARK,
        close_fraction=D(1),
    )
    half = perpetual.place(
        Side.SELL,
        Kind.STOP_MARKET,
        trigger_ticks=595_000,
        trigger_by=TriggerBy.MARK,
        close_fraction=D("0.5"),
    )
    perpetual.buy(200)
    perpetual.mark(59_500)
    assert (half.lots, half.status) == (150, Status.FILLED)
    perpetual.mark(59_000)
    assert (stop.lots, stop.status) == (150, Status.FILLED)
    assert perpetual.position().lots == 0


def test_what_waits_for_a_position_ends_with_it(perpetual: PerpetualFloor) -> None:
    perpetual.buy(100)
    stop = perpetual.place(
        Side.SELL,
        Kind.STOP_MARKET,
        trigger_ticks=590_000,
        close_fraction=D(1),
        dies_with_position=True,
    )
    free = perpetual.place(
        Side.SELL, Kind.STOP_MARKET, lots=50, trigger_ticks=590_000, reduce_only=True
    )
    perpetual.sell(40)
    assert stop.status is Status.NEW
    perpetual.sell(60)
    assert (stop.status, stop.expiry_reason) == (Status.EXPIRED, "POSITION_CLOSED")
    assert free.status is Status.NEW


def test_a_stop_without_margin_when_it_fires_is_rejected(perpetual: PerpetualFloor) -> None:
    perpetual.venue.add_account("poor", {"USDT": D(1_000)})
    stop = perpetual.place(
        Side.BUY,
        Kind.STOP_MARKET,
        account="poor",
        lots=1_000,
        trigger_ticks=605_000,
        trigger_by=TriggerBy.MARK,
    )
    assert stop.status is Status.NEW
    perpetual.mark(60_500)
    assert (stop.status, stop.expiry_reason) == (Status.REJECTED, "INSUFFICIENT_MARGIN")


# -- amending ------------------------------------------------------------------


def test_fewer_lots_keep_the_place_a_new_price_does_not(perpetual: PerpetualFloor) -> None:
    venue, now_ns = perpetual.venue, perpetual.now_ns
    first = perpetual.place(Side.BUY, lots=100, price_ticks=599_995)
    second = perpetual.place(Side.BUY, account="b", lots=100, price_ticks=599_995)
    venue.amend("a", perpetual.symbol, now_ns, order_id=first.order_id, lots=60)
    perpetual.hit(Side.SELL, 599_995, 60)
    assert (first.status, second.filled_lots) == (Status.FILLED, 0)
    third = perpetual.place(Side.BUY, lots=100, price_ticks=599_995)
    venue.amend("b", perpetual.symbol, now_ns, client_id=second.client_id, price_ticks=599_994)
    venue.amend("b", perpetual.symbol, now_ns, client_id=second.client_id, price_ticks=599_995)
    perpetual.hit(Side.SELL, 599_995, 100)
    assert (third.status, second.filled_lots) == (Status.FILLED, 0)


def test_an_amended_price_may_trade_at_once(perpetual: PerpetualFloor) -> None:
    order = perpetual.place(Side.BUY, lots=100, price_ticks=599_000)
    perpetual.venue.amend(
        "a", perpetual.symbol, perpetual.now_ns, order_id=order.order_id, price_ticks=600_010
    )
    assert order.status is Status.FILLED
    assert perpetual.position().bid_notional == 0


@pytest.mark.parametrize("kind", [Kind.LIMIT_MAKER, Kind.STOP_MARKET])
def test_a_refused_change_leaves_the_order_as_it_was(kind: Kind, perpetual: PerpetualFloor) -> None:
    rests = kind is Kind.LIMIT_MAKER
    price, trigger = (599_000, 0) if rests else (0, 620_000)
    wrong_price, wrong_trigger = (600_010, None) if rests else (None, 590_000)
    order = perpetual.place(
        Side.BUY,
        kind,
        lots=100,
        trigger_by=TriggerBy.MARK,
        price_ticks=price,
        trigger_ticks=trigger,
    )
    amend = perpetual.venue.amend
    now_ns, symbol, order_id = perpetual.now_ns, perpetual.symbol, order.order_id
    with pytest.raises(Refusal) as refused:
        amend("a", symbol, now_ns, order_id=order_id)
    assert refused.value.why is Why.UNCHANGED
    with pytest.raises(Refusal) as refused:
        amend(
            "a",
            symbol,
            now_ns,
            order_id=order_id,
            price_ticks=wrong_price,
            trigger_ticks=wrong_trigger,
        )
    assert refused.value.why in (Why.WOULD_TAKE, Why.WOULD_TRIGGER)
    with pytest.raises(Refusal):
        amend("a", symbol, now_ns, order_id=order_id, lots=0)
    with pytest.raises(Refusal):
        amend("a", symbol, now_ns, order_id=-5, lots=10)
    assert (order.lots, order.status) == (100, Status.NEW)


def test_amending_moves_margin_and_locks(perpetual: PerpetualFloor, market_floor: Floor) -> None:
    perpetual.mark(60_000)
    order = perpetual.place(Side.BUY, lots=100, price_ticks=590_000)
    perpetual.venue.amend(
        "a", perpetual.symbol, perpetual.now_ns, order_id=order.order_id, lots=200
    )
    assert perpetual.position().bid_notional == D(11_800)
    with pytest.raises(Refusal) as refused:
        perpetual.venue.amend(
            "a", perpetual.symbol, perpetual.now_ns, order_id=order.order_id, lots=900_000
        )
    assert refused.value.why is Why.INSUFFICIENT_BALANCE
    assert perpetual.position().bid_notional == D(11_800)
    spot = market_floor.place(Side.BUY, lots=1_000, price_ticks=5_900_000)
    assert market_floor.balance("USDT")[1] == D(590)
    market_floor.venue.amend(
        "a", market_floor.symbol, market_floor.now_ns, order_id=spot.order_id, lots=500
    )
    assert market_floor.balance("USDT")[1] == D(295)
    market_floor.venue.amend(
        "a",
        market_floor.symbol,
        market_floor.now_ns,
        order_id=spot.order_id,
        lots=2_000,
        price_ticks=5_800_000,
    )
    assert market_floor.balance("USDT")[1] == D(1_160)
