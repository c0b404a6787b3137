"""surf on synthetic views: when it buys, protects and leaves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from obiterm.core.errors import ConfigError
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, MarketKind, OrderKind, OrderRole, Side, Symbol
from obiterm.strategies.base import Decision, MarketView, PositionView, View, Wish
from obiterm.strategies.surf import Surf
from obiterm.strategies.surf_parameters import SurfParameters

D = Decimal
SPOT = Instrument(
    "binance",
    Symbol("BTCUSDT"),
    MarketKind.SPOT,
    "BTC",
    "USDT",
    tick_size=D("0.01"),
    lot_size=D("0.00001"),
    min_notional=D(5),
)
PERP = msgspec.structs.replace(SPOT, kind=MarketKind.PERP)
BID, ASK = 100_000, 100_010
"""1,000.00 and 1,000.10."""
FULL = 100_000
"""Lots of quantity 1."""


class Desk:
    """Feeds a surf instance one view after another; time and book updates go on by themselves."""

    def __init__(self, instrument: Instrument = SPOT, **parameters: Any) -> None:
        values: dict[str, Any] = {"quantity": D(1), "reprice_ticks": 0} | parameters
        self.instrument = instrument
        self.surf = Surf(SurfParameters(**values), instrument)
        self.now_ms = 1_000
        self.updates = 0
        self.trips = 0
        self.position = PositionView(0, 0.0, 0, 0, D(0), 0)

    def view(self, obi: float, **market: Any) -> View:
        known: dict[str, Any] = {
            "bid_ticks": BID,
            "bid_lots": 10 * FULL,
            "ask_ticks": ASK,
            "ask_lots": 10 * FULL,
            "last_ticks": BID,
            "obi": obi,
            "micro_ticks": 0.0,
            "flow": 0.0,
            "atr_ticks": 50.0,
            "tradable": True,
            "depth_updates": self.updates,
        }
        return View(
            now_ns=self.now_ms * NS_PER_MS,
            instrument=self.instrument,
            market=MarketView(**(known | market)),
            position=self.position,
            available_quote=D(10_000),
        )

    def see(self, obi: float = 0.0, *, ms: int = 100, updates: int = 1, **market: Any) -> Decision:
        """Let ``ms`` pass and ``updates`` book messages arrive; return the decision."""
        self.now_ms += ms
        self.updates += updates
        return self.surf.decide(self.view(obi, **market))

    def hold(self, lots: int = FULL, average: float = BID, kept: int | None = None) -> None:
        self.position = PositionView(
            lots, average, self.now_ms * NS_PER_MS, lots if kept is None else kept, D(0), self.trips
        )

    def flat(self) -> None:
        self.trips += 1
        self.position = PositionView(0, 0.0, 0, 0, D(0), self.trips)


def wish(decision: Decision, tag: str) -> Wish:
    (found,) = [w for w in decision.wishes if w.tag == tag]
    return found


def tags(decision: Decision) -> list[str]:
    return [w.tag for w in decision.wishes]


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


# -- protection --------------------------------------------------------------------------------


def test_a_stop_market_rests_at_once_after_any_fill() -> None:
    desk = Desk(stop_bps=D(50))
    desk.see(0.5)
    desk.hold(FULL, kept=99_900)
    stop = wish(desk.see(0.5), "stop")
    assert (stop.side, stop.kind, stop.role) == (Side.SELL, OrderKind.STOP_MARKET, OrderRole.STOP)
    assert (stop.trigger_ticks, stop.lots) == (99_500, 99_900)


def test_the_stop_stays_wished_while_the_book_cannot_be_traded_on() -> None:
    desk = Desk()
    desk.hold()
    assert tags(desk.see(-0.9, tradable=False, bid_ticks=0, ask_ticks=0)) == ["stop"]


def test_an_inherited_position_is_protected_first() -> None:
    """T32 T43 T46: a fresh instance that starts with a position."""
    desk = Desk()
    desk.hold(average=100_100)
    assert tags(desk.see(0.9)) == ["stop"]
    assert wish(desk.see(0.9), "stop").trigger_ticks == 99_599


def test_the_stop_trails_the_best_price_from_its_start_on() -> None:
    desk = Desk(stop_bps=D(50), trail_start_bps=D(30), trail_bps=D(20), trail_step_bps=D(2))
    desk.hold()

    def trigger(bid: int) -> int:
        return wish(desk.see(bid_ticks=bid, ask_ticks=bid + 10), "stop").trigger_ticks

    assert trigger(100_000) == 99_500
    assert trigger(100_299) == 99_500
    assert trigger(100_300) == 100_099  # 100,300 less 20 bps, rounded away from the market
    assert trigger(101_000) == 100_798
    assert trigger(100_900) == 100_798
    stop = wish(desk.see(bid_ticks=100_900), "stop")
    assert stop.tolerance_ticks == 20
    leave = desk.see(bid_ticks=100_798, ask_ticks=100_800)
    assert tags(leave) == ["exit"]
    assert leave.signal.startswith("trailing stop: +79.8 bps")


def test_a_passed_protective_stop_that_does_not_fire_leads_to_an_exit() -> None:
    """T24: "would trigger immediately" must not leave a position unprotected."""
    desk = Desk(stop_bps=D(50), stop_grace_ms=500, trail_bps=D(0))
    desk.hold()
    beyond = {"bid_ticks": 99_500, "ask_ticks": 99_510}
    assert tags(desk.see(**beyond)) == ["stop"]
    assert tags(desk.see(ms=400, **beyond)) == ["stop"]
    assert tags(desk.see(ms=50, bid_ticks=99_501, ask_ticks=99_510)) == ["stop"]
    assert tags(desk.see(ms=100, **beyond)) == ["stop"]
    assert tags(desk.see(ms=500, **beyond)) == ["exit"]


# -- the guard (R102 R109 Q16) -------------------------------------------------------------------


@pytest.mark.parametrize(("obi", "leaves"), [(-0.499, False), (-0.5, True), (0.9, False)])
def test_the_guard_leaves_at_the_exit_threshold(obi: float, leaves: bool) -> None:
    desk = Desk(confirm_updates=1)
    desk.hold()
    decision = desk.see(obi)
    assert tags(decision) == (["exit"] if leaves else ["stop"])


def test_the_guard_is_confirmed_by_updates_in_a_row() -> None:
    desk = Desk(confirm_updates=3, confirm_ms=0)
    desk.hold()
    assert tags(desk.see(-0.6)) == ["stop"]
    assert tags(desk.see(-0.6, updates=0)) == ["stop"]  # no new book message, no confirmation
    assert tags(desk.see(-0.6)) == ["stop"]
    assert tags(desk.see(-0.2)) == ["stop"]
    assert tags(desk.see(-0.6)) == ["stop"]
    assert tags(desk.see(-0.6)) == ["stop"]
    decision = desk.see(-0.6)
    assert tags(decision) == ["exit"]
    assert decision.signal == "guard: OBI -0.600 against us, 3 updates"


def test_the_guard_is_confirmed_by_time() -> None:
    desk = Desk(confirm_updates=1_000, confirm_ms=300)
    desk.hold()
    assert tags(desk.see(-0.6)) == ["stop"]
    assert tags(desk.see(-0.6, ms=299, updates=0)) == ["stop"]
    assert tags(desk.see(-0.6, ms=1, updates=0)) == ["exit"]


def test_a_confirmation_does_not_bridge_a_time_without_sight() -> None:
    desk = Desk(confirm_updates=2, confirm_ms=300)
    desk.hold()
    desk.see(-0.6)
    desk.see(-0.6, ms=1_000, updates=50, tradable=False)
    assert tags(desk.see(-0.6)) == ["stop"]
    assert tags(desk.see(-0.6)) == ["exit"]


def test_a_decided_exit_stays_wished_until_flat() -> None:
    desk = Desk(confirm_updates=1)
    desk.hold()
    first = wish(desk.see(-0.6), "exit")
    assert (first.side, first.kind, first.role) == (Side.SELL, OrderKind.MARKET, OrderRole.EXIT)
    desk.hold(60_000)
    again = desk.see(0.9)
    assert wish(again, "exit").lots == 60_000
    assert not again.signal
    assert tags(desk.see(0.0, tradable=False)) == ["exit"]
    desk.flat()
    assert desk.see(0.0).wishes == ()


# -- other exits -------------------------------------------------------------------------------


def test_the_target_and_the_longest_holding_time_lead_out() -> None:
    desk = Desk(take_profit_bps=D(10), max_hold_s=60)
    desk.hold()
    assert tags(desk.see(bid_ticks=100_099)) == ["stop"]
    decision = desk.see(bid_ticks=100_100, ask_ticks=100_110)
    assert tags(decision) == ["exit"]
    assert decision.signal == "target: +10.0 bps"
    slow = Desk(max_hold_s=60)
    slow.hold()
    assert tags(slow.see(ms=59_999)) == ["stop"]
    assert slow.see(ms=1).signal == "held 60 s"


def test_after_an_exit_it_cools_down_before_the_next_entry() -> None:
    desk = Desk(confirm_updates=1, cooldown_ms=2_000)
    desk.hold()
    desk.see(-0.6)
    desk.flat()
    assert "cooling down" in desk.see(0.9).reason
    assert desk.see(0.9, ms=1_999).wishes == ()
    assert tags(desk.see(0.9, ms=1)) == ["entry"]


def test_a_rest_too_small_to_sell_ends_the_exit() -> None:
    desk = Desk(confirm_updates=1, cooldown_ms=2_000)
    desk.hold()
    desk.see(-0.6)
    desk.hold(400)
    assert "cooling down" in desk.see(-0.6).reason
    assert tags(desk.see(0.9, ms=2_000)) == ["entry"]


# -- shorts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["short", "both"])
def test_spot_refuses_shorts_when_built(direction: str) -> None:
    with pytest.raises(ConfigError, match=r"direction = .*expected 'long'.*spot"):
        Desk(SPOT, direction=direction)


def test_a_perpetual_short_is_the_mirror_of_a_long() -> None:
    desk = Desk(PERP, direction="both", confirm_updates=1, stop_bps=D(50))
    assert tags(desk.see(-0.4)) == []
    entry = wish(desk.see(-0.402), "entry")
    assert (entry.side, entry.price_ticks) == (Side.SELL, ASK)
    desk.hold(-FULL, average=100_000, kept=0)
    stop = wish(desk.see(-0.402), "stop")
    assert (stop.side, stop.trigger_ticks, stop.reduce_only) == (Side.BUY, 100_500, True)
    assert stop.lots == FULL
    trailed = desk.see(-0.4, bid_ticks=98_990, ask_ticks=99_000)
    assert wish(trailed, "stop").trigger_ticks == 99_198
    leave = wish(desk.see(0.5, bid_ticks=98_990, ask_ticks=99_000), "exit")
    assert (leave.side, leave.lots, leave.reduce_only) == (Side.BUY, FULL, True)


def test_long_only_ignores_selling_pressure_and_short_only_buying() -> None:
    assert Desk(direction="long").see(-0.9).wishes == ()
    assert Desk(PERP, direction="short").see(0.9).wishes == ()


# -- parameters --------------------------------------------------------------------------------


def test_every_parameter_has_help_and_a_default() -> None:
    for name, field in SurfParameters.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


@pytest.mark.parametrize(
    "values",
    [
        {"enter_obi": 1.0},
        {"enter_obi": 0.2},
        {"obi_levels": 0},
        {"confirm_updates": 0},
        {"stop_bps": 0},
        {"share_of_balance": 1.1},
        {"min_atr_bps": 5, "max_atr_bps": 4},
        {"unknown": 1},
        {"direction": "up"},
    ],
)
def test_parameters_out_of_bounds_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SurfParameters(**values)


def test_a_quantity_below_one_lot_is_refused_when_built() -> None:
    with pytest.raises(ConfigError, match="quantity"):
        Desk(quantity=D("0.000001"))


# -- the card ----------------------------------------------------------------------------------


def test_the_report_tells_numbers_and_changes_nothing() -> None:
    desk = Desk(trail_bps=D(20), trail_start_bps=D(30))
    idle = desk.surf.report(desk.view(0.3))
    assert (idle.signal, idle.enter_at, idle.exit_at, idle.position_share) == (0.3, 0.4, -0.5, 0.0)
    desk.see(0.5)
    assert ("entering", "BUY 1000.00") in desk.surf.report(desk.view(0.5)).lines
    desk.hold(50_000)
    desk.see(0.5, bid_ticks=101_000, ask_ticks=101_010)
    held = desk.surf.report(desk.view(0.5))
    assert held.position_share == 0.5
    assert ("stop", "trailing 1007.98") in held.lines
    assert desk.surf.report(desk.view(0.5)) == held
    shared = Desk(quantity=D(0), share_of_balance=D("0.2"))
    shared.hold(100_000)
    assert shared.surf.report(shared.view(0.0)).position_share == pytest.approx(1_000 / 2_200)
    short = Desk(PERP, direction="short").surf
    assert short.report(desk.view(0.0)).enter_at == -0.4


# -- whole series ------------------------------------------------------------------------------


def test_a_series_buys_protects_and_sells() -> None:
    desk = Desk(confirm_updates=2, cooldown_ms=0)
    seen = [tags(desk.see(obi)) for obi in (0.1, 0.45, 0.5)]
    desk.hold()
    seen += [tags(desk.see(obi)) for obi in (0.5, 0.1, -0.3, -0.55, -0.6)]
    desk.flat()
    seen += [tags(desk.see(obi)) for obi in (-0.6, 0.1, 0.6)]
    assert seen == [
        [],
        ["entry"],
        ["entry"],
        ["stop"],
        ["stop"],
        ["stop"],
        ["stop"],
        ["exit"],
        [],
        [],
        ["entry"],
    ]


STEP = st.tuples(
    st.floats(-1, 1),
    st.integers(0, 3_000),
    st.integers(0, 3),
    st.integers(90_000, 110_000),
    st.integers(1, 50),
    st.booleans(),
    st.sampled_from([None, 0, 300, 40_000, FULL]),
)


@given(
    st.lists(STEP, max_size=40),
    st.integers(-20, 60),
    st.integers(0, 20),
    st.sampled_from([(SPOT, "long"), (PERP, "both"), (PERP, "short")]),
)
def test_no_series_makes_it_cross_oversell_or_go_unprotected(
    steps: list[tuple[float, int, int, int, int, bool, int | None]],
    offset: int,
    reprice: int,
    market: tuple[Instrument, str],
) -> None:
    instrument, direction = market
    desk = Desk(instrument, direction=direction, offset_ticks=offset, reprice_ticks=reprice)
    for obi, ms, updates, bid, spread, tradable, lots in steps:
        if lots == 0:
            desk.flat()
        elif lots is not None:
            sign = -1 if direction == "short" else 1
            desk.hold(lots * sign, average=float(bid), kept=lots)
        ask = bid + spread
        decision = desk.see(
            obi, ms=ms, updates=updates, bid_ticks=bid, ask_ticks=ask, tradable=tradable
        )
        names = tags(decision)
        assert len(names) == len(set(names))
        assert decision.reason
        held = desk.position.lots
        for one in decision.wishes:
            assert one.lots > 0
            if one.tag == "entry":
                assert tradable
                assert one.post_only
                assert one.price_ticks < ask if one.side is Side.BUY else one.price_ticks > bid
                assert instrument is PERP or one.side is Side.BUY
            else:
                assert one.side is (Side.SELL if held > 0 else Side.BUY)
                assert one.lots <= abs(held)
        if abs(held) >= 40_000:
            assert ("stop" in names) != ("exit" in names)
            assert "exit" not in names or names == ["exit"]
        if not held:
            assert names in ([], ["entry"])


@given(st.lists(STEP, max_size=30))
def test_the_same_views_give_the_same_decisions(
    steps: list[tuple[float, int, int, int, int, bool, int | None]],
) -> None:
    """R32: no clock, no randomness."""
    runs = []
    for _ in range(2):
        desk = Desk()
        run = []
        for obi, ms, updates, bid, spread, tradable, lots in steps:
            if lots:
                desk.hold(lots)
            run.append(
                desk.see(
                    obi,
                    ms=ms,
                    updates=updates,
                    bid_ticks=bid,
                    ask_ticks=bid + spread,
                    tradable=tradable,
                )
            )
        runs.append(run)
    assert runs[0] == runs[1]
