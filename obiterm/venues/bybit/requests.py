"""REST requests of Bybit V5 as exact bytes: public and account (bybit.md §4–§6).

What is signed is what is sent: target and body of an ``HttpRequest`` must go out unchanged.
A cursor is used as the venue returned it, already encoded (V7). Orders: ``order_requests``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

import msgspec

from obiterm.core.errors import ConfigError
from obiterm.core.values import ClientOrderId, Symbol, VenueOrderId
from obiterm.venues.bybit.order_fields import Fields
from obiterm.venues.bybit.signing import Credentials
from obiterm.venues.bybit.symbols import Category, category_of, name_of

_JSON = (b"content-type", b"application/json")
_SETTLE = "USDT"

_encode = msgspec.json.Encoder().encode


class HttpRequest(msgspec.Struct, frozen=True):
    """One request, ready for the wire.

    Attributes:
        method: GET or POST.
        target: path and query as they stand in the request line.
        body: JSON body, may be empty.
        headers: what the venue needs; Host and Content-Length are the connection's.
        endpoint: name of its limit (``limits``); empty for market data.
        category: which of the endpoint's limits.
        cost: units that it takes; a batch costs one per order.
    """

    method: str
    target: bytes
    body: bytes
    headers: list[tuple[bytes, bytes]]
    endpoint: str = ""
    category: Category = Category.LINEAR
    cost: int = 1


class Signer:
    """Signs the requests of one account.

    ``now_ms`` is always the venue's time in Unix ms, our clock plus the measured offset; the
    request must leave at once, it is good for ``recv_window_ms`` (§2).
    """

    def __init__(self, credentials: Credentials | None, recv_window_ms: int = 5000) -> None:
        self._credentials = credentials
        self.recv_window_ms = recv_window_ms

    def get(
        self,
        path: str,
        fields: Mapping[str, str],
        now_ms: int,
        endpoint: str,
        category: Category = Category.LINEAR,
        *,
        cursor: str = "",
    ) -> HttpRequest:
        """Build a signed query."""
        query = encode_query(fields, cursor)
        headers = self._key(path).headers(now_ms, self.recv_window_ms, query)
        target = path.encode() + b"?" + query if query else path.encode()
        return HttpRequest("GET", target, b"", headers, endpoint, category)

    def post(
        self,
        path: str,
        body: Mapping[str, object],
        now_ms: int,
        endpoint: str,
        category: Category = Category.LINEAR,
        *,
        cost: int = 1,
    ) -> HttpRequest:
        """Build a signed call."""
        data = _encode(body)
        headers = self._key(path).headers(now_ms, self.recv_window_ms, data)
        headers.append(_JSON)
        return HttpRequest("POST", path.encode(), data, headers, endpoint, category, cost)

    def _key(self, path: str) -> Credentials:
        if self._credentials is None:
            raise ConfigError("api_key", "", f"a key, {path} is a signed call")
        return self._credentials


class MarketRequests:
    """Builds the requests that need no key."""

    def server_time(self) -> HttpRequest:
        """Ask for the venue's time."""
        return _public("/v5/market/time", {})

    def instruments(self, category: Category, cursor: str = "") -> HttpRequest:
        """Ask for the markets of a category; linear comes in pages (§4.2)."""
        fields = {"category": category.value}
        if category is Category.LINEAR:
            fields["limit"] = "1000"
        return _public("/v5/market/instruments-info", fields, cursor)

    def instrument(self, symbol: Symbol) -> HttpRequest:
        """Ask for one market."""
        return _public("/v5/market/instruments-info", _market(symbol))

    def risk_limits(self, symbol: Symbol) -> HttpRequest:
        """Ask for the margin brackets of a perpetual."""
        return _public("/v5/market/risk-limit", _market(symbol))

    def depth(self, symbol: Symbol, limit: int = 1000) -> HttpRequest:
        """Ask for a book; its number fits the 1000-level stream only (§4.3)."""
        return _public("/v5/market/orderbook", {**_market(symbol), "limit": str(limit)})

    def tickers(self, category: Category, symbol: Symbol | None = None) -> HttpRequest:
        """Ask for the tickers of a category or of one market."""
        fields = {"category": category.value} if symbol is None else _market(symbol)
        return _public("/v5/market/tickers", fields)

    def candles(
        self,
        symbol: Symbol,
        interval: str,
        *,
        start_ms: int = 0,
        end_ms: int = 0,
        limit: int = 1000,
    ) -> HttpRequest:
        """Ask for candles; ``interval`` is 1 … 720 minutes, D, W or M; newest come first."""
        fields = {**_market(symbol), "interval": interval}
        fields |= _span(start_ms, end_ms, "start", "end")
        return _public("/v5/market/kline", {**fields, "limit": str(limit)})

    def recent_trades(self, symbol: Symbol, limit: int = 60) -> HttpRequest:
        """Ask for the newest trades; spot gives at most 60, linear 1000."""
        return _public("/v5/market/recent-trade", {**_market(symbol), "limit": str(limit)})

    def funding_history(
        self, symbol: Symbol, *, start_ms: int = 0, end_ms: int = 0, limit: int = 200
    ) -> HttpRequest:
        """Ask for past funding rates; a start without an end is an error at the venue (§4.6)."""
        if start_ms and not end_ms:
            raise ConfigError("end_ms", end_ms, "an end, the venue refuses a start alone")
        fields = {**_market(symbol), **_span(start_ms, end_ms, "startTime", "endTime")}
        return _public("/v5/market/funding/history", {**fields, "limit": str(limit)})


