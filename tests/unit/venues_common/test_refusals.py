"""The tables of refusals say what the code does, and no refusal loses its words (R13)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import AccountStopped, ObitermError, OutcomeUnknown, Refused, RetryLater
from obiterm.core.values import RefusalKind
from obiterm.venues.backpack import errors as backpack
from obiterm.venues.backpack.refusals import REFUSALS as BACKPACK
from obiterm.venues.binance import errors as binance
from obiterm.venues.binance.futures import errors as futures
from obiterm.venues.binance.futures.refusals import REFUSALS as FUTURES
from obiterm.venues.binance.refusals import REFUSALS as BINANCE
from obiterm.venues.bybit import errors as bybit
from obiterm.venues.bybit.refusals import REFUSALS as BYBIT
from obiterm.venues.common.refusals import Refusal, Verdict, failure_of

TABLES: dict[str, tuple[Any, tuple[Refusal, ...], Any]] = {
    "backpack": (backpack, BACKPACK, ""),
    "binance": (binance, BINANCE, 0),
    "binance-futures": (futures, FUTURES, 0),
    "bybit": (bybit, BYBIT, 0),
}
"""Module, rows, and what stands for an answer without a code."""
ROWS = [
    pytest.param(module, row, status, code, id=f"{venue} {status} {code} {row.words[:20]}")
    for venue, (module, rows, no_code) in TABLES.items()
    for row in rows
    for status in row.statuses
    for code in (row.codes or (no_code,))
]
LISTED = {"backpack": 30, "binance": 30, "binance-futures": 50, "bybit": 70}
ALREADY_SO = {bybit: bybit.NOT_MODIFIED, futures: futures.ALREADY_SO}
ERRORS = {
    Verdict.RETRY: RetryLater,
    Verdict.REFUSE: Refused,
    Verdict.UNKNOWN: OutcomeUnknown,
    Verdict.STOP: AccountStopped,
}


@pytest.mark.parametrize(("module", "row", "status", "code"), ROWS)
def test_every_row_says_what_the_code_does(
    module: Any, row: Refusal, status: int, code: int | str
) -> None:
    if row.verdict is None:
        assert code in ALREADY_SO[module]
        return
    assert module.classify(status, code, row.words) is row.verdict
    if row.verdict in (Verdict.REFUSE, Verdict.RETRY):
        assert module.refusal_kind(status, code, row.words) is row.kind
    else:
        assert row.kind is RefusalKind.ORDER


@pytest.mark.parametrize("venue", TABLES)
def test_every_code_that_is_treated_in_a_way_of_its_own_has_a_row(venue: str) -> None:
    module, rows, _ = TABLES[venue]
    listed = {code for row in rows for code in row.codes}
    known: set[int | str] = set()
    for name, value in vars(module).items():
        if isinstance(value, frozenset):
            known |= {code for code in value if isinstance(code, int | str)}
        elif name in ("_BY_CODE", "VERDICTS"):
            known |= value.keys()
    assert known <= listed
    assert len(listed) > LISTED[venue]


@pytest.mark.parametrize("venue", TABLES)
def test_no_refusal_is_listed_twice(venue: str) -> None:
    _, rows, no_code = TABLES[venue]
    keys = [
        (status, code, row.words)
        for row in rows
        for status in row.statuses
        for code in (row.codes or (no_code,))
    ]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("venue", TABLES)
@given(
    status=st.sampled_from([0, 200, 400, 401, 403, 404, 408, 418, 429, 500, 503]),
    number=st.integers(-30_000, 200_000),
    words=st.text(max_size=60),
)
def test_r13_every_failure_shows_the_venues_words_and_code(
    venue: str, status: int, number: int, words: str
) -> None:
    """Whatever a venue answers, also what nobody has heard of yet."""
    module, rows, no_code = TABLES[venue]
    codes = [code for row in rows for code in row.codes]
    code = codes[number % len(codes)] if number % 2 else (number if no_code == 0 else f"C{number}")
    error = module.as_error(status, code, words)
    assert isinstance(error, ObitermError)
    assert str(code or status) in str(error)
    assert words.strip() in str(error)
    assert type(error) is ERRORS[module.classify(status, code, words)]


def test_what_a_failure_knows_reaches_its_error() -> None:
    retry = failure_of(Verdict.RETRY, "-1", "words", hint="do this", retry_after_ms=7)
    assert isinstance(retry, RetryLater)
    assert retry.retry_after_ms == 7
    for verdict in (Verdict.STOP, Verdict.REFUSE):
        error = failure_of(verdict, "-1", "words", hint="do this")
        assert type(error) is ERRORS[verdict]
        assert error.hint == "do this"
