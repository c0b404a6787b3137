"""Whatever traders, marks and funding do: money is conserved and exits only exit."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from obiterm.core.values import NS_PER_S, MarketKind, Side
from obiterm.exchange.api import (
    Kind,
    MarketSpec,
    NewOrder,
    OrderUpdate,
    Origin,
    Refusal,
    Stp,
    TriggerBy,
)
from obiterm.exchange.filters import ALGO_KINDS, PRICED_KINDS
from obiterm.exchange.matching_venue import MatchingVenue

NOW = 1_700_000_000_000_000_000
ZERO = Decimal(0)
START = Decimal(3)
SPEC = MarketSpec(
    symbol="XY.P",
    base="X",
    quote="Y",
    settle="Y",
    kind=MarketKind.PERP,
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.01"),
    min_notional=Decimal("0.01"),
    max_algo_orders=50,
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    max_leverage=Decimal(20),
    default_leverage=Decimal(15),
    maintenance_margin=Decimal("0.02"),
    liquidation_fee=Decimal("0.01"),
    funding_interval_s=3,
    mark_band=Decimal("0.5"),
)
TRADERS = ("ann", "bob", "cat")
DEEDS = ("place", "reduce", "close", "cancel", "amend", "house", "hit", "mark", "wait", "leverage")


class Act(NamedTuple):
    what: str
    account: str
    side: Side
    kind: Kind
    ticks: int
    other_ticks: int
    lots: int


ACTS = st.lists(
    st.builds(
        Act,
        st.sampled_from(DEEDS[:1] * 5 + DEEDS[1:3] * 2 + ("mark",) * 3 + DEEDS),
        st.sampled_from(TRADERS),
        st.sampled_from(Side),
        st.sampled_from(Kind),
        st.integers(85, 115),
        st.integers(85, 115),
        st.integers(1, 300),
    ),
    min_size=1,
    max_size=60,
)


class World:
    """A venue, and every check that must hold after every act."""

    def __init__(self) -> None:
        self.venue = MatchingVenue([SPEC], start_ns=NOW, index={SPEC.symbol: Decimal(10)})
        self.house = self.venue.house(SPEC.symbol)
        for name in TRADERS:
            self.venue.add_account(name, {"Y": START})
        for step in range(1, 4):
            self.house.add(Side.BUY, 100 - step, 500)
            self.house.add(Side.SELL, 100 + step, 500)
        self.now_ns = NOW
        self.total = self.venue.treasury.total("Y")
        self.serial = 0
        self.liquidated: set[str] = set()

    def do(self, act: Act) -> None:
        with contextlib.suppress(Refusal):
            self.try_to(act)
        self.house.done()
        for output in self.venue.drain():
            if isinstance(output, OrderUpdate) and output.order.origin is Origin.LIQUIDATION:
                self.liquidated.add(output.order.account)
        self.check()

    def try_to(self, act: Act) -> None:
        venue, symbol = self.venue, SPEC.symbol
        if act.what in ("place", "reduce", "close"):
            venue.place(act.account, self.request(act), self.now_ns)
        elif act.what in ("cancel", "amend"):
            orders = venue.open_orders(act.account)
            if not orders:
                return
            order_id = orders[act.lots % len(orders)].order_id
            if act.what == "cancel":
                venue.cancel(act.account, symbol, self.now_ns, order_id=order_id)
            else:
                price = act.ticks if act.lots % 2 else None
                venue.amend(
                    act.account,
                    symbol,
                    self.now_ns,
                    order_id=order_id,
                    lots=act.lots,
                    price_ticks=price,
                )
        elif act.what == "house":
            _, bids, asks = venue.depth(symbol, 1)
            facing = asks if act.side is Side.BUY else bids
            if not facing or (facing[0][0] - act.ticks) * act.side.sign > 0:
                self.house.add(act.side, act.ticks, act.lots)
        elif act.what == "hit":
            self.house.take(act.side, act.ticks, act.lots)
        elif act.what == "leverage":
            leverage = Decimal(act.lots % 20 + 1)
            venue.set_leverage(act.account, symbol, leverage, self.now_ns)
        else:
            if act.what == "mark":
                venue.pin_mark(symbol, Decimal(act.ticks) / 10)
            self.now_ns += NS_PER_S * (act.lots % 7 + 1)
            venue.advance(self.now_ns)

    def request(self, act: Act) -> NewOrder:
        self.serial += 1
        closes = act.what == "close"
        kind = act.kind
        if closes and kind not in ALGO_KINDS:
            kind = Kind.STOP_MARKET
        waits = kind in ALGO_KINDS
        return NewOrder(
            symbol=SPEC.symbol,
            side=act.side,
            kind=kind,
            client_id=f"c{self.serial}",
            lots=0 if closes else act.lots,
            close_fraction=Decimal(1) if closes else None,
            dies_with_position=closes and act.lots % 2 == 0,
            reduce_only=act.what == "reduce",
            price_ticks=act.ticks if kind in PRICED_KINDS else 0,
            trigger_ticks=act.other_ticks if waits else 0,
            trigger_by=TriggerBy.MARK if waits and act.lots % 3 == 0 else TriggerBy.LAST,
            stp=list(Stp)[act.lots % 4],
        )

    def check(self) -> None:
        assert self.venue.treasury.total("Y") == self.total
        for name in TRADERS:
            self.check_account(name)

    def check_account(self, name: str) -> None:
        venue = self.venue
        held = venue.position(name, SPEC.symbol)
        fills = venue.fills(name)
        assert held.lots == sum(one.side.sign * one.lots for one in fills)
        for fill in fills:
            order = venue.find_order(name, SPEC.symbol, order_id=fill.order_id)
            if order.reduces:
                assert fill.closed_lots == fill.lots
        unit = SPEC.tick_size * SPEC.lot_size
        resting = {Side.BUY: 0, Side.SELL: 0}
        exits = {Side.BUY: 0, Side.SELL: 0}
        for order in venue.open_orders(name):
            left = order.lots - order.filled_lots
            if order.kind in ALGO_KINDS and not order.triggered:
                continue
            if order.reduces:
                exits[order.side] += left
            else:
                resting[order.side] += order.price_ticks * left
        assert held.bid_notional == unit * resting[Side.BUY]
        assert held.ask_notional == unit * resting[Side.SELL]
        for side in Side:
            room = abs(held.lots) if held.lots * side.sign < 0 else 0
            assert exits[side] <= room
        if name not in self.liquidated:
            flows = sum((-one.side.sign * one.quote - one.fee for one in fills), ZERO)
            funding = sum((one.amount for one in venue.funding_payments(name)), ZERO)
            cost = held.entry * SPEC.lot_size * held.lots
            wallet = venue.collateral(name, "Y").wallet
            assert abs(wallet - (START + flows + funding + cost)) < Decimal("1e-12")


@settings(max_examples=120, deadline=None)
@given(ACTS)
def test_money_is_conserved_and_exits_only_exit(acts: list[Act]) -> None:
    world = World()
    for act in acts:
        world.do(act)
    world.venue.pin_mark(SPEC.symbol, None)
    world.venue.advance(world.now_ns + 30 * NS_PER_S)
    world.check()
