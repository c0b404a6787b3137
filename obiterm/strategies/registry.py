"""Strategies by name: our own, and a user's from the entry point group ``obiterm.strategies``.

A user's entry point names an object with two members: ``strategy``, a class that takes
``(parameters, instrument)``, and ``parameters``, its model::

    [project.entry-points."obiterm.strategies"]
    mine = "my_package.mine:plugin"      # plugin = StrategyPlugin(Mine, MineParameters)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from pydantic import ValidationError

from obiterm.core.errors import ConfigError
from obiterm.core.instruments import Instrument
from obiterm.strategies.base import Parameters, Strategy
from obiterm.strategies.surf import Surf
from obiterm.strategies.surf_parameters import SurfParameters

GROUP = "obiterm.strategies"


class StrategyPlugin(NamedTuple):
    """A strategy and the model of its parameters."""

    strategy: Callable[[Any, Instrument], Strategy]
    parameters: type[Parameters]


OWN: Mapping[str, StrategyPlugin] = {Surf.kind: StrategyPlugin(Surf, SurfParameters)}
"""The strategies that come with the product."""


def strategy_kinds() -> list[str]:
    """Return the names of all known strategies, sorted."""
    return sorted({*OWN, *(point.name for point in entry_points(group=GROUP))})


def find_strategy(kind: str) -> StrategyPlugin:
    """Return a strategy by name; our own names cannot be taken over.

    Raises ``ConfigError`` for an unknown name and for a plug-in that cannot be loaded.
    """
    own = OWN.get(kind)
    if own is not None:
        return own
    for point in entry_points(group=GROUP, name=kind):
        return _load(point)
    raise ConfigError("kind", kind, f"one of {', '.join(strategy_kinds())}")


def check_parameters(kind: str, values: Mapping[str, object]) -> Parameters:
    """Return validated parameters; raise ``ConfigError`` naming field, value and bounds."""
    model = find_strategy(kind).parameters
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in fault["loc"])
        named = f"{kind}.{field}" if field else kind
        hint = ""
        if fault["type"] == "extra_forbidden":
            hint = f"known: {', '.join(model.model_fields)}"
        value = fault["input"] if field else dict(values)
        raise ConfigError(named, value, fault["msg"], hint=hint) from None


def build_strategy(kind: str, values: Mapping[str, object], instrument: Instrument) -> Strategy:
    """Return a new instance; raise ``ConfigError`` when parameters or instrument do not fit."""
    return find_strategy(kind).strategy(check_parameters(kind, values), instrument)


def _load(point: EntryPoint) -> StrategyPlugin:
    try:
        plugin = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError("kind", point.name, f"a strategy that loads: {error}") from error
    strategy = getattr(plugin, "strategy", None)
    parameters = getattr(plugin, "parameters", None)
    if not callable(strategy) or not (
        isinstance(parameters, type) and issubclass(parameters, Parameters)
    ):
        raise ConfigError("kind", point.name, f"{point.value} with members strategy, parameters")
    return StrategyPlugin(strategy, parameters)
