"""Whatever is asked for and in whatever order it fills: limits hold, and closes never turn.

The venue of these tests is a net position that cuts reduce-only orders to it, and fills
what it likes of what rests, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from obiterm.core.limits import RiskLimits
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import OrderKind, OrderRole, OrderState, Side, TradingState
from tests.trading_support.perpetual import PerpStage
from tests.trading_support.stage import ASK, BID, BTC, Puppet

D = Decimal
OWNERS = ("one", "one", "two", "manual")
ROLES = (OrderRole.ENTRY, OrderRole.ENTRY, OrderRole.MANUAL, OrderRole.EXIT, OrderRole.STOP)
OPENING = (OrderRole.ENTRY, OrderRole.MANUAL)
MONEY = D(10_000)
LIMITS = RiskLimits(
    max_order_notional=D(5_000),
    max_position_notional=D(6_000),
    max_exposure_notional=D(30_000),
    max_open_orders=200,
    max_orders_per_10s=300,
    max_daily_loss=D(10**6),
    max_leverage=D("1"),
)

_SLACK = D(ASK) / D(BID)
"""Orders are judged at their own price, positions valued at another."""

ASKED = st.tuples(
    st.sampled_from(OWNERS),
    st.sampled_from(ROLES),
    st.sampled_from(Side),
    st.one_of(st.sampled_from([2_000, 3_000, 4_999]), st.integers(6, 6_000)),
    st.booleans(),
    st.lists(st.integers(0, 9), max_size=3),
)
"""Who wants what, whether it only reduces, and which resting orders fill afterwards."""
Asked = tuple[str, OrderRole, Side, int, bool, list[int]]


class Venue:
    """A net position and what rests; the kernel learns of everything at once."""

    def __init__(self, money: Decimal = MONEY) -> None:
        self.stage = PerpStage({"one": Puppet(), "two": Puppet()}, LIMITS, quote=money)
        self.stage.ready()
        self.gate = self.stage.kernel.gate
        self.resting: list[OrderIntent] = []
        self.lots = 0

    def ask(self, owner: str, role: OrderRole, side: Side, lots: int, reduces: bool) -> bool:
        """Pass an order through the gate; it rests when it is approved."""
        kind = {
            OrderRole.ENTRY: OrderKind.LIMIT,
            OrderRole.EXIT: OrderKind.MARKET,
            OrderRole.STOP: OrderKind.STOP_MARKET,
        }.get(role, OrderKind.LIMIT)
        if (owner == "manual") is not (role is OrderRole.MANUAL) and role in OPENING:
            role = OrderRole.MANUAL if owner == "manual" else OrderRole.ENTRY
        intent = OrderIntent(
            client_id=self.gate.next_id(role, owner, f"t{len(self.resting)}"),
            symbol=BTC,
            side=side,
            kind=kind,
            lots=lots,
            role=role,
            owner=owner,
            price_ticks=(BID if side is Side.BUY else ASK) if kind is OrderKind.LIMIT else 0,
            trigger_ticks=MID_STOP[side] if kind is OrderKind.STOP_MARKET else 0,
            reduce_only=reduces,
        )
        outcome = self.gate.check(intent, self.stage.now_ns)
        if not isinstance(outcome, ApprovedOrder):
            return False
        self.gate.desk.sent(outcome, self.stage.now_ns)
        self.stage.report(intent, OrderState.OPEN)
        self.resting.append(intent)
        return True

    def fill(self, which: Iterable[int]) -> None:
        for number in which:
            if self.resting:
                self._fill(self.resting.pop(number % len(self.resting)))

    def _fill(self, intent: OrderIntent) -> None:
        """Fill an order whole; a reducing one as far as there is something to reduce."""
        self.stage.later(1)
        lots = intent.lots
        if intent.reduce_only:
            lots = min(lots, max(0, -self.lots * intent.side.sign))
        if lots:
            self.lots += lots * intent.side.sign
            price = BID if intent.side is Side.SELL else ASK
            self.stage.step(self.stage.fill_event(intent, lots, price))
            self.stage.told(self.lots)
        if lots < intent.lots:
            self.stage.report(intent, OrderState.CANCELLED, lots)
        self.stage.book()

    def drop(self) -> None:
        """Cancel all that rests."""
        for intent in self.resting:
            self.stage.report(intent, OrderState.CANCELLED)
        self.resting = []


MID_STOP = {Side.BUY: ASK + 1_000, Side.SELL: BID - 1_000}


def worth(lots: int) -> Decimal:
    return D(BID) * D("0.01") * D("0.00001") * abs(lots)


@settings(max_examples=100, deadline=None)
@given(st.lists(ASKED, min_size=8, max_size=25), st.sampled_from(["0.5", "1"]))
def test_no_order_of_fills_brings_a_position_beyond_its_limits(
    asked: list[Asked], share: str
) -> None:
    """Either the position's own limit binds, or with little money the leverage."""
    money = MONEY * D(share)
    venue = Venue(money)
    for owner, role, side, lots, reduces, fills in asked:
        venue.ask(owner, role, side, lots, reduces)
        venue.fill(fills)
        assert venue.gate.net_lots(BTC) == venue.lots
        assert worth(venue.lots) <= LIMITS.max_position_notional * _SLACK
        assert worth(venue.lots) <= money * LIMITS.max_leverage * _SLACK
        held = [p.lots for (_, s), p in venue.gate.positions.items() if s == BTC]
        assert sum(map(abs, held)) == abs(sum(held))  # T12: nobody against another
    venue.stage.settle(*([venue.lots] if venue.lots else []))
    assert venue.gate.venue.alarms == 0


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(Side), st.integers(6, 4_999), st.lists(ASKED, min_size=8, max_size=25))
def test_what_passes_while_reducing_never_grows_nor_turns_a_position(
    side: Side, lots: int, asked: list[Asked]
) -> None:
    venue = Venue()
    assert venue.ask("one", OrderRole.ENTRY, side, lots, False)
    venue.fill([0])
    venue.drop()
    venue.gate.enter(TradingState.REDUCING)
    before = venue.lots
    for owner, role, wanted, size, reduces, fills in asked:
        wanted = wanted if size % 5 == 0 else side.opposite
        part = max(6, lots * (size % 4 + 1) // 4)
        venue.ask(owner, role, wanted, part, reduces)
        venue.fill(fills)
        assert venue.lots * side.sign >= 0
        assert abs(venue.lots) <= abs(before)
        before = venue.lots
        assert venue.gate.net_lots(BTC) == venue.lots


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(Side),
            st.integers(1, 3_000),
            st.integers(BID - 500_000, ASK + 500_000),
            st.integers(-(10**6), 10**6),
            st.integers(0, 10**6),
        ),
        max_size=25,
    ),
    st.integers(BID - 500_000, ASK + 500_000),
)
def test_the_result_is_money_and_what_is_held_with_funding(
    events: list[tuple[Side, int, int, int, int]], mark: int
) -> None:
    """realised + unrealised - fees + funding = cash flow + lots at the mark, long and short."""
    stage = PerpStage()
    stage.ready()
    cash, held, paid = D(0), D(0), D(0)
    gate = stage.kernel.gate
    for number, (side, lots, ticks, funding, fee) in enumerate(events):
        intent = OrderIntent(
            client_id=gate.next_id(OrderRole.ENTRY, "one", f"t{number}"),
            symbol=BTC,
            side=side,
            kind=OrderKind.LIMIT,
            lots=lots,
            role=OrderRole.ENTRY,
            owner="one",
            price_ticks=ticks,
        )
        gate.desk.sent(ApprovedOrder(intent, stage.now_ns), stage.now_ns)
        cost = D(fee).scaleb(-6)
        stage.step(stage.fill_event(intent, lots, ticks, fee=cost))
        stage.paid(str(D(funding).scaleb(-5)), f"f{number}")
        stage.paid(str(D(funding).scaleb(-5)), f"f{number}")
        coins = D(lots * side.sign) * D("0.00001")
        cash += -coins * ticks * D("0.01") - cost
        held += coins
        paid += D(funding).scaleb(-5)
    position = gate.position("one", BTC)
    total = gate.booked_quote() + position.unrealised(mark)
    assert total == cash + paid + held * mark * D("0.01")
    assert gate.funding.total == paid
    assert gate.whole_lots(BTC) == held / D("0.00001")


def test_what_reduces_beyond_its_owners_part_closed_the_others() -> None:
    """T12: the venue cuts a reduce-only order to the net position, whoever's it is."""
    venue = Venue()
    for owner in ("one", "two"):
        assert venue.ask(owner, OrderRole.ENTRY, Side.BUY, 2_000, False)
        venue.fill([0])
    for _ in range(2):
        assert venue.ask("one", OrderRole.ENTRY, Side.SELL, 2_000, True)
    venue.fill([0, 0])
    assert venue.lots == 0
    assert [position.lots for position in venue.gate.positions.values()] == [0, 0]
