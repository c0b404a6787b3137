"""Request weights, order counts, bans (binance.md §5)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.values import NS_PER_S
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.limits import Address, LimitOptions, OrderCounts, Window
from obiterm.exchange.serve import ExchangeServer
from tests.clients.support import Rest, WsApi, default_options, hmac_signer

TIGHT = LimitOptions(weight_per_minute=200, orders_per_day=4, abuse_before_ban=3, ban_s=120)


@pytest.fixture
async def tight() -> AsyncIterator[ExchangeServer]:
    options = msgspec.structs.replace(default_options(), limits=TIGHT)
    async with ExchangeServer(options) as running:
        yield running


@pytest.fixture
async def narrow(tight: ExchangeServer) -> AsyncIterator[Rest]:
    async with Rest(tight.rest_url, hmac_signer(tight)) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("ping", {}, 1),
        ("exchangeInfo", {}, 20),
        ("depth", {"symbol": "BTCUSDT"}, 5),
        ("depth", {"symbol": "BTCUSDT", "limit": 500}, 25),
        ("depth", {"symbol": "BTCUSDT", "limit": 1000}, 50),
        ("depth", {"symbol": "BTCUSDT", "limit": 5000}, 250),
        ("trades", {"symbol": "BTCUSDT"}, 25),
        ("aggTrades", {"symbol": "BTCUSDT"}, 4),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m"}, 2),
        ("ticker/bookTicker", {"symbol": "BTCUSDT"}, 2),
        ("ticker/bookTicker", {}, 4),
        ("ticker/24hr", {"symbol": "BTCUSDT"}, 2),
    ],
)
async def test_weights_of_public_calls(
    rest: Rest, path: str, params: dict[str, object], weight: int
) -> None:
    reply = await rest.public(f"/api/v3/{path}", **params)
    assert reply.status == 200
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


async def test_order_calls_cost_weight_only_when_they_fail(rest: Rest) -> None:
    placed = await rest.limit("BUY", "0.01", await rest.away(-0.03))
    ticker_weight = 2
    assert placed.headers["X-MBX-USED-WEIGHT-1M"] == str(ticker_weight)
    assert placed.headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert placed.headers["X-MBX-ORDER-COUNT-1D"] == "1"
    refused = await rest.limit("BUY", "0.01", "1.00")
    assert refused.headers["X-MBX-USED-WEIGHT-1M"] == str(ticker_weight + 1)


async def test_a_fill_gives_its_count_back_and_a_cancel_does_not(rest: Rest) -> None:
    await rest.order("BUY", "MARKET", quantity="0.001")
    resting = (await rest.limit("BUY", "0.01", await rest.away(-0.03))).body
    await rest.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=resting["orderId"])
    counts = (await rest.signed("GET", "/api/v3/rateLimit/order")).body
    assert [row["count"] for row in counts if row["interval"] == "DAY"] == [1]


async def test_too_much_weight_is_429_and_going_on_is_a_ban(narrow: Rest) -> None:
    heavy = {"symbol": "BTCUSDT", "limit": 5000}
    for _ in range(3):
        over = await narrow.public("/api/v3/depth", **heavy)
        assert (over.status, over.code) == (429, -1003)
        assert 1 <= int(over.headers["Retry-After"]) <= 60
        assert "current limit is 200 request weight per 1 MINUTE" in over.msg
    banned = await narrow.public("/api/v3/depth", **heavy)
    assert (banned.status, banned.code) == (418, -1003)
    assert int(banned.headers["Retry-After"]) in range(115, 121)
    assert "IP banned until" in banned.msg
    still = await narrow.public("/api/v3/ping")
    assert still.status == 418, "a ban covers every call of the address"
    assert (await narrow.public("/_exchange/ledger")).status == 200, "not the back door"


async def test_too_many_orders(narrow: Rest) -> None:
    price = await narrow.away(-0.03)
    assert [(await narrow.limit("BUY", "0.001", price)).status for _ in range(4)] == [200] * 4
    over = await narrow.limit("BUY", "0.001", price)
    assert (over.status, over.code) == (429, -1015)
    assert over.msg == "Too many new orders; current limit is 4 orders per 1 DAY."
    assert int(over.headers["Retry-After"]) <= 86_400
    assert len((await narrow.ledger())["open_orders"]) == 4
    cancel = await narrow.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert cancel.status == 200, "cancels pass when entries do not"


async def test_socket_replies_carry_counters_and_the_end_of_a_limit(
    tight: ExchangeServer, narrow: Rest
) -> None:
    async with WsApi(narrow.http, tight.ws_api_url, hmac_signer(tight)) as api:
        price = await narrow.away(-0.03)
        params: dict[str, object] = {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.01",
            "price": price,
        }
        placed = await api.signed("order.place", **params)
        kinds = [(rule["rateLimitType"], rule["interval"]) for rule in placed["rateLimits"]]
        assert kinds == [("ORDERS", "SECOND"), ("ORDERS", "DAY"), ("REQUEST_WEIGHT", "MINUTE")]
        over = await api.plain("depth", symbol="BTCUSDT", limit=5000)
        assert over["status"] == 429
        data = over["error"]["data"]
        assert 0 < data["retryAfter"] - data["serverTime"] <= 60_000


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=50), st.integers(1, 300))
def test_a_window_counts_within_one_interval_of_the_clock(
    moments: list[int], length_s: int
) -> None:
    window = Window(10, length_s)
    expected: dict[int, int] = {}
    for now_ns in sorted(moments):
        slot = now_ns // (length_s * NS_PER_S)
        assert window.roll(now_ns) == expected.get(slot, 0)
        window.used += 1
        expected[slot] = expected.get(slot, 0) + 1
        assert 1 <= window.rest_s(now_ns) <= length_s


def test_weight_opens_again_at_the_full_minute() -> None:
    address = Address(LimitOptions(weight_per_minute=10))
    address.admit(10, 59 * NS_PER_S)
    with pytest.raises(ApiError) as refused:
        address.admit(1, 59 * NS_PER_S + 1)
    assert refused.value.retry_after_s == 1
    address.admit(10, 60 * NS_PER_S)


def test_bans_grow() -> None:
    address = Address(LimitOptions(weight_per_minute=1, abuse_before_ban=0, ban_s=120))
    now_ns, lengths = 0, []
    for _ in range(3):
        with pytest.raises(ApiError) as refused:
            address.admit(2, now_ns)
        lengths.append(refused.value.retry_after_s)
        now_ns += refused.value.retry_after_s * NS_PER_S
    assert lengths == [120, 240, 480]


def test_order_counts_never_go_below_zero() -> None:
    counts = OrderCounts(LimitOptions())
    counts.admit(1, 0)
    counts.accepted([7])
    assert counts.roll(11 * NS_PER_S) == (0, 1)
    counts.filled(7)
    counts.filled(7)
    assert counts.roll(11 * NS_PER_S) == (0, 0)
