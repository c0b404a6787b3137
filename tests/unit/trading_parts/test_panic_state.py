"""ACTIVE, REDUCING, HALTED: who may move between them."""

from __future__ import annotations

import pytest

from obiterm.core.commands import (
    AnyCommand,
    CancelSymbol,
    ClosePosition,
    EmergencyExit,
    HoldFire,
    Kill,
    Rearm,
    StartStrategy,
    StopStrategy,
)
from obiterm.core.effects import Latch, Panic, Reconcile
from obiterm.core.values import Environment, Symbol, TradingState
from obiterm.trading.panic_state import armed_at_start, next_state, rearm_refusal, start_state

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
OTHERS: list[AnyCommand] = [
    CancelSymbol("*", Symbol("BTCUSDT")),
    ClosePosition("main", Symbol("BTCUSDT")),
    StartStrategy("main", "surf"),
    StopStrategy("main", "surf"),
]


@pytest.mark.parametrize("state", TradingState)
@pytest.mark.parametrize("command", [Kill("*"), EmergencyExit("main")])
def test_a_kill_halts_from_every_state(state: TradingState, command: AnyCommand) -> None:
    assert next_state(state, command) is HALTED
    assert next_state(state, Panic(flatten=True, who="key")) is HALTED


def test_hold_fire_reduces_but_never_lifts_a_halt() -> None:
    assert next_state(ACTIVE, HoldFire("*")) is REDUCING
    assert next_state(REDUCING, HoldFire("*")) is REDUCING
    assert next_state(HALTED, HoldFire("*")) is HALTED


@pytest.mark.parametrize("state", TradingState)
def test_only_the_typed_word_arms(state: TradingState) -> None:
    assert next_state(state, Rearm("main", "main"), "main") is ACTIVE
    assert next_state(state, Rearm("*", "all"), "main") is ACTIVE
    for wrong in (
        Rearm("main", "MAIN"),
        Rearm("main", "all"),
        Rearm("*", "main"),
        Rearm("*", ""),
        Rearm("other", "other"),
    ):
        assert rearm_refusal(wrong, "main")
        assert next_state(state, wrong, "main") is state


def test_a_refusal_names_the_word_to_type() -> None:
    assert rearm_refusal(Rearm("main", "yes"), "main") == "type 'main' to arm, not 'yes'"
    assert rearm_refusal(Rearm("*", "yes"), "main") == "type 'all' to arm, not 'yes'"


@pytest.mark.parametrize("state", TradingState)
@pytest.mark.parametrize("command", OTHERS, ids=lambda c: type(c).__name__)
def test_no_other_command_moves_the_state(state: TradingState, command: AnyCommand) -> None:
    assert next_state(state, command, "main") is state
    assert next_state(state, Reconcile(reason="regular"), "main") is state


def test_a_latch_from_disk_is_taken_and_a_restart_does_not_arm() -> None:
    assert next_state(ACTIVE, Latch(state=REDUCING, reason="x")) is REDUCING
    assert start_state(None) is ACTIVE
    assert start_state(HALTED) is HALTED
    assert start_state(REDUCING) is REDUCING


@pytest.mark.parametrize("environment", Environment)
def test_real_money_is_never_armed_by_a_start(environment: Environment) -> None:
    expected = environment is not Environment.LIVE
    assert armed_at_start(environment, None) is expected
    assert armed_at_start(environment, REDUCING) is expected
    assert armed_at_start(environment, HALTED) is False
