"""Orders of Backpack as exact bytes (backpack.md §7, §10).

There is no amend, no batch cancel and no order entry over the socket (§1.4): every order is
a REST call on a kept-alive connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from obiterm.core.errors import UsageError
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, RehearsedOrder
from obiterm.core.values import ClientOrderId, Symbol, VenueOrderId
from obiterm.venues.backpack.client_ids import PROBE, ClientIds
from obiterm.venues.backpack.order_fields import (
    NO_EXTRAS,
    OrderExtras,
    SelfTradePolicy,
    order_fields,
)
from obiterm.venues.backpack.requests import HttpRequest, Signer
from obiterm.venues.backpack.signing import Credentials, Value

BATCH_LIMIT = 20
"""Orders in one call: the venue names no limit, other clients send up to 20."""

_ORDER = "/api/v1/order"
_ORDERS = "/api/v1/orders"


class CancelKind(Enum):
    """Which orders a cancel-all takes; the default of the venue is not documented."""

    RESTING = "RestingLimitOrder"
    CONDITIONAL = "ConditionalOrder"


class OrderRequests:
    """Builds the order requests of one account; its ids are shared with the codecs."""

    def __init__(
        self,
        credentials: Credentials,
        ids: ClientIds,
        *,
        self_trade: SelfTradePolicy | None = None,
    ) -> None:
        self._signer = Signer(credentials)
        self._ids = ids
        self._self_trade = self_trade or SelfTradePolicy()

    def place(
        self,
        order: ApprovedOrder,
        instrument: Instrument,
        now_ms: int,
        extras: OrderExtras = NO_EXTRAS,
    ) -> HttpRequest:
        """Place an order."""
        fields = self._fields(order, instrument, extras)
        return self._signer.send("POST", _ORDER, "orderExecute", fields, now_ms, is_order=True)

    def rehearse(
        self,
        order: RehearsedOrder,
        instrument: Instrument,
        now_ms: int,
        extras: OrderExtras = NO_EXTRAS,
    ) -> HttpRequest:
        """Return the request that ``place`` would return; its number is not remembered."""
        number = self._ids.number(order.intent.client_id)
        fields = order_fields(order, instrument, number, self._self_trade, extras)
        return self._signer.send("POST", _ORDER, "orderExecute", fields, now_ms, is_order=True)

    def place_batch(
        self,
        orders: Sequence[ApprovedOrder],
        instruments: Mapping[Symbol, Instrument],
        now_ms: int,
    ) -> HttpRequest:
        """Place several orders; each is taken or refused on its own.

        Raises ``UsageError`` for none or more than ``BATCH_LIMIT``.
        """
        if not 0 < len(orders) <= BATCH_LIMIT:
            raise UsageError(f"a batch of {len(orders)} orders: 1 to {BATCH_LIMIT} fit")
        batch = [
            self._fields(order, instruments[order.intent.symbol], NO_EXTRAS) for order in orders
        ]
        return self._signer.send_batch(_ORDERS, "orderExecute", batch, now_ms)

    def cancel(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        venue_id: VenueOrderId | None = None,
    ) -> HttpRequest:
        """Cancel one order, by the venue's id when it is known."""
        params = self._which(symbol, client_id, venue_id)
        return self._signer.send("DELETE", _ORDER, "orderCancel", params, now_ms)

    def probe(self, symbol: Symbol, now_ms: int) -> HttpRequest:
        """Cancel an order that cannot be: the refusal tells whether the key may trade.

        A key that may answers 404 ``RESOURCE_NOT_FOUND``; nothing else shows the right to
        trade before the first order.
        """
        params: dict[str, Value] = {"symbol": symbol, "clientId": PROBE}
        return self._signer.send("DELETE", _ORDER, "orderCancel", params, now_ms)

    def cancel_all(
        self, symbol: Symbol, now_ms: int, kind: CancelKind | None = None
    ) -> HttpRequest:
        """Cancel every order of a symbol, whoever placed it, stops too unless ``kind`` is given.

        There is no call for all symbols. That stops go too without a kind is the reading of
        the document, not proven: list the open orders afterwards, then send each kind.
        """
        params: dict[str, Value] = {"symbol": symbol}
        if kind is not None:
            params["orderType"] = kind.value
        return self._signer.send("DELETE", _ORDERS, "orderCancelAll", params, now_ms)

    def query(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        venue_id: VenueOrderId | None = None,
    ) -> HttpRequest:
        """Ask for an order that rests; one that ended is in the history only (§1.12)."""
        params = self._which(symbol, client_id, venue_id)
        return self._signer.get(_ORDER, "orderQuery", params, now_ms)

    def open_orders(self, symbol: Symbol | None, now_ms: int) -> HttpRequest:
        """List open orders of a symbol or of the account, those that wait for a trigger too."""
        params: dict[str, Value] = {"symbol": symbol} if symbol else {}
        return self._signer.get(_ORDERS, "orderQueryAll", params, now_ms)

    def strategies(self, now_ms: int) -> HttpRequest:
        """List the venue's scheduled orders (TWAP), which a kill must end as well (§10)."""
        return self._signer.get("/api/v1/strategies", "strategyQueryAll", {}, now_ms)

    def cancel_strategies(self, symbol: Symbol, now_ms: int) -> HttpRequest:
        """Cancel the venue's scheduled orders of a symbol."""
        params: dict[str, Value] = {"symbol": symbol}
        path = "/api/v1/strategies"
        return self._signer.send("DELETE", path, "strategyCancelAll", params, now_ms)

    def _fields(
        self, order: ApprovedOrder, instrument: Instrument, extras: OrderExtras
    ) -> dict[str, Value]:
        number = self._ids.assign(order.intent.client_id)
        return order_fields(order, instrument, number, self._self_trade, extras)

    def _which(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> dict[str, Value]:
        """Name one order by exactly one id; the venue refuses both at once."""
        if venue_id:
            return {"symbol": symbol, "orderId": venue_id}
        return {"symbol": symbol, "clientId": self._ids.number(client_id)}
