"""REST requests of Binance spot as exact bytes (binance.md §6).

What is signed is what is sent: the target and body of an ``HttpRequest`` must go out
unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from obiterm.core.errors import ConfigError
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import ClientOrderId, Symbol, VenueOrderId
from obiterm.venues.binance.order_fields import SelfTradePolicy, order_fields
from obiterm.venues.binance.signing import Credentials, encode_pairs

_FORM = (b"content-type", b"application/x-www-form-urlencoded")

_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))


class HttpRequest(msgspec.Struct, frozen=True):
    """One request, ready for the wire.

    Attributes:
        method: GET, POST or DELETE.
        target: path and query as they stand in the request line.
        body: form body, may be empty.
        headers: what the venue needs; Host and Content-Length are the connection's.
        weight: request weight when it fails; successful orders cost 0 (binance.md §5).
        is_order: True when it counts against the order limits.
    """

    method: str
    target: bytes
    body: bytes
    headers: list[tuple[bytes, bytes]]
    weight: int
    is_order: bool


class RestRequests:
    """Builds the requests of one account; without credentials only the public ones.

    ``now_ms`` is the venue's time in Unix ms, measured by us (§3.1).
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        recv_window_ms: int = 5000,
        self_trade: SelfTradePolicy | None = None,
    ) -> None:
        self._credentials = credentials
        self._recv_window_ms = recv_window_ms
        self._self_trade = self_trade or SelfTradePolicy()

    # ── public ──────────────────────────────────────────────────────────────

    def ping(self) -> HttpRequest:
        """Ask for an empty answer."""
        return _public("/api/v3/ping", {}, 1)

    def server_time(self) -> HttpRequest:
        """Ask for the venue's time."""
        return _public("/api/v3/time", {}, 1)

    def exchange_info(self, symbols: Iterable[Symbol] = ()) -> HttpRequest:
        """Ask for markets and limits; one unknown symbol fails the whole call."""
        names = list(symbols)
        fields = {"symbols": msgspec.json.encode(names).decode()} if names else {}
        return _public("/api/v3/exchangeInfo", fields, 20)

    def depth(self, symbol: Symbol, limit: int = 1000) -> HttpRequest:
        """Ask for a book of ``limit`` levels a side (at most 5000)."""
        weight = next((cost for levels, cost in _DEPTH_WEIGHTS if limit <= levels), 250)
        return _public("/api/v3/depth", {"symbol": symbol, "limit": str(limit)}, weight)

    # ── orders ──────────────────────────────────────────────────────────────

    def new_order(self, order: ApprovedOrder, instrument: Instrument, now_ms: int) -> HttpRequest:
        """Place an order."""
        fields = order_fields(order, instrument, self._self_trade)
        return self._signed("POST", "/api/v3/order", fields, now_ms, 1, is_order=True)

    def test_order(self, order: ApprovedOrder, instrument: Instrument, now_ms: int) -> HttpRequest:
        """Have the venue check an order without sending it to the engine."""
        fields = order_fields(order, instrument, self._self_trade)
        return self._signed("POST", "/api/v3/order/test", fields, now_ms, 1)

    def cancel_order(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        venue_id: VenueOrderId | None = None,
    ) -> HttpRequest:
        """Cancel one order, by the venue's id when it is known (fastest)."""
        fields = {"symbol": symbol, **which(client_id, venue_id)}
        return self._signed("DELETE", "/api/v3/order", fields, now_ms, 1)

    def cancel_replace(
        self,
        client_id: ClientOrderId,
        order: ApprovedOrder,
        instrument: Instrument,
        now_ms: int,
    ) -> HttpRequest:
        """Cancel an untouched order and place another; nothing is placed if that fails (§6.4)."""
        fields = replace_fields(client_id, order, instrument, self._self_trade)
        path = "/api/v3/order/cancelReplace"
        return self._signed("POST", path, fields, now_ms, 1, is_order=True)

    def query_order(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        venue_id: VenueOrderId | None = None,
    ) -> HttpRequest:
        """Ask for the state of one order."""
        fields = {"symbol": symbol, **which(client_id, venue_id)}
        return self._signed("GET", "/api/v3/order", fields, now_ms, 4)

    def open_orders(self, symbol: Symbol | None, now_ms: int) -> HttpRequest:
        """List open orders of a symbol, or of the account (weight 80)."""
        fields = {"symbol": str(symbol)} if symbol else {}
        return self._signed("GET", "/api/v3/openOrders", fields, now_ms, 6 if symbol else 80)

    def cancel_open_orders(self, symbol: Symbol, now_ms: int) -> HttpRequest:
        """Cancel every order of a symbol, order lists too; ``-2011`` when nothing is open."""
        return self._signed("DELETE", "/api/v3/openOrders", {"symbol": symbol}, now_ms, 1)

    # ── account ─────────────────────────────────────────────────────────────

    def account(self, now_ms: int) -> HttpRequest:
        """Ask for balances and permissions."""
        return self._signed("GET", "/api/v3/account", {"omitZeroBalances": "true"}, now_ms, 20)

    def my_trades(
        self,
        symbol: Symbol,
        now_ms: int,
        *,
        from_id: int | None = None,
        venue_id: VenueOrderId | None = None,
        limit: int = 1000,
    ) -> HttpRequest:
        """List our trades on a symbol: the newest, or from a trade id, or of one order."""
        fields = {"symbol": str(symbol)}
        if venue_id is not None:
            fields["orderId"] = venue_id
        if from_id is not None:
            fields["fromId"] = str(from_id)
        fields["limit"] = str(limit)
        weight = 20 if venue_id is None else 5
        return self._signed("GET", "/api/v3/myTrades", fields, now_ms, weight)

    def commission(self, symbol: Symbol, now_ms: int) -> HttpRequest:
        """Ask for the account's true fees on a symbol."""
        fields = {"symbol": str(symbol)}
        return self._signed("GET", "/api/v3/account/commission", fields, now_ms, 20)

    def api_restrictions(self, now_ms: int) -> HttpRequest:
        """Ask what the key may do; exists on mainnet only (§4.4)."""
        return self._signed("GET", "/sapi/v1/account/apiRestrictions", {}, now_ms, 1)

    def _signed(
        self,
        method: str,
        path: str,
        fields: dict[str, str],
        now_ms: int,
        weight: int,
        *,
        is_order: bool = False,
    ) -> HttpRequest:
        credentials = self._credentials
        if credentials is None:
            raise ConfigError("api_key", "", f"a key, {path} is a signed call")
        fields["recvWindow"] = str(self._recv_window_ms)
        fields["timestamp"] = str(now_ms)
        signed = credentials.sign_rest(fields.items())
        headers = [(b"X-MBX-APIKEY", credentials.api_key.encode())]
        if method == "POST":
            headers.append(_FORM)
            return HttpRequest(method, path.encode(), signed, headers, weight, is_order)
        target = path.encode() + b"?" + signed
        return HttpRequest(method, target, b"", headers, weight, is_order)


def which(client_id: ClientOrderId, venue_id: VenueOrderId | None) -> dict[str, str]:
    """Name one order: by the venue's id when known, else by ours."""
    if venue_id is not None:
        return {"orderId": str(venue_id)}
    return {"origClientOrderId": str(client_id)}


def replace_fields(
    client_id: ClientOrderId,
    order: ApprovedOrder,
    instrument: Instrument,
    self_trade: SelfTradePolicy,
) -> dict[str, str]:
    """Return the parameters of a cancel-replace that can never leave two orders (§6.4)."""
    return {
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrigClientOrderId": str(client_id),
        "cancelRestrictions": "ONLY_NEW",
        **order_fields(order, instrument, self_trade),
    }


def _public(path: str, fields: dict[str, str], weight: int) -> HttpRequest:
    query = b"?" + encode_pairs(fields.items()) if fields else b""
    return HttpRequest("GET", path.encode() + query, b"", [], weight, False)
