"""A venue that makes a tick finer must not make the book wrong without a word."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from obiterm.core.errors import DataError
from obiterm.venues.common.scale import Scale
from tests.trading_support.stage import BTCUSDT

SCALE = Scale(msgspec.structs.replace(BTCUSDT, tick_size=Decimal("0.001")))


def test_a_side_on_a_finer_grid_is_refused() -> None:
    with pytest.raises(DataError, match=r"price 0\.5005 is no whole number of ticks of 0\.001"):
        SCALE.check_prices([(0.5005, 10.0)], "depth")
    finer = [(n * 0.0005, 1.0) for n in range(1, 1_000)]
    with pytest.raises(DataError):
        SCALE.check_prices(finer, "depth")


def test_the_listed_grid_and_a_few_old_orders_pass() -> None:
    levels = [(round(n * 0.001, 3), 1.0) for n in range(1, 100_000)]
    SCALE.check_prices(levels, "depth")
    SCALE.check_prices([*levels[:100], (0.5005, 1.0)], "depth")
    SCALE.check_prices([], "depth")
