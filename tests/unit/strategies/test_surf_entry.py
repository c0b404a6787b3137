"""surf on synthetic views: when and how it enters."""

from __future__ import annotations

import msgspec
import pytest

from obiterm.core.values import OrderKind, OrderRole, Side
from tests.unit.strategies.surf_desk import ASK, BID, FULL, PERP, SPOT, D, Desk, tags, wish

# -- entry (SPEC §11) --------------------------------------------------------------------------


@pytest.mark.parametrize(("obi", "enters"), [(0.400, False), (0.402, True), (0.0, False)])
def test_the_entry_threshold_is_strict(obi: float, enters: bool) -> None:
    decision = Desk().see(obi)
    assert tags(decision) == (["entry"] if enters else [])
    assert bool(decision.signal) is enters


def test_an_entry_is_a_post_only_limit_order_that_joins_the_bid() -> None:
    decision = Desk().see(0.5)
    entry = wish(decision, "entry")
    assert (entry.side, entry.kind, entry.role) == (Side.BUY, OrderKind.LIMIT, OrderRole.ENTRY)
    assert (entry.price_ticks, entry.lots, entry.post_only) == (BID, FULL, True)
    assert decision.signal == "OBI +0.500 beyond 0.4: buy"


def test_an_untradable_book_never_gives_an_entry() -> None:
    desk = Desk()
    assert desk.see(0.9, tradable=False).wishes == ()
    desk.see(0.9)
    assert desk.see(0.9, tradable=False).wishes == ()


def test_an_entry_stays_while_obi_holds_and_goes_when_it_fades() -> None:
    desk = Desk()
    assert tags(desk.see(0.5)) == ["entry"]
    assert tags(desk.see(0.25)) == ["entry"]
    decision = desk.see(0.249)
    assert decision.wishes == ()
    assert "does not hold" in decision.reason
    assert desk.see(0.3).wishes == ()


def test_the_signal_is_told_once_per_entry() -> None:
    desk = Desk()
    assert desk.see(0.5).signal
    assert not desk.see(0.5).signal


def test_an_entry_times_out_and_cools_down() -> None:
    desk = Desk(entry_timeout_ms=1_000, cooldown_ms=500)
    desk.see(0.5)
    assert tags(desk.see(0.5, ms=999)) == ["entry"]
    assert desk.see(0.5, ms=1).wishes == ()
    assert "cooling down" in desk.see(0.5, ms=499).reason
    assert tags(desk.see(0.5, ms=1)) == ["entry"]


# -- entry price (Q14) -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "price"), [(-3, BID - 3), (0, BID), (4, BID + 4), (9, ASK - 1), (5_000, ASK - 1)]
)
def test_the_offset_is_behind_joining_or_improving_but_never_crossing(
    offset: int, price: int
) -> None:
    assert wish(Desk(offset_ticks=offset).see(0.5), "entry").price_ticks == price
    short = Desk(PERP, offset_ticks=offset, direction="short")
    mirrored = wish(short.see(-0.5), "entry")
    assert mirrored.side is Side.SELL
    assert mirrored.price_ticks == BID + ASK - price


def test_improving_does_not_chase_our_own_order() -> None:
    desk = Desk(offset_ticks=2)
    price = wish(desk.see(0.5), "entry").price_ticks
    for _ in range(5):  # now we are the best bid
        entry = wish(desk.see(0.5, bid_ticks=price, bid_lots=FULL), "entry")
        assert entry.price_ticks == price
    outbid = wish(desk.see(0.5, bid_ticks=price + 1), "entry")
    assert outbid.price_ticks == price + 3


def test_staying_behind_does_not_follow_our_own_order_down() -> None:
    desk = Desk(offset_ticks=-2)
    price = wish(desk.see(0.5), "entry").price_ticks
    alone = wish(desk.see(0.5, bid_ticks=price, bid_lots=FULL), "entry")
    assert alone.price_ticks == price
    with_others = wish(desk.see(0.5, bid_ticks=price, bid_lots=FULL + 1), "entry")
    assert with_others.price_ticks == price - 2


