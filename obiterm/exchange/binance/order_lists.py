"""Order lists: one cancels the other (binance.md §6.5)."""

from __future__ import annotations

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, NewOrder, OrderList, Refusal, Tif
from obiterm.exchange.binance import errors
from obiterm.exchange.binance.backoffice import BackOffice, Call, new_client_id
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.list_report import legs, list_head, list_report
from obiterm.exchange.binance.order_request import (
    LIMIT_KINDS,
    TIMED_KINDS,
    TRIGGER_KINDS,
    read_extras,
    read_kind,
    read_side,
    read_stp,
    read_tif,
    to_lots_of,
    to_ticks,
)
from obiterm.exchange.binance.params import Params, page
from obiterm.exchange.binance.wire import Scale
from obiterm.exchange.wire.office import Json

_STOPS = frozenset({Kind.STOP_MARKET, Kind.STOP_LIMIT})
_LEG_PARAMS = (
    "Type",
    "ClientOrderId",
    "IcebergQty",
    "Price",
    "StopPrice",
    "TrailingDelta",
    "TimeInForce",
    "StrategyId",
    "StrategyType",
    "PegPriceType",
    "PegOffsetType",
    "PegOffsetValue",
)
OCO_PARAMS = frozenset(
    {
        "symbol",
        "side",
        "quantity",
        "listClientOrderId",
        "newOrderRespType",
        "selfTradePreventionMode",
    }
    | {f"{leg}{name}" for leg in ("above", "below") for name in _LEG_PARAMS}
)


def place_oco(office: BackOffice, call: Call) -> Json:
    """Place two orders of which one cancels the other."""
    params = call.params
    scale = office.scale(params.need_symbol())
    side, lots = read_side(params), to_lots_of(params, scale)
    above, below = (_leg(params, name, side, lots, scale) for name in ("above", "below"))
    if (above.kind in _STOPS) == (below.kind in _STOPS):
        raise ApiError(400, -1165, "Invalid combination of aboveType and belowType.")
    if above.client_id == below.client_id:
        raise errors.rejected("Duplicate order sent.")
    client_id = params.get_client_id("listClientOrderId") or new_client_id()
    if _is_open(office, call.account, client_id):
        raise errors.rejected("Duplicate order sent.")
    placed = office.venue.place_oco(call.account, above, below, client_id, call.now_ns)
    office.list_ids[call.account][client_id] = placed.list_id
    for order, name in zip(legs(office, placed), ("above", "below"), strict=True):
        office.remember(order, read_extras(params, name))
    office.limits.orders(call.account).accepted(placed.order_ids)
    office.flush(call.now_ns)
    return list_report(office, call.account, placed.list_id, call.now_ns)


def _leg(params: Params, name: str, side: Side, lots: int, scale: Scale) -> NewOrder:
    kind = read_kind(params, f"{name}Type")
    if kind in (Kind.LIMIT, Kind.MARKET):
        raise ApiError(400, -1116, "Invalid orderType.")
    for unsupported in ("IcebergQty", "TrailingDelta", "PegPriceType"):
        params.refuse([f"{name}{unsupported}"])
    price = trigger = 0
    if kind in LIMIT_KINDS:
        price = to_ticks(params.need_decimal(f"{name}Price"), scale)
    else:
        params.refuse([f"{name}Price"])
    if kind in TRIGGER_KINDS:
        trigger = to_ticks(params.need_decimal(f"{name}StopPrice"), scale, what="stopPrice")
    else:
        params.refuse([f"{name}StopPrice"])
    tif = Tif.GTC
    if kind in TIMED_KINDS:
        tif = read_tif(params, f"{name}TimeInForce", needed=True)
    else:
        params.refuse([f"{name}TimeInForce"])
    return NewOrder(
        symbol=scale.spec.symbol,
        side=side,
        kind=kind,
        client_id=params.get_client_id(f"{name}ClientOrderId") or new_client_id(),
        lots=lots,
        price_ticks=price,
        trigger_ticks=trigger,
        tif=tif,
        stp=read_stp(params),
    )


def _is_open(office: BackOffice, account: str, client_id: str) -> bool:
    list_id = office.list_ids[account].get(client_id)
    return list_id is not None and not office.venue.order_list(account, list_id).done


def _find(office: BackOffice, call: Call, client_name: str) -> OrderList:
    params = call.params
    list_id, client_id = params.get_int("orderListId"), params.get_client_id(client_name)
    if list_id is None and client_id is None:
        raise errors.neither(client_name, "orderListId")
    if list_id is None:
        list_id = office.list_ids[call.account].get(client_id or "", -1)
    return office.venue.order_list(call.account, list_id)


def cancel_list(office: BackOffice, call: Call) -> Json:
    """Cancel both legs of a list."""
    symbol = call.params.need_symbol()
    office.scale(symbol)
    order_list = _find(office, call, "listClientOrderId")
    if order_list.symbol != symbol or order_list.done:
        raise ApiError(400, -2011, errors.UNKNOWN_ORDER)
    cancel_id = call.params.get_client_id("newClientOrderId") or new_client_id()
    office.venue.cancel(
        call.account,
        symbol,
        call.now_ns,
        order_id=order_list.order_ids[0],
        cancel_client_id=cancel_id,
    )
    office.flush(call.now_ns)
    return list_report(office, call.account, order_list.list_id, call.now_ns)


def _row(office: BackOffice, order_list: OrderList) -> Json:
    orders = legs(office, order_list)
    return list_head(order_list, orders, orders[0].created_ns)


def list_status(office: BackOffice, call: Call) -> Json:
    """Query one list."""
    try:
        return _row(office, _find(office, call, "origClientOrderId"))
    except Refusal as refusal:
        raise ApiError(400, -2018, "Order list does not exist.") from refusal


def _lists(office: BackOffice, account: str) -> list[OrderList]:
    ids = sorted(office.list_ids[account].values())
    return [office.venue.order_list(account, list_id) for list_id in ids]


def open_lists(office: BackOffice, call: Call) -> list[Json]:
    """Return the lists that still rest."""
    return [_row(office, found) for found in _lists(office, call.account) if not found.done]


def all_lists(office: BackOffice, call: Call) -> list[Json]:
    """Return every list, oldest first."""
    least, limit = call.params.get_int("fromId"), call.params.get_limit(500, 1000)
    rows = [
        _row(office, found)
        for found in _lists(office, call.account)
        if least is None or found.list_id >= least
    ]
    return page(rows, limit, oldest=least is not None)
