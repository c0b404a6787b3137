"""Requests of the WebSocket API as exact text (binance.md §7)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, BuildableOrder
from obiterm.core.values import ClientOrderId, Symbol, VenueOrderId
from obiterm.venues.binance.order_fields import SelfTradePolicy, order_fields
from obiterm.venues.binance.requests import replace_fields, which
from obiterm.venues.binance.signing import Credentials

_encode = msgspec.json.Encoder().encode


class ApiFrames:
    """Builds the frames of one connection.

    Every method takes the request's ``id`` first; ``now_ms`` is the venue's time in
    Unix ms. After ``session.logon`` set ``logged_on``: frames then carry no signature.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        recv_window_ms: int = 5000,
        self_trade: SelfTradePolicy | None = None,
    ) -> None:
        self.logged_on = False
        self._credentials = credentials
        self._recv_window_ms = recv_window_ms
        self._self_trade = self_trade or SelfTradePolicy()

    def logon(self, request_id: int, now_ms: int) -> bytes:
        """Log the connection on (Ed25519 only)."""
        return self._frame(request_id, "session.logon", self._credentials.sign_ws(_at(now_ms)))

    def subscribe(self, request_id: int) -> bytes:
        """Subscribe to the user data of the logged-on account."""
        return self._frame(request_id, "userDataStream.subscribe", {})

    def subscribe_signed(self, request_id: int, now_ms: int) -> bytes:
        """Subscribe to user data with a signature of its own (any kind of key)."""
        params = self._credentials.sign_ws(_at(now_ms))
        return self._frame(request_id, "userDataStream.subscribe.signature", params)

    def place(
        self, request_id: int, order: BuildableOrder, instrument: Instrument, now_ms: int
    ) -> bytes:
        """Place an order."""
        fields = order_fields(order, instrument, self._self_trade)
        return self._private(request_id, "order.place", fields, now_ms)

    def cancel(
        self,
        request_id: int,
        symbol: Symbol,
        client_id: ClientOrderId,
        venue_id: VenueOrderId | None,
        now_ms: int,
    ) -> bytes:
        """Cancel one order."""
        return self._private(
            request_id, "order.cancel", _named(symbol, client_id, venue_id), now_ms
        )

    def cancel_replace(
        self,
        request_id: int,
        client_id: ClientOrderId,
        order: ApprovedOrder,
        instrument: Instrument,
        now_ms: int,
    ) -> bytes:
        """Cancel an untouched order and place another; nothing is placed if that fails."""
        fields = replace_fields(client_id, order, instrument, self._self_trade)
        return self._private(request_id, "order.cancelReplace", fields, now_ms)

    def cancel_all(self, request_id: int, symbol: Symbol, now_ms: int) -> bytes:
        """Cancel every order of a symbol."""
        return self._private(request_id, "openOrders.cancelAll", {"symbol": symbol}, now_ms)

    def query(
        self,
        request_id: int,
        symbol: Symbol,
        client_id: ClientOrderId,
        venue_id: VenueOrderId | None,
        now_ms: int,
    ) -> bytes:
        """Ask for the state of one order."""
        return self._private(
            request_id, "order.status", _named(symbol, client_id, venue_id), now_ms
        )

    def open_orders(self, request_id: int, symbol: Symbol | None, now_ms: int) -> bytes:
        """List open orders of a symbol or of the account."""
        fields = {"symbol": str(symbol)} if symbol else {}
        return self._private(request_id, "openOrders.status", fields, now_ms)

    def account(self, request_id: int, now_ms: int) -> bytes:
        """Ask for balances."""
        return self._private(request_id, "account.status", {}, now_ms)

    def my_trades(self, request_id: int, symbol: Symbol, from_id: int | None, now_ms: int) -> bytes:
        """List our trades on a symbol, the newest or from a trade id on."""
        fields: dict[str, str | int] = {"symbol": str(symbol), "limit": 1000}
        if from_id is not None:
            fields["fromId"] = from_id
        return self._private(request_id, "myTrades", fields, now_ms)

    def _private(
        self, request_id: int, method: str, fields: Mapping[str, str | int], now_ms: int
    ) -> bytes:
        params = {**fields, "recvWindow": self._recv_window_ms, "timestamp": now_ms}
        if not self.logged_on:
            params = self._credentials.sign_ws(params)
        return self._frame(request_id, method, params)

    def _frame(self, request_id: int, method: str, params: Mapping[str, str | int]) -> bytes:
        return _encode({"id": request_id, "method": method, "params": params})


def _at(now_ms: int) -> dict[str, str | int]:
    return {"timestamp": now_ms}


def _named(
    symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
) -> dict[str, str | int]:
    fields: dict[str, str | int] = {"symbol": str(symbol), **which(client_id, venue_id)}
    if venue_id is not None:
        fields["orderId"] = int(venue_id)
    return fields
