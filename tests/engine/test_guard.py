"""The guard by itself: which books are one, what meets what, who gives way (R15 Q13)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obiterm.core.events import DepthSnapshotted
from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder, OrderIntent
from obiterm.core.values import (
    ClientOrderId,
    Environment,
    MarketKind,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
)
from obiterm.engine.guard import Seat, SelfTradeGuard, is_close, make_way
from obiterm.engine.guarded_books import book_of
from obiterm.market.state import MarketState
from obiterm.trading.order_states import TrackedOrder
from tests.trading_support.stage import BTC, BTCUSDT

BID, ASK = 10_000, 10_010
WIDE = 10_000
"""Lots on each level of the book: more than any order here."""
SIM, LIVE = Environment.SIM, Environment.LIVE
S = OrderState


class Account:
    """A party whose orders the test holds in its hands."""

    def __init__(self, name: str, depth: int = WIDE) -> None:
        self.name = name
        self.collar_bps = Decimal(200)
        self.orders: list[TrackedOrder] = []
        self.strangers: list[LiveOrder] = []
        self.leaving = 0
        self.gave_way: list[TrackedOrder] = []
        self._market = MarketState(BTC, BTCUSDT, 20)
        self._market.apply(
            DepthSnapshotted(
                symbol=BTC,
                last_id=1,
                bids=[(BID - n, depth) for n in range(30)],
                asks=[(ASK + n, depth) for n in range(30)],
                event_ns=1,
                received_ns=1,
            )
        )
        self._number = 0

    def market(self, symbol: Symbol) -> MarketState:
        return self._market

    def live(self, symbol: Symbol) -> Iterable[TrackedOrder]:
        return [one for one in self.orders if not one.state.is_final]

    def foreign(self, symbol: Symbol) -> Iterable[LiveOrder]:
        return self.strangers

    def leaving_lots(self, symbol: Symbol) -> int:
        return self.leaving

    def give_way(self, order: TrackedOrder, reason: str) -> None:
        order.advance(S.CANCELLING, 1)
        self.gave_way.append(order)

    def wish(
        self,
        side: Side,
        price: int = 0,
        *,
        role: OrderRole = OrderRole.ENTRY,
        lots: int = 10,
        trigger: int = 0,
        time_in_force: TimeInForce = TimeInForce.GTC,
    ) -> OrderIntent:
        self._number += 1
        kind = OrderKind.LIMIT if price else OrderKind.MARKET
        return OrderIntent(
            client_id=ClientOrderId(f"{self._number}"),
            symbol=BTC,
            side=side,
            kind=OrderKind.STOP_MARKET if trigger else kind,
            lots=lots,
            role=role,
            owner="one",
            price_ticks=price,
            trigger_ticks=trigger,
            time_in_force=time_in_force,
        )

    def has(self, intent: OrderIntent, state: OrderState = S.OPEN) -> TrackedOrder:
        order = TrackedOrder(intent, S.SENT)
        if state is not S.SENT:
            order.advance(state, 1)
        self.orders.append(order)
        return order


class Two:
    """Two accounts at one book."""

    def __init__(self, depth: int = WIDE) -> None:
        self.guard = SelfTradeGuard()
        self.a, self.b = Account("a", depth), Account("b", depth)
        self.at_a = join(self.guard, self.a)
        self.at_b = join(self.guard, self.b)

    def refusal(self, intent: OrderIntent) -> str:
        """Return why b may not send ``intent``."""
        found = self.guard.meeting(self.at_b, intent)
        return found.text if found is not None else ""


def join(
    guard: SelfTradeGuard,
    account: Account,
    instrument: Instrument = BTCUSDT,
    environment: Environment = SIM,
    address: str = "http://one",
) -> Seat:
    return guard.join(account, environment, address, {instrument.symbol: instrument})[
        instrument.symbol
    ]


# -- books ------------------------------------------------------------------------------------


def test_one_book_under_two_names_is_one_and_everything_else_is_not() -> None:
    book = book_of(BTCUSDT, LIVE, "https://one")
    renamed = msgspec.structs.replace(BTCUSDT, symbol=Symbol("XBTUSDT"))
    assert book_of(renamed, LIVE, "https://one") == book
    assert book_of(BTCUSDT, LIVE, "https://another.address.of.the.venue") == book
    for other in (
        msgspec.structs.replace(BTCUSDT, venue="bybit"),
        msgspec.structs.replace(BTCUSDT, kind=MarketKind.PERP, settle="USDT"),
        msgspec.structs.replace(BTCUSDT, quote="USDC"),
    ):
        assert book_of(other, LIVE, "https://one") != book
    assert book_of(BTCUSDT, Environment.TESTNET, "https://one") != book
    assert book_of(BTCUSDT, SIM, "http://one") != book_of(BTCUSDT, SIM, "http://two")


def test_an_account_that_starts_anew_is_not_its_own_rival() -> None:
    two = Two()
    two.a.has(two.a.wish(Side.BUY, BID))
    again = Account("a")
    seat = join(two.guard, again)
    assert two.guard.meeting(seat, again.wish(Side.SELL, BID)) is None
    assert two.refusal(two.b.wish(Side.SELL, BID)) == "", "the old orders are adopted by the new"
    again.has(again.wish(Side.BUY, BID))
    assert two.refusal(two.b.wish(Side.SELL, BID))


# -- what meets what --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state", [S.SENT, S.OPEN, S.PARTIAL, S.CANCELLING, S.UNKNOWN], ids=lambda s: s.value
)
def test_every_order_that_may_rest_counts(state: OrderState) -> None:
    two = Two()
    two.a.has(two.a.wish(Side.BUY, BID), state)
    assert two.refusal(two.b.wish(Side.SELL, BID)) == (
        "would meet our own BUY at 100.00 of account a (R15)"
    )
    assert two.refusal(two.b.wish(Side.SELL, BID - 1))
    assert not two.refusal(two.b.wish(Side.SELL, BID + 1))
    assert not two.refusal(two.b.wish(Side.BUY, BID + 1))
    two.a.orders[0].advance(S.FILLED, 2)
    assert not two.refusal(two.b.wish(Side.SELL, BID))


def test_a_market_order_reaches_as_far_as_the_collar() -> None:
    two = Two()
    two.a.has(two.a.wish(Side.SELL, ASK + 190))
    assert two.refusal(two.b.wish(Side.BUY))
    two.a.orders.clear()
    two.a.has(two.a.wish(Side.SELL, ASK + 210))
    assert not two.refusal(two.b.wish(Side.BUY))


def test_a_market_order_in_a_thin_book_reaches_anything() -> None:
    two = Two(depth=1)
    two.a.has(two.a.wish(Side.SELL, 10 * ASK))
    assert two.refusal(two.b.wish(Side.BUY, lots=20))
    assert not two.refusal(two.b.wish(Side.BUY, lots=15))


def test_two_market_orders_do_not_meet_but_one_takes_what_comes_to_rest() -> None:
    two = Two()
    two.a.has(two.a.wish(Side.BUY), S.SENT)
    assert not two.refusal(two.b.wish(Side.SELL))
    assert two.refusal(two.b.wish(Side.SELL, ASK + 5)).startswith(
        "would meet our own BUY at market"
    )


def test_a_stop_meets_nothing_until_it_is_about_to_fire() -> None:
    two = Two()
    two.a.has(two.a.wish(Side.SELL, trigger=BID - 20, role=OrderRole.STOP))
    assert not two.refusal(two.b.wish(Side.SELL, trigger=BID - 50, role=OrderRole.STOP))
    assert not two.refusal(two.b.wish(Side.BUY, BID - 1))
    two.a.orders.clear()
    two.a.has(two.a.wish(Side.SELL, trigger=BID - 9, role=OrderRole.STOP))
    assert "stop at 99.91, about to fire," in two.refusal(two.b.wish(Side.BUY, BID - 1))
    assert not two.refusal(two.b.wish(Side.BUY, BID - 300)), "out of its reach"
    at_once = two.b.wish(Side.BUY, ASK, time_in_force=TimeInForce.IOC)
    assert not two.refusal(at_once), "it does not rest"


def test_entries_in_the_way_of_a_stop_about_to_fire_are_withdrawn_and_closes_are_not() -> None:
    two = Two()
    two.a.has(two.a.wish(Side.SELL, trigger=BID - 5, role=OrderRole.STOP))
    entry = two.b.has(two.b.wish(Side.BUY, BID))
    two.b.has(two.b.wish(Side.BUY, BID, role=OrderRole.TAKE_PROFIT))
    two.b.has(two.b.wish(Side.BUY, BID - 1_000))
    make_way(two.guard.near_stops(two.at_a), "stop")
    assert two.b.gave_way == [entry]
    make_way(two.guard.near_stops(two.at_a), "stop")
    assert two.b.gave_way == [entry], "asked once"


def test_orders_that_people_placed_on_the_other_account_count_for_entries_only() -> None:
    two = Two()
    two.a.strangers.append(
        LiveOrder(
            symbol=BTC,
            client_id=ClientOrderId("web_1"),
            venue_id=VenueOrderId("7"),
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            lots=5,
            filled_lots=0,
            price_ticks=BID,
            trigger_ticks=0,
            created_ns=0,
        )
    )
    assert "placed elsewhere" in two.refusal(two.b.wish(Side.SELL, BID))
    assert two.guard.in_the_way(two.at_b, two.b.wish(Side.SELL, role=OrderRole.EXIT)) == []


def test_nothing_comes_to_rest_in_front_of_an_emergency_exit() -> None:
    two = Two()
    two.a.leaving = 30
    assert "emergency exit" in two.refusal(two.b.wish(Side.BUY, BID - 5))
    assert not two.refusal(two.b.wish(Side.SELL, ASK + 5))
    two.a.leaving = -30
    assert two.refusal(two.b.wish(Side.SELL, ASK + 5))


# -- giving way -------------------------------------------------------------------------------


def test_of_two_closes_that_wait_for_each_other_the_first_goes_first() -> None:
    """Both sides close: a's exit at market, b's target that rests in its way and comes back."""
    two = Two()
    gone: list[str] = []
    target = two.b.has(two.b.wish(Side.BUY, BID, role=OrderRole.TAKE_PROFIT))
    leave = two.a.wish(Side.SELL, role=OrderRole.EXIT)
    exit_order = two.a.has(leave, S.SENT)
    assert two.guard.hold(two.at_a, leave, lambda: gone.append("exit"))
    assert two.b.gave_way == [target]
    again = two.b.wish(Side.BUY, BID, role=OrderRole.TAKE_PROFIT)
    target.advance(S.CANCELLED, 2)
    second = two.b.has(again, S.SENT)
    assert two.guard.hold(two.at_b, again, lambda: gone.append("target"))
    assert second not in two.b.gave_way
    two.guard.settle()
    assert gone == ["exit"], "it does not wait for what waits for it"
    two.guard.settle()
    assert gone == ["exit"], "the target waits while the exit is on its way"
    exit_order.advance(S.FILLED, 3)
    two.guard.settle()
    assert gone == ["exit", "target"]
    assert not two.guard.is_holding


def test_a_close_without_anybody_in_its_way_is_not_held() -> None:
    two = Two()
    leave = two.a.wish(Side.SELL, role=OrderRole.EXIT)
    two.a.has(leave, S.SENT)
    assert two.guard.hold(two.at_a, leave, lambda: None) == []
    assert not two.guard.is_holding


# -- any interleaving -------------------------------------------------------------------------

DEEDS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["limit", "limit", "limit", "market", "close", "target", "stop", "end"]),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(BID - 8, ASK + 8),
        st.booleans(),
    ),
    max_size=60,
)


ROLES = {
    "close": OrderRole.EXIT,
    "target": OrderRole.TAKE_PROFIT,
    "stop": OrderRole.STOP,
}


class Play:
    """Three accounts at one book whose venue answers late."""

    def __init__(self) -> None:
        self.guard = SelfTradeGuard()
        self.accounts = [Account(name) for name in "abc"]
        self.seats = [join(self.guard, one) for one in self.accounts]
        self.out: set[int] = set()
        """Orders that have left, by identity."""
        self.closes: list[TrackedOrder] = []

    def leaves(self, order: TrackedOrder) -> None:
        self.out.add(id(order))
        if order.intent.kind is OrderKind.MARKET:
            order.advance(S.FILLED, 9)

    def sends(self, who: int, deed: str, side: Side, price: int, answers: bool) -> None:
        account, seat = self.accounts[who], self.seats[who]
        role = ROLES.get(deed, OrderRole.ENTRY)
        trigger = price + side.sign * 400 if deed == "stop" else 0
        at_market = deed in ("market", "close", "stop")
        intent = account.wish(side, 0 if at_market else price, role=role, trigger=trigger)
        order = account.has(intent, S.SENT)
        if is_close(intent) and not trigger:
            self.closes.append(order)
            if not self.guard.hold(seat, intent, lambda: self.leaves(order)):
                self.leaves(order)
        elif self.guard.meeting(seat, intent) is not None:
            order.advance(S.REJECTED, 7)
        else:
            self.leaves(order)
            if answers and not order.state.is_final:
                order.advance(S.OPEN, 7)

    def ends(self, account: Account, also_resting: bool) -> None:
        for order in account.orders:
            if order.state is S.CANCELLING or (id(order) in self.out and also_resting):
                order.advance(S.CANCELLED, 8)


@settings(max_examples=150)
@given(DEEDS)
def test_no_two_orders_at_the_venue_ever_cross(
    deeds: list[tuple[int, str, Side, int, bool]],
) -> None:
    """Orders stay SENT and CANCELLING until a later deed. Every close has left at the end."""
    play = Play()
    for who, deed, side, price, answers in deeds:
        if deed == "end":
            play.ends(play.accounts[who], also_resting=answers)
        else:
            play.sends(who, deed, side, price, answers)
        play.guard.settle()
        _assert_uncrossed(play.accounts, play.out)
    while play.guard.is_holding:
        before = len(play.out)
        for account in play.accounts:
            play.ends(account, also_resting=True)
        play.guard.settle()
        assert len(play.out) > before
    assert all(id(order) in play.out for order in play.closes)


def _assert_uncrossed(accounts: list[Account], out: set[int]) -> None:
    resting = [
        (account.name, order)
        for account in accounts
        for order in account.live(BTC)
        if id(order) in out and order.intent.kind is OrderKind.LIMIT
    ]
    for name, buy in resting:
        for other, sell in resting:
            if name != other and buy.intent.side is Side.BUY and sell.intent.side is Side.SELL:
                assert buy.intent.price_ticks < sell.intent.price_ticks


# -- cost -------------------------------------------------------------------------------------


def test_an_account_alone_at_its_book_pays_nothing() -> None:
    """The door looks at ``seat.rivals`` and goes on: well below a microsecond."""
    guard = SelfTradeGuard()
    alone = Account("a")
    seat = join(guard, alone)
    assert seat.rivals == []
    intent = alone.wish(Side.BUY, BID)
    seats = {BTC: seat}
    best = min(_ns_each(lambda: seats[intent.symbol].rivals and guard.meeting(seat, intent)))
    assert best < 1_000


def _ns_each(call: object, times: int = 20_000) -> Iterable[float]:
    assert callable(call)
    for _ in range(5):
        began = time.perf_counter_ns()
        for _ in range(times):
            call()
        yield (time.perf_counter_ns() - began) / times
