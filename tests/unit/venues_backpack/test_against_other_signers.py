"""The signed requests of other clients, from the same orders with the same key and clock."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest

from obiterm.core.values import ClientOrderId, OrderKind, OrderRole, Side, Symbol, VenueOrderId
from obiterm.venues.backpack import AccountRequests, ClientIds, HttpRequest, OrderRequests
from obiterm.venues.backpack.order_fields import OrderExtras
from tests.unit.venues_backpack.payloads import (
    API_KEY,
    INSTRUMENTS,
    MINE,
    NOW_MS,
    PERP,
    SEED_BASE64,
    SOL_PERP,
    approved,
    credentials,
)

UNIFIED = "SOL/USDC:USDC"
MARKET = {
    "symbol": SOL_PERP, "baseSymbol": "SOL", "quoteSymbol": "USDC", "marketType": "PERP",
    "orderBookState": "Open", "createdAt": "2025-01-21T06:34:54.691858", "visible": True,
    "filters": {
        "price": {"minPrice": "0.01", "maxPrice": "1000", "tickSize": "0.01"},
        "quantity": {"minQuantity": "0.01", "maxQuantity": None, "stepSize": "0.01"},
    },
}  # fmt: skip


class Wire:
    """What another client would have sent."""

    def __init__(self) -> None:
        self.method = ""
        self.target = ""
        self.headers: dict[str, str] = {}
        self.body: object = None

    def take(self, method: str, url: str, headers: Any, sent: object) -> None:
        parts = urlsplit(url)
        self.method = method
        self.target = parts.path + (f"?{parts.query}" if parts.query else "")
        self.headers = dict(headers)
        self.body = sent

    def same_as(self, request: HttpRequest) -> None:
        ours = {name.decode(): value.decode() for name, value in request.headers}
        assert request.method == self.method
        assert request.target.decode() == self.target
        assert (json.loads(request.body) if request.body else None) == self.body
        for name in ("X-API-Key", "X-Timestamp", "X-Window", "X-Signature"):
            assert ours[name] == str(self.headers[name]), name


def other_client(wire: Wire, answer: object) -> Any:
    client: Any = ccxt.backpack({"apiKey": API_KEY, "secret": SEED_BASE64})
    client.markets = client.index_by([client.parse_market(MARKET)], "symbol")
    client.set_markets(client.markets)

    def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        wire.take(method, url, headers, json.loads(body) if body else None)
        return answer

    client.fetch = fetch
    client.nonce = lambda: NOW_MS
    return client


def ours(ids: ClientIds | None = None) -> OrderRequests:
    return OrderRequests(credentials(), ids or ClientIds())


ORDER_ANSWER = {
    "id": "1", "symbol": SOL_PERP, "side": "Bid", "orderType": "Limit", "status": "New",
    "price": "141.25", "quantity": "0.5", "executedQuantity": "0", "executedQuoteQuantity": "0",
    "createdAt": NOW_MS, "timeInForce": "GTC", "selfTradePrevention": "RejectTaker",
}  # fmt: skip


def test_ccxt_signs_the_same_post_only_order() -> None:
    wire, ids = Wire(), ClientIds()
    params = {
        "clientOrderId": ids.number(MINE), "postOnly": True, "timeInForce": "GTC",
        "selfTradePrevention": "EXPIRE_TAKER",
    }  # fmt: skip
    other_client(wire, ORDER_ANSWER).create_order(UNIFIED, "limit", "buy", 0.5, 141.25, params)
    order = approved(price_ticks=14_125, post_only=True)
    request = ours(ids).place(order, PERP, NOW_MS)
    wire.same_as(request)


def test_ccxt_signs_the_same_reducing_market_order() -> None:
    wire, ids = Wire(), ClientIds()
    params = {
        "clientOrderId": ids.number(MINE), "reduceOnly": True,
        "selfTradePrevention": "EXPIRE_MAKER",
    }  # fmt: skip
    other_client(wire, ORDER_ANSWER).create_order(UNIFIED, "market", "sell", 0.5, None, params)
    order = approved(side=Side.SELL, kind=OrderKind.MARKET, role=OrderRole.EXIT, reduce_only=True)
    wire.same_as(ours(ids).place(order, PERP, NOW_MS))


def test_ccxt_signs_the_same_stop() -> None:
    wire, ids = Wire(), ClientIds()
    params = {
        "clientOrderId": ids.number(MINE), "reduceOnly": True, "triggerPrice": 139.5,
        "triggerBy": "MarkPrice", "selfTradePrevention": "EXPIRE_MAKER",
    }  # fmt: skip
    other_client(wire, ORDER_ANSWER).create_order(UNIFIED, "market", "sell", 0.5, None, params)
    order = approved(
        side=Side.SELL, kind=OrderKind.STOP_MARKET, role=OrderRole.STOP, trigger_ticks=13_950,
        reduce_only=True,
    )  # fmt: skip
    wire.same_as(ours(ids).place(order, PERP, NOW_MS))


def test_ccxt_spoils_the_signature_of_a_percentage() -> None:
    wire, ids = Wire(), ClientIds()
    params = {"triggerQuantity": "100%", "triggerPrice": "139.5", "triggerBy": "MarkPrice",
              "reduceOnly": True, "selfTradePrevention": "EXPIRE_MAKER",
              "clientOrderId": ids.number(MINE)}  # fmt: skip
    client = other_client(wire, ORDER_ANSWER)
    client.create_order(UNIFIED, "market", "sell", 0.5, None, params)
    order = approved(
        side=Side.SELL, kind=OrderKind.STOP_MARKET, role=OrderRole.STOP, trigger_ticks=13_950,
        reduce_only=True,
    )  # fmt: skip
    request = ours(ids).place(order, PERP, NOW_MS, OrderExtras(trigger_share="100%"))
    assert json.loads(request.body) == wire.body
    assert dict(request.headers)[b"X-Signature"].decode() != wire.headers["X-Signature"]


def test_ccxt_signs_the_same_batch() -> None:
    wire, ids = Wire(), ClientIds()
    second = MINE.replace("-7e-", "-8e-")
    orders = [
        {"symbol": UNIFIED, "type": "limit", "side": "buy", "amount": 0.5, "price": price,
         "params": {"clientOrderId": ids.number(ClientOrderId(name)), "timeInForce": "GTC",
                    "selfTradePrevention": "EXPIRE_TAKER"}}
        for price, name in ((141.0, MINE), (140.0, second))
    ]  # fmt: skip
    other_client(wire, [ORDER_ANSWER, ORDER_ANSWER]).create_orders(orders)
    batch = [
        approved(price_ticks=14_100),
        approved(price_ticks=14_000, client_id=second),
    ]
    wire.same_as(ours(ids).place_batch(batch, INSTRUMENTS, NOW_MS))


def test_ccxt_signs_the_same_cancel() -> None:
    wire = Wire()
    other_client(wire, ORDER_ANSWER).cancel_order("5406825793", UNIFIED)
    wire.same_as(ours().cancel(SOL_PERP, MINE, NOW_MS, VenueOrderId("5406825793")))


def test_ccxt_signs_the_same_cancel_all() -> None:
    wire = Wire()
    other_client(wire, []).cancel_all_orders(UNIFIED)
    wire.same_as(ours().cancel_all(SOL_PERP, NOW_MS))


@pytest.mark.parametrize("symbol", [SOL_PERP, None])
def test_ccxt_signs_the_same_open_orders(symbol: Symbol | None) -> None:
    wire = Wire()
    other_client(wire, []).fetch_open_orders(
        UNIFIED if symbol else None, None, None, {"stock": False}
    )
    wire.same_as(ours().open_orders(symbol, NOW_MS))


def test_ccxt_signs_the_same_balance() -> None:
    wire = Wire()
    other_client(wire, {}).fetch_balance()
    wire.same_as(AccountRequests(credentials()).balances(NOW_MS))


# ── the venue's own Python client, where it is installed ──────────────────────


@pytest.fixture
def venues_own() -> Any:
    module = pytest.importorskip(
        "bpx.base.base_account", reason="the venue's own client (bpx-py) is not installed"
    )
    return module.BaseAccount(API_KEY, SEED_BASE64, 5000, False)


def their_signature(venues_own: Any, params: dict[str, Any], instruction: str) -> str:
    return str(venues_own._sign(params, instruction, NOW_MS, 5000))


def test_the_venues_own_client_signs_the_same(venues_own: Any) -> None:
    ids = ClientIds()
    order = approved(price_ticks=14_125, post_only=True)
    stop = approved(
        side=Side.SELL, kind=OrderKind.STOP_MARKET, role=OrderRole.STOP, trigger_ticks=13_950,
        reduce_only=True, client_id=MINE.replace("-7e-", "-8s-"),
    )  # fmt: skip
    requests = ours(ids)
    for request, instruction in (
        (requests.place(order, PERP, NOW_MS), "orderExecute"),
        (requests.place(stop, PERP, NOW_MS, OrderExtras(trigger_share="100%")), "orderExecute"),
        (requests.cancel(SOL_PERP, MINE, NOW_MS), "orderCancel"),
        (requests.cancel_all(SOL_PERP, NOW_MS), "orderCancelAll"),
    ):
        theirs = their_signature(venues_own, json.loads(request.body), instruction)
        assert dict(request.headers)[b"X-Signature"].decode() == theirs
    for request, params, instruction in (
        (requests.open_orders(SOL_PERP, NOW_MS), {"symbol": SOL_PERP}, "orderQueryAll"),
        (AccountRequests(credentials()).balances(NOW_MS), {}, "balanceQuery"),
        (AccountRequests(credentials()).collateral(NOW_MS), {}, "collateralQuery"),
    ):
        theirs = their_signature(venues_own, dict(params), instruction)
        assert dict(request.headers)[b"X-Signature"].decode() == theirs
