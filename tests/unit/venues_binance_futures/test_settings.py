"""Names, hosts, failures, limits and the life of the listen key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import (
    AccountStopped,
    ConfigError,
    DataError,
    OutcomeUnknown,
    Refused,
    RetryLater,
    UsageError,
)
from obiterm.core.values import NS_PER_S, Environment, Symbol
from obiterm.venues.binance.futures import (
    AccountRequests,
    FuturesBudget,
    KeyStep,
    ListenKey,
    MarketRequests,
    Signer,
    as_error,
    check,
    classify,
    is_perpetual,
    name_of,
    symbol_of,
    urls,
)
from obiterm.venues.binance.futures.errors import read_error
from obiterm.venues.binance.futures.limits import FUNDING
from obiterm.venues.binance.futures.listen_key import EXTEND_EVERY_NS, LIFE_NS
from obiterm.venues.binance.limits import ORDERS, WEIGHT
from obiterm.venues.common.refusals import Verdict
from tests.unit.venues_binance_futures.perp import AT, BTC, KEY, NOW_MS

# ── symbols ─────────────────────────────────────────────────────────────────


@given(st.text(min_size=1))
def test_names_go_both_ways(name: str) -> None:
    assert name_of(symbol_of(name)) == name
    assert is_perpetual(symbol_of(name))


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_markets_have_two_symbols(one: str, other: str) -> None:
    assert (symbol_of(one) == symbol_of(other)) is (one == other)


def test_a_perpetual_is_not_the_spot_market_of_its_name() -> None:
    assert symbol_of("BTCUSDT") == "BTCUSDT-PERP"
    for foreign in ("BTCUSDT", "", "-PERP"):
        assert not is_perpetual(Symbol(foreign))
        with pytest.raises(UsageError):
            name_of(Symbol(foreign))
    with pytest.raises(DataError):
        symbol_of("")


# ── hosts ───────────────────────────────────────────────────────────────────


def test_live_hosts_have_three_paths() -> None:
    live = urls(Environment.LIVE)
    assert live.rest == "https://fapi.binance.com"
    assert live.public == "wss://fstream.binance.com/public"
    assert live.market == "wss://fstream.binance.com/market"
    assert live.private == "wss://fstream.binance.com/private"
    assert live.ws_api == "wss://ws-fapi.binance.com/ws-fapi/v1"


@pytest.mark.parametrize("environment", [Environment.DEMO, Environment.TESTNET])
def test_demo_never_meets_a_live_host(environment: Environment) -> None:
    demo, live = urls(environment), urls(Environment.LIVE)
    assert demo.rest == "https://demo-fapi.binance.com"
    for name in ("rest", "public", "market", "private", "ws_api"):
        assert getattr(demo, name) != getattr(live, name)
        assert "binance.com" not in getattr(demo, name) or "demo" in getattr(demo, name)


def test_paper_reads_the_market_and_has_no_account() -> None:
    paper = urls(Environment.PAPER)
    assert (paper.private, paper.ws_api) == ("", "")
    assert paper.public == urls(Environment.LIVE).public


def test_every_host_may_be_replaced() -> None:
    moved = urls(Environment.DEMO, {"stream": "ws://new.example/", "ws_api": "ws://api.example"})
    assert moved.private == "ws://new.example/private"
    assert moved.ws_api == "ws://api.example"
    one = urls(Environment.LIVE, {"stream": "ws://a", "market": "ws://b/m"})
    assert (one.public, one.market) == ("ws://a/public", "ws://b/m")
    simulated = urls(
        Environment.SIM, {"rest": "http://s", "stream": "ws://s", "ws_api": "ws://s/ws-fapi/v1"}
    )
    assert simulated.market == "ws://s/market"
    with pytest.raises(ConfigError, match="ws_api"):
        urls(Environment.SIM, {"rest": "http://s", "stream": "ws://s"})
    with pytest.raises(ConfigError, match="one of rest"):
        urls(Environment.LIVE, {"strem": "ws://s"})


# ── failures ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "code", "words", "verdict"),
    [
        (503, 0, "Unknown error, please check your request or try again later.", Verdict.UNKNOWN),
        (503, 0, "Service Unavailable.", Verdict.RETRY),
        (503, -1001, "Internal error; unable to process your request. Please try again.",
         Verdict.RETRY),
        (503, -1008, "Request throttled by system-level protection.", Verdict.RETRY),
        (503, -1001, "other words", Verdict.UNKNOWN),
        (503, 0, "", Verdict.UNKNOWN),
        (0, 0, "no answer", Verdict.UNKNOWN),
        (500, 0, "", Verdict.UNKNOWN),
        (408, 0, "", Verdict.UNKNOWN),
        (400, -1000, "", Verdict.UNKNOWN),
        (400, -1007, "", Verdict.UNKNOWN),
        (400, -4116, "ClientOrderId is duplicated", Verdict.UNKNOWN),
        (400, -1021, "", Verdict.RETRY),
        (400, -5028, "", Verdict.RETRY),
        (400, -1125, "This listenKey does not exist.", Verdict.RETRY),
        (429, -1003, "", Verdict.RETRY),
        (418, 0, "", Verdict.RETRY),
        (403, 0, "", Verdict.RETRY),
        (401, 0, "", Verdict.STOP),
        (400, -2015, "", Verdict.STOP),
        (400, -2008, "", Verdict.STOP),
        (400, -1109, "", Verdict.STOP),
        (400, -4109, "", Verdict.STOP),
        (400, -2021, "Order would immediately trigger.", Verdict.REFUSE),
        (400, -2022, "ReduceOnly Order is rejected.", Verdict.REFUSE),
        (400, -2019, "Margin is insufficient.", Verdict.REFUSE),
        (400, -4061, "Order's position side does not match user's setting.", Verdict.REFUSE),
        (400, -4120, "", Verdict.REFUSE),
        (400, -4164, "", Verdict.REFUSE),
        (400, -5022, "", Verdict.REFUSE),
        (400, -9999, "added in 2027", Verdict.REFUSE),
    ],
)  # fmt: skip
def test_what_failures_mean(status: int, code: int, words: str, verdict: Verdict) -> None:
    assert classify(status, code, words) is verdict


def test_failures_become_errors_in_the_venues_words() -> None:
    retry = as_error(429, -1003, "Too many requests", retry_after_ms=5000)
    assert isinstance(retry, RetryLater)
    assert (retry.code, retry.text, retry.retry_after_ms) == ("-1003", "Too many requests", 5000)
    assert isinstance(as_error(400, -2015, "Invalid API-key"), AccountStopped)
    assert isinstance(as_error(400, -2019, "Margin is insufficient."), Refused)
    assert isinstance(as_error(503, 0, "Unknown error"), OutcomeUnknown)


def test_replies_are_checked() -> None:
    check(200, {}, b"{}")
    for code in (-4046, -4059, -4171):  # it is so already
        check(400, {}, b'{"code":%d,"msg":"No need to change"}' % code)
    with pytest.raises(RetryLater) as waits:
        check(429, {"retry-after": "7"}, b'{"code":-1003,"msg":"Too many requests"}')
    assert waits.value.retry_after_ms == 7000
    with pytest.raises(Refused, match=r"-4061"):
        check(400, {}, b'{"code":-4061,"msg":"position side"}')


def test_pages_of_proxies_count_by_their_status_and_first_words() -> None:
    with pytest.raises(RetryLater):
        check(503, {}, b"Service Unavailable.")
    with pytest.raises(OutcomeUnknown, match="HTTP 503"):
        check(503, {}, b"<html>503</html>")
    assert read_error(403, b"\xff<").msg
    assert read_error(403, b"").msg == "HTTP 403"


# ── limits ──────────────────────────────────────────────────────────────────

ACCOUNT = AccountRequests(Signer(KEY))
PUBLIC = MarketRequests()


def test_weights_and_the_reserve() -> None:
    budget = FuturesBudget()
    heavy = ACCOUNT.income(NOW_MS)
    for _ in range(64):
        assert budget.may_request(heavy, False, AT) == 0
        budget.requested(heavy, AT)
    assert budget.used_share(WEIGHT, AT) == 0.8
    assert budget.may_request(heavy, False, AT) > 0
    assert budget.may_request(heavy, True, AT) == 0
    assert budget.may_request(heavy, False, AT + 60 * NS_PER_S) == 0


def test_funding_history_has_a_pool_of_its_own() -> None:
    budget = FuturesBudget()
    history = PUBLIC.funding_rate(BTC)
    assert (history.weight, PUBLIC.funding_info().is_funding) == (0, True)
    for _ in range(400):
        budget.requested(history, AT)
    assert budget.used_share(FUNDING, AT) == 0.8
    assert budget.used_share(WEIGHT, AT) == 0
    assert budget.may_request(history, False, AT) > 0
    assert budget.may_request(PUBLIC.server_time(), False, AT) == 0


def test_headers_correct_the_counts() -> None:
    budget = FuturesBudget()
    budget.take_headers(
        {
            "x-mbx-used-weight-1m": "600",
            "x-mbx-order-count-10s": "30",
            "x-mbx-order-count-1m": "600",
        },
        AT,
    )
    assert budget.used_share(WEIGHT, AT) == 0.25
    assert budget.used_share(ORDERS, AT) == 0.5


def test_accounts_of_one_machine_share_weight_and_not_orders() -> None:
    one = FuturesBudget()
    other = FuturesBudget(shared=one.shared)
    one.requested(ACCOUNT.income(NOW_MS), AT)
    one.sent(0, True, AT)
    assert other.used_share(WEIGHT, AT) == one.used_share(WEIGHT, AT) > 0
    assert one.used_share(ORDERS, AT) > other.used_share(ORDERS, AT) == 0


def test_weights_of_books() -> None:
    weights = [PUBLIC.depth(BTC, levels).weight for levels in (5, 50, 100, 500, 1000)]
    assert weights == [2, 2, 5, 10, 20]
    assert PUBLIC.depth(BTC).target == b"/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
    with pytest.raises(UsageError, match="1000"):
        PUBLIC.depth(BTC, 5000)


def test_public_requests() -> None:
    assert PUBLIC.ping().target == b"/fapi/v1/ping"
    assert PUBLIC.server_time().target == b"/fapi/v1/time"
    assert PUBLIC.exchange_info().target == b"/fapi/v1/exchangeInfo"
    assert PUBLIC.premium_index().weight == 10
    assert PUBLIC.premium_index(BTC).target == b"/fapi/v1/premiumIndex?symbol=BTCUSDT"
    assert PUBLIC.funding_rate(BTC, start_ms=7, limit=1000).target == (
        b"/fapi/v1/fundingRate?symbol=BTCUSDT&startTime=7&limit=1000"
    )


# ── listen key ──────────────────────────────────────────────────────────────


def test_t10_the_key_is_kept_alive() -> None:
    key = ListenKey()
    assert key.due(0) is KeyStep.CREATE
    assert key.due(1) is None
    assert key.due(30 * NS_PER_S) is KeyStep.CREATE
    key.created("abc/+", 30 * NS_PER_S)
    assert key.connect_path() == "/ws?listenKey=abc%2F%2B"
    assert "abc" not in repr(key)
    due = 30 * NS_PER_S + EXTEND_EVERY_NS
    assert key.due(due - 1) is None
    assert key.due(due) is KeyStep.EXTEND
    key.extended(due)
    assert key.due(due + EXTEND_EVERY_NS - 1) is None
    assert not key.must_reconnect


def test_a_key_that_is_gone_is_replaced_and_the_stream_opened_anew() -> None:
    key = ListenKey()
    key.created("one", 0)
    assert key.due(EXTEND_EVERY_NS) is KeyStep.EXTEND
    live = []
    for code in (-1001, -1125):
        key.refused(code)
        live.append(key.is_live)
    assert live == [True, False]
    assert key.must_reconnect
    assert key.due(EXTEND_EVERY_NS) is KeyStep.CREATE
    key.created("two", EXTEND_EVERY_NS)
    assert key.connect_path() == "/ws?listenKey=two"


def test_a_key_that_nobody_could_extend_dies_by_itself() -> None:
    key = ListenKey()
    key.created("one", 0)
    for minute in range(25, 60):
        key.due(minute * 60 * NS_PER_S)
    assert key.due(LIFE_NS) is KeyStep.CREATE
    assert key.must_reconnect


def test_the_same_key_again_changes_nothing_and_another_one_reconnects() -> None:
    key = ListenKey()
    key.created("", 0)
    assert not key.is_live
    key.extended(0)
    key.created("one", 0)
    key.created("one", 1)
    assert not key.must_reconnect
    key.created("two", 2)
    assert key.must_reconnect
