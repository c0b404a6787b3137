"""Orders in Binance's words, as exact bytes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import ConfigError
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import (
    ClientOrderId,
    OrderKind,
    OrderRole,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
)
from obiterm.venues.binance import ApiFrames, Credentials, RestRequests, SelfTradePolicy
from obiterm.venues.binance.order_fields import order_fields
from tests.unit.venues_binance.spot_orders import (
    BTC,
    KEY,
    NOW_MS,
    SYMBOL,
    TINY,
    approved,
    sent_fields,
)


def fields(order: ApprovedOrder, instrument: Instrument = BTC) -> dict[str, str]:
    return order_fields(order, instrument, SelfTradePolicy())


def test_a_limit_order() -> None:
    assert fields(approved(time_in_force=TimeInForce.IOC)) == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "quantity": "0.00123",
        "price": "60000.5",
        "newClientOrderId": "r7-000001",
        "newOrderRespType": "FULL",
        "selfTradePreventionMode": "EXPIRE_TAKER",
    }


def test_post_only_is_limit_maker_without_time_in_force() -> None:
    sent = fields(approved(post_only=True))
    assert sent["type"] == "LIMIT_MAKER"
    assert "timeInForce" not in sent
    assert sent["price"] == "60000.5"


def test_a_market_order_has_no_price() -> None:
    sent = fields(approved(OrderKind.MARKET, side=Side.SELL, role=OrderRole.PANIC))
    assert sent["type"] == "MARKET"
    assert not sent.keys() & {"price", "stopPrice", "timeInForce"}
    assert sent["selfTradePreventionMode"] == "EXPIRE_MAKER", "an exit does not die on our quote"


def test_a_stop_rests_as_stop_loss() -> None:
    sent = fields(
        approved(OrderKind.STOP_MARKET, price_ticks=0, trigger_ticks=5_900_000, role=OrderRole.STOP)
    )
    assert (sent["type"], sent["stopPrice"]) == ("STOP_LOSS", "59000")
    assert not sent.keys() & {"price", "timeInForce"}


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_numbers_are_exact_and_never_have_an_exponent(ticks: int, lots: int) -> None:
    for grid in (BTC, TINY):
        sent = fields(approved(symbol=grid.symbol, price_ticks=ticks, lots=lots), grid)
        assert grid.ticks(Decimal(sent["price"])) == ticks
        assert grid.lots(Decimal(sent["quantity"])) == lots
        assert "e" not in (sent["price"] + sent["quantity"]).lower()


@pytest.mark.parametrize(
    ("allowed", "entry", "leave"),
    [
        (None, "EXPIRE_TAKER", "EXPIRE_MAKER"),
        ({"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER"}, "EXPIRE_TAKER", "EXPIRE_MAKER"),
        ({"NONE", "EXPIRE_MAKER"}, "EXPIRE_MAKER", "EXPIRE_MAKER"),
        ({"EXPIRE_BOTH", "EXPIRE_TAKER"}, "EXPIRE_TAKER", "EXPIRE_BOTH"),
        ({"NONE"}, None, None),
    ],
)
def test_r15_every_order_prevents_self_trades_where_the_market_lets_it(
    allowed: set[str] | None, entry: str | None, leave: str | None
) -> None:
    policy = SelfTradePolicy(allowed=None if allowed is None else {SYMBOL: frozenset(allowed)})
    for role, mode in ((OrderRole.ENTRY, entry), (OrderRole.STOP, leave)):
        sent = order_fields(approved(role=role), BTC, policy)
        assert sent.get("selfTradePreventionMode") == mode


def test_a_rest_order_goes_out_signed_in_the_body() -> None:
    request = RestRequests(KEY).new_order(approved(), BTC, NOW_MS)
    assert (request.method, request.target) == ("POST", b"/api/v3/order")
    assert (request.weight, request.is_order) == (1, True)
    assert (b"X-MBX-APIKEY", b"K" * 64) in request.headers
    assert (b"content-type", b"application/x-www-form-urlencoded") in request.headers
    payload, _, signature = request.body.rpartition(b"&signature=")
    assert signature == KEY.rest_signature(payload)
    assert sent_fields(payload)["timestamp"] == str(NOW_MS)


def test_requests_that_read() -> None:
    rest = RestRequests()
    assert rest.depth(SYMBOL).target == b"/api/v3/depth?symbol=BTCUSDT&limit=1000"
    weights = [rest.depth(SYMBOL, limit).weight for limit in (5, 100, 500, 1000, 5000)]
    assert weights == [5, 5, 25, 50, 250]
    info = rest.exchange_info([SYMBOL, Symbol("币安人生USDT")])
    assert info.target == (
        b"/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%2C%22"
        b"%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT%22%5D"
    )
    assert rest.exchange_info().target == b"/api/v3/exchangeInfo"
    assert rest.server_time().target == b"/api/v3/time"
    assert rest.ping().target == b"/api/v3/ping"
    with pytest.raises(ConfigError, match="signed"):
        rest.account(NOW_MS)


CLIENT = ClientOrderId("r7-000001")


@pytest.mark.parametrize(
    ("build", "method", "path", "expected", "weight"),
    [
        (
            lambda rest: rest.cancel_order(SYMBOL, CLIENT, NOW_MS),
            "DELETE",
            "/api/v3/order",
            {"symbol": "BTCUSDT", "origClientOrderId": "r7-000001"},
            1,
        ),
        (
            lambda rest: rest.cancel_order(SYMBOL, CLIENT, NOW_MS, VenueOrderId("28")),
            "DELETE",
            "/api/v3/order",
            {"symbol": "BTCUSDT", "orderId": "28"},
            1,
        ),
        (
            lambda rest: rest.query_order(SYMBOL, CLIENT, NOW_MS),
            "GET",
            "/api/v3/order",
            {"symbol": "BTCUSDT", "origClientOrderId": "r7-000001"},
            4,
        ),
        (lambda rest: rest.open_orders(None, NOW_MS), "GET", "/api/v3/openOrders", {}, 80),
        (
            lambda rest: rest.open_orders(SYMBOL, NOW_MS),
            "GET",
            "/api/v3/openOrders",
            {"symbol": "BTCUSDT"},
            6,
        ),
        (
            lambda rest: rest.cancel_open_orders(SYMBOL, NOW_MS),
            "DELETE",
            "/api/v3/openOrders",
            {"symbol": "BTCUSDT"},
            1,
        ),
        (
            lambda rest: rest.account(NOW_MS),
            "GET",
            "/api/v3/account",
            {"omitZeroBalances": "true"},
            20,
        ),
        (
            lambda rest: rest.my_trades(SYMBOL, NOW_MS, from_id=5),
            "GET",
            "/api/v3/myTrades",
            {"symbol": "BTCUSDT", "fromId": "5", "limit": "1000"},
            20,
        ),
        (
            lambda rest: rest.my_trades(SYMBOL, NOW_MS, venue_id=VenueOrderId("28"), limit=10),
            "GET",
            "/api/v3/myTrades",
            {"symbol": "BTCUSDT", "orderId": "28", "limit": "10"},
            5,
        ),
        (
            lambda rest: rest.commission(SYMBOL, NOW_MS),
            "GET",
            "/api/v3/account/commission",
            {"symbol": "BTCUSDT"},
            20,
        ),
        (
            lambda rest: rest.api_restrictions(NOW_MS),
            "GET",
            "/sapi/v1/account/apiRestrictions",
            {},
            1,
        ),
    ],
)
def test_signed_requests(
    build: Any, method: str, path: str, expected: dict[str, str], weight: int
) -> None:
    request = build(RestRequests(KEY, recv_window_ms=3000))
    target, _, query = request.target.decode().partition("?")
    assert (request.method, target, request.body) == (method, path, b"")
    assert (request.weight, request.is_order) == (weight, False)
    sent = sent_fields(query.encode())
    assert sent.pop("signature")
    assert sent == {**expected, "recvWindow": "3000", "timestamp": str(NOW_MS)}


def test_a_test_order_does_not_count_as_an_order() -> None:
    request = RestRequests(KEY).test_order(approved(), BTC, NOW_MS)
    assert request.target == b"/api/v3/order/test"
    assert not request.is_order


def test_cancel_replace_can_never_leave_two_orders() -> None:
    request = RestRequests(KEY).cancel_replace(ClientOrderId("old"), approved(), BTC, NOW_MS)
    sent = sent_fields(request.body)
    assert request.target == b"/api/v3/order/cancelReplace"
    assert sent["cancelReplaceMode"] == "STOP_ON_FAILURE"
    assert sent["cancelRestrictions"] == "ONLY_NEW"
    assert sent["cancelOrigClientOrderId"] == "old"
    assert sent["newClientOrderId"] == "r7-000001"
    assert request.is_order


def test_a_frame_carries_what_a_request_carries() -> None:
    frames = ApiFrames(KEY)
    frame = json.loads(frames.place(9, approved(), BTC, NOW_MS))
    assert (frame["id"], frame["method"]) == (9, "order.place")
    params = frame["params"]
    signature = params.pop("signature")
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    assert signature == KEY.signature(payload.encode())
    assert params.pop("apiKey") == KEY.api_key
    rest = sent_fields(RestRequests(KEY).new_order(approved(), BTC, NOW_MS).body)
    rest.pop("signature")
    assert {name: str(value) for name, value in params.items()} == rest
    assert params["timestamp"] == NOW_MS, "an integer, not text"


def test_after_the_logon_frames_are_not_signed() -> None:
    frames = ApiFrames(Credentials("key", "00" * 32, "ed25519"))
    frames.logged_on = True
    for frame in (
        frames.place(1, approved(), BTC, NOW_MS),
        frames.cancel(2, SYMBOL, CLIENT, VenueOrderId("28"), NOW_MS),
        frames.query(3, SYMBOL, CLIENT, None, NOW_MS),
        frames.open_orders(4, None, NOW_MS),
        frames.my_trades(5, SYMBOL, 77, NOW_MS),
        frames.cancel_all(6, SYMBOL, NOW_MS),
        frames.account(7, NOW_MS),
        frames.cancel_replace(8, ClientOrderId("old"), approved(), BTC, NOW_MS),
    ):
        params = json.loads(frame)["params"]
        assert params["timestamp"] == NOW_MS
        assert not params.keys() & {"apiKey", "signature"}
