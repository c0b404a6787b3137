"""Money neither appears nor vanishes, whatever traders and the house do."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from obiterm.core.values import Side
from obiterm.exchange.api import (
    DepthDelta,
    Kind,
    MarketSpec,
    NewOrder,
    Order,
    OrderUpdate,
    Refusal,
    Status,
    Stp,
    Tif,
)
from obiterm.exchange.filters import MARKET_KINDS
from obiterm.exchange.matching_venue import MatchingVenue

NOW = 1_700_000_000_000_000_000
SPEC = MarketSpec(
    symbol="XY",
    base="X",
    quote="Y",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.01"),
    min_notional=Decimal("0.01"),
    max_algo_orders=50,
    maker_fee=Decimal("0.00075"),
)
OWNERS = {"ann": "ann", "bob": "bob", "cat": "ann"}
TRADERS = tuple(OWNERS)
PRICES = st.integers(90, 110)


class Act(NamedTuple):
    what: str
    account: str
    side: Side
    kind: Kind
    ticks: int
    other_ticks: int
    lots: int
    tif: Tif
    stp: Stp


ACTS = st.lists(
    st.builds(
        Act,
        st.sampled_from(["place"] * 6 + ["oco", "cancel", "cancel_all", "house", "hit"]),
        st.sampled_from(TRADERS),
        st.sampled_from(Side),
        st.sampled_from(Kind),
        PRICES,
        PRICES,
        st.integers(1, 40),
        st.sampled_from(Tif),
        st.sampled_from(Stp),
    ),
    min_size=1,
    max_size=70,
)


class World:
    """A venue, and every check that must hold after every act."""

    def __init__(self) -> None:
        self.venue = MatchingVenue([SPEC], start_ns=NOW)
        for name in TRADERS:
            self.venue.add_account(name, {"X": Decimal("0.8"), "Y": Decimal(9)}, OWNERS[name])
        self.house = self.venue.house("XY")
        self.totals = self.sums()
        self.serial = 0
        self.last_id = self.venue.depth("XY", 1)[0]
        self.shown: dict[str, dict[int, int]] = {"bids": {}, "asks": {}}

    def sums(self) -> dict[str, Decimal]:
        return {asset: self.venue.treasury.total(asset) for asset in ("X", "Y")}

    def do(self, act: Act) -> None:
        with contextlib.suppress(Refusal):
            self.try_to(act)
        self.house.done()
        self.check()

    def try_to(self, act: Act) -> None:
        venue = self.venue
        if act.what == "house":
            _, bids, asks = venue.depth("XY", 1)
            facing = asks if act.side is Side.BUY else bids
            if not facing or (facing[0][0] - act.ticks) * act.side.sign > 0:
                self.house.add(act.side, act.ticks, act.lots)
        elif act.what == "hit":
            self.house.take(act.side, act.ticks, act.lots)
        elif act.what == "cancel_all":
            venue.cancel_all(act.account, "XY", NOW)
        elif act.what == "cancel":
            orders = venue.open_orders(act.account)
            if orders:
                venue.cancel(
                    act.account, "XY", NOW, order_id=orders[act.lots % len(orders)].order_id
                )
        elif act.what == "oco":
            self.oco(act)
        else:
            venue.place(act.account, self.request(act, act.kind, act.ticks), NOW)

    def oco(self, act: Act) -> None:
        high, low = max(act.ticks, act.other_ticks), min(act.ticks, act.other_ticks)
        profit = Kind.LIMIT_MAKER if act.lots % 2 else Kind.TAKE_PROFIT_LIMIT
        stop = Kind.STOP_MARKET if act.lots % 3 else Kind.STOP_LIMIT
        above, below = (stop, profit) if act.side is Side.BUY else (profit, stop)
        self.venue.place_oco(
            act.account,
            self.request(act, above, high),
            self.request(act, below, low),
            f"list{self.serial}",
            NOW,
        )

    def request(self, act: Act, kind: Kind, ticks: int) -> NewOrder:
        self.serial += 1
        by_quote = kind is Kind.MARKET and act.lots % 2 == 0
        return NewOrder(
            symbol="XY",
            side=act.side,
            kind=kind,
            client_id=f"c{self.serial}",
            lots=0 if by_quote else act.lots,
            quote_qty=Decimal(act.lots) / 10 if by_quote else None,
            price_ticks=0
            if kind in MARKET_KINDS
            else act.other_ticks
            if "_LI" in kind.value
            else ticks,
            trigger_ticks=ticks if kind.value.startswith(("STOP", "TAKE")) else 0,
            tif=act.tif if kind is Kind.LIMIT else Tif.GTC,
            stp=act.stp,
        )

    def check(self) -> None:
        assert self.sums() == self.totals
        for name in TRADERS:
            for free, locked in self.venue.balances(name).values():
                assert free >= 0
                assert locked >= 0
            assert {a: pair[1] for a, pair in self.venue.balances(name).items()} == self.owed(name)
            for order in self.venue.all_orders(name, "XY"):
                self.check_order(order)
        bid, ask = self.venue.top("XY").bid_ticks, self.venue.top("XY").ask_ticks
        assert not (bid and ask) or bid < ask
        self.check_outputs()

    def owed(self, name: str) -> dict[str, Decimal]:
        """What open orders must hold: price or trigger x rest; a list holds its larger leg."""
        by_list: dict[tuple[int, str], Decimal] = {}
        for order in self.venue.open_orders(name):
            left = order.lots - order.filled_lots
            if order.side is Side.SELL:
                asset, amount = "X", SPEC.lot_size * left
            else:
                price = order.trigger_ticks if order.kind in MARKET_KINDS else order.price_ticks
                asset, amount = "Y", SPEC.tick_size * SPEC.lot_size * price * left
            key = (order.list_id if order.list_id > 0 else -order.order_id, asset)
            by_list[key] = max(by_list.get(key, Decimal(0)), amount)
        held = {"X": Decimal(0), "Y": Decimal(0)}
        for (_, asset), amount in by_list.items():
            held[asset] += amount
        return held

    def check_order(self, order: Order) -> None:
        fills = [f for f in self.venue.fills(order.account) if f.order_id == order.order_id]
        assert order.filled_lots == sum(fill.lots for fill in fills) <= order.lots
        assert order.filled_quote == sum((fill.quote for fill in fills), Decimal(0))
        assert (order.status is Status.FILLED) == (order.filled_lots == order.lots)

    def check_outputs(self) -> None:
        """Reports follow each other without a hole, and deltas rebuild the book."""
        for output in self.venue.drain():
            if isinstance(output, DepthDelta):
                assert output.first_id == self.last_id + 1
                self.last_id = output.last_id
                for half, levels in (("bids", output.bids), ("asks", output.asks)):
                    self.shown[half].update(levels)
            elif isinstance(output, OrderUpdate) and output.fill is not None:
                assert output.execution == "TRADE"
        last_id, bids, asks = self.venue.depth("XY", 1_000)
        assert last_id == self.last_id
        assert dict(bids) == {t: lots for t, lots in self.shown["bids"].items() if lots}
        assert dict(asks) == {t: lots for t, lots in self.shown["asks"].items() if lots}


@settings(deadline=None, max_examples=150)
@given(ACTS)
def test_sums_locks_and_books_stay_right(acts: list[Act]) -> None:
    world = World()
    for side, ticks in ((Side.BUY, 98), (Side.SELL, 102), (Side.SELL, 100)):
        world.house.add(side, ticks, 30)
    world.house.take(Side.BUY, 100, 5)
    world.house.done()
    world.check_outputs()
    for act in acts:
        world.do(act)
    for name in TRADERS:
        if world.venue.open_orders(name):
            world.venue.cancel_all(name, "XY", NOW)
    assert world.sums() == world.totals
    assert all(locked == 0 for name in TRADERS for _, locked in world.venue.balances(name).values())
    # Without a report of its own no owner ever met itself under prevention.
    for met in world.venue.self_trades():
        takers = [o for n in TRADERS for o in world.venue.all_orders(n, "XY")]
        taker = next(o for o in takers if o.order_id == met["taker_order_id"])
        assert taker.stp is Stp.NONE
