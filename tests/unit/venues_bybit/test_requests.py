"""Requests that read and set an account, and that need no key (bybit.md §4, §6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from obiterm.core.errors import ConfigError
from obiterm.core.values import (
    ClientOrderId,
    VenueOrderId,
)
from obiterm.venues.bybit import (
    AccountRequests,
    Category,
    HttpRequest,
    MarketRequests,
    OrderRequests,
    Signer,
    protection_fields,
)
from tests.unit.venues_bybit.payloads import (
    BTC,
    KEY,
    MINE,
    NOW_MS,
    PERP,
    SPOT,
)

ORDERS = OrderRequests(Signer(KEY))
ACCOUNT = AccountRequests(Signer(KEY))
MARKET = MarketRequests()


def body(request: HttpRequest) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(request.body)
    return told


def test_protection_of_a_position() -> None:
    told = protection_fields(BTC, stop_loss_ticks=480_000, trigger_by="MarkPrice")
    request = ACCOUNT.trading_stop(PERP, told, NOW_MS)
    assert request.target == b"/v5/position/trading-stop"
    assert body(request) == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "tpslMode": "Full",
        "positionIdx": 0,
        "stopLoss": "48000",
        "slTriggerBy": "MarkPrice",
    }
    removed = protection_fields(BTC, take_profit_ticks=0, trailing_ticks=100, position_idx=2)
    assert removed == {
        "tpslMode": "Full",
        "positionIdx": 2,
        "takeProfit": "0",
        "tpTriggerBy": "LastPrice",
        "trailingStop": "10",
    }


@pytest.mark.parametrize(
    ("request_", "target", "endpoint"),
    [
        (
            ORDERS.open_orders(Category.LINEAR, NOW_MS),
            "/v5/order/realtime?category=linear&settleCoin=USDT&openOnly=0&limit=50",
            "orders",
        ),
        (
            ORDERS.open_orders(Category.SPOT, NOW_MS, cursor="a%3D1"),
            "/v5/order/realtime?category=spot&openOnly=0&limit=50&cursor=a%3D1",
            "orders",
        ),
        (
            ORDERS.open_orders(Category.SPOT, NOW_MS, SPOT),
            "/v5/order/realtime?category=spot&symbol=BTCUSDT&openOnly=0&limit=50",
            "orders",
        ),
        (
            ORDERS.query(SPOT, ClientOrderId("m-1"), NOW_MS),
            "/v5/order/realtime?category=spot&symbol=BTCUSDT&orderLinkId=m-1",
            "orders",
        ),
        (
            ORDERS.query(PERP, MINE, NOW_MS, VenueOrderId("7"), history=True),
            "/v5/order/history?category=linear&symbol=BTCUSDT&orderId=7",
            "history",
        ),
        (
            ACCOUNT.wallet(NOW_MS, ["USDT", "BTC"]),
            "/v5/account/wallet-balance?accountType=UNIFIED&coin=USDT,BTC",
            "wallet",
        ),
        (
            ACCOUNT.positions(NOW_MS),
            "/v5/position/list?category=linear&settleCoin=USDT&limit=200",
            "positions",
        ),
        (
            ACCOUNT.positions(NOW_MS, PERP),
            "/v5/position/list?category=linear&symbol=BTCUSDT",
            "positions",
        ),
        (
            ACCOUNT.executions(Category.LINEAR, NOW_MS, symbol=PERP, start_ms=5, end_ms=9),
            "/v5/execution/list?category=linear&symbol=BTCUSDT&startTime=5&endTime=9&limit=100",
            "executions",
        ),
        (
            ACCOUNT.executions(Category.SPOT, NOW_MS, client_id=ClientOrderId("m-1"), cursor="x"),
            "/v5/execution/list?category=spot&orderLinkId=m-1&limit=100&cursor=x",
            "executions",
        ),
        (
            ACCOUNT.fee_rate(SPOT, NOW_MS),
            "/v5/account/fee-rate?category=spot&symbol=BTCUSDT",
            "fee-rate",
        ),
        (ACCOUNT.account_info(NOW_MS), "/v5/account/info", "account"),
        (ACCOUNT.key_info(NOW_MS), "/v5/user/query-api", "key"),
    ],
)
def test_requests_that_read_an_account(request_: HttpRequest, target: str, endpoint: str) -> None:
    assert (request_.method, request_.target.decode(), request_.body) == ("GET", target, b"")
    assert request_.endpoint == endpoint
    query = request_.target.partition(b"?")[2]
    assert dict(request_.headers)[b"X-BAPI-SIGN"] == KEY.sign(NOW_MS, 5000, query).encode()


def test_requests_that_set_an_account() -> None:
    leverage = ACCOUNT.set_leverage(PERP, "6", NOW_MS)
    assert leverage.target == b"/v5/position/set-leverage"
    assert body(leverage) == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "buyLeverage": "6",
        "sellLeverage": "6",
    }
    for hedge, mode in ((False, 0), (True, 3)):
        switch = ACCOUNT.switch_position_mode(PERP, NOW_MS, hedge=hedge)
        assert body(switch) == {"category": "linear", "symbol": "BTCUSDT", "mode": mode}
    action = ACCOUNT.set_limit_price_action(Category.LINEAR, NOW_MS, reprice=False)
    assert body(action) == {"category": "linear", "modifyEnable": False}
    money = ACCOUNT.apply_demo_money({"USDT": "10000", "ETH": "1"}, NOW_MS)
    assert body(money) == {
        "adjustType": 0,
        "utaDemoApplyMoney": [
            {"coin": "USDT", "amountStr": "10000"},
            {"coin": "ETH", "amountStr": "1"},
        ],
    }


@pytest.mark.parametrize(
    ("request_", "target"),
    [
        (MARKET.server_time(), "/v5/market/time"),
        (MARKET.instruments(Category.SPOT), "/v5/market/instruments-info?category=spot"),
        (
            MARKET.instruments(Category.LINEAR, "first%3D2"),
            "/v5/market/instruments-info?category=linear&limit=1000&cursor=first%3D2",
        ),
        (
            MARKET.instrument(SPOT),
            "/v5/market/instruments-info?category=spot&symbol=BTCUSDT",
        ),
        (MARKET.depth(PERP), "/v5/market/orderbook?category=linear&symbol=BTCUSDT&limit=1000"),
        (MARKET.tickers(Category.SPOT), "/v5/market/tickers?category=spot"),
        (
            MARKET.tickers(Category.LINEAR, PERP),
            "/v5/market/tickers?category=linear&symbol=BTCUSDT",
        ),
        (
            MARKET.candles(PERP, "5", start_ms=1, end_ms=2, limit=7),
            "/v5/market/kline?category=linear&symbol=BTCUSDT&interval=5&start=1&end=2&limit=7",
        ),
        (
            MARKET.recent_trades(SPOT),
            "/v5/market/recent-trade?category=spot&symbol=BTCUSDT&limit=60",
        ),
        (
            MARKET.funding_history(PERP, start_ms=1, end_ms=2),
            "/v5/market/funding/history?category=linear&symbol=BTCUSDT&startTime=1&endTime=2"
            "&limit=200",
        ),
        (
            MARKET.risk_limits(PERP),
            "/v5/market/risk-limit?category=linear&symbol=BTCUSDT",
        ),
    ],
)
def test_requests_that_need_no_key(request_: HttpRequest, target: str) -> None:
    assert (request_.method, request_.target.decode()) == ("GET", target)
    assert (request_.headers, request_.endpoint) == ([], "")


def test_what_cannot_be_asked_is_the_callers_mistake() -> None:
    with pytest.raises(ConfigError, match="an end"):
        MARKET.funding_history(PERP, start_ms=1)
    with pytest.raises(ConfigError, match="signed call"):
        AccountRequests(Signer(None)).wallet(NOW_MS)
