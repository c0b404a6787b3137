"""ccxt's own requests for the same orders carry the same parameters and signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import ClientOrderId, OrderKind, Side, TimeInForce, VenueOrderId
from obiterm.venues.binance import HttpRequest, RestRequests
from tests.unit.venues_binance.spot_orders import BTC, KEY, NOW_MS, SYMBOL, approved, sent_fields

UNIFIED = "BTC/USDT"
CLIENT = ClientOrderId("r7-000001")
MARKET = {
    "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
    "baseAssetPrecision": 8, "quoteAssetPrecision": 8, "isSpotTradingAllowed": True,
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"],
    "permissions": [], "permissionSets": [["SPOT"]],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "stepSize": "0.00001"},
    ],
}  # fmt: skip


class _SentError(Exception):
    """Raised in place of sending."""


class CcxtWire:
    """ccxt's spot client with one market, a fixed clock and our window; it keeps what it sends."""

    def __init__(self) -> None:
        self.exchange: Any = ccxt.binance(
            {
                "apiKey": KEY.api_key,
                "secret": "S" * 64,
                "enableRateLimit": False,
                "options": {
                    "recvWindow": 5000,
                    "crossMarginPairsData": [],
                    "isolatedMarginPairsData": [],
                },
            }
        )
        self.exchange.milliseconds = lambda: NOW_MS
        self.exchange.fetch = self._fetch
        self.exchange.set_markets([self.exchange.parse_market(MARKET)])
        self.sent: list[tuple[str, str, dict[str, str], str]] = []

    def _fetch(self, url: str, method: str, headers: dict[str, str], body: str | None) -> None:
        self.sent.append((method, url, headers, body or ""))
        raise _SentError

    def of(self, call: Callable[..., Any], *args: Any, **more: Any) -> HttpRequest:
        with pytest.raises(_SentError):
            call(*args, **more)
        method, url, headers, text = self.sent.pop()
        target = url.removeprefix("https://api.binance.com").encode()
        assert headers["X-MBX-APIKEY"] == KEY.api_key
        return HttpRequest(method, target, text.encode(), [], 0, False)


def assert_alike(ours: HttpRequest, theirs: HttpRequest) -> None:
    """Same call, same parameters; and our signer gives their signature for their order of them."""
    path, _, query = ours.target.partition(b"?")
    their_path, _, their_query = theirs.target.partition(b"?")
    assert (ours.method, path) == (theirs.method, their_path)
    assert bool(ours.body) == bool(theirs.body)
    our_fields = sent_fields(ours.body or query)
    their_fields = sent_fields(theirs.body or their_query)
    their_signature = their_fields.pop("signature")
    resigned = KEY.sign_rest(their_fields.items())
    assert resigned == (theirs.body or their_query)
    assert resigned.endswith(their_signature.encode())
    our_fields.pop("signature")
    assert our_fields == their_fields


ORDERS: dict[str, tuple[ApprovedOrder, str, dict[str, Any]]] = {
    "limit": (approved(), "limit", {}),
    "immediate": (approved(time_in_force=TimeInForce.IOC), "limit", {"timeInForce": "IOC"}),
    "post-only": (approved(post_only=True), "limit", {"postOnly": True}),
    "market": (approved(OrderKind.MARKET, side=Side.SELL), "market", {}),
    "stop": (
        approved(OrderKind.STOP_MARKET, side=Side.SELL, trigger_ticks=5_900_000),
        "market",
        {"stopLossPrice": 59000},
    ),
}


@pytest.mark.parametrize("kind", ORDERS)
def test_the_same_order_as_ccxt(kind: str) -> None:
    order, order_type, more = ORDERS[kind]
    ours = RestRequests(KEY).new_order(order, BTC, NOW_MS)
    told = sent_fields(ours.body)
    wire = CcxtWire()
    params = {
        "clientOrderId": told["newClientOrderId"],
        "newOrderRespType": told["newOrderRespType"],
        "selfTradePreventionMode": told["selfTradePreventionMode"],
        **more,
    }
    price = 60000.5 if order_type == "limit" else None
    side = told["side"].lower()
    theirs = wire.of(wire.exchange.create_order, UNIFIED, order_type, side, 0.00123, price, params)
    assert_alike(ours, theirs)


def test_the_other_requests_as_ccxt() -> None:
    rest, wire = RestRequests(KEY), CcxtWire()
    exchange = wire.exchange
    by_id = rest.cancel_order(SYMBOL, CLIENT, NOW_MS, VenueOrderId("28"))
    assert_alike(by_id, wire.of(exchange.cancel_order, "28", UNIFIED))
    by_ours = wire.of(exchange.cancel_order, None, UNIFIED, {"clientOrderId": CLIENT})
    assert_alike(rest.cancel_order(SYMBOL, CLIENT, NOW_MS), by_ours)
    all_of_it = rest.cancel_open_orders(SYMBOL, NOW_MS)
    assert_alike(all_of_it, wire.of(exchange.cancel_all_orders, UNIFIED))
    opened = rest.open_orders(SYMBOL, NOW_MS)
    assert_alike(opened, wire.of(exchange.fetch_open_orders, UNIFIED))
    balance = wire.of(exchange.fetch_balance, {"omitZeroBalances": "true"})
    assert_alike(rest.account(NOW_MS), balance)
    asked = rest.query_order(SYMBOL, CLIENT, NOW_MS, VenueOrderId("28"))
    assert_alike(asked, wire.of(exchange.fetch_order, "28", UNIFIED))


def test_the_same_replacement_as_ccxt() -> None:
    """ccxt amends a spot order by cancelling and replacing it, as we do."""
    ours = RestRequests(KEY).cancel_replace(ClientOrderId("old"), approved(), BTC, NOW_MS)
    told = sent_fields(ours.body)
    wire = CcxtWire()
    params = {
        name: told[name]
        for name in (
            "cancelReplaceMode",
            "cancelRestrictions",
            "cancelOrigClientOrderId",
            "newOrderRespType",
            "selfTradePreventionMode",
            "newClientOrderId",
        )
    }
    theirs = wire.of(
        wire.exchange.edit_order, "28", UNIFIED, "limit", "buy", 0.00123, 60000.5, params
    )
    assert_alike(ours, theirs)
