"""The first journal row of a run: everything a kernel is built from, so that it can be rebuilt."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.effects import Effect, Send
from obiterm.core.instruments import Instrument
from obiterm.core.limits import RiskLimits
from obiterm.core.values import AccountId, Environment, RunId, Symbol, TradingState
from obiterm.strategies.registry import build_strategy
from obiterm.trading.setup import AccountSetup, StrategySetup


class StrategyRecord(msgspec.Struct, frozen=True):
    """One strategy instance: its kind and parameters as JSON."""

    name: str
    kind: str
    symbol: Symbol
    parameters: dict[str, object]
    running: bool


class StartRecord(msgspec.Struct, frozen=True):
    """Payload of a ``start`` row."""

    program: str
    account: AccountId
    environment: Environment
    run: RunId
    profile: str
    instruments: list[Instrument]
    limits: dict[str, object]
    strategies: list[StrategyRecord]
    start_state: TradingState
    armed: bool
    balances: dict[str, tuple[Decimal, Decimal]]
    market_events: bool
    """Whether market events are in the journal too, so that the run can be replayed whole."""
    result_before_quote: Decimal = Decimal(0)
    """Result since 00:00 UTC of earlier runs."""
    knows_past: bool = True
    """Whether the journal tells of earlier runs of the account."""
    fill_marks: dict[Symbol, int] = {}
    """Per symbol, the mark (``Gateway.fill_mark``) after which fills are read in this run."""


def build_setup(record: StartRecord) -> AccountSetup:
    """Return the kernel's setup; the same record gives the same kernel."""
    limits = RiskLimits.model_validate(record.limits)
    instruments = {Symbol(i.symbol): i for i in record.instruments}
    return AccountSetup(
        account=record.account,
        environment=record.environment,
        run=record.run,
        instruments=instruments,
        limits=limits,
        strategies=tuple(
            StrategySetup(
                name=strategy.name,
                symbol=strategy.symbol,
                strategy=build_strategy(
                    strategy.kind, strategy.parameters, instruments[strategy.symbol]
                ),
                running=strategy.running,
            )
            for strategy in record.strategies
        ),
        start_state=record.start_state,
        armed=record.armed,
        balances=record.balances,
        result_before_quote=record.result_before_quote,
        knows_past=record.knows_past,
    )


def encode_limits(limits: RiskLimits) -> dict[str, object]:
    """Return limits as plain JSON values."""
    plain: dict[str, object] = limits.model_dump(mode="json")
    return plain


def journal_order(effects: list[Effect]) -> list[Effect]:
    """Return the effects of one step as their rows stand: intents before orders leave, then all."""
    return sorted(effects, key=lambda effect: not isinstance(effect, Send))
