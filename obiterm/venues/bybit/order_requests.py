"""REST requests for the orders of Bybit V5 (bybit.md §5)."""

from __future__ import annotations

from collections.abc import Sequence

from obiterm.core.errors import UsageError
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, BuildableOrder
from obiterm.core.values import ClientOrderId, Side, Symbol, VenueOrderId
from obiterm.venues.bybit.known_orders import KnownOrders
from obiterm.venues.bybit.order_fields import (
    CANCEL_MAKER,
    ONE_WAY,
    SIDES,
    SPOT_FILTERS,
    STOP_FILTER,
    Fields,
    OrderPolicy,
    amend_fields,
    is_spot_stop,
    item_fields,
    order_fields,
)
from obiterm.venues.bybit.requests import HttpRequest, Signer
from obiterm.venues.bybit.symbols import Category, category_of, name_of
from obiterm.venues.common.scale import plain

BATCH_LIMIT = 10
"""Orders in one batch: what both pages of the venue allow (§5.5)."""


class OrderRequests:
    """Builds the order requests of one account; give it the account's ``KnownOrders``.

    ``now_ms`` is the venue's time, Unix ms. Answers to all of these only say that the venue
    took the request; what became of it comes by the private stream (§3).
    """

    def __init__(
        self,
        signer: Signer,
        policy: OrderPolicy | None = None,
        known: KnownOrders | None = None,
    ) -> None:
        self._signer = signer
        self._known = known or KnownOrders()
        self.policy = policy or OrderPolicy()

    def place(self, order: BuildableOrder, instrument: Instrument, now_ms: int) -> HttpRequest:
        """Place an order."""
        intent = order.intent
        if is_spot_stop(intent):
            self._known.mark_spot_stop(intent.client_id)
        fields = order_fields(order, instrument, self.policy)
        category = category_of(intent.symbol)
        return self._signer.post("/v5/order/create", fields, now_ms, "create", category)

    def cancel(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        venue_id: VenueOrderId | None = None,
    ) -> HttpRequest:
        """Cancel one order, by the venue's id when it is known."""
        spot_stop = self._known.is_spot_stop(client_id)
        fields = cancel_fields(symbol, client_id, venue_id, spot_stop=spot_stop)
        return self._signer.post("/v5/order/cancel", fields, now_ms, "cancel", category_of(symbol))

    def amend(
        self,
        instrument: Instrument,
        client_id: ClientOrderId,
        now_ms: int,
        venue_id: VenueOrderId | None = None,
        *,
        lots: int | None = None,
        price_ticks: int | None = None,
        trigger_ticks: int | None = None,
    ) -> HttpRequest:
        """Change an open order; ``lots`` is the new total, filled part included (§5.2)."""
        changes = amend_fields(
            instrument, lots=lots, price_ticks=price_ticks, trigger_ticks=trigger_ticks
        )
        symbol = instrument.symbol
        fields = {**_named(symbol, client_id, venue_id), **changes}
        return self._signer.post("/v5/order/amend", fields, now_ms, "amend", category_of(symbol))

    def cancel_all(self, symbol: Symbol, now_ms: int) -> list[HttpRequest]:
        """Cancel every order of a symbol: one call for a perpetual, one per kind for spot (§5.4).

        A perpetual's call takes at most 500 orders: repeat while the list of open ones is not
        empty.
        """
        fields: Fields = {"category": category_of(symbol).value, "symbol": name_of(symbol)}
        return self._cancel_all(category_of(symbol), fields, now_ms)

    def cancel_everything(self, category: Category, now_ms: int) -> list[HttpRequest]:
        """Cancel every order of a category; perpetuals settled in USDT and in USDC."""
        fields: Fields = {"category": category.value}
        if category is Category.SPOT:
            return self._cancel_all(category, fields, now_ms)
        return [
            request
            for settle in ("USDT", "USDC")
            for request in self._cancel_all(category, {**fields, "settleCoin": settle}, now_ms)
        ]

    def place_batch(
        self, orders: Sequence[tuple[ApprovedOrder, Instrument]], now_ms: int
    ) -> HttpRequest:
        """Place up to ten orders of one category; each succeeds or fails alone."""
        category = _one_category([order.intent.symbol for order, _ in orders])
        items = [item_fields(order, instrument, self.policy) for order, instrument in orders]
        return self._batch("create-batch", category, items, now_ms)

    def cancel_batch(
        self,
        orders: Sequence[tuple[Symbol, ClientOrderId, VenueOrderId | None]],
        now_ms: int,
    ) -> HttpRequest:
        """Cancel up to ten orders of one category; no spot stops."""
        category = _one_category([symbol for symbol, _, _ in orders])
        items = [_item(_named(*each)) for each in orders]
        return self._batch("cancel-batch", category, items, now_ms)

    def amend_batch(
        self,
        orders: Sequence[tuple[Instrument, ClientOrderId, Fields]],
        now_ms: int,
    ) -> HttpRequest:
        """Change up to ten plain orders of one category; the fields come from ``amend_fields``."""
        category = _one_category([instrument.symbol for instrument, _, _ in orders])
        items = [
            {**_item(_named(instrument.symbol, client_id, None)), **changes}
            for instrument, client_id, changes in orders
        ]
        return self._batch("amend-batch", category, items, now_ms)

    def open_orders(
        self,
        category: Category,
        now_ms: int,
        symbol: Symbol | None = None,
        *,
        settle: str = "USDT",
        cursor: str = "",
    ) -> HttpRequest:
        """List the open orders of all kinds; a page has at most 50 (§5.6, trap 15)."""
        fields = {"category": category.value}
        if symbol is not None:
            fields["symbol"] = name_of(symbol)
        elif category is Category.LINEAR:
            fields["settleCoin"] = settle
        fields |= {"openOnly": "0", "limit": "50"}
        path = "/v5/order/realtime"
        return self._signer.get(path, fields, now_ms, "orders", category, cursor=cursor)

    def query(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        venue_id: VenueOrderId | None = None,
        *,
        history: bool = False,
    ) -> HttpRequest:
        """Ask for one order: among the open and newest closed ones, or in the history (§5.7)."""
        fields = {name: str(value) for name, value in _named(symbol, client_id, venue_id).items()}
        path, endpoint = "/v5/order/realtime", "orders"
        if history:
            path, endpoint = "/v5/order/history", "history"
        return self._signer.get(path, fields, now_ms, endpoint, category_of(symbol))

    def close_position(
        self,
        symbol: Symbol,
        side: Side,
        client_id: ClientOrderId,
        now_ms: int,
        *,
        position_idx: int = ONE_WAY,
    ) -> HttpRequest:
        """Close a whole perpetual position at market (§5.1); a long is closed by SELL."""
        fields: Fields = {
            "category": Category.LINEAR.value,
            "symbol": name_of(symbol),
            "side": SIDES[side],
            "orderType": "Market",
            "qty": "0",
            "timeInForce": "IOC",
            "positionIdx": position_idx,
            "reduceOnly": True,
            "closeOnTrigger": True,
            "smpType": CANCEL_MAKER,
            "orderLinkId": str(client_id),
        }
        return self._signer.post("/v5/order/create", fields, now_ms, "create", Category.LINEAR)

    def _cancel_all(self, category: Category, fields: Fields, now_ms: int) -> list[HttpRequest]:
        bodies: list[Fields] = [fields]
        if category is Category.SPOT:
            bodies = [{**fields, "orderFilter": name} for name in SPOT_FILTERS]
        path = "/v5/order/cancel-all"
        return [self._signer.post(path, body, now_ms, "cancel-all", category) for body in bodies]

    def _batch(
        self, endpoint: str, category: Category, items: list[Fields], now_ms: int
    ) -> HttpRequest:
        body = {"category": category.value, "request": items}
        path = f"/v5/order/{endpoint}"
        return self._signer.post(path, body, now_ms, endpoint, category, cost=len(items))


