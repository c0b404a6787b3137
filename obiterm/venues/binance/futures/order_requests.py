"""Signed REST requests about orders of Binance futures (binance.md §9.1, §10).

Orders live in two books. What must reach all of them is sent to both: cancel-all, the list
of open orders, and the search for one order.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import ClientOrderId, Side, Symbol, VenueOrderId
from obiterm.venues.binance.futures.conditional import ConditionalOrders
from obiterm.venues.binance.futures.http_request import FuturesRequest, Signer
from obiterm.venues.binance.futures.order_fields import (
    AlgoOrder,
    OrderPolicy,
    algo_fields,
    algo_order,
    is_algo,
    modify_fields,
    order_fields,
    which_algo,
    which_order,
)
from obiterm.venues.binance.futures.replies import Ask, Asked
from obiterm.venues.binance.futures.symbols import name_of

COUNTDOWN_MS = 120_000
"""The venue's advice for the dead-man timer: this long, renewed every ``COUNTDOWN_EVERY_S``."""
COUNTDOWN_EVERY_S = 30.0

_ORDER = "/fapi/v1/order"
_ALGO = "/fapi/v1/algoOrder"
_BATCH = "/fapi/v1/batchOrders"

AskedRequest = tuple[Asked, FuturesRequest]


class OrderRequests:
    """Builds the requests of one account.

    ``now_ms`` is the venue's time in Unix ms, measured by us (§3.1). ``conditionals`` is
    shared with the account's sessions and codec: it tells the book that an order lives in.
    """

    def __init__(
        self,
        signer: Signer,
        conditionals: ConditionalOrders,
        policy: OrderPolicy | None = None,
    ) -> None:
        self._signer = signer
        self._conditionals = conditionals
        self._policy = policy or OrderPolicy()

    # ── placing and changing ────────────────────────────────────────────────

    def place(self, order: ApprovedOrder, instrument: Instrument, now_ms: int) -> AskedRequest:
        """Place an order in the book it belongs to."""
        intent = order.intent
        if is_algo(intent):
            return self.place_algo(algo_order(order, self._policy), instrument, now_ms)
        self._conditionals.sending_plain(order)
        fields = order_fields(order, instrument, self._policy)
        request = self._signer.signed("POST", _ORDER, fields, now_ms, 0, orders=1)
        return Asked(Ask.PLACE, intent.symbol, intent.client_id), request

    def place_algo(self, order: AlgoOrder, instrument: Instrument, now_ms: int) -> AskedRequest:
        """Place a conditional order of any type; no batch and no amending exist for them."""
        self._conditionals.sending(order)
        fields = algo_fields(order, instrument)
        request = self._signer.signed("POST", _ALGO, fields, now_ms, 0, orders=1)
        return Asked(Ask.PLACE_ALGO, order.symbol, order.client_id), request

    def test(self, order: ApprovedOrder, instrument: Instrument, now_ms: int) -> FuturesRequest:
        """Have the venue check a limit or market order without sending it to the engine."""
        fields = order_fields(order, instrument, self._policy)
        return self._signer.signed("POST", f"{_ORDER}/test", fields, now_ms, 0)

    def place_batch(
        self, orders: Sequence[tuple[ApprovedOrder, Instrument]], now_ms: int
    ) -> FuturesRequest:
        """Place up to 5 limit and market orders; each answer may be an error of its own."""
        batch = [order_fields(order, instrument, self._policy) for order, instrument in orders]
        for order, _ in orders:
            self._conditionals.sending_plain(order)
        fields = {"batchOrders": json_text(batch)}
        return self._signer.signed("POST", _BATCH, fields, now_ms, 0, orders=5)

    def modify(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        side: Side,
        lots: int,
        price_ticks: int,
        instrument: Instrument,
        now_ms: int,
        venue_id: VenueOrderId | None = None,
    ) -> AskedRequest:
        """Change size (new total) and price of a resting limit order."""
        which = which_order(client_id, venue_id)
        fields = modify_fields(symbol, side, lots, price_ticks, instrument, which)
        request = self._signer.signed("PUT", _ORDER, fields, now_ms, 0, orders=1)
        return Asked(Ask.MODIFY, symbol, client_id), request

    # ── cancelling ──────────────────────────────────────────────────────────

    def cancel(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        venue_id: VenueOrderId | None = None,
    ) -> AskedRequest:
        """Cancel one order where it lives now: a stop that fired is a normal order."""
        home = self._conditionals.home(client_id, venue_id)
        if home.is_algo:
            fields = which_algo(client_id, home.algo_id)
            request = self._signer.signed("DELETE", _ALGO, fields, now_ms, 1)
            return Asked(Ask.CANCEL_ALGO, symbol, client_id), request
        fields = {"symbol": name_of(symbol), **which_order(client_id, home.order_id)}
        request = self._signer.signed("DELETE", _ORDER, fields, now_ms, 1)
        return Asked(Ask.CANCEL, symbol, client_id), request

    def cancel_all(self, symbol: Symbol, now_ms: int) -> list[FuturesRequest]:
        """Cancel every order of a symbol in both books. Send both: one is not enough (§1.2)."""
        fields = {"symbol": name_of(symbol)}
        return [
            self._signer.signed("DELETE", path, fields, now_ms, 1)
            for path in ("/fapi/v1/allOpenOrders", "/fapi/v1/algoOpenOrders")
        ]

    def countdown(self, symbol: Symbol, now_ms: int, countdown_ms: int) -> FuturesRequest:
        """Arm the venue's dead-man timer on a symbol, 0 stops it (§10.6).

        When it runs out the venue cancels the symbol's normal orders. Whether conditional
        ones too is not documented.
        """
        fields = {"symbol": name_of(symbol), "countdownTime": str(countdown_ms)}
        return self._signer.signed("POST", "/fapi/v1/countdownCancelAll", fields, now_ms, 10)

    # ── asking ──────────────────────────────────────────────────────────────

    def find(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        venue_id: VenueOrderId | None = None,
    ) -> list[AskedRequest]:
        """Ask for one order: the requests to send one by one, until an answer has found it.

        Only the last one's "no such order" counts. An ``Outcome.next_order`` names a normal
        order that must be asked for then (``find_normal``).
        """
        home = self._conditionals.home(client_id, venue_id)
        algo = self._find_algo(symbol, client_id, home.algo_id, now_ms)
        if home.is_algo:
            return [algo]
        normal = self._find_normal(symbol, client_id, home.order_id, now_ms)
        is_stop = bool(home.algo_id)  # one that fired may still be unknown among normal orders
        return [normal, algo] if is_stop or venue_id is None else [normal]

    def find_normal(self, symbol: Symbol, order_id: VenueOrderId, now_ms: int) -> AskedRequest:
        """Ask for a normal order by the venue's id."""
        return self._find_normal(symbol, ClientOrderId(""), order_id, now_ms)

    def open_orders(self, symbol: Symbol | None, now_ms: int) -> list[FuturesRequest]:
        """List open orders of a symbol or of the account: normal ones, then conditional ones."""
        fields = {"symbol": name_of(symbol)} if symbol else {}
        weight = 1 if symbol else 40
        return [
            self._signer.signed("GET", path, fields, now_ms, weight)
            for path in ("/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders")
        ]

    def past_algos(self, symbol: Symbol, now_ms: int, *, limit: int = 100) -> FuturesRequest:
        """List conditional orders of a symbol, ended ones too, with the orders they became."""
        fields = {"symbol": name_of(symbol), "limit": str(limit)}
        return self._signer.signed("GET", "/fapi/v1/allAlgoOrders", fields, now_ms, 5)

    def my_trades(
        self,
        symbol: Symbol,
        now_ms: int,
        *,
        from_id: int | None = None,
        venue_id: VenueOrderId | None = None,
        span_ms: tuple[int, int] | None = None,
        limit: int = 1000,
    ) -> FuturesRequest:
        """List our trades on a symbol: the newest, from a trade id, of one order, of a span.

        The venue keeps three months. Without an id or a span it looks back 7 days only, and
        a span (Unix ms) is no longer than that (§9.1).
        """
        fields = {"symbol": name_of(symbol)}
        if venue_id is not None:
            fields["orderId"] = venue_id
        if from_id is not None:
            fields["fromId"] = str(from_id)
        if span_ms is not None:
            fields["startTime"], fields["endTime"] = str(span_ms[0]), str(span_ms[1])
        fields["limit"] = str(limit)
        return self._signer.signed("GET", "/fapi/v1/userTrades", fields, now_ms, 5)

    # ── inside ──────────────────────────────────────────────────────────────

    def _find_normal(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        venue_id: VenueOrderId | None,
        now_ms: int,
    ) -> AskedRequest:
        fields = {"symbol": name_of(symbol), **which_order(client_id, venue_id)}
        request = self._signer.signed("GET", _ORDER, fields, now_ms, 1)
        return Asked(Ask.QUERY, symbol, client_id), request

    def _find_algo(
        self, symbol: Symbol, client_id: ClientOrderId, algo_id: str, now_ms: int
    ) -> AskedRequest:
        fields = which_algo(client_id, algo_id)
        request = self._signer.signed("GET", _ALGO, fields, now_ms, 1)
        return Asked(Ask.QUERY_ALGO, symbol, client_id), request


def json_text(value: object) -> str:
    """Write a JSON value as the venue wants it in a parameter: no blanks."""
    return msgspec.json.encode(value).decode()
