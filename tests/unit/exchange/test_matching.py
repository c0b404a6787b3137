"""Price-time priority, against a list that is sorted again for every order."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from obiterm.core.values import Side
from obiterm.exchange.api import Stp
from obiterm.exchange.matching import (
    HOUSE,
    FifoBook,
    Match,
    Prevented,
    Resting,
    Taker,
    quote_budget,
    quote_lots,
    sweep,
)


class Step(NamedTuple):
    side: Side
    ticks: int
    lots: int
    owner: str
    stp: Stp


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(Side),
        st.integers(90, 110),
        st.integers(1, 20),
        st.sampled_from(["ann", "bob", HOUSE]),
        st.sampled_from(Stp),
    ),
    min_size=1,
    max_size=60,
)


class SlowBook:
    """The rule written down as plainly as possible."""

    def __init__(self) -> None:
        self.orders: list[list[object]] = []

    def take(self, order_id: int, step: Step) -> tuple[list[tuple[int, int]], int]:
        fills: list[tuple[int, int]] = []
        left = step.lots
        while left:
            facing = [
                o
                for o in self.orders
                if o[1] is not step.side and (int(str(o[2])) - step.ticks) * step.side.sign <= 0
            ]
            if not facing:
                break
            best = min(facing, key=lambda o: (int(str(o[2])) * step.side.sign, int(str(o[0]))))
            mine = best[4] == step.owner and step.owner != HOUSE and step.stp is not Stp.NONE
            if mine:
                if step.stp is not Stp.EXPIRE_TAKER:
                    self.orders.remove(best)
                if step.stp is not Stp.EXPIRE_MAKER:
                    return fills, 0
                continue
            lots = min(left, int(str(best[3])))
            best[3] = int(str(best[3])) - lots
            left -= lots
            fills.append((int(str(best[0])), lots))
            if best[3] == 0:
                self.orders.remove(best)
        if left:
            self.orders.append([order_id, step.side, step.ticks, left, step.owner])
        return fills, left


def run(book: FifoBook, order_id: int, step: Step) -> list[tuple[int, int]]:
    taker = Taker(order_id, step.owner, step.side, step.ticks, step.lots, step.stp)
    swept = sweep(book, taker)
    if swept.left_lots and not swept.taker_expired:
        book.rest(Resting(order_id, step.owner, step.side, step.ticks, swept.left_lots))
    return [(s.maker.order_id, s.lots) for s in swept.steps if isinstance(s, Match)]


@settings(deadline=None)
@given(STEPS)
def test_fills_come_in_price_then_time_order(steps: list[Step]) -> None:
    book, slow = FifoBook(), SlowBook()
    for order_id, step in enumerate(steps, start=1):
        expected, _ = slow.take(order_id, step)
        assert run(book, order_id, step) == expected
    rest = {int(str(o[0])): int(str(o[3])) for o in slow.orders}
    assert {o.order_id: o.lots for o in book.orders.values()} == rest


@settings(deadline=None)
@given(STEPS)
def test_book_is_never_crossed_and_levels_add_up(steps: list[Step]) -> None:
    book = FifoBook()
    shown: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
    for order_id, step in enumerate(steps, start=1):
        run(book, order_id, step)
        bid, ask = book.best(Side.BUY)[0], book.best(Side.SELL)[0]
        assert not (bid and ask) or bid < ask
        for side, changes in zip((Side.BUY, Side.SELL), book.take_changes(), strict=True):
            for ticks, lots in changes:
                shown[side][ticks] = lots
            shown[side] = {ticks: lots for ticks, lots in shown[side].items() if lots}
            assert dict(book.levels(side, 1_000)) == shown[side]
        for half in (book.bids, book.asks):
            assert half.prices == sorted(half.levels)
            for level in half.levels.values():
                assert level.lots == sum(order.lots for order in level.queue.values())
                assert list(level.queue) == sorted(level.queue)


@settings(deadline=None)
@given(STEPS, st.integers(1, 50), st.sampled_from(Side))
def test_a_quote_is_what_the_sweep_then_does(steps: list[Step], lots: int, side: Side) -> None:
    book = FifoBook()
    for order_id, step in enumerate(steps, start=1):
        run(book, order_id, step)
    taker = Taker(1_000, HOUSE, side, 0, lots)
    quoted = quote_lots(book, taker)
    budgeted = quote_budget(book, taker, quoted.cost)
    made = [(s.maker.ticks, s.lots) for s in sweep(book, taker).steps if isinstance(s, Match)]
    assert quoted.lots == sum(lots for _, lots in made)
    assert quoted.cost == sum(ticks * lots for ticks, lots in made)
    assert quoted.exhausted == (quoted.lots < lots)
    assert budgeted.lots == quoted.lots
    assert budgeted.cost == quoted.cost


def own_book() -> FifoBook:
    book = FifoBook()
    book.rest(Resting(1, "ann", Side.SELL, 100, 5))
    book.rest(Resting(2, "bob", Side.SELL, 100, 5))
    return book


def test_expire_maker_removes_the_own_order_and_trades_on() -> None:
    book = own_book()
    swept = sweep(book, Taker(3, "ann", Side.BUY, 100, 4, Stp.EXPIRE_MAKER))
    assert isinstance(swept.steps[0], Prevented)
    assert [s.maker.order_id for s in swept.steps] == [1, 2]
    assert list(book.orders) == [2]
    assert swept.left_lots == 0


def test_expire_taker_ends_the_taker_and_keeps_the_own_order() -> None:
    book = own_book()
    swept = sweep(book, Taker(3, "ann", Side.BUY, 100, 4, Stp.EXPIRE_TAKER))
    assert swept.taker_expired
    assert swept.left_lots == 4
    assert list(book.orders) == [1, 2]


def test_expire_both_ends_both() -> None:
    book = own_book()
    swept = sweep(book, Taker(3, "ann", Side.BUY, 100, 4, Stp.EXPIRE_BOTH))
    assert swept.taker_expired
    assert list(book.orders) == [2]


def test_without_prevention_an_owner_meets_itself() -> None:
    swept = sweep(own_book(), Taker(3, "ann", Side.BUY, 100, 4, Stp.NONE))
    assert [(s.maker.order_id, type(s)) for s in swept.steps] == [(1, Match)]
