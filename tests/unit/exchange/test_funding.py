"""Marks, funding payments and liquidations."""

from __future__ import annotations

import itertools
from decimal import Decimal

import msgspec
import pytest

from obiterm.core.values import NS_PER_S, Side
from obiterm.exchange.api import (
    BalanceUpdate,
    Cause,
    FundingPayment,
    Kind,
    MarkPrice,
    NewOrder,
    OrderUpdate,
    Origin,
    PositionUpdate,
    Status,
)
from obiterm.exchange.ledger import build_ledger
from obiterm.exchange.specs import listings
from obiterm.exchange.venue import SimVenue

from .conftest import PERPETUAL, START_NS, SYMBOL, PerpetualFloor

D = Decimal


def short_intervals(seconds: int = 2) -> PerpetualFloor:
    return PerpetualFloor(msgspec.structs.replace(PERPETUAL, funding_interval_s=seconds))


def test_longs_pay_shorts_at_the_end_of_each_interval() -> None:
    floor = short_intervals()
    floor.buy(1_000)
    floor.sell(1_000, "b")
    start = floor.balance("USDT")[0]
    floor.mark(60_000)
    rate = floor.venue.mark(floor.symbol).rate
    floor.venue.drain()
    floor.wait(4)
    long, short = (floor.venue.funding_payments(name) for name in ("a", "b"))
    assert len(long) == len(short) == 2
    assert rate == D("0.00000001") or rate >= 0
    for paid, received in zip(long, short, strict=True):
        assert paid.amount == -received.amount
        assert paid.amount == (-D(60_000) * paid.rate).quantize(D("0.00000001"))
        assert paid.time_ns % (2 * NS_PER_S) == 0
    assert floor.balance("USDT")[0] == start + sum(one.amount for one in long)
    made = floor.venue.drain()
    assert sum(isinstance(one, FundingPayment) for one in made) == 4
    causes = {one.cause for one in made if isinstance(one, BalanceUpdate | PositionUpdate)}
    assert causes == {Cause.FUNDING}
    ledger = build_ledger(floor.venue)["accounts"]["a"]  # type: ignore[index]
    assert len(ledger["funding"]) == 2


def test_the_rate_follows_the_premium_within_its_cap() -> None:
    spec = msgspec.structs.replace(PERPETUAL, funding_interval_s=8 * 3600, funding_cap=D("0.0004"))
    floor = PerpetualFloor(spec)
    # The market is its own index: no premium, and interest of a hundredth of a percent.
    floor.wait(5)
    assert floor.venue.mark(floor.symbol).rate == D("0.00010000")
    assert len(floor.venue.funding_rates(floor.symbol)) == 60
    sim = SimVenue.named(["BTCUSDT"], seed=7, start_ns=START_NS, venue="binance-futures")
    rates = set()
    for minute in range(10):
        sim.advance(START_NS + minute * 60 * NS_PER_S)
        rates.add(sim.mark("BTCUSDT").rate)
    assert all(abs(rate) <= D("0.003") for rate in rates)


