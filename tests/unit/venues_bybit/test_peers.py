"""The same requests made by ccxt and by pybit, the venue's own client."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import ccxt
import pytest

from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import OrderKind, OrderRole, Side, VenueOrderId
from obiterm.venues.bybit import (
    AccountRequests,
    Category,
    HttpRequest,
    KnownOrders,
    OrderRequests,
    Signer,
)
from tests.unit.venues_bybit.payloads import (
    BTC,
    BTC_SPOT,
    KEY,
    MINE,
    NOW_MS,
    PERP,
    SECRET,
    SPOT,
    approved,
)

ORDERS = OrderRequests(Signer(KEY))
ACCOUNT = AccountRequests(Signer(KEY))
ID = VenueOrderId("5cf98598-39a7-459e-97bf")

BUY = approved()
POST_ONLY = approved(post_only=True)
SPOT_SELL = approved(OrderKind.MARKET, symbol=SPOT, side=Side.SELL)
STOP = approved(
    OrderKind.STOP_MARKET,
    side=Side.SELL,
    trigger_ticks=590_000,
    reduce_only=True,
    role=OrderRole.STOP,
)


class Sent:
    """What a client put on the wire: the bytes it signed and its headers."""

    def __init__(self, method: str, url: str, headers: dict[str, str], body: str | None) -> None:
        self.method = method
        parts = urlsplit(url)
        self.path = parts.path
        self.payload = (body or "") if method == "POST" else parts.query
        self.headers = {name.lower(): value for name, value in headers.items()}

    @property
    def fields(self) -> dict[str, Any]:
        if self.method == "POST":
            told: dict[str, Any] = json.loads(self.payload)
            return told
        return dict(parse_qsl(self.payload))


def assert_same(ours: HttpRequest, theirs: Sent) -> None:
    """Same call, same fields, and the same signature of the same bytes."""
    path, _, query = ours.target.decode().partition("?")
    assert (ours.method, path) == (theirs.method, theirs.path)
    told = json.loads(ours.body) if ours.body else dict(parse_qsl(query))
    assert told == theirs.fields
    headers = dict(ours.headers)
    for name in (b"X-BAPI-API-KEY", b"X-BAPI-TIMESTAMP", b"X-BAPI-RECV-WINDOW"):
        assert headers[name].decode() == str(theirs.headers[name.decode().lower()])
    signature = theirs.headers["x-bapi-sign"]
    assert KEY.sign(NOW_MS, 5000, theirs.payload.encode()) == signature
    assert headers[b"X-BAPI-SIGN"].decode() == KEY.sign(NOW_MS, 5000, ours.body or query.encode())


# ── ccxt ────────────────────────────────────────────────────────────────────


class Exchange(ccxt.bybit):  # type: ignore[misc]
    """ccxt with two markets, a fixed clock and a wire that keeps what was sent."""

    sent: Sent

    def milliseconds(self) -> int:
        return NOW_MS

    def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        self.sent = Sent(method, url, headers, body)
        return {"retCode": 0, "retMsg": "OK", "result": {"list": [], "orderId": "1"}}


@pytest.fixture
def exchange() -> Exchange:
    ours = Exchange({"apiKey": KEY.api_key, "secret": SECRET})
    ours.options |= {
        "recvWindow": 5000,
        "enableUnifiedAccount": True,
        "enableUnifiedMargin": False,
        "defaultType": "swap",
    }
    spot = {
        "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading",
        "lotSizeFilter": {"basePrecision": "0.000001", "quotePrecision": "0.00000001",
                          "minOrderQty": "0.000048", "maxOrderQty": "71.7", "minOrderAmt": "1",
                          "maxOrderAmt": "2000000"},
        "priceFilter": {"tickSize": "0.01"},
    }  # fmt: skip
    linear = {
        "symbol": "BTCUSDT", "contractType": "LinearPerpetual", "status": "Trading",
        "baseCoin": "BTC", "quoteCoin": "USDT", "settleCoin": "USDT", "launchTime": "1585526400000",
        "deliveryTime": "0", "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
        "lotSizeFilter": {"maxOrderQty": "1190", "minOrderQty": "0.001", "qtyStep": "0.001"},
    }  # fmt: skip
    pages = {"spot": [spot], "linear": [linear]}
    ours.publicGetV5MarketInstrumentsInfo = lambda params: {
        "result": {"list": pages.get(params["category"], []), "category": params["category"]}
    }
    markets = [*ours.fetch_spot_markets({}), *ours.fetch_future_markets({"category": "linear"})]
    ours.set_markets(markets)
    return ours


def ccxt_params(order: ApprovedOrder) -> dict[str, Any]:
    """Fields of ours that ccxt takes as they are."""
    told = json.loads(
        ORDERS.place(order, BTC if order.intent.symbol == PERP else BTC_SPOT, NOW_MS).body
    )
    names = ("orderLinkId", "smpType", "positionIdx", "reduceOnly", "timeInForce", "triggerBy")
    more = ("closeOnTrigger", "triggerDirection", "triggerPrice")
    params = {name: told[name] for name in (*names, *more) if name in told}
    if "triggerDirection" in params:
        params["triggerDirection"] = "below" if params["triggerDirection"] == 2 else "above"
    return params


@pytest.mark.parametrize(
    ("order", "symbol", "kind", "amount", "price"),
    [
        pytest.param(BUY, "BTC/USDT:USDT", "limit", 0.123, 60000.5, id="limit"),
        pytest.param(POST_ONLY, "BTC/USDT:USDT", "limit", 0.123, 60000.5, id="post-only"),
        pytest.param(SPOT_SELL, "BTC/USDT", "market", 0.000123, None, id="spot market"),
        pytest.param(STOP, "BTC/USDT:USDT", "market", 0.123, None, id="stop"),
    ],
)
def test_ccxt_places_the_same_order(
    exchange: Exchange,
    order: ApprovedOrder,
    symbol: str,
    kind: str,
    amount: float,
    price: float | None,
) -> None:
    ours = ORDERS.place(order, BTC if order.intent.symbol == PERP else BTC_SPOT, NOW_MS)
    side = "buy" if order.intent.side is Side.BUY else "sell"
    exchange.create_order(symbol, kind, side, amount, price, ccxt_params(order))
    assert_same(ours, exchange.sent)


def test_ccxt_cancels_the_same_order(exchange: Exchange) -> None:
    exchange.cancel_order(ID, "BTC/USDT:USDT")
    assert_same(ORDERS.cancel(PERP, MINE, NOW_MS, ID), exchange.sent)
    exchange.cancel_order(ID, "BTC/USDT", {"trigger": True})
    known = KnownOrders()
    known.mark_spot_stop(MINE)
    orders = OrderRequests(Signer(KEY), known=known)
    assert_same(orders.cancel(SPOT, MINE, NOW_MS, ID), exchange.sent)


def test_ccxt_amends_the_same_order(exchange: Exchange) -> None:
    exchange.edit_order(ID, "BTC/USDT:USDT", "limit", "buy", 0.2, 60001)
    ours = ORDERS.amend(BTC, MINE, NOW_MS, ID, lots=200, price_ticks=600_010)
    assert_same(ours, exchange.sent)


def test_ccxt_cancels_all_the_same_orders(exchange: Exchange) -> None:
    exchange.cancel_all_orders("BTC/USDT:USDT")
    assert_same(ORDERS.cancel_all(PERP, NOW_MS)[0], exchange.sent)
    exchange.cancel_all_orders("BTC/USDT", {"trigger": True})
    assert_same(ORDERS.cancel_all(SPOT, NOW_MS)[1], exchange.sent)


def test_ccxt_lists_the_same_orders(exchange: Exchange) -> None:
    exchange.fetch_open_orders("BTC/USDT:USDT", None, 50, {"openOnly": 0})
    assert_same(ORDERS.open_orders(Category.LINEAR, NOW_MS, PERP), exchange.sent)
    exchange.fetch_open_orders("BTC/USDT", None, 50, {"openOnly": 0})
    assert_same(ORDERS.open_orders(Category.SPOT, NOW_MS, SPOT), exchange.sent)


def test_ccxt_asks_for_the_same_balance(exchange: Exchange) -> None:
    exchange.fetch_balance()
    assert_same(ACCOUNT.wallet(NOW_MS), exchange.sent)


def test_ccxt_sets_the_same_leverage_and_mode(exchange: Exchange) -> None:
    exchange.set_leverage(6, "BTC/USDT:USDT")
    assert_same(ACCOUNT.set_leverage(PERP, "6", NOW_MS), exchange.sent)
    exchange.set_position_mode(False, "BTC/USDT:USDT")
    assert_same(ACCOUNT.switch_position_mode(PERP, NOW_MS, hedge=False), exchange.sent)


# ── pybit ───────────────────────────────────────────────────────────────────


class Client:
    """pybit with a fixed clock and a wire that keeps what was sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        http = pytest.importorskip("pybit.unified_trading").HTTP
        helpers = pytest.importorskip("pybit._helpers")
        monkeypatch.setattr(helpers, "generate_timestamp", lambda: NOW_MS)
        self.sent: Sent | None = None
        self.http = http(api_key=KEY.api_key, api_secret=SECRET, recv_window=5000)
        monkeypatch.setattr(self.http.client, "send", self._send)

    def _send(self, request: Any, timeout: float) -> Any:
        requests = pytest.importorskip("requests")
        body = request.body
        text = body.decode() if isinstance(body, bytes) else body
        self.sent = Sent(request.method, request.url, dict(request.headers), text)
        reply = requests.Response()
        reply.status_code = 200
        reply._content = b'{"retCode":0,"retMsg":"OK","result":{"list":[]},"time":1}'
        return reply

    def take(self) -> Sent:
        assert self.sent is not None
        return self.sent


