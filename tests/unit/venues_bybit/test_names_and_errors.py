"""Symbols, trade ids, hosts, and what the venue's codes mean."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import (
    AccountStopped,
    ConfigError,
    DataError,
    ObitermError,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from obiterm.core.values import Environment, MarketKind, Symbol
from obiterm.venues.bybit import (
    Category,
    Verdict,
    as_error,
    category_of,
    classify,
    name_of,
    symbol_of,
    trade_id,
    urls,
)

NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", min_size=1, max_size=20)


@given(st.sampled_from(Category), NAMES)
def test_every_market_has_one_symbol_and_back(category: Category, name: str) -> None:
    symbol = symbol_of(category, name)
    assert (category_of(symbol), name_of(symbol)) == (category, name)
    other = Category.SPOT if category is Category.LINEAR else Category.LINEAR
    assert symbol_of(other, name) != symbol


@given(st.from_regex(r"\A[A-Z0-9-]{1,20}(\.SPOT)?\Z"))
def test_every_symbol_is_of_one_market(text: str) -> None:
    symbol = Symbol(text)
    assert symbol_of(category_of(symbol), name_of(symbol)) == symbol


def test_a_perpetual_keeps_its_name_and_spot_is_marked() -> None:
    assert symbol_of(Category.LINEAR, "BTCUSDT") == "BTCUSDT"
    assert symbol_of(Category.SPOT, "BTCUSDT") == "BTCUSDT.SPOT"
    assert category_of(Symbol("BTCUSDT.SPOT")).kind is MarketKind.SPOT
    for wrong in ("BTC.USDT", "X.SPOT", ""):
        with pytest.raises(DataError):
            symbol_of(Category.LINEAR, wrong)


# ── trade ids ───────────────────────────────────────────────────────────────


def test_trade_ids_do_not_change() -> None:
    """These numbers stand in journals: they must be the same for ever."""
    assert trade_id("0ab1bdf7-4219-438b-b30a-32ec863018f7") == 5_437_690_149_318_568_842
    assert trade_id("2290000000068683805") == 2_290_000_000_068_683_805
    assert trade_id("") == 8_238_016_292_129_134_938


@given(st.integers(0, 2**63 - 1))
def test_a_number_is_its_own_id(number: int) -> None:
    assert trade_id(str(number)) == number


@given(st.text(max_size=60))
def test_any_id_fits_and_is_stable(text: str) -> None:
    assert 0 <= trade_id(text) < 2**63
    assert trade_id(text) == trade_id(text)


@given(st.lists(st.integers(0, 2**128 - 1), max_size=200, unique=True))
def test_ids_do_not_meet(numbers: list[int]) -> None:
    ids = [trade_id(str(UUID(int=number))) for number in numbers]
    assert len(set(ids)) == len(ids)


def test_two_spellings_of_a_number_are_two_ids() -> None:
    assert len({trade_id(text) for text in ("7", "07", " 7", "٧", "9" * 19, "9" * 20)}) == 6


# ── hosts ───────────────────────────────────────────────────────────────────


def test_every_environment_has_its_own_hosts() -> None:
    live = urls(Environment.LIVE)
    assert live.market_stream(Category.LINEAR) == "wss://stream.bybit.com/v5/public/linear"
    assert live.trade == "wss://stream.bybit.com/v5/trade"
    test = urls(Environment.TESTNET)
    assert all("testnet" in each for each in (test.rest, test.public, test.private, test.trade))


def test_r91_demo_reads_the_real_market_and_orders_by_rest() -> None:
    demo = urls(Environment.DEMO)
    assert demo.rest == "https://api-demo.bybit.com"
    assert demo.public == urls(Environment.LIVE).public
    assert demo.private == "wss://stream-demo.bybit.com/v5/private"
    assert demo.trade == ""


def test_paper_has_no_account() -> None:
    paper = urls(Environment.PAPER)
    assert (paper.private, paper.trade) == ("", "")


def test_hosts_are_a_setting_of_the_account() -> None:
    ours = urls(Environment.LIVE, {"rest": "https://api.bytick.com/", "trade": ""})
    assert ours.rest == "https://api.bytick.com"
    assert ours.trade == "wss://stream.bybit.com/v5/trade"
    nl = urls(Environment.LIVE, region="nl")
    assert (nl.rest, nl.public) == ("https://api.bybit.nl", "wss://stream.bybit.com/v5/public")
    turkey = urls(Environment.LIVE, {"rest": "https://own"}, region="tr")
    assert (turkey.rest, turkey.private) == ("https://own", "wss://stream.bybit.tr/v5/private")


def test_the_simulated_exchange_must_be_named() -> None:
    given_urls = {"rest": "http://h", "public": "ws://h/v5/public", "private": "ws://h/private"}
    assert urls(Environment.SIM, given_urls).trade == ""
    assert urls(Environment.SIM, {**given_urls, "trade": "ws://h/trade"}).trade == "ws://h/trade"
    for name in given_urls:
        with pytest.raises(ConfigError, match=name):
            urls(Environment.SIM, {**given_urls, name: ""})
    with pytest.raises(ConfigError, match="stream"):
        urls(Environment.LIVE, {"stream": "wss://x"})
    for environment in (Environment.DEMO, Environment.TESTNET):
        with pytest.raises(ConfigError, match="region"):
            urls(environment, region="nl")


# ── codes ───────────────────────────────────────────────────────────────────

UNKNOWN, RETRY, REFUSE, STOP = Verdict.UNKNOWN, Verdict.RETRY, Verdict.REFUSE, Verdict.STOP


@pytest.mark.parametrize(
    ("status", "code", "msg", "verdict"),
    [
        (200, 10002, "invalid request, please check your server timestamp", RETRY),
        (200, 10003, "API key is invalid.", STOP),
        (200, 10003, "Too many connections under the same UID.", RETRY),
        (200, 10004, "error sign!", STOP),
        (200, 10005, "Permission denied", STOP),
        (200, 10006, "Too many visits!", RETRY),
        (200, 10010, "Unmatched IP", STOP),
        (200, 10016, "Server error", UNKNOWN),
        (200, 10000, "Server Timeout", UNKNOWN),
        (200, 10019, "draining", RETRY),
        (200, 10024, "compliance rules triggered", STOP),
        (200, 10029, "symbol is not whitelisted", REFUSE),
        (200, 33004, "expired", STOP),
        (200, 110001, "order not exists", REFUSE),
        (200, 110007, "ab not enough", REFUSE),
        (200, 110017, "reduce-only rule not satisfied", REFUSE),
        (200, 110072, "duplicate", UNKNOWN),
        (200, 170141, "Duplicate clientOrderId", UNKNOWN),
        (200, 110079, "order is processing", RETRY),
        (200, 110094, "below minimum", REFUSE),
        (200, 170007, "Timeout waiting for response", UNKNOWN),
        (200, 170222, "Too many requests in this time frame", RETRY),
        (200, 10403, "exceeds IP rate limit", RETRY),
        (200, 10429, "system level frequency protection", UNKNOWN),
        (200, 424242, "something new", REFUSE),
        (0, 0, "no answer", UNKNOWN),
        (502, 0, "<html>", UNKNOWN),
        (504, 0, "", UNKNOWN),
        (429, 0, "", UNKNOWN),
        (403, 0, "access too frequent", RETRY),
        (403, 0, "configured to block access from your country", STOP),
        (403, 0, "Access too frequent for this region", RETRY),
        (401, 0, "", STOP),
        (404, 0, "", REFUSE),
        (400, 0, "", REFUSE),
    ],
)
def test_what_a_failure_means(status: int, code: int, msg: str, verdict: Verdict) -> None:
    assert classify(status, code, msg) is verdict


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        (10003, AccountStopped, "never interchangeable"),
        (10001, Refused, ""),
        (10006, RetryLater, ""),
        (10016, OutcomeUnknown, ""),
    ],
)
def test_r13_errors_keep_the_venues_words_and_say_what_to_do(
    code: int, kind: type[ObitermError], hint: str
) -> None:
    error = as_error(200, code, "The venue's words.", retry_after_ms=70)
    assert type(error) is kind
    assert f"{code} The venue's words." in str(error)
    assert hint in error.hint
    if isinstance(error, RetryLater):
        assert error.retry_after_ms == 70


def test_t31_hedge_mode_is_told_with_what_to_do() -> None:
    error = as_error(200, 10001, "position idx not match position mode")
    assert isinstance(error, Refused)
    assert "hedge mode" in error.hint
