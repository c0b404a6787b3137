"""What a kernel is built from."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.instruments import Instrument
from obiterm.core.limits import RiskLimits
from obiterm.core.values import AccountId, Environment, RunId, Symbol, TradingState
from obiterm.strategies.base import Strategy


class StrategySetup(msgspec.Struct, frozen=True):
    """One strategy instance on one symbol."""

    name: str
    symbol: Symbol
    strategy: Strategy
    running: bool = True


class AccountSetup(msgspec.Struct, frozen=True):
    """Everything about an account that does not change while it runs."""

    account: AccountId
    environment: Environment
    run: RunId
    instruments: dict[Symbol, Instrument]
    limits: RiskLimits
    strategies: tuple[StrategySetup, ...] = ()
    start_state: TradingState = TradingState.ACTIVE
    """The latched state from disk."""
    armed: bool = True
    """False for real money until a human arms it."""
    balances: dict[str, tuple[Decimal, Decimal]] = {}
    first_order_number: int = 1
    result_before_quote: Decimal = Decimal(0)
    """Result since 00:00 UTC of earlier runs, so that a restart does not reset the day's loss."""
    knows_past: bool = True
    """False when nothing on this disk tells of earlier runs: orders found at the venue may
    then protect positions that nobody here has heard of."""