def test_a_resting_entry_is_left_alone_within_the_tolerance() -> None:
    desk = Desk(reprice_ticks=3)
    first = wish(desk.see(0.5), "entry")
    assert first.tolerance_ticks == 3
    assert wish(desk.see(0.5, bid_ticks=BID + 3), "entry").price_ticks == BID
    assert wish(desk.see(0.5, bid_ticks=BID + 4), "entry").price_ticks == BID + 4


def test_an_entry_that_the_ask_has_reached_steps_back() -> None:
    desk = Desk(reprice_ticks=1_000)
    desk.see(0.5)
    moved = wish(desk.see(0.5, bid_ticks=BID - 20, ask_ticks=BID), "entry")
    assert moved.price_ticks == BID - 20


# -- size --------------------------------------------------------------------------------------


def test_a_share_of_the_free_balance_is_taken_once_per_entry() -> None:
    desk = Desk(quantity=D(0), share_of_balance=D("0.1"))
    entry = wish(desk.see(0.5), "entry")
    assert entry.lots == FULL  # 1,000 of 10,000 at 1,000.00
    desk.now_ms += 100
    busy = msgspec.structs.replace(desk.view(0.5), available_quote=D(9_000))
    assert wish(desk.surf.decide(busy), "entry").lots == FULL


def test_a_size_that_could_not_be_protected_is_not_entered() -> None:
    """The stop's notional, after the fee in coin, must pass the venue's minimum."""
    enough = Desk(quantity=D("0.00504"), stop_bps=D(50))
    assert tags(enough.see(0.5)) == ["entry"]
    too_small = Desk(quantity=D("0.00503"), stop_bps=D(50))
    decision = too_small.see(0.5)
    assert decision.wishes == ()
    assert "minimum" in decision.reason


def test_no_order_is_larger_than_the_venue_takes() -> None:
    small = msgspec.structs.replace(SPOT, max_lots=60_000, market_max_lots=50_000)
    desk = Desk(small, confirm_updates=1)
    assert wish(desk.see(0.5), "entry").lots == 60_000
    desk.hold()
    assert wish(desk.see(0.0), "stop").lots == 50_000
    assert wish(desk.see(-0.6), "exit").lots == 50_000


def test_a_stop_that_fires_ends_the_rest_of_the_entry() -> None:
    desk = Desk(cooldown_ms=0)
    desk.see(0.5)
    desk.hold(30_000)
    assert tags(desk.see(0.5)) == ["stop", "entry"]
    desk.flat()
    assert desk.see(0.3).wishes == ()


def test_the_rest_of_a_partly_filled_entry_is_wished() -> None:
    desk = Desk()
    desk.see(0.5)
    desk.hold(30_000, kept=29_970)
    decision = desk.see(0.5)
    assert tags(decision) == ["stop", "entry"]
    assert wish(decision, "entry").lots == FULL - 30_000
    assert wish(decision, "stop").lots == 29_970
    desk.hold(FULL, kept=99_900)
    assert tags(desk.see(0.5)) == ["stop"]


def test_a_fill_too_small_for_a_stop_waits_for_more() -> None:
    desk = Desk()
    desk.see(0.5)
    desk.hold(400)  # 4 USDT
    assert tags(desk.see(0.5)) == ["entry"]
    assert desk.see(0.0).wishes == ()
    again = desk.see(0.5)
    assert wish(again, "entry").lots == FULL


# -- health gate (Q20) -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("atr", "enters"),
    [(9.0, False), (10.0, True), (200.0, True), (201.0, False), (float("nan"), False)],
)
def test_the_average_true_range_gates_entries(atr: float, enters: bool) -> None:
    desk = Desk(min_atr_bps=D(1), max_atr_bps=D(20))
    assert (tags(desk.see(0.5, atr_ticks=atr)) == ["entry"]) is enters