@pytest.fixture
def pybit(monkeypatch: pytest.MonkeyPatch) -> Client:
    return Client(monkeypatch)


@pytest.mark.parametrize("order", [BUY, POST_ONLY, SPOT_SELL, STOP])
def test_pybit_places_the_same_order(pybit: Client, order: ApprovedOrder) -> None:
    ours = ORDERS.place(order, BTC if order.intent.symbol == PERP else BTC_SPOT, NOW_MS)
    pybit.http.place_order(**json.loads(ours.body))
    assert_same(ours, pybit.take())


def test_pybit_cancels_lists_and_reads_the_same(pybit: Client) -> None:
    http = pybit.http
    http.cancel_order(category="linear", symbol="BTCUSDT", orderLinkId=MINE)
    assert_same(ORDERS.cancel(PERP, MINE, NOW_MS), pybit.take())
    http.cancel_all_orders(category="linear", symbol="BTCUSDT")
    assert_same(ORDERS.cancel_all(PERP, NOW_MS)[0], pybit.take())
    http.get_open_orders(category="linear", settleCoin="USDT", openOnly=0, limit=50)
    assert_same(ORDERS.open_orders(Category.LINEAR, NOW_MS), pybit.take())
    http.get_wallet_balance(accountType="UNIFIED", coin="USDT,BTC")
    assert_same(ACCOUNT.wallet(NOW_MS, ["USDT", "BTC"]), pybit.take())
    http.get_positions(category="linear", settleCoin="USDT", limit=200)
    assert_same(ACCOUNT.positions(NOW_MS), pybit.take())
    http.get_api_key_information()
    assert_same(ACCOUNT.key_info(NOW_MS), pybit.take())


def test_pybit_places_the_same_batch(pybit: Client) -> None:
    ours = ORDERS.place_batch([(BUY, BTC), (POST_ONLY, BTC)], NOW_MS)
    pybit.http.place_batch_order(**json.loads(ours.body))
    assert_same(ours, pybit.take())
