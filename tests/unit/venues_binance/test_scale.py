"""Text to ticks and lots: the fast way equals the exact way, and nothing else passes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import DataError
from obiterm.core.events import DepthChanged
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.binance import MarketSession
from obiterm.venues.binance.scale import (
    EXACT_UNITS,
    exact_lots,
    exact_ticks,
    lots_down,
    near_ticks,
    plain,
)

GRIDS = [
    Decimal(text)
    for text in ("0.01", "0.00001", "0.00000001", "1", "100", "0.5", "0.05", "0.0025", "0.3", "7")
]


def instrument(tick: Decimal = Decimal("0.01"), lot: Decimal = Decimal("0.00001")) -> Instrument:
    return Instrument(
        venue="binance",
        symbol=Symbol("BTCUSDT"),
        kind=MarketKind.SPOT,
        base="BTC",
        quote="USDT",
        tick_size=tick,
        lot_size=lot,
    )


def depth(price: str, quantity: str, grid: Instrument) -> DepthChanged:
    frame = (
        '{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":5,"s":"BTCUSDT",'
        f'"U":1,"u":2,"b":[["{price}","{quantity}"]],"a":[]}}}}'
    )
    [event] = MarketSession({grid.symbol: grid}).receive(frame, 9)
    assert isinstance(event, DepthChanged)
    return event


units = st.integers(0, int(EXACT_UNITS) - 2) | st.integers(0, 10_000)


@given(st.sampled_from(GRIDS), st.sampled_from(GRIDS), units, units)
def test_every_value_on_the_grid_is_exact(
    tick: Decimal, lot: Decimal, ticks: int, lots: int
) -> None:
    grid = instrument(tick, lot)
    price, quantity = plain(tick * ticks), plain(lot * lots)
    assert depth(price, quantity, grid).bids == [(ticks, lots)]
    assert exact_ticks(grid, price, "p") == ticks
    assert exact_lots(grid, quantity, "q") == lots


@given(st.decimals(0, 10**9, places=8))
def test_a_value_off_the_grid_goes_to_a_neighbour(value: Decimal) -> None:
    """Resting orders may be older than the present step: 25.426189 BTC at a step of 0.00001."""
    grid = instrument()
    [(ticks, lots)] = depth(format(value, "f"), format(value, "f"), grid).bids
    assert abs(ticks - value / grid.tick_size) <= Decimal("0.5000001")
    assert abs(lots - value / grid.lot_size) <= Decimal("0.5001")
    assert abs(near_ticks(grid, str(value), "p") - value / grid.tick_size) <= Decimal("0.5")
    assert lots_down(grid, str(value), "q") <= value / grid.lot_size


@pytest.mark.parametrize(
    "bad", ["NaN", "-0.01", "-1", "Infinity", "inf", "1e400", "", "abc", "0x10"]
)
@pytest.mark.parametrize("side", [0, 1])
def test_what_is_no_size_is_refused_with_its_place(bad: str, side: int) -> None:
    pair = (bad, "1") if side == 0 else ("1", bad)
    with pytest.raises(DataError, match=rf"btcusdt@depth@100ms.*b\[0\]\[{side}\]"):
        depth(*pair, instrument())
    with pytest.raises(DataError, match="field"):
        exact_ticks(instrument(), bad if bad != "1e400" else "sNaN", "field")


def test_what_would_not_be_exact_is_refused() -> None:
    limit = Decimal(EXACT_UNITS) * Decimal("0.01")
    assert depth(str(limit - 1), "1", instrument()).bids
    with pytest.raises(DataError):
        depth(str(limit), "1", instrument())


def test_off_the_grid_is_refused_where_money_depends_on_it() -> None:
    with pytest.raises(DataError, match=r"l = '0.000001'"):
        exact_lots(instrument(), "0.000001", "l")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**12))
def test_texts_for_the_venue_are_plain(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert set(text) <= set("0123456789.")
    assert not text.endswith(".")
    assert "." not in text or not text.endswith("0")
