"""Checks a strategy's parameters against the strategy's own model."""

from __future__ import annotations

from obiterm.config.explain import Loc, nearest, place, spell, validate
from obiterm.config.models import StrategyProfile
from obiterm.core.errors import ConfigError
from obiterm.strategies.registry import find_strategy, strategy_kinds


def check_parameters(strategy: StrategyProfile, *, where: str, text: str, at: Loc) -> None:
    """Check kind and parameters of an instance that stands at ``at`` in a profile's text.

    Raises:
        ConfigError: names the line, the field, the value and its bounds.
    """
    try:
        model = find_strategy(strategy.kind).parameters
    except ConfigError as error:
        loc = (*at, "kind")
        hint = nearest(strategy.kind, strategy_kinds())
        raise ConfigError(
            spell(loc), strategy.kind, error.expected, where=place(where, text, loc), hint=hint
        ) from error
    validate(model, strategy.parameters, where=where, text=text, at=(*at, "parameters"))
