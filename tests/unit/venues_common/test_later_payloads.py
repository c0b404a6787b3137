"""Unknown fields and values of enumerations never break decoding, at any venue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.venues_backpack import later_cases as backpack
from tests.unit.venues_binance import later_cases as binance
from tests.unit.venues_binance_futures import later_cases as futures
from tests.unit.venues_bybit import later_cases as bybit
from tests.unit.venues_common.later_payloads import Case, grown, renamed, written

pytestmark = pytest.mark.captures

VENUES: dict[str, tuple[Callable[[Path], Iterator[Case]], int, int]] = {
    "binance": (binance.cases, 30, 20),
    "binance-futures": (futures.cases, 32, 20),
    "bybit": (bybit.cases, 50, 30),
    "backpack": (backpack.cases, 22, 8),
}
"""Cases of each venue, how many there are at the least, and how many with enumerations."""


@pytest.fixture(params=VENUES)
def cases(request: pytest.FixtureRequest, shared_data: Path) -> list[Case]:
    build, least, _ = VENUES[request.param]
    found = [*build(shared_data)]
    assert len(found) >= least
    return found


def test_new_fields_change_nothing(cases: list[Case]) -> None:
    """New fields anywhere, before or behind the old ones: the same is read as without them."""

    @settings(max_examples=150)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        case = data.draw(st.sampled_from(cases))
        assert case.read(data.draw(grown(case))) == case.read(written(case.payload))

    check()


def test_new_values_of_enumerations_are_read(cases: list[Case]) -> None:
    """A word that nobody has heard of stands for itself or for unknown, and raises nothing."""

    @settings(max_examples=150)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        case = data.draw(st.sampled_from(cases))
        case.read(data.draw(renamed(case)))

    check()


def test_there_are_enumerations_to_rename(shared_data: Path) -> None:
    for build, _, least in VENUES.values():
        found = sum(
            any(f'"{name}":"'.encode() in written(case.payload) for name in case.enums)
            for case in build(shared_data)
        )
        assert found >= least
