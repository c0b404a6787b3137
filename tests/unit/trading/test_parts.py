"""Small parts on their own: ids, wishes against what rests, shares of a fill, fill log."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.commands import PlaceOrder
from obiterm.core.effects import Effect
from obiterm.core.events import Filled
from obiterm.core.values import ClientOrderId, OrderRole, OrderState, RunId, Side, VenueOrderId
from obiterm.strategies.base import Wish
from obiterm.trading import fill_log
from obiterm.trading.adoption import Adopter
from obiterm.trading.executor import compare
from obiterm.trading.fill_log import FillLog
from obiterm.trading.ids import make_client_id, read_client_id, short_name
from obiterm.trading.order_states import TrackedOrder
from tests.trading_support.stage import ASK, BID, BTC, BTCUSDT, Stage, entry, leave, sends, stop

# -- ids --------------------------------------------------------------------------------------


@given(
    number=st.integers(0, 9_999_999),
    role=st.sampled_from(OrderRole),
    owner=st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789-_"), min_size=1),
    tag=st.text(max_size=20),
)
def test_an_id_says_whose_it_is_and_fits_every_venue(
    number: int, role: OrderRole, owner: str, tag: str
) -> None:
    client_id = make_client_id(RunId("tk3x9zab"), number, role, owner, tag)
    assert len(client_id) <= 36
    parts = read_client_id(client_id)
    assert parts is not None
    assert (parts.run, parts.number, parts.role) == ("tk3x9zab", number, role)
    assert parts.owner == short_name(owner)


@pytest.mark.parametrize("foreign", ["", "web_1", "ob-1-2", "ob-r-1z-a-b", "x-ob-r-1e-a-b", "obr1"])
def test_other_ids_are_foreign(foreign: str) -> None:
    assert read_client_id(foreign) is None


def test_names_that_begin_alike_stay_apart() -> None:
    names = ["surf-btcusdt-a", "surf-btcusdt-b", "surf", "surf-1", "surf1", "manual", "panic"]
    assert len({short_name(name) for name in names}) == len(names)
    assert short_name("surf") == "surf"
    assert all(len(short_name(name)) <= 8 for name in names)


def test_names_that_cannot_be_told_apart_are_refused() -> None:
    goal = short_name("twin-name")
    twin = next(name for n in range(10**6) if short_name(name := f"twin-name-{n}") == goal)
    with pytest.raises(ValueError, match="same short name"):
        Adopter(["twin-name", twin])


# -- compare ----------------------------------------------------------------------------------

RESTS = OrderState.OPEN


def order(wish: Wish, state: OrderState = RESTS, filled: int = 0) -> TrackedOrder:
    stage = Stage()
    stage.ready()
    stage.puppet.wishes = (entry(wish.lots + filled, tag="entry"),)
    stage.book()
    intent = msgspec.structs.replace(
        stage.sent[0],
        side=wish.side,
        kind=wish.kind,
        role=wish.role,
        tag=wish.tag,
        lots=wish.lots + filled,
        price_ticks=wish.price_ticks,
        trigger_ticks=wish.trigger_ticks,
    )
    tracked = TrackedOrder(intent, state)
    tracked.filled_lots = filled
    return tracked


@pytest.mark.parametrize("state", [s for s in OrderState if not s.is_final])
def test_an_order_that_is_not_settled_blocks_its_tag(state: OrderState) -> None:
    """T7: at most one live order per intent, whatever its state."""
    other = entry(10, BID - 100)
    difference = compare([other], [order(entry(10, BID), state)])
    assert difference.place == ()
    settled = state in (OrderState.OPEN, OrderState.PARTIAL)
    assert len(difference.cancel) == settled
    assert difference.waiting == (other,)


def test_what_rests_as_wished_is_kept() -> None:
    wish = entry(10, BID)
    assert compare([wish], [order(wish)]).keep != ()
    near = msgspec.structs.replace(wish, price_ticks=BID + 2, tolerance_ticks=2)
    assert compare([near], [order(wish)]).keep != ()
    far = msgspec.structs.replace(wish, price_ticks=BID + 3, tolerance_ticks=2)
    assert compare([far], [order(wish)]).cancel != ()
    part = order(entry(6, BID), OrderState.PARTIAL, filled=4)
    assert compare([entry(6, BID)], [part]).keep == (part,)
    assert compare([entry(10, BID)], [part]).cancel == (part,)


def test_what_is_not_wished_is_cancelled_once_it_is_settled() -> None:
    assert compare([], [order(entry(10))]).cancel != ()
    assert compare([], [order(entry(10), OrderState.SENT)]).cancel == ()
    assert compare([], [order(entry(10), OrderState.CANCELLING)]).cancel == ()


def test_an_exit_drops_protection_and_waits_for_it() -> None:
    """T45."""
    resting = order(stop(10))
    difference = compare([stop(10), leave(10)], [resting])
    assert difference.cancel == (resting,)
    assert difference.waiting == (leave(10),)
    assert compare([leave(10)], []).place == (leave(10),)
    assert compare([leave(10)], [order(stop(10), OrderState.CANCELLING)]).place == ()


def test_of_twins_one_stays() -> None:
    """T51."""
    first, second = order(stop(10)), order(stop(10))
    difference = compare([stop(10)], [first, second])
    assert (difference.keep, difference.cancel) == ((first,), (second,))


# -- shares -----------------------------------------------------------------------------------


def test_one_fill_gives_each_owner_one_share() -> None:
    """A hand that sells more than all hold: each closes its part, the rest is no position."""
    stage = Stage(base=Decimal(1))
    stage.ready()
    stage.puppet.wishes = (entry(500),)
    stage.book()
    stage.ack("entry")
    stage.puppet.wishes = ()
    stage.fill("entry", 500)
    buy = sends(_place(stage, Side.BUY, 100))[0]
    stage.step(stage.fill_event(buy, 100))
    stage.kernel.gate.balances["BTC"] = (Decimal(1), Decimal(0))
    sell = sends(_place(stage, Side.SELL, 1_000))[0]
    stage.step(stage.fill_event(sell, 1_000, BID, fee=Decimal("0.1"), fee_asset="USDT"))
    gate = stage.kernel.gate
    total = sum((p.quantity for p in gate.positions.values()), Decimal(0))
    assert total == 0
    assert gate.position("one", BTC).is_flat
    assert gate.position("manual", BTC).is_flat
    assert sum(p.fees_quote for p in gate.positions.values()) == Decimal("0.06")


def _place(stage: Stage, side: Side, lots: int) -> list[Effect]:
    return stage.command(PlaceOrder(account="main", symbol=BTC, side=side, lots=lots))


# -- fill log ---------------------------------------------------------------------------------

CID = ClientOrderId("ob-r-1e-one-entry")


def test_a_total_that_is_covered_owes_nothing() -> None:
    log = FillLog()
    log.told(CID, 0, 0)
    assert log.debtors == []
    log.told(CID, 10, 0)
    assert log.debtors == [CID]
    log.told(CID, 5, 0)  # old news
    log.inherit(CID, 10)
    assert log.debtors == []


def test_missing_fills_are_asked_for_less_and_less_often_and_then_given_up() -> None:
    log = FillLog()
    log.told(CID, 10, 0)
    asked, given_up = [], []
    for tenth in range(600):
        overdue = log.overdue(tenth * 100_000_000)
        if overdue.fetch:
            asked.append(tenth)
        given_up += overdue.given_up
    gaps = [b - a for a, b in pairwise(asked)]
    assert gaps == sorted(gaps)
    assert len(asked) == 6
    assert given_up == [CID]


def test_the_log_of_fills_keeps_the_newest_trades_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not grow for days; what is read again is never so old."""
    monkeypatch.setattr(fill_log, "_TRADES_KEPT", 3)
    log = FillLog()
    fills = [carried(trade_id) for trade_id in range(5)]
    for one in fills:
        log.book(one)
    assert [log.is_known(one) for one in fills] == [False, False, True, True, True]


def test_a_position_without_a_market_counts_at_what_was_paid() -> None:
    """A restart knows the position before the first book: it must not be worth nothing."""
    stage = Stage()
    stage.step(carried(1))
    assert stage.kernel.markets[BTC].mark_ticks == 0
    assert stage.kernel.gate.exposure_quote() == BTCUSDT.notional(BID, 1_000)
    stage.ready()
    assert stage.kernel.gate.exposure_quote() == BTCUSDT.notional((BID + ASK) // 2, 1_000)


def carried(trade_id: int) -> Filled:
    """Return a fill of an order of an earlier run."""
    return Filled(
        symbol=BTC,
        client_id=CID,
        venue_id=VenueOrderId("1"),
        trade_id=trade_id,
        side=Side.BUY,
        price_ticks=BID,
        lots=1_000,
        fee=Decimal(0),
        fee_asset="USDT",
        is_maker=True,
        event_ns=trade_id,
        received_ns=trade_id,
    )
