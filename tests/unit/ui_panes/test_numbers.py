"""Numbers never outgrow their cells and never lie."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from obiterm.link.messages import AccountPane
from obiterm.ui.paint import numbers
from obiterm.ui.paint.numbers import (
    account_codes,
    clean,
    duration,
    fit,
    milliseconds,
    scale_of,
)
from tests.ui_support.market import BTC, MadeUpMarket

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


_venues = st.sampled_from(["binance", "binance demo", "bybit", "backpack", "a venue of ours"])


def _account(name: str, venue: str) -> AccountPane:
    return msgspec.structs.replace(MadeUpMarket().frame().accounts[0], name=name, venue=venue)


@given(st.dictionaries(st.text(min_size=0, max_size=12), _venues, max_size=32))
def test_account_codes_are_three_cells_and_all_different(accounts: dict[str, str]) -> None:
    codes = account_codes([_account(name, venue) for name, venue in accounts.items()])
    assert len(set(codes.values())) == len(accounts)
    assert all(len(code) == 3 for code in codes.values())


def test_account_codes_say_venue_and_account() -> None:
    accounts = {"bp-main": "backpack", "bb-main": "bybit", "bb-demo": "bybit demo"}
    codes = account_codes([_account(name, venue) for name, venue in accounts.items()])
    assert list(codes.values()) == ["BPK", "BYm", "BYd"]


def test_control_signs_of_a_venue_never_reach_the_terminal() -> None:
    assert "\x1b" not in clean("bad\x1b[2Jtext\r\n")


@given(st.integers(1, 10**9), st.integers(6, 8), st.integers(0, 3))
def test_a_book_size_is_never_shown_as_nothing(lots: int, width: int, decimals: int) -> None:
    text = scale_of(BTC).size(lots, width, decimals)
    assert len(text) <= width
    assert text.strip("0.,") != ""