class AccountRequests:
    """Builds the requests that read and set an account; orders: ``OrderRequests``."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def wallet(self, now_ms: int, coins: Iterable[str] = ()) -> HttpRequest:
        """Ask for totals and coins; without ``coins`` those that are not zero (§6.4)."""
        fields = {"accountType": "UNIFIED"}
        names = ",".join(coins)
        if names:
            fields["coin"] = names
        return self._signer.get("/v5/account/wallet-balance", fields, now_ms, "wallet")

    def positions(
        self,
        now_ms: int,
        symbol: Symbol | None = None,
        *,
        settle: str = _SETTLE,
        cursor: str = "",
    ) -> HttpRequest:
        """List the perpetual positions of a settle coin, or one symbol's, flat or not (§6.2)."""
        fields = {"category": Category.LINEAR.value}
        if symbol is None:
            fields |= {"settleCoin": settle, "limit": "200"}
        else:
            fields["symbol"] = name_of(symbol)
        return self._signer.get("/v5/position/list", fields, now_ms, "positions", cursor=cursor)

    def executions(
        self,
        category: Category,
        now_ms: int,
        *,
        symbol: Symbol | None = None,
        venue_id: VenueOrderId | None = None,
        client_id: ClientOrderId | None = None,
        start_ms: int = 0,
        end_ms: int = 0,
        cursor: str = "",
    ) -> HttpRequest:
        """List executions, funding among them; at most seven days, newest first (§6.1)."""
        fields = {"category": category.value}
        if symbol is not None:
            fields["symbol"] = name_of(symbol)
        if venue_id is not None:
            fields["orderId"] = str(venue_id)
        elif client_id is not None:
            fields["orderLinkId"] = str(client_id)
        fields |= _span(start_ms, end_ms, "startTime", "endTime")
        fields["limit"] = "100"
        path = "/v5/execution/list"
        return self._signer.get(path, fields, now_ms, "executions", category, cursor=cursor)

    def fee_rate(self, symbol: Symbol, now_ms: int) -> HttpRequest:
        """Ask for the account's fees on a symbol; absent in demo (§15)."""
        fields = _market(symbol)
        return self._signer.get("/v5/account/fee-rate", fields, now_ms, "fee-rate")

    def account_info(self, now_ms: int) -> HttpRequest:
        """Ask for margin mode and kind of account."""
        return self._signer.get("/v5/account/info", {}, now_ms, "account")

    def key_info(self, now_ms: int) -> HttpRequest:
        """Ask what the key may do; needs no right of its own (§6.5)."""
        return self._signer.get("/v5/user/query-api", {}, now_ms, "key")

    def set_leverage(self, symbol: Symbol, leverage: str, now_ms: int) -> HttpRequest:
        """Set the leverage of a perpetual, both directions alike."""
        fields = {**_market(symbol), "buyLeverage": leverage, "sellLeverage": leverage}
        return self._setting("/v5/position/set-leverage", fields, now_ms)

    def switch_position_mode(self, symbol: Symbol, now_ms: int, *, hedge: bool) -> HttpRequest:
        """Switch one symbol to hedge or one-way mode; needs no position and no orders (§6.3)."""
        fields = {**_market(symbol), "mode": 3 if hedge else 0}
        return self._setting("/v5/position/switch-mode", fields, now_ms)

    def trading_stop(self, symbol: Symbol, fields: Fields, now_ms: int) -> HttpRequest:
        """Set the protection of an open position; ``fields``: ``protection_fields``."""
        return self._setting("/v5/position/trading-stop", {**_market(symbol), **fields}, now_ms)

    def set_limit_price_action(
        self, category: Category, now_ms: int, *, reprice: bool
    ) -> HttpRequest:
        """Choose what happens to a limit beyond the venue's band: re-priced or refused.

        Perpetuals are re-priced in silence unless this is switched off (§11, trap 9).
        """
        fields = {"category": category.value, "modifyEnable": reprice}
        path = "/v5/account/set-limit-px-action"
        return self._signer.post(path, fields, now_ms, "", category)

    def apply_demo_money(self, amounts: Mapping[str, str], now_ms: int) -> HttpRequest:
        """Ask for play money in demo; once a minute (§15)."""
        wished = [{"coin": coin, "amountStr": amount} for coin, amount in amounts.items()]
        body = {"adjustType": 0, "utaDemoApplyMoney": wished}
        return self._signer.post("/v5/account/demo-apply-money", body, now_ms, "")

    def _setting(self, path: str, body: Mapping[str, object], now_ms: int) -> HttpRequest:
        return self._signer.post(path, body, now_ms, "position-setting")


def encode_query(fields: Mapping[str, str], cursor: str = "") -> bytes:
    """Write a query; names and values are encoded once, a cursor is encoded already (V7).

    Commas stay as they are: the venue's lists of coins are written with them (§2).
    """
    pairs = [f"{name}={quote(value, safe=',')}" for name, value in fields.items()]
    if cursor:
        pairs.append(f"cursor={cursor}")
    return "&".join(pairs).encode("ascii")


def _public(path: str, fields: Mapping[str, str], cursor: str = "") -> HttpRequest:
    query = encode_query(fields, cursor)
    return HttpRequest("GET", path.encode() + b"?" + query if query else path.encode(), b"", [])


def _market(symbol: Symbol) -> dict[str, str]:
    return {"category": category_of(symbol).value, "symbol": name_of(symbol)}


def _span(start_ms: int, end_ms: int, start: str, end: str) -> dict[str, str]:
    told = {start: start_ms, end: end_ms}
    return {name: str(at_ms) for name, at_ms in told.items() if at_ms}
