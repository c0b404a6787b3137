"""ccxt's own requests for the same orders carry the same parameters and signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import OrderKind, OrderRole, Side, TimeInForce
from obiterm.core.values import VenueOrderId as Vid
from obiterm.venues.binance.futures import AccountRequests, FuturesRequest, Signer
from tests.unit.venues_binance_futures.perp import (
    BTC,
    KEY,
    MINE,
    NOW_MS,
    PERP,
    approved,
    query_of,
    requests,
    sent_fields,
    stop_order,
)


class _SentError(Exception):
    """Raised in place of sending."""


class CcxtWire:
    """ccxt's USD-M client with one market and a fixed clock; what it would send is kept."""

    symbol = "BTC/USDT:USDT"

    def __init__(self) -> None:
        self.exchange: Any = ccxt.binanceusdm(
            {
                "apiKey": KEY.api_key,
                "secret": "S" * 64,
                "enableRateLimit": False,
                "options": {"recvWindow": 5000},
            }
        )
        self.exchange.milliseconds = lambda: NOW_MS
        self.exchange.fetch = self._fetch
        market = {
            "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000, "onboardDate": 1569398400000, "status": "TRADING",
            "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT",
            "pricePrecision": 2, "quantityPrecision": 3, "baseAssetPrecision": 8,
            "quotePrecision": 8, "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.1", "tickSize": "0.10"},
                {"filterType": "LOT_SIZE", "minQty": "0.001", "stepSize": "0.001"},
            ],
        }  # fmt: skip
        self.exchange.set_markets([self.exchange.parse_market(market)])
        self.sent: list[tuple[str, str, dict[str, str], str]] = []

    def _fetch(self, url: str, method: str, headers: dict[str, str], body: str | None) -> None:
        self.sent.append((method, url, headers, body or ""))
        raise _SentError

    def of(self, call: Callable[..., Any], *args: Any, **more: Any) -> FuturesRequest:
        with pytest.raises(_SentError):
            call(*args, **more)
        method, url, headers, text = self.sent.pop()
        target = url.removeprefix("https://fapi.binance.com").encode()
        assert headers["X-MBX-APIKEY"] == KEY.api_key
        return FuturesRequest(method, target, text.encode(), [], 0, False)


def assert_alike(ours: FuturesRequest, theirs: FuturesRequest, *, but: str = "") -> None:
    """Same call, same parameters; and our signer gives their signature for their order."""
    path, _, _ = ours.target.partition(b"?")
    their_path, _, _ = theirs.target.partition(b"?")
    assert (ours.method, path) == (theirs.method, their_path)
    assert bool(ours.body) == bool(theirs.body)
    our_fields, their_fields = sent_fields(query_of(ours)), sent_fields(query_of(theirs))
    their_signature = their_fields.pop("signature")
    resigned = KEY.sign_rest(their_fields.items())
    assert resigned == query_of(theirs)
    assert resigned.endswith(their_signature.encode())
    our_fields.pop("signature")
    their_fields.pop(but, None)
    assert our_fields == their_fields


ORDERS: dict[str, tuple[ApprovedOrder, str, dict[str, Any]]] = {
    "limit": (approved(), "limit", {}),
    "post-only": (approved(post_only=True), "limit", {"postOnly": True}),
    "immediate": (approved(time_in_force=TimeInForce.IOC), "limit", {"timeInForce": "IOC"}),
    "market": (approved(OrderKind.MARKET, side=Side.SELL), "market", {}),
    "exit": (
        approved(OrderKind.MARKET, side=Side.SELL, reduce_only=True, role=OrderRole.EXIT),
        "market",
        {"reduceOnly": True},
    ),
    "stop": (stop_order(), "market", {"stopLossPrice": 59000, "reduceOnly": True}),
}


@pytest.mark.parametrize("kind", ORDERS)
def test_the_same_order_as_ccxt(kind: str) -> None:
    order, order_type, more = ORDERS[kind]
    asked, ours = requests().place(order, PERP, NOW_MS)
    fields = sent_fields(ours.body)
    wire = CcxtWire()
    params = {
        "clientOrderId": str(order.intent.client_id),
        "selfTradePreventionMode": fields["selfTradePreventionMode"],
        **more,
    }
    if kind == "stop":
        params["workingType"] = fields["workingType"]
    price = 60000.5 if order_type == "limit" else None
    theirs = wire.of(
        wire.exchange.create_order,
        wire.symbol,
        order_type,
        order.intent.side.value.lower(),
        0.123,
        price,
        params,
    )
    assert_alike(ours, theirs)
    assert asked.client_id == order.intent.client_id
    assert (ours.weight, ours.orders, ours.is_order) == (0, 1, True)


def test_the_other_requests_as_ccxt() -> None:
    wire = CcxtWire()
    exchange, symbol = wire.exchange, wire.symbol
    order_id = Vid("28")
    rest, account = requests(), AccountRequests(Signer(KEY))

    def cancel(**more: Any) -> FuturesRequest:
        return rest.cancel(BTC, MINE, NOW_MS, **more)[1]

    assert_alike(cancel(venue_id=order_id), wire.of(exchange.cancel_order, "28", symbol))
    by_ours = wire.of(exchange.cancel_order, None, symbol, {"clientOrderId": str(MINE)})
    assert_alike(cancel(), by_ours)
    # The venue needs no symbol to cancel a conditional order (binance.md §10.4).
    algo = wire.of(exchange.cancel_order, "2146760", symbol, {"trigger": True})
    assert_alike(cancel(venue_id=Vid("algo-2146760")), algo, but="symbol")

    normal_book, algo_book = rest.cancel_all(BTC, NOW_MS)
    assert_alike(normal_book, wire.of(exchange.cancel_all_orders, symbol))
    assert_alike(algo_book, wire.of(exchange.cancel_all_orders, symbol, {"trigger": True}))
    normal_list, algo_list = rest.open_orders(BTC, NOW_MS)
    assert_alike(normal_list, wire.of(exchange.fetch_open_orders, symbol))
    triggers = wire.of(exchange.fetch_open_orders, symbol, params={"trigger": True})
    assert_alike(algo_list, triggers)
    assert_alike(account.account(NOW_MS), wire.of(exchange.fetch_balance))
    _, modify = rest.modify(BTC, MINE, Side.BUY, 200, 600_010, PERP, NOW_MS, order_id)
    edited = wire.of(exchange.edit_order, "28", symbol, "limit", "buy", 0.2, 60001)
    assert_alike(modify, edited)
