"""What an account may do next: the rules of ACTIVE, REDUCING and HALTED (SPEC §6)."""

from __future__ import annotations

from obiterm.core.commands import (
    ALL_ACCOUNTS,
    AnyCommand,
    EmergencyExit,
    HoldFire,
    Kill,
    Rearm,
)
from obiterm.core.effects import Effect, Latch, Panic
from obiterm.core.values import Environment, TradingState

REARM_ALL = "all"
"""What must be typed to arm every account of a host."""


def start_state(latched: TradingState | None) -> TradingState:
    """Return the state after a start: the latched one, so that a restart does not re-arm."""
    return latched or TradingState.ACTIVE


def armed_at_start(environment: Environment, latched: TradingState | None) -> bool:
    """Return whether entries may leave right after a start.

    Real money is never armed by a start: that is a deliberate act per account (SPEC §6).
    """
    return not environment.is_real_money and start_state(latched) is not TradingState.HALTED


def rearm_refusal(command: Rearm, account: str) -> str:
    """Return why ``command`` does not arm ``account``; empty when it does.

    The account's name must be typed, or ``all`` when every account is meant.
    """
    if command.account not in (account, ALL_ACCOUNTS):
        return f"the command is for {command.account}, not for {account}"
    word = REARM_ALL if command.account == ALL_ACCOUNTS else account
    if command.typed != word:
        return f"type {word!r} to arm, not {command.typed!r}"
    return ""


def next_state(
    current: TradingState, cause: AnyCommand | Effect, account: str = ""
) -> TradingState:
    """Return the trading state after a command or an effect; the same for all others.

    HALTED is left only by a valid ``Rearm`` of ``account`` (or by a latch from disk).
    """
    match cause:
        case Kill() | EmergencyExit() | Panic():
            return TradingState.HALTED
        case HoldFire():
            return TradingState.REDUCING if current is TradingState.ACTIVE else current
        case Rearm() if not rearm_refusal(cause, account):
            return TradingState.ACTIVE
        case Latch():
            return cause.state
        case _:
            return current
