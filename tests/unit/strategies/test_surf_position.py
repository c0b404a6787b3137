"""surf on synthetic views: how it protects and leaves; shorts, parameters, the card."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from obiterm.core.errors import ConfigError
from obiterm.core.values import OrderKind, OrderRole, Side
from obiterm.strategies.surf_parameters import SurfParameters
from tests.unit.strategies.surf_desk import ASK, FULL, PERP, SPOT, D, Desk, tags, wish

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
    desk.hold(-FULL, average=100_000, kept=FULL)
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
