"""REST requests of Backpack as exact bytes: public and account (backpack.md §5, §6).

What is signed is what is sent: target and body of an ``HttpRequest`` must go out unchanged.
Orders are in ``order_requests``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from obiterm.core.errors import ConfigError
from obiterm.core.values import Side, Symbol, VenueOrderId
from obiterm.venues.backpack.order_fields import SIDES
from obiterm.venues.backpack.signing import Credentials, Value, spell

_JSON = (b"Content-Type", b"application/json; charset=utf-8")
_DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
_PAGE = 1000

_encode = msgspec.json.Encoder().encode


class HttpRequest(msgspec.Struct, frozen=True):
    """One request, ready for the wire.

    Attributes:
        method: GET, POST, PATCH or DELETE.
        target: path and query as they stand in the request line.
        body: JSON body, may be empty; DELETE has one too.
        headers: what the venue needs; Host and Content-Length are the connection's.
        is_history: True when it counts as historical data (``limits``).
        is_order: True when it creates orders.
    """

    method: str
    target: bytes
    body: bytes
    headers: list[tuple[bytes, bytes]]
    is_history: bool = False
    is_order: bool = False


class Signer:
    """Signs the requests of one account.

    ``now_ms`` is always the venue's time in Unix ms, our clock plus the measured offset; the
    request must leave at once, it is good for the window of the credentials.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials

    def get(
        self,
        path: str,
        instruction: str,
        params: Mapping[str, Value],
        now_ms: int,
        *,
        is_history: bool = False,
    ) -> HttpRequest:
        """Build a signed query; the signature covers the values before percent-encoding."""
        headers = self._key(path).headers(instruction, params, now_ms)
        return HttpRequest("GET", _target(path, params), b"", headers, is_history)

    def send(
        self,
        method: str,
        path: str,
        instruction: str,
        params: Mapping[str, Value],
        now_ms: int,
        *,
        is_order: bool = False,
    ) -> HttpRequest:
        """Build a signed call with a JSON body."""
        headers = self._key(path).headers(instruction, params, now_ms)
        headers.append(_JSON)
        return HttpRequest(method, path.encode(), _encode(params), headers, is_order=is_order)

    def send_batch(
        self, path: str, instruction: str, batch: Sequence[Mapping[str, Value]], now_ms: int
    ) -> HttpRequest:
        """Build a signed call whose body is an array."""
        headers = self._key(path).batch_headers(instruction, batch, now_ms)
        headers.append(_JSON)
        return HttpRequest("POST", path.encode(), _encode(batch), headers, is_order=True)

    def _key(self, path: str) -> Credentials:
        if self._credentials is None:
            raise ConfigError("api_key", "", f"a key, {path} is a signed call")
        return self._credentials


class MarketRequests:
    """Builds the requests that need no key."""

    def ping(self) -> HttpRequest:
        """Ask for ``pong``."""
        return _public("/api/v1/ping", {})

    def server_time(self) -> HttpRequest:
        """Ask for the venue's time."""
        return _public("/api/v1/time", {})

    def status(self) -> HttpRequest:
        """Ask whether the venue is in maintenance."""
        return _public("/api/v1/status", {})

    def markets(self) -> HttpRequest:
        """Ask for all spot and perpetual markets."""
        return _public("/api/v1/markets", {})

    def market(self, symbol: Symbol) -> HttpRequest:
        """Ask for one market."""
        return _public("/api/v1/market", {"symbol": symbol})

    def depth(self, symbol: Symbol, limit: int = _PAGE) -> HttpRequest:
        """Ask for a book of at least ``limit`` levels a side, at most 1000."""
        levels = next((each for each in _DEPTH_LIMITS if each >= limit), _DEPTH_LIMITS[-1])
        return _public("/api/v1/depth", {"symbol": symbol, "limit": levels})

    def candles(
        self, symbol: Symbol, interval: str, start_s: int, end_s: int | None = None
    ) -> HttpRequest:
        """Ask for candles, e.g. ``1m``; times in Unix **seconds** (§13)."""
        params: dict[str, Value] = {"symbol": symbol, "interval": interval, "startTime": start_s}
        if end_s is not None:
            params["endTime"] = end_s
        return _public("/api/v1/klines", params, is_history=True)

    def trades(self, symbol: Symbol, limit: int = 100) -> HttpRequest:
        """Ask for the newest public trades, at most 1000."""
        return _public("/api/v1/trades", {"symbol": symbol, "limit": limit})

    def trade_history(self, symbol: Symbol, limit: int = _PAGE, offset: int = 0) -> HttpRequest:
        """Ask for older public trades."""
        params: dict[str, Value] = {"symbol": symbol, "limit": limit, "offset": offset}
        return _public("/api/v1/trades/history", params, is_history=True)

    def mark_prices(self, symbol: Symbol | None = None) -> HttpRequest:
        """Ask for mark prices and funding of one perpetual or of all."""
        return _public("/api/v1/markPrices", {"symbol": symbol} if symbol else {})

    def funding_rates(self, symbol: Symbol, limit: int = 100, offset: int = 0) -> HttpRequest:
        """Ask for past funding rates, at most 10,000."""
        params: dict[str, Value] = {"symbol": symbol, "limit": limit, "offset": offset}
        return _public("/api/v1/fundingRates", params)


