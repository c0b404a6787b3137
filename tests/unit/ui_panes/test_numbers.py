"""Numbers never outgrow their cells and never lie."""

from __future__ import annotations

import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from obiterm.ui.paint import numbers
from obiterm.ui.paint.numbers import clean, duration, fit, milliseconds, scale_of, short_codes
from tests.ui_support.market import BTC

_FACTORS = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_floats = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)


def _read(text: str) -> float:
    unit = _FACTORS.get(text[-1], 1.0)
    return float(text.rstrip("kMBT").replace(",", "")) * unit


@given(_floats, st.integers(1, 14), st.integers(0, 8), st.booleans())
def test_a_number_never_outgrows_its_cells(
    value: float, width: int, decimals: int, sign: bool
) -> None:
    text = fit(value, width, decimals, sign=sign)
    assert len(text) <= width
    if "#" not in text:
        shown = _read(text)
        assert abs(shown - value) <= max(0.51, abs(value) * 0.06)
        assert not sign or text[0] in "+-"


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(1, 9))
def test_money_results_and_percentages_fit_too(value: float, width: int) -> None:
    assert len(numbers.money(value, width)) <= width
    assert len(numbers.result(value, width)) <= width
    assert len(numbers.percent(value, width)) <= width
    assert len(numbers.share(value)) == 4


@given(st.integers(0, 10**9), st.integers(3, 16))
def test_a_price_that_fits_is_exact(ticks: int, width: int) -> None:
    scale = scale_of(BTC)
    exact = Decimal(ticks) * Decimal("0.01")
    assert Decimal(scale.price(ticks).replace(",", "")) == exact
    text = scale.price_fit(ticks, width)
    assert len(text) <= width
    if "." in text and len(text.split(".")[1]) == 2 and text[-1] not in "kMBT":
        assert Decimal(text.replace(",", "")) == exact


@given(st.integers(0, 10**12))
def test_a_quantity_is_exact_without_trailing_zeros(lots: int) -> None:
    text = scale_of(BTC).quantity(lots)
    assert Decimal(text.replace(",", "")) == Decimal(lots) * Decimal("0.00001")
    assert "." not in text or text[-1] not in "0."


def test_thousands_signs_go_before_decimals() -> None:
    assert fit(61_837.63, 9, 2) == "61,837.63"
    assert fit(61_837.63, 8, 2) == "61837.63"
    assert fit(61_837.63, 7, 2) == "61837.6"
    assert fit(61_837.63, 5, 2) == "61838"
    assert fit(61_837.63, 4, 2) == "62k"
    assert fit(61_837.63, 2, 2) == "##"


def test_unknown_and_masked() -> None:
    assert fit(math.nan, 8, 2) == "-"
    assert numbers.result(184.35, 8, masked=True) == "****"
    assert numbers.result(184.35, 8) == "+184.35"


def test_ages_and_delays() -> None:
    assert [duration(value) for value in (0.4, 38, 251, 3_723, 300_000)] == [
        *("0s", "38s", "4:11", "1:02:03", "3d"),
    ]
    assert [milliseconds(value) for value in (0.44, 11.2, 412, 1_240, 38_000)] == [
        *("0.4ms", "11ms", "412ms", "1.2s", "38s"),
    ]


@given(st.lists(st.text(min_size=0, max_size=12), unique=True, max_size=30))
def test_account_codes_are_three_cells_and_all_different(names: list[str]) -> None:
    codes = short_codes(names)
    assert len(set(codes.values())) == len(names)
    assert all(len(code) >= 3 for code in codes.values())


def test_account_codes_say_the_name() -> None:
    codes = short_codes(["binance-main", "binance-alt", "bybit-demo"])
    assert list(codes.values()) == ["BIN", "BAL", "BYB"]


def test_control_signs_of_a_venue_never_reach_the_terminal() -> None:
    assert "\x1b" not in clean("bad\x1b[2Jtext\r\n")


@given(st.integers(1, 10**9), st.integers(6, 8), st.integers(0, 3))
def test_a_book_size_is_never_shown_as_nothing(lots: int, width: int, decimals: int) -> None:
    text = scale_of(BTC).size(lots, width, decimals)
    assert len(text) <= width
    assert text.strip("0.,") != ""
