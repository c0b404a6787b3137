"""Refusals by what the caller does with them; request limits; hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import AccountStopped, ConfigError, OutcomeUnknown, Refused, RetryLater
from obiterm.core.values import NS_PER_S, Environment
from obiterm.venues.backpack import (
    Budget,
    Verdict,
    as_error,
    check,
    classify,
    explain_expiry,
    hint,
    is_clock_fault,
    price_outside,
    too_small,
    urls,
    would_take,
)
from obiterm.venues.backpack.errors import NO_FUNDS
from obiterm.venues.backpack.limits import HISTORY, REQUESTS, account_buckets
from tests.unit.venues_backpack.payloads import refusal

BAD = "INVALID_CLIENT_REQUEST"
START = 1_750_793_021 * NS_PER_S

TABLE = [
    (400, BAD, "Invalid signature", Verdict.STOP),
    (400, BAD, "Invalid X-Signature header", Verdict.STOP),
    (400, BAD, "Invalid X-API-Key header", Verdict.STOP),
    (400, BAD, "Request has expired", Verdict.RETRY),
    (400, BAD, "Invalid timestamp: must be within 10 minutes of current time", Verdict.RETRY),
    (400, BAD, "Quantity decimal too long", Verdict.REFUSE),
    (400, BAD, "Must specify both `triggerPrice` and `triggerQuantity` or neither", Verdict.REFUSE),
    (400, BAD, "parse request payload error: unknown variant", Verdict.REFUSE),
    (400, BAD, "clientId already exists", Verdict.UNKNOWN),
    (400, "INVALID_ORDER", "Order would immediately match and take", Verdict.REFUSE),
    (400, "INVALID_PRICE", "Price is too far from the last active price", Verdict.REFUSE),
    (400, "INSUFFICIENT_MARGIN", "Insufficient margin", Verdict.REFUSE),
    (400, "ACCOUNT_LIQUIDATING", "Account is liquidating", Verdict.REFUSE),
    (400, "A_CODE_OF_NEXT_YEAR", "who knows", Verdict.REFUSE),
    (404, "RESOURCE_NOT_FOUND", "Not Found", Verdict.REFUSE),
    (400, "INVALID_SIGNATURE", "", Verdict.STOP),
    (401, "UNAUTHORIZED", "", Verdict.STOP),
    (401, "", "", Verdict.STOP),
    (401, "A_CODE_OF_NEXT_YEAR", "", Verdict.STOP),
    (403, "FORBIDDEN", "", Verdict.STOP),
    (403, "", "HTTP 403", Verdict.RETRY),
    (400, "ACCOUNT_DEACTIVATED", "", Verdict.STOP),
    (429, "TOO_MANY_REQUESTS", "", Verdict.RETRY),
    (429, "", "", Verdict.RETRY),
    (400, "TRADING_PAUSED", "", Verdict.RETRY),
    (503, "MAINTENANCE", "", Verdict.RETRY),
    (500, "SERVER_ERROR", "", Verdict.UNKNOWN),
    (503, "TIMEOUT", "", Verdict.UNKNOWN),
    (502, "", "HTTP 502", Verdict.UNKNOWN),
    (503, "A_CODE_OF_NEXT_YEAR", "", Verdict.UNKNOWN),
    (0, "", "no answer", Verdict.UNKNOWN),
    (408, "", "", Verdict.UNKNOWN),
]


@pytest.mark.parametrize(("status", "code", "words", "verdict"), TABLE)
def test_what_a_refusal_means(status: int, code: str, words: str, verdict: Verdict) -> None:
    assert classify(status, code, words) is verdict
    kinds = {
        Verdict.RETRY: RetryLater,
        Verdict.REFUSE: Refused,
        Verdict.UNKNOWN: OutcomeUnknown,
        Verdict.STOP: AccountStopped,
    }
    error = as_error(status, code, words)
    assert type(error) is kinds[verdict]
    assert words in str(error)
    assert (code or str(status)) in str(error)


@given(status=st.integers(500, 599), code=st.sampled_from(["", "X", *sorted(NO_FUNDS)]))
def test_a_server_fault_never_counts_as_a_refusal(status: int, code: str) -> None:
    """T37: an order behind a 5xx may rest."""
    assert classify(status, code, "") is Verdict.UNKNOWN


def test_the_venues_words_reach_the_user() -> None:
    """R13."""
    with pytest.raises(Refused) as caught:
        check(400, {}, refusal("INSUFFICIENT_MARGIN", "Insufficient margin"))
    assert (caught.value.code, caught.value.text) == ("INSUFFICIENT_MARGIN", "Insufficient margin")
    with pytest.raises(AccountStopped, match="permission"):
        check(403, {}, refusal("FORBIDDEN", "Forbidden"))
    with pytest.raises(RetryLater) as later:
        check(429, {"retry-after": "7"}, refusal("TOO_MANY_REQUESTS", "slow down"))
    assert later.value.retry_after_ms == 7000
    check(200, {}, b"")
    check(202, {}, b"")


@pytest.mark.parametrize(
    "page",
    [b"", b"<html>Forbidden</html>", b"\xff\xfe", b"[]", b"null", b"plain words"],
)
def test_an_answer_of_the_firewall_is_no_verdict_on_the_key(page: bytes) -> None:
    with pytest.raises(RetryLater, match="HTTP 403"):
        check(403, {}, page)


def test_signs_of_special_refusals() -> None:
    assert is_clock_fault(BAD, "Request has expired")
    assert not is_clock_fault("INVALID_ORDER", "Request has expired")
    assert would_take("INVALID_ORDER", "Order would immediately match and take")
    assert would_take("PostOnlyTaker", "")
    assert not would_take("INVALID_ORDER", "other")
    assert price_outside("INVALID_PRICE")
    assert price_outside("PriceOutOfBounds")
    assert too_small("INVALID_QUANTITY", "")
    assert too_small(BAD, "Quantity decimal too long")
    assert not too_small(BAD, "other")


def test_the_user_is_told_what_to_do() -> None:
    assert "clock" in hint(BAD, "Request has expired")
    assert "secret" in hint(BAD, "Invalid signature")
    assert "liquidating" in hint("ACCOUNT_LIQUIDATING")
    assert hint(BAD, "other") == ""
    assert hint("INVALID_ORDER") == ""
    assert "own order" in explain_expiry("SelfTradePrevention")
    assert explain_expiry("OF_NEXT_YEAR") == ""


# ── limits ────────────────────────────────────────────────────────────────────


def spend_all(budget: Budget, *, is_history: bool, is_cancel: bool, until_ns: int) -> int:
    now_ns, sent = START, 0
    while True:
        now_ns += budget.may_send(is_history, is_cancel, now_ns)
        if now_ns >= until_ns:
            return sent
        budget.sent(is_history, now_ns)
        sent += 1


@pytest.mark.parametrize(("is_history", "per_minute"), [(False, 2000), (True, 30)])
def test_no_minute_holds_more_than_the_venue_allows(is_history: bool, per_minute: int) -> None:
    until_ns = START + 60 * NS_PER_S
    most = spend_all(Budget(), is_history=is_history, is_cancel=True, until_ns=until_ns)
    assert per_minute * 0.95 <= most <= per_minute
    usual = spend_all(Budget(), is_history=is_history, is_cancel=False, until_ns=until_ns)
    assert usual < most


def test_a_share_is_kept_for_cancels_and_exits() -> None:
    """T44."""
    budget = Budget()
    while not budget.may_send(False, False, START):
        budget.sent(False, START)
    assert budget.may_send(False, True, START) == 0
    assert budget.used_share(REQUESTS, START) == pytest.approx(0.8)


def test_a_refusal_blocks_all_but_cancels_until_the_minute_ends() -> None:
    budget = Budget()
    budget.take_answer(429, {}, False, START)
    wait_ns = budget.may_send(False, False, START)
    assert 0 < wait_ns <= 60 * NS_PER_S
    assert budget.blocked_until_ns % (60 * NS_PER_S) == 0
    told = Budget()
    told.take_answer(429, {"retry-after": "3"}, False, START)
    assert told.blocked_until_ns == START + 3 * NS_PER_S
    assert told.may_send(False, True, START + NS_PER_S) == 0


def test_a_refusal_of_history_does_not_stop_trading() -> None:
    budget = Budget()
    budget.take_answer(429, {}, True, START)
    assert budget.may_send(False, False, START) == 0
    assert budget.may_send(True, False, START) > 0
    assert budget.used_share(HISTORY, START) == 1.0


def test_an_answer_that_went_well_changes_nothing() -> None:
    budget = Budget()
    budget.take_answer(200, {}, False, START)
    assert budget.may_send(False, False, START) == 0


def test_keys_of_one_subaccount_share_its_limit() -> None:
    first = Budget(buckets=account_buckets())
    second = Budget(buckets=first.buckets)
    for _ in range(100):
        first.sent(False, START)
    assert second.used_share(REQUESTS, START) == pytest.approx(0.2)


# ── environments ──────────────────────────────────────────────────────────────


def test_only_the_production_host_exists() -> None:
    """Q25."""
    live = urls(Environment.LIVE)
    assert live.rest == "https://api.backpack.exchange"
    assert live.stream == "wss://ws.backpack.exchange"
    assert live.can_trade
    paper = urls(Environment.PAPER)
    assert (paper.rest, paper.stream, paper.can_trade) == (live.rest, live.stream, False)
    for environment in (Environment.DEMO, Environment.TESTNET):
        with pytest.raises(ConfigError, match="no test environment"):
            urls(environment, {"rest": "http://x", "stream": "ws://x"})


def test_the_simulated_exchange_is_reached_by_its_addresses_only() -> None:
    told = urls(Environment.SIM, {"rest": "http://127.0.0.1:1/", "stream": "ws://127.0.0.1:2/"})
    assert (told.rest, told.stream) == ("http://127.0.0.1:1", "ws://127.0.0.1:2")
    with pytest.raises(ConfigError, match="stream"):
        urls(Environment.SIM, {"rest": "http://127.0.0.1:1"})
    with pytest.raises(ConfigError, match="one of"):
        urls(Environment.LIVE, {"ws_api": "x"})
    assert urls(Environment.LIVE, {"rest": "http://x"}).stream == "wss://ws.backpack.exchange"
