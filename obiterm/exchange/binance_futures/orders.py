"""Operations on normal orders (binance.md §9.1, §10.1, §10.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import msgspec

from obiterm.exchange.api import Kind, Order, Refusal
from obiterm.exchange.binance import errors
from obiterm.exchange.binance.backoffice import Call
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.order_request import read_side
from obiterm.exchange.binance.params import Params, page
from obiterm.exchange.binance.selection import DAY_MS, Range, read_range, within
from obiterm.exchange.binance_futures import rows
from obiterm.exchange.binance_futures.office import FuturesOffice, is_public
from obiterm.exchange.binance_futures.order_request import (
    RespType,
    read_client_id,
    read_order,
    read_resp_type,
    to_lots,
    to_ticks,
)
from obiterm.exchange.binance_futures.refusals import NO_SUCH_ORDER, from_refusal, query_error
from obiterm.exchange.wire.office import Json

MAX_BATCH = 5
MAX_CANCEL_BATCH = 10
T = TypeVar("T")


def place(office: FuturesOffice, call: Call) -> Json:
    """Place a LIMIT or MARKET order; the answer is the acknowledgement unless RESULT is asked."""
    scale = office.scale(call.params.need_symbol())
    request = read_order(call.params, scale, hedged=office.venue.hedge_mode(call.account))
    resp_type = read_resp_type(call.params)
    order = office.venue.place(call.account, request, call.now_ns)
    office.flush(call.now_ns)
    return rows.placed(order, scale, as_ack=resp_type is RespType.ACK)


def test(office: FuturesOffice, call: Call) -> Json:
    """Check an order as a real one, send it nowhere."""
    scale = office.scale(call.params.need_symbol())
    request = read_order(call.params, scale, hedged=office.venue.hedge_mode(call.account))
    order = office.venue.place(call.account, request, call.now_ns, test=True)
    return rows.placed(order, scale, as_ack=True)


def order_ids(params: Params) -> tuple[int | None, str | None]:
    """Read which order is meant; at least one of the two names must be there."""
    order_id, client_id = params.get_int("orderId"), read_client_id(params, "origClientOrderId")
    if order_id is None and client_id is None:
        raise errors.neither("origClientOrderId", "orderId")
    return order_id, client_id


def modify(office: FuturesOffice, call: Call) -> Json:
    """Change price and quantity of an open limit order; it loses its place in the queue."""
    params = call.params
    symbol = params.need_symbol()
    scale = office.scale(symbol)
    order_id, client_id = order_ids(params)
    side = read_side(params)
    lots = to_lots(params.need_decimal("quantity"), scale)
    ticks = to_ticks(params.need_decimal("price"), scale)
    try:
        order = office.find_public(call.account, symbol, order_id, client_id)
    except Refusal as refusal:
        raise query_error(refusal) from refusal
    if order.kind not in (Kind.LIMIT, Kind.LIMIT_MAKER):
        raise ApiError(400, -5025, "Only limit order is supported.")
    if order.side is not side:
        raise ApiError(400, -1117, "Invalid side.")
    try:
        office.venue.amend(
            call.account,
            symbol,
            call.now_ns,
            order_id=order.order_id,
            lots=lots,
            price_ticks=ticks,
        )
    except Refusal as refusal:
        raise query_error(refusal) from refusal
    office.flush(call.now_ns)
    return rows.placed(order, scale)


def cancel(office: FuturesOffice, call: Call) -> Json:
    """Cancel one open order; -2011 when there is none."""
    symbol = call.params.need_symbol()
    order_id, client_id = order_ids(call.params)
    return _cancel(office, call, symbol, order_id, client_id)


def _cancel(
    office: FuturesOffice, call: Call, symbol: str, order_id: int | None, client_id: str | None
) -> Json:
    scale = office.scale(symbol)
    if order_id is not None and order_id in office.algo_of:
        office.find_public(call.account, symbol, order_id, None)
    order = office.venue.cancel(
        call.account,
        symbol,
        call.now_ns,
        order_id=order_id,
        client_id=client_id if order_id is None else None,
    )
    office.flush(call.now_ns)
    return rows.placed(order, scale)


def cancel_all(office: FuturesOffice, call: Call) -> Json:
    """Cancel every normal order of a symbol; it succeeds also when there was none."""
    symbol = call.params.need_symbol()
    office.scale(symbol)
    office.cancel_public(call.account, symbol, call.now_ns)
    office.flush(call.now_ns)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def countdown(office: FuturesOffice, call: Call) -> Json:
    """Set the timer that cancels the normal orders of a symbol; 0 stops it."""
    symbol = call.params.need_symbol()
    office.scale(symbol)
    call.params.need("countdownTime")
    length_ms = call.params.get_int("countdownTime") or 0
    office.set_countdown(call.account, symbol, length_ms, call.now_ns)
    return {"symbol": symbol, "countdownTime": str(length_ms)}


# -- batches -------------------------------------------------------------------


def _batch(call: Call, name: str, kind: type[T], most: int) -> list[T]:
    text = call.params.need(name)
    try:
        found = msgspec.json.decode(text.encode(), type=list[kind])  # type: ignore[valid-type]
    except msgspec.DecodeError as error:
        raise errors.illegal(name, "^\\[.*\\]$") from error
    if not 0 < len(found) <= most:
        raise ApiError(400, -4082, "Invalid number of batch place orders.")
    return found


def _each(
    office: FuturesOffice, call: Call, act: Callable[[FuturesOffice, Call], Json]
) -> list[Json]:
    """Act on every order of a batch; one that is refused answers with its own error."""
    answers: list[Json] = []
    for values in _batch(call, "batchOrders", dict[str, object], MAX_BATCH):
        texts = {name: _text(value) for name, value in values.items()}
        single = replace(call, params=Params(texts))
        try:
            answers.append(act(office, single))
        except ApiError as error:
            answers.append(error.body())
        except Refusal as refusal:
            answers.append(from_refusal(refusal).body())
    return answers


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def place_batch(office: FuturesOffice, call: Call) -> list[Json]:
    """Place up to five orders; conditional ones get -4120 each."""
    return _each(office, call, place)


def modify_batch(office: FuturesOffice, call: Call) -> list[Json]:
    """Change up to five orders."""
    return _each(office, call, modify)


def cancel_batch(office: FuturesOffice, call: Call) -> list[Json]:
    """Cancel up to ten orders by one kind of id.

    The names of the lists are taken in lower case as well: ccxt sends them so.
    """
    symbol = call.params.need_symbol()
    office.scale(symbol)
    wanted: list[tuple[int | None, str | None]]
    by_id = _spelling(call.params, "orderIdList")
    if by_id in call.params:
        wanted = [(one, None) for one in _batch(call, by_id, int, MAX_CANCEL_BATCH)]
    else:
        name = _spelling(call.params, "origClientOrderIdList")
        wanted = [(None, one) for one in _batch(call, name, str, MAX_CANCEL_BATCH)]
    answers: list[Json] = []
    for order_id, client_id in wanted:
        try:
            answers.append(_cancel(office, call, symbol, order_id, client_id))
        except ApiError as error:
            answers.append(error.body())
        except Refusal as refusal:
            answers.append(from_refusal(refusal).body())
    return answers


def _spelling(params: Params, name: str) -> str:
    return name.lower() if name.lower() in params else name


# -- queries -------------------------------------------------------------------


def status(office: FuturesOffice, call: Call) -> Json:
    """Query one order, open or not; -2013 when there is none."""
    symbol = call.params.need_symbol()
    scale = office.scale(symbol)
    order_id, client_id = order_ids(call.params)
    try:
        return rows.queried(office.find_public(call.account, symbol, order_id, client_id), scale)
    except Refusal as refusal:
        raise query_error(refusal) from refusal


def open_order(office: FuturesOffice, call: Call) -> Json:
    """Query one order that must be open; -2013 when it is not."""
    symbol = call.params.need_symbol()
    scale = office.scale(symbol)
    order_id, client_id = order_ids(call.params)
    for order in reversed(office.open_public(call.account, symbol)):
        if order_id in (None, order.order_id) and client_id in (None, order.client_id):
            return rows.queried(order, scale)
    raise NO_SUCH_ORDER


def _rows(office: FuturesOffice, orders: list[Order]) -> list[Json]:
    return [rows.queried(order, office.scale(order.symbol)) for order in orders]


def open_orders(office: FuturesOffice, call: Call) -> list[Json]:
    """Return open normal orders of one symbol or of all."""
    symbol = call.params.get_symbol()
    if symbol is not None:
        office.scale(symbol)
    return _rows(office, office.open_public(call.account, symbol))


def all_orders(office: FuturesOffice, call: Call) -> list[Json]:
    """Return normal orders, oldest first, by id or time."""
    params = call.params
    symbol = params.get_symbol()
    symbols = [symbol] if symbol is not None else list(office.scales)
    least, limit = params.get_int("orderId"), params.get_limit(500, 1000)
    span = time_range(params)
    orders = [
        order
        for name in symbols
        if office.scale(name)
        for order in office.venue.all_orders(call.account, name)
        if is_public(order)
        and (least is None or order.order_id >= least)
        and within(span, order.created_ns)
    ]
    return _rows(office, page(orders, limit, oldest=least is not None or span[0] is not None))


def time_range(params: Params) -> Range:
    """Read ``startTime`` and ``endTime``; more than a week between them is refused (-4166)."""
    too_long = ApiError(400, -4166, "Search window is restricted to recent 7 days only.")
    return read_range(params, 7 * DAY_MS, too_long)