class AccountRequests:
    """Builds the requests that ask about one account, or change its settings."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._signer = Signer(credentials)

    def account(self, now_ms: int) -> HttpRequest:
        """Ask for fees, limits and settings."""
        return self._signer.get("/api/v1/account", "accountQuery", {}, now_ms)

    def update_account(
        self,
        now_ms: int,
        *,
        leverage_limit: str = "",
        auto_lend: bool | None = None,
        auto_borrow_settlements: bool | None = None,
        auto_repay_borrows: bool | None = None,
    ) -> HttpRequest:
        """Change settings of the whole (sub)account; the answer has no body (§6.1)."""
        params: dict[str, Value] = {"leverageLimit": leverage_limit} if leverage_limit else {}
        flags = {
            "autoLend": auto_lend,
            "autoBorrowSettlements": auto_borrow_settlements,
            "autoRepayBorrows": auto_repay_borrows,
        }
        params |= {name: flag for name, flag in flags.items() if flag is not None}
        return self._signer.send("PATCH", "/api/v1/account", "accountUpdate", params, now_ms)

    def order_limit(
        self,
        symbol: Symbol,
        side: Side,
        now_ms: int,
        *,
        price: str = "",
        reduce_only: bool | None = None,
        auto_lend_redeem: bool | None = None,
    ) -> HttpRequest:
        """Ask how much the venue would take; without ``price`` of a market order."""
        params: dict[str, Value] = {"symbol": symbol, "side": SIDES[side]}
        if price:
            params["price"] = price
        if reduce_only is not None:
            params["reduceOnly"] = reduce_only
        if auto_lend_redeem is not None:
            params["autoLendRedeem"] = auto_lend_redeem
        return self._signer.get("/api/v1/account/limits/order", "maxOrderQuantity", params, now_ms)

    def balances(self, now_ms: int) -> HttpRequest:
        """Ask for available, locked and staked amounts; lent ones are not among them."""
        return self._signer.get("/api/v1/capital", "balanceQuery", {}, now_ms)

    def collateral(self, now_ms: int) -> HttpRequest:
        """Ask for margin: what may still be used is already net of positions and orders."""
        return self._signer.get("/api/v1/capital/collateral", "collateralQuery", {}, now_ms)

    def lending(self, now_ms: int) -> HttpRequest:
        """Ask for lent and borrowed amounts."""
        path = "/api/v1/borrowLend/positions"
        return self._signer.get(path, "borrowLendPositionQuery", {}, now_ms)

    def positions(self, now_ms: int, symbol: Symbol | None = None) -> HttpRequest:
        """Ask for positions; only with a symbol is the liquidation price reliable (§6.4)."""
        return self._signer.get("/api/v1/position", "positionQuery", _of(symbol), now_ms)

    def fills(
        self,
        symbol: Symbol | None,
        now_ms: int,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
        venue_id: VenueOrderId | None = None,
        limit: int = _PAGE,
        offset: int = 0,
        newest_first: bool = True,
        user_only: bool = False,
    ) -> HttpRequest:
        """Ask for own fills, of all markets without a symbol.

        Those of the system (liquidations …) come too unless ``user_only``.
        """
        params = _page(symbol, limit, offset, newest_first)
        if from_ms is not None:
            params["from"] = from_ms
        if to_ms is not None:
            params["to"] = to_ms
        if venue_id is not None:
            params["orderId"] = venue_id
        if user_only:
            params["fillType"] = "User"
        return self._history("fills", "fillHistoryQueryAll", params, now_ms)

    def order_history(
        self,
        symbol: Symbol,
        now_ms: int,
        *,
        venue_id: VenueOrderId | None = None,
        limit: int = _PAGE,
        offset: int = 0,
        newest_first: bool = True,
    ) -> HttpRequest:
        """Ask for orders that ended, and others; the venue takes no client id here."""
        params = _page(symbol, limit, offset, newest_first)
        if venue_id is not None:
            params["orderId"] = venue_id
        return self._history("orders", "orderHistoryQueryAll", params, now_ms)

    def funding_history(
        self,
        symbol: Symbol | None,
        now_ms: int,
        *,
        limit: int = 100,
        offset: int = 0,
        newest_first: bool = True,
    ) -> HttpRequest:
        """Ask for funding payments."""
        params = _page(symbol, limit, offset, newest_first)
        return self._history("funding", "fundingHistoryQueryAll", params, now_ms)

    def _history(
        self, what: str, instruction: str, params: Mapping[str, Value], now_ms: int
    ) -> HttpRequest:
        path = f"/wapi/v1/history/{what}"
        return self._signer.get(path, instruction, params, now_ms, is_history=True)


def _of(symbol: Symbol | None) -> dict[str, Value]:
    return {"symbol": symbol} if symbol else {}


def _page(symbol: Symbol | None, limit: int, offset: int, newest_first: bool) -> dict[str, Value]:
    direction = "Desc" if newest_first else "Asc"
    return {**_of(symbol), "limit": limit, "offset": offset, "sortDirection": direction}


def _target(path: str, params: Mapping[str, Value]) -> bytes:
    query = "&".join([f"{name}={quote(spell(value), safe='')}" for name, value in params.items()])
    return f"{path}?{query}".encode() if query else path.encode()


def _public(path: str, params: Mapping[str, Value], *, is_history: bool = False) -> HttpRequest:
    return HttpRequest("GET", _target(path, params), b"", [], is_history)