def test_the_mark_stands_by_the_index_and_moves_smoothly() -> None:
    sim = SimVenue.named(["BTCUSDT", "BTCUSDT.P"], seed=7, start_ns=START_NS, venue="bybit")
    marks: list[MarkPrice] = []
    for tenth in range(600):
        sim.advance(START_NS + tenth * NS_PER_S // 10)
        marks += [one for one in sim.drain() if isinstance(one, MarkPrice)]
    assert len(marks) > 250
    for mark in marks:
        assert abs(mark.mark / mark.index - 1) < D("0.002")
    jumps = [abs(b.mark / a.mark - 1) for a, b in itertools.pairwise(marks)]
    assert max(jumps) < D("0.0005")
    assert marks[-1].next_funding_ns % (8 * 3600 * NS_PER_S) == 0


def test_an_account_that_cannot_carry_its_position_is_closed_by_the_house(
    perpetual: PerpetualFloor,
) -> None:
    venue = perpetual.venue
    venue.add_account("bold", {"USDT": D(7_000)})
    perpetual.buy(1_000, "bold")
    resting = perpetual.place(
        Side.SELL, account="bold", lots=1_000, price_ticks=610_000, reduce_only=True
    )
    shown = perpetual.position("bold").liquidation_price
    perpetual.mark(int(shown) + 50)
    assert perpetual.position("bold").lots == 1_000
    venue.drain()
    perpetual.mark(int(shown) - 50)
    assert perpetual.position("bold").lots == 0
    assert (resting.status, resting.expiry_reason) == (Status.CANCELED, "LIQUIDATION")
    updates = [one for one in venue.drain() if isinstance(one, OrderUpdate | PositionUpdate)]
    closing = [
        one.order
        for one in updates
        if isinstance(one, OrderUpdate) and one.order.origin is Origin.LIQUIDATION
    ]
    assert closing[0].client_id.startswith("autoclose-")
    assert closing[-1].status is Status.FILLED
    causes = [one.cause for one in updates if isinstance(one, PositionUpdate)]
    assert causes[-1] is Cause.LIQUIDATION
    # It sold at 59,999 in the book, far above the pinned mark, and paid the fee on top.
    fee = perpetual.venue.fills("bold")[-1].fee
    assert fee > 0
    wallet = venue.collateral("bold", "USDT").wallet
    assert wallet < D(7_000) - D(500)


def test_the_house_takes_over_at_mark_and_pays_the_debt(perpetual: PerpetualFloor) -> None:
    venue = perpetual.venue
    venue.add_account("bold", {"USDT": D(7_000)})
    perpetual.buy(1_000, "bold")
    total = venue.treasury.total("USDT")
    perpetual.hit(Side.SELL, 1, 10_000)
    assert not venue.depth(perpetual.symbol, 5)[1]
    perpetual.mark(50_000)
    held = perpetual.position("bold")
    assert held.lots == 0
    state = venue.collateral("bold", "USDT")
    assert state.wallet == 0
    assert venue.treasury.total("USDT") == total
    causes = [one.cause for one in venue.drain() if isinstance(one, BalanceUpdate)]
    assert causes[-1] is Cause.INSURANCE


def test_a_liquidation_frees_what_spot_orders_lock(perpetual: PerpetualFloor) -> None:
    venue = perpetual.venue
    spot_house = venue.house(SYMBOL)
    spot_house.add(Side.SELL, 6_000_000, 1)
    spot_house.take(Side.BUY, 6_000_000, 1)
    venue.add_account("both", {"USDT": D(10_000)})
    perpetual.buy(1_000, "both")
    spot = venue.place(
        "both",
        NewOrder(SYMBOL, Side.BUY, Kind.LIMIT, "s", lots=5_000, price_ticks=5_000_000),
        perpetual.now_ns,
    )
    assert perpetual.venue.balances("both")["USDT"][1] == D(2_500)
    perpetual.mark(50_100)
    assert spot.status is Status.CANCELED
    assert perpetual.position("both").lots == 0


@pytest.mark.parametrize(
    ("venue", "symbol"),
    [("binance-futures", "BTCUSDT"), ("bybit", "BTCUSDT.P"), ("backpack", "SOL_USDC_PERP")],
)
def test_built_in_perpetuals_trade(venue: str, symbol: str) -> None:
    listed = listings(venue, [symbol])
    spec = listed[0].spec
    sim = SimVenue(listed, seed=3, start_ns=START_NS)
    sim.add_account("main", {spec.settle: D(100_000)})
    sim.advance(START_NS + NS_PER_S)
    lots = int(D(1_000) / (listed[0].price * spec.lot_size))
    order = sim.place(
        "main", NewOrder(spec.symbol, Side.SELL, Kind.MARKET, "c", lots=lots), START_NS + NS_PER_S
    )
    assert order.status is Status.FILLED
    assert sim.position("main", spec.symbol).lots == -lots
