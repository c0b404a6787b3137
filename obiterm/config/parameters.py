"""Checks a strategy's parameters against the strategy's own model."""

from __future__ import annotations

from obiterm.config.explain import Loc
from obiterm.config.models import StrategyProfile


def check_parameters(
    strategy: StrategyProfile, *, where: str, text: str, at: Loc
) -> StrategyProfile:
    """Return the strategy; its model is asked when the host builds it."""
    return strategy
