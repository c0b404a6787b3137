"""Strategies by name, with a user's own beside ours."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from obiterm.core.errors import ConfigError
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.strategies.registry import (
    build_strategy,
    check_parameters,
    find_strategy,
    strategy_kinds,
)
from obiterm.strategies.surf import Surf
from obiterm.strategies.surf_parameters import SurfParameters

BTC = Instrument(
    "binance",
    Symbol("BTCUSDT"),
    MarketKind.SPOT,
    "BTC",
    "USDT",
    Decimal("0.01"),
    Decimal("0.00001"),
)
MINE = """
from typing import ClassVar
from obiterm.strategies.base import Decision, Parameters, Report
from obiterm.strategies.registry import StrategyPlugin

class MineParameters(Parameters):
    pace: int = 3

class Mine:
    kind: ClassVar[str] = "mine"
    obi_levels = 5
    def __init__(self, parameters, instrument):
        self.pace = parameters.pace
    def decide(self, view):
        return Decision((), "idle")
    def report(self, view):
        return Report(0.0, 0.0, 0.0, 0.0)

plugin = StrategyPlugin(Mine, MineParameters)
nothing = object()
"""
POINTS = """
[obiterm.strategies]
mine = my_strategies:plugin
surf = my_strategies:plugin
broken = my_strategies:absent
missing = no_such_module:plugin
empty = my_strategies:nothing
"""


@pytest.fixture
def users_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution with entry points, as pip would lay it out."""
    (tmp_path / "my_strategies.py").write_text(MINE)
    info = tmp_path / "my_strategies-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-strategies\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_builds_surf_from_plain_values() -> None:
    built = build_strategy("surf", {"enter_obi": 0.45, "quantity": "0.01"}, BTC)
    assert isinstance(built, Surf)
    assert built.kind == "surf"
    assert built.obi_levels == 20
    assert built.parameters.quantity == Decimal("0.01")
    assert find_strategy("surf").parameters is SurfParameters


def test_parameters_survive_json() -> None:
    """The journal keeps them as JSON and must get the same strategy back."""
    parameters = check_parameters("surf", {"stop_bps": 12.5, "share_of_balance": 0.05})
    again = check_parameters("surf", parameters.model_dump(mode="json"))
    assert again == parameters


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"enter_obi": 2}, ["surf.enter_obi", "2", "less than 1"]),
        ({"enter_obj": 0.4}, ["surf.enter_obj", "known:", "enter_obi"]),
        ({"hold_obi": 0.9}, ["surf", "hold_obi 0.9 must not exceed enter_obi 0.4"]),
    ],
)
def test_a_wrong_parameter_names_field_value_and_bounds(
    values: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_strategy("surf", values, BTC)
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_strategy_tells_which_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'surg': expected one of .*surf"):
        find_strategy("surg")


@pytest.mark.usefixtures("users_package")
def test_a_users_own_strategy_is_found_and_built() -> None:
    assert {"mine", "surf"} <= set(strategy_kinds())
    built = build_strategy("mine", {"pace": 7}, BTC)
    assert built.kind == "mine"
    assert built.obi_levels == 5
    with pytest.raises(ConfigError, match=r"mine\.pace"):
        build_strategy("mine", {"pace": "fast"}, BTC)


@pytest.mark.usefixtures("users_package")
def test_our_own_names_cannot_be_taken_over() -> None:
    assert isinstance(build_strategy("surf", {}, BTC), Surf)


@pytest.mark.usefixtures("users_package")
@pytest.mark.parametrize("name", ["broken", "missing", "empty"])
def test_a_plugin_that_does_not_load_is_a_clear_error(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        find_strategy(name)