def cancel_fields(
    symbol: Symbol,
    client_id: ClientOrderId,
    venue_id: VenueOrderId | None,
    *,
    spot_stop: bool = False,
) -> Fields:
    """Return the body of a cancel; a spot stop is not found without its kind (§5.3)."""
    fields = _named(symbol, client_id, venue_id)
    if spot_stop:
        fields["orderFilter"] = STOP_FILTER
    return fields


def amended(
    instrument: Instrument,
    client_id: ClientOrderId,
    venue_id: VenueOrderId | None,
    changes: Fields,
) -> Fields:
    """Return the body of an amendment."""
    return {**_named(instrument.symbol, client_id, venue_id), **changes}


def protection_fields(
    instrument: Instrument,
    *,
    take_profit_ticks: int | None = None,
    stop_loss_ticks: int | None = None,
    trailing_ticks: int | None = None,
    trigger_by: str = "LastPrice",
    position_idx: int = ONE_WAY,
) -> Fields:
    """Return the protection of a whole position; 0 ticks removes one, None leaves it (§6.3)."""
    fields: Fields = {"tpslMode": "Full", "positionIdx": position_idx}
    if take_profit_ticks is not None:
        fields["takeProfit"] = plain(instrument.price(take_profit_ticks))
        fields["tpTriggerBy"] = trigger_by
    if stop_loss_ticks is not None:
        fields["stopLoss"] = plain(instrument.price(stop_loss_ticks))
        fields["slTriggerBy"] = trigger_by
    if trailing_ticks is not None:
        fields["trailingStop"] = plain(instrument.price(trailing_ticks))
    return fields


def _named(symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None) -> Fields:
    """Name one order, by one id only: given both, the venue takes its own (§5.1)."""
    which = ("orderId", venue_id) if venue_id is not None else ("orderLinkId", client_id)
    return {
        "category": category_of(symbol).value,
        "symbol": name_of(symbol),
        which[0]: str(which[1]),
    }


def _item(fields: Fields) -> Fields:
    """Return the body of a single call as an item of a batch, which names the category once."""
    return {name: value for name, value in fields.items() if name != "category"}


def _one_category(symbols: Sequence[Symbol]) -> Category:
    categories = {category_of(symbol) for symbol in symbols}
    if len(categories) != 1 or len(symbols) > BATCH_LIMIT:
        raise UsageError(f"a batch holds 1 to {BATCH_LIMIT} orders of one category")
    return categories.pop()
