"""Positions of a perpetual: entry, P&L, margin, leverage, one account with spot."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.values import Side
from obiterm.exchange.api import (
    BalanceUpdate,
    Kind,
    NewOrder,
    PositionSide,
    PositionUpdate,
    Refusal,
    Status,
    TriggerBy,
    Why,
)

from .conftest import SYMBOL, PerpetualFloor

D = Decimal


def test_a_position_averages_its_entry_and_settles_what_it_closes(
    perpetual: PerpetualFloor,
) -> None:
    perpetual.buy(1_500)
    held = perpetual.position()
    # 1 BTC at 60,001 and half a BTC at 60,002.
    assert held.lots == 1_500
    assert held.entry == (D(60_001) + D(60_002) / 2) / D("1.5")
    fee = (D(60_001) + D(60_002) / 2) * D("0.0005")
    assert perpetual.balance("USDT") == (D(1_000_000) - fee, D(0))
    perpetual.sell(1_000)
    fills = perpetual.venue.fills("a")
    assert fills[-1].realised == (D(59_999) - held.entry).quantize(D("0.00000001"))
    assert fills[-1].closed_lots == 1_000
    assert fills[-1].fee_asset == "USDT"
    rest = perpetual.position()
    assert rest.lots == 500
    assert round(rest.entry, 6) == round(held.entry, 6)


def test_an_order_larger_than_the_position_turns_it(perpetual: PerpetualFloor) -> None:
    perpetual.buy(500)
    perpetual.sell(800)
    held = perpetual.position()
    assert (held.lots, held.entry) == (-300, D(59_999))
    assert perpetual.venue.fills("a")[-1].closed_lots == 500
    perpetual.buy(300)
    assert perpetual.position().lots == 0
    assert perpetual.position().entry == 0


def test_unrealised_follows_the_mark_and_margin_the_leverage(perpetual: PerpetualFloor) -> None:
    perpetual.buy(1_000)
    perpetual.mark(61_000)
    held = perpetual.position()
    assert held.unrealised == D(999)
    assert held.position_margin == D(6_100)
    assert held.maintenance_margin == D(305)
    perpetual.venue.set_leverage("a", perpetual.symbol, D(20), perpetual.now_ns)
    assert perpetual.position().position_margin == D(3_050)
    assert perpetual.position().leverage == D(20)
    state = perpetual.venue.collateral("a", "USDT")
    assert state.equity == state.wallet + 999
    # A gain that is not settled buys nothing.
    assert state.available == state.wallet - D(3_050)


def test_open_orders_keep_margin_only_for_the_larger_outcome(perpetual: PerpetualFloor) -> None:
    perpetual.mark(60_000)
    perpetual.buy(1_000)
    base = perpetual.position().position_margin
    exit_order = perpetual.place(Side.SELL, lots=1_000, price_ticks=610_000)
    assert perpetual.position().initial_margin == base
    perpetual.place(Side.SELL, lots=2_000, price_ticks=610_000)
    assert perpetual.position().initial_margin == (D(183_000) - D(60_000)) / 10
    perpetual.venue.cancel_all("a", perpetual.symbol, perpetual.now_ns)
    assert exit_order.status is Status.CANCELED
    assert perpetual.position().initial_margin == base


def test_margin_bounds_what_may_be_opened_never_what_may_be_closed(
    perpetual: PerpetualFloor,
) -> None:
    perpetual.venue.add_account("poor", {"USDT": D(2_000)})
    assert perpetual.refused(Side.BUY, Kind.MARKET, account="poor", lots=1_000).why is (
        Why.INSUFFICIENT_BALANCE
    )
    perpetual.buy(300, "poor")
    assert perpetual.refused(Side.BUY, account="poor", lots=100, price_ticks=600_000).why is (
        Why.INSUFFICIENT_BALANCE
    )
    perpetual.mark(58_000)
    assert perpetual.sell(300, "poor").status is Status.FILLED


def test_spot_and_perpetual_share_one_balance(perpetual: PerpetualFloor) -> None:
    venue = perpetual.venue
    venue.add_account("both", {"USDT": D(10_000)})
    spot_house = venue.house(SYMBOL)
    spot_house.add(Side.SELL, 6_000_000, 1)
    spot_house.take(Side.BUY, 6_000_000, 1)
    spot = NewOrder(SYMBOL, Side.BUY, Kind.LIMIT, "s1", lots=10_000, price_ticks=5_000_000)
    perpetual.buy(1_000, "both")
    with pytest.raises(Refusal) as refused:
        venue.place("both", spot, perpetual.now_ns)
    assert refused.value.why is Why.INSUFFICIENT_BALANCE
    perpetual.sell(1_000, "both")
    venue.place("both", spot, perpetual.now_ns)
    state = venue.collateral("both", "USDT")
    assert state.locked == D(5_000)
    assert perpetual.refused(Side.BUY, Kind.MARKET, account="both", lots=1_000).why is (
        Why.INSUFFICIENT_BALANCE
    )


def test_changes_are_reported_with_balance_then_position(perpetual: PerpetualFloor) -> None:
    perpetual.buy(100)
    made = perpetual.venue.drain()
    kinds = [type(one) for one in made if isinstance(one, BalanceUpdate | PositionUpdate)]
    assert kinds == [BalanceUpdate, PositionUpdate]
    update = next(one for one in made if isinstance(one, PositionUpdate))
    assert (update.position.account, update.position.lots) == ("a", 100)


def test_leverage_has_bounds_and_must_be_affordable(perpetual: PerpetualFloor) -> None:
    venue, now_ns = perpetual.venue, perpetual.now_ns
    for wrong in (D(0), D(101)):
        with pytest.raises(Refusal) as refused:
            venue.set_leverage("a", perpetual.symbol, wrong, now_ns)
        assert refused.value.why is Why.LEVERAGE
    venue.add_account("poor", {"USDT": D(7_000)})
    perpetual.buy(1_000, "poor")
    with pytest.raises(Refusal) as refused:
        venue.set_leverage("poor", perpetual.symbol, D(5), now_ns)
    assert refused.value.why is Why.INSUFFICIENT_BALANCE
    assert venue.leverage("poor", perpetual.symbol) == 10


def test_hedge_mode_keeps_two_legs(perpetual: PerpetualFloor) -> None:
    venue = perpetual.venue
    venue.set_hedge_mode("a", hedged=True)
    assert perpetual.refused(Side.BUY, Kind.MARKET, lots=10).why is Why.POSITION_SIDE
    long, short = PositionSide.LONG, PositionSide.SHORT
    perpetual.place(Side.BUY, Kind.MARKET, lots=100, position_side=long)
    perpetual.place(Side.SELL, Kind.MARKET, lots=40, position_side=short)
    assert [one.lots for one in venue.positions("a")] == [100, -40]
    # Closing one leg never turns it.
    order = perpetual.place(Side.SELL, Kind.MARKET, lots=500, position_side=long)
    assert (order.lots, order.status) == (100, Status.FILLED)
    with pytest.raises(Refusal) as refused:
        venue.set_hedge_mode("a", hedged=False)
    assert refused.value.why is Why.POSITION_MODE
    perpetual.place(Side.BUY, Kind.MARKET, lots=40, position_side=short)
    venue.set_hedge_mode("a", hedged=False)
    assert not venue.hedge_mode("a")


def test_spot_knows_no_positions(perpetual: PerpetualFloor) -> None:
    venue = perpetual.venue
    for fields in (
        {"reduce_only": True},
        {"position_side": PositionSide.LONG},
        {"trigger_by": TriggerBy.MARK},
    ):
        request = NewOrder(SYMBOL, Side.BUY, Kind.MARKET, "x", lots=100, **fields)
        with pytest.raises(Refusal) as refused:
            venue.place("a", request, perpetual.now_ns)
        assert refused.value.why is Why.NOT_SUPPORTED
    for ask in (venue.mark, venue.funding_rates):
        with pytest.raises(Refusal):
            ask(SYMBOL)
    with pytest.raises(Refusal):
        venue.position("a", SYMBOL)


def test_prices_are_bounded_by_the_mark(perpetual: PerpetualFloor) -> None:
    assert perpetual.refused(Side.BUY, lots=10, price_ticks=640_000).detail == "PERCENT_PRICE_UP"
    assert perpetual.refused(Side.SELL, lots=10, price_ticks=560_000).detail == (
        "PERCENT_PRICE_DOWN"
    )
    assert perpetual.refused(Side.BUY, Kind.MARKET, lots=0).detail == "LOT_SIZE"
    # A market order stops at the band and what is left expires.
    perpetual.venue.add_account("whale", {"USDT": D(10**9)})
    perpetual.house.add(Side.SELL, 700_000, 5_000)
    order = perpetual.buy(12_000, "whale")
    assert (order.status, order.filled_lots) == (Status.EXPIRED, 10_000)
