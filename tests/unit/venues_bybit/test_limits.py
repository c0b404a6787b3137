"""Request budgets (bybit.md §3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.venues.bybit import Budget, Category, RollingPool
from obiterm.venues.bybit.limits import ADDRESS_WINDOW_NS, SLACK_NS
from tests.unit.venues_bybit.payloads import AT

LINEAR, SPOT = Category.LINEAR, Category.SPOT
WINDOW_NS = NS_PER_S + SLACK_NS


def test_a_pool_rolls() -> None:
    pool = RollingPool("x", 10, NS_PER_S)
    for at_ms in range(0, 1000, 100):
        assert pool.wait_ns(1, 1.0, AT + at_ms * NS_PER_MS) == 0
        pool.take(1, AT + at_ms * NS_PER_MS)
    now_ns = AT + 950 * NS_PER_MS
    assert pool.wait_ns(1, 1.0, now_ns) == 50 * NS_PER_MS
    assert pool.wait_ns(3, 1.0, now_ns) == 250 * NS_PER_MS
    assert pool.used(AT + 1000 * NS_PER_MS) == 9
    assert pool.used_share(AT + 5 * NS_PER_S) == 0.0


@given(
    st.integers(1, 30),
    st.floats(0.1, 1.0),
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 400)), max_size=60),
)
def test_no_window_ever_holds_more_than_its_share(
    limit: int, share: float, asks: list[tuple[int, int]]
) -> None:
    """Whoever waits as told never overruns, except one that is larger than the whole share."""
    pool = RollingPool("x", limit, NS_PER_S)
    sent: list[tuple[int, int]] = []
    now_ns = AT
    for cost, pause_ms in asks:
        now_ns += pause_ms * NS_PER_MS
        now_ns += pool.wait_ns(cost, share, now_ns)
        assert pool.wait_ns(cost, share, now_ns) == 0
        pool.take(cost, now_ns)
        sent.append((now_ns, cost))
        inside = [units for at, units in sent if at > now_ns - NS_PER_S]
        assert sum(inside) <= limit * share or len(inside) == 1


def test_t44_a_share_is_kept_for_cancels_and_exits() -> None:
    budget = Budget()
    for _ in range(8):
        assert budget.may_send("create", LINEAR, AT) == 0
        budget.sent("create", LINEAR, AT)
    assert budget.may_send("create", LINEAR, AT) == WINDOW_NS
    for _ in range(2):
        assert budget.may_send("create", LINEAR, AT, is_cancel=True) == 0
        budget.sent("create", LINEAR, AT)
    assert budget.may_send("create", LINEAR, AT, is_cancel=True) == WINDOW_NS
    assert budget.may_send("cancel", LINEAR, AT) == 0, "endpoints have pools of their own"
    assert budget.may_send("create", SPOT, AT) == 0, "and categories"


def test_a_batch_costs_its_orders_and_a_whole_one_still_goes() -> None:
    budget = Budget()
    assert budget.may_send("create-batch", LINEAR, AT, cost=10) == 0
    budget.sent("create-batch", LINEAR, AT, cost=10)
    assert budget.may_send("create-batch", LINEAR, AT, cost=1, is_cancel=True) == WINDOW_NS


def test_the_address_bounds_all_accounts_behind_it() -> None:
    first = Budget()
    second = Budget(address=first.address)
    for _ in range(480):
        first.sent("", LINEAR, AT)
    assert second.may_send("", LINEAR, AT) == ADDRESS_WINDOW_NS
    assert second.may_send("cancel", LINEAR, AT, is_cancel=True) == 0
    assert second.may_send("create", LINEAR, AT, by_socket=True) == 0
    assert first.used_share(AT) == 0.8


def test_the_venues_figures_win() -> None:
    budget = Budget()
    headers = {
        "x-bapi-limit": "20",
        "x-bapi-limit-status": "0",
        "x-bapi-limit-reset-timestamp": str(AT // NS_PER_MS + 400),
    }
    budget.sent("create", LINEAR, AT)
    budget.take_headers("create", LINEAR, headers, AT)
    assert budget.used_share(AT) == 1.0
    assert budget.may_send("create", LINEAR, AT, is_cancel=True) == WINDOW_NS
    assert budget.may_send("create", LINEAR, AT + WINDOW_NS) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-bapi-limit": "0", "x-bapi-limit-status": "0"},
        {"x-bapi-limit": "ten", "x-bapi-limit-status": "1"},
    ],
)
def test_headers_that_tell_nothing_change_nothing(headers: dict[str, str]) -> None:
    budget = Budget()
    budget.take_headers("create", LINEAR, headers, AT)
    budget.take_headers("", LINEAR, {"x-bapi-limit": "5", "x-bapi-limit-status": "0"}, AT)
    assert budget.used_share(AT) == 0.0


def test_a_spent_quota_far_from_its_reset_does_not_stop_the_account() -> None:
    budget = Budget()
    headers = {
        "x-bapi-limit": "10",
        "x-bapi-limit-status": "0",
        "x-bapi-limit-reset-timestamp": "9999999999999",
    }
    budget.take_headers("create", LINEAR, headers, AT)
    assert budget.may_send("create", LINEAR, AT) == WINDOW_NS


def test_an_address_that_is_kept_away_waits_ten_minutes() -> None:
    budget = Budget()
    budget.failed("create", LINEAR, 403, 0, "access too frequent", AT)
    assert budget.may_send("", LINEAR, AT) == 600 * NS_PER_S
    assert budget.may_send("cancel", LINEAR, AT, is_cancel=True) == 600 * NS_PER_S
    assert budget.may_send("cancel", LINEAR, AT, is_cancel=True, by_socket=True) == 0
