"""Order operations: place, test, cancel, replace, query (binance.md §6.3, §6.4)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from obiterm.exchange.api import NewOrder, Order, Refusal, Status, Why
from obiterm.exchange.binance import errors, wire
from obiterm.exchange.binance.backoffice import BackOffice, Call, new_client_id
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.list_report import list_report
from obiterm.exchange.binance.order_request import (
    RespType,
    read_extras,
    read_order,
    read_resp_type,
)
from obiterm.exchange.binance.params import Params, page
from obiterm.exchange.binance.selection import DAY_MS, Range, read_range, within
from obiterm.exchange.binance.wire import Extras
from obiterm.exchange.wire.office import Json


def place(office: BackOffice, call: Call) -> Json:
    """Place an order and answer as ``newOrderRespType`` asks."""
    scale = office.scale(call.params.need_symbol())
    request = read_order(call.params, scale)
    resp_type = read_resp_type(call.params, request.kind)
    return _place(office, call, request, read_extras(call.params), resp_type)


def _place(
    office: BackOffice, call: Call, request: NewOrder, extras: Extras, resp_type: RespType
) -> Json:
    order = office.venue.place(call.account, request, call.now_ns)
    office.remember(order, extras)
    office.limits.orders(call.account).accepted([order.order_id])
    fills = office.settle(order, call.now_ns)
    scale = office.scale(order.symbol)
    if resp_type is RespType.ACK:
        return wire.ack(order)
    if resp_type is RespType.RESULT:
        return wire.result(order, scale, extras)
    return wire.full(order, scale, fills, extras)


def test(office: BackOffice, call: Call) -> Json:
    """Check an order as a real one, send it nowhere."""
    scale = office.scale(call.params.need_symbol())
    request = read_order(call.params, scale)
    read_resp_type(call.params, request.kind)
    read_extras(call.params)
    office.venue.place(call.account, request, call.now_ns, test=True)
    if not call.params.get_flag("computeCommissionRates"):
        return {}
    spec = scale.spec
    rates = {"maker": wire.amount(spec.maker_fee), "taker": wire.amount(spec.taker_fee)}
    none = {"maker": wire.ZERO, "taker": wire.ZERO}
    return {
        "standardCommissionForOrder": rates,
        "specialCommissionForOrder": none,
        "taxCommissionForOrder": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": wire.ZERO,
        },
    }


class Restriction(Enum):
    """States in which a cancel may act."""

    ONLY_NEW = "ONLY_NEW"
    ONLY_PARTIALLY_FILLED = "ONLY_PARTIALLY_FILLED"

    @property
    def status(self) -> Status:
        """The order status that the restriction asks for."""
        return Status.NEW if self is Restriction.ONLY_NEW else Status.PARTIALLY_FILLED


def _restriction(params: Params) -> Status | None:
    refusal = ApiError(400, -1145, "Invalid cancelRestrictions")
    chosen = params.get_choice("cancelRestrictions", Restriction, refusal)
    return None if chosen is None else chosen.status


def order_ids(params: Params, id_name: str, client_name: str) -> tuple[int | None, str | None]:
    """Read which order is meant; at least one of the two names must be there."""
    order_id, client_id = params.get_int(id_name), params.get_client_id(client_name)
    if order_id is None and client_id is None:
        raise errors.neither(client_name, id_name)
    return order_id, client_id


def _check_pair(
    office: BackOffice, account: str, symbol: str, order_id: int | None, client_id: str | None
) -> None:
    if order_id is None or client_id is None:
        return
    if office.venue.find_order(account, symbol, order_id=order_id).client_id != client_id:
        raise ApiError(400, -2039, "Client order ID is not correct for this order ID.")


def cancel(office: BackOffice, call: Call) -> Json:
    """Cancel one order; a leg takes its whole list along."""
    return _cancel(office, call, "orderId", "origClientOrderId", "newClientOrderId")


def _cancel(office: BackOffice, call: Call, id_name: str, client_name: str, new_name: str) -> Json:
    params = call.params
    symbol = params.need_symbol()
    scale = office.scale(symbol)
    order_id, client_id = order_ids(params, id_name, client_name)
    _check_pair(office, call.account, symbol, order_id, client_id)
    cancel_id = params.get_client_id(new_name) or new_client_id()
    order = office.venue.cancel(
        call.account,
        symbol,
        call.now_ns,
        order_id=order_id,
        client_id=client_id if order_id is None else None,
        cancel_client_id=cancel_id,
        only_status=_restriction(params),
    )
    office.flush(call.now_ns)
    if order.list_id >= 0:
        # Cancelling a leg ends the list; the answer is the list's own report.
        return list_report(office, call.account, order.list_id, call.now_ns)
    return wire.cancelled(order, scale, cancel_id, office.extras_of(order))


def cancel_all(office: BackOffice, call: Call) -> list[Json]:
    """Cancel every open order of a symbol; -2011 when there is none.

    Single orders answer for themselves, the legs of a list as one list.
    """
    symbol = call.params.need_symbol()
    scale = office.scale(symbol)
    orders = office.venue.cancel_all(call.account, symbol, call.now_ns)
    office.flush(call.now_ns)
    rows: list[Json] = []
    lists: dict[int, None] = {}
    for order in orders:
        if order.list_id < 0:
            cancel_id = new_client_id()
            rows.append(wire.cancelled(order, scale, cancel_id, office.extras_of(order)))
        else:
            lists[order.list_id] = None
    return rows + [list_report(office, call.account, list_id, call.now_ns) for list_id in lists]


class ReplaceMode(Enum):
    """What a failed cancel means for the new order."""

    STOP_ON_FAILURE = "STOP_ON_FAILURE"
    ALLOW_FAILURE = "ALLOW_FAILURE"


def replace(office: BackOffice, call: Call) -> Json:
    """Cancel one order and place another (binance.md §6.4).

    Raises ``ApiError`` 409 -2021 when one half failed, 400 -2022 when both did.
    """
    params = call.params
    scale = office.scale(params.need_symbol())
    params.need("cancelReplaceMode")
    mode = params.get_choice(
        "cancelReplaceMode",
        ReplaceMode,
        ApiError(400, -1130, "Data sent for parameter 'cancelReplaceMode' is not valid."),
    )
    if params.get("orderRateLimitExceededMode") not in (None, "DO_NOTHING"):
        raise ApiError(400, -1020, "This operation is not supported.")
    order_ids(params, "cancelOrderId", "cancelOrigClientOrderId")
    request = read_order(params, scale)
    extras, resp_type = read_extras(params), read_resp_type(params, request.kind)
    _check_filters(office, call, request)
    cancelled = _half(
        lambda: _cancel(
            office, call, "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId"
        )
    )
    if isinstance(cancelled, ApiError) and mode is ReplaceMode.STOP_ON_FAILURE:
        raise _replace_error(400, cancelled, None)
    placed = _half(lambda: _place(office, call, request, extras, resp_type))
    if not isinstance(cancelled, ApiError) and not isinstance(placed, ApiError):
        return _replace_data(cancelled, placed)
    both = isinstance(cancelled, ApiError) and isinstance(placed, ApiError)
    raise _replace_error(400 if both else 409, cancelled, placed)


def _check_filters(office: BackOffice, call: Call, request: NewOrder) -> None:
    """Refuse by filter before anything is cancelled, as the venue does."""
    try:
        office.venue.place(call.account, request, call.now_ns, test=True)
    except Refusal as refusal:
        if refusal.why is Why.FILTER:
            raise


def _half(act: Callable[[], Json]) -> Json | ApiError:
    try:
        return act()
    except Refusal as refusal:
        return errors.from_refusal(refusal)
    except ApiError as error:
        return error


def _replace_data(cancelled: Json | ApiError, placed: Json | ApiError | None) -> Json:
    return {
        "cancelResult": _outcome(cancelled),
        "newOrderResult": _outcome(placed),
        "cancelResponse": _response(cancelled),
        "newOrderResponse": _response(placed),
    }


def _outcome(half: Json | ApiError | None) -> str:
    if half is None:
        return "NOT_ATTEMPTED"
    return "FAILURE" if isinstance(half, ApiError) else "SUCCESS"


def _response(half: Json | ApiError | None) -> Json | None:
    return half.body() if isinstance(half, ApiError) else half


def _replace_error(
    status: int, cancelled: Json | ApiError, placed: Json | ApiError | None
) -> ApiError:
    data = _replace_data(cancelled, placed)
    if status == 409:
        return ApiError(409, -2021, "Order cancel-replace partially failed.", data=data)
    return ApiError(400, -2022, "Order cancel-replace failed.", data=data)


def status(office: BackOffice, call: Call) -> Json:
    """Query one order, open or not; -2013 when there is none."""
    symbol = call.params.need_symbol()
    scale = office.scale(symbol)
    order_id, client_id = order_ids(call.params, "orderId", "origClientOrderId")
    try:
        _check_pair(office, call.account, symbol, order_id, client_id)
        order = office.venue.find_order(
            call.account,
            symbol,
            order_id=order_id,
            client_id=client_id if order_id is None else None,
        )
    except Refusal as refusal:
        raise errors.query_error(refusal) from refusal
    return wire.queried(order, scale, office.extras_of(order))


def _rows(office: BackOffice, orders: list[Order]) -> list[Json]:
    return [
        wire.queried(order, office.scale(order.symbol), office.extras_of(order)) for order in orders
    ]


def open_orders(office: BackOffice, call: Call) -> list[Json]:
    """Return open orders of one symbol or of all."""
    symbol = call.params.get_symbol()
    if symbol is not None:
        office.scale(symbol)
    return _rows(office, office.venue.open_orders(call.account, symbol))


def all_orders(office: BackOffice, call: Call) -> list[Json]:
    """Return orders of a symbol, oldest first, by id or time (binance.md §3, ranges)."""
    params = call.params
    symbol = params.need_symbol()
    office.scale(symbol)
    least, limit = params.get_int("orderId"), params.get_limit(500, 1000)
    span = time_range(params)
    orders = [
        order
        for order in office.venue.all_orders(call.account, symbol)
        if (least is None or order.order_id >= least) and within(span, order.created_ns)
    ]
    return _rows(office, page(orders, limit, oldest=least is not None or span[0] is not None))


def time_range(params: Params) -> Range:
    """Read ``startTime`` and ``endTime``; more than a day between them is refused (-1127)."""
    too_long = ApiError(400, -1127, "More than 24 hours between startTime and endTime.")
    return read_range(params, DAY_MS, too_long)
