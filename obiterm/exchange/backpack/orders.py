"""Placing, finding and cancelling orders (backpack.md §7.1)."""

from __future__ import annotations

from obiterm.exchange.api import Order, Refusal
from obiterm.exchange.backpack.errors import ApiError, invalid, not_found
from obiterm.exchange.backpack.office import BackpackOffice, Call
from obiterm.exchange.backpack.order_request import read_order
from obiterm.exchange.backpack.order_rows import order_row, waits
from obiterm.exchange.backpack.params import Params
from obiterm.exchange.backpack.wire import Json

MAX_BATCH = 50
_MANY = {"RestingLimitOrder": False, "ConditionalOrder": True}


def place(office: BackpackOffice, call: Call) -> Json:
    """Place one order and tell how it stands after matching."""
    return _place(office, call, call.params)


def place_batch(office: BackpackOffice, call: Call) -> list[Json]:
    """Place orders one after the other; each element tells its own fate."""
    if len(call.batch) > MAX_BATCH:
        raise invalid(f"Batch is limited to {MAX_BATCH} orders")
    rows: list[Json] = []
    for params in call.batch:
        try:
            rows.append({"operation": "Ok"} | _place(office, call, params))
        except ApiError as error:
            rows.append({"operation": "Err"} | error.body())
    return rows


def _place(office: BackpackOffice, call: Call, params: Params) -> Json:
    symbol = _symbol(office, params)
    request, extras = read_order(params, office.scene(symbol))
    try:
        order = office.venue.place(call.account, request, call.now_ns)
    except Refusal as refusal:
        raise office.refused(refusal, symbol) from refusal
    office.extras[order.order_id] = extras
    office.flush(call.now_ns)
    return _row(office, order)


def query(office: BackpackOffice, call: Call) -> Json:
    """Return an order that still rests or waits; 404 for any other."""
    order_id, client_id = _which(call.params)
    symbol = _symbol(office, call.params)
    for order in office.venue.open_orders(call.account, symbol):
        if order.order_id == order_id or (client_id and order.client_id == client_id):
            return _row(office, order)
    raise not_found()


def open_orders(office: BackpackOffice, call: Call) -> list[Json]:
    """Return all open orders, waiting ones too."""
    symbol = call.params.get("symbol")
    wanted = call.params.get_choice("marketType", {"SPOT": False, "PERP": True}, "MarketType")
    if symbol is not None:
        office.scale(symbol)
    return [
        _row(office, order)
        for order in office.venue.open_orders(call.account, symbol)
        if wanted is None or office.scale(order.symbol).spec.is_perpetual is wanted
    ]


def cancel(office: BackpackOffice, call: Call) -> Json:
    """Cancel one order."""
    order_id, client_id = _which(call.params)
    symbol = _symbol(office, call.params)
    try:
        order = office.venue.cancel(
            call.account, symbol, call.now_ns, order_id=order_id, client_id=client_id
        )
    except Refusal as refusal:
        raise office.refused(refusal, symbol) from refusal
    return _row(office, order)


def cancel_all(office: BackpackOffice, call: Call) -> list[Json]:
    """Cancel the orders of a market, those of one sort when ``orderType`` names it."""
    symbol = _symbol(office, call.params)
    waiting = call.params.get_choice("orderType", _MANY, "CancelOrderTypeEnum")
    ended: list[Json] = []
    for order in office.venue.open_orders(call.account, symbol):
        if waiting is None or waits(order) is waiting:
            gone = office.venue.cancel(call.account, symbol, call.now_ns, order_id=order.order_id)
            ended.append(_row(office, gone))
    return ended


def _row(office: BackpackOffice, order: Order) -> Json:
    return order_row(order, office.scale(order.symbol), office.extras_of(order))


def _symbol(office: BackpackOffice, params: Params) -> str:
    symbol = params.need("symbol")
    office.scale(symbol)
    return symbol


def _which(params: Params) -> tuple[int | None, str | None]:
    """Return the one id that names the order."""
    client_id = params.get_client_id()
    text = params.get("orderId")
    if (text is None) == (client_id is None):
        raise invalid("Must specify exactly one of `orderId` or `clientId`")
    if text is None:
        return None, str(client_id)
    if not text.isdigit():
        raise params.complain("orderId", 'failed to parse "OrderId": Invalid order id')
    return int(text), None
