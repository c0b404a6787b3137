"""Operations on conditional orders: a service and a book of their own (binance.md §10.4)."""

from __future__ import annotations

from obiterm.exchange.binance import errors
from obiterm.exchange.binance.backoffice import Call, new_client_id
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.params import Params, page
from obiterm.exchange.binance.selection import within
from obiterm.exchange.binance_futures import rows
from obiterm.exchange.binance_futures.office import AlgoOrder, FuturesOffice
from obiterm.exchange.binance_futures.order_request import read_algo, read_client_id
from obiterm.exchange.binance_futures.orders import time_range
from obiterm.exchange.wire.office import Json

MAX_OPEN = 200


def place(office: FuturesOffice, call: Call) -> Json:
    """Place a conditional order; no margin is checked until it fires."""
    params = call.params
    scale = office.scale(params.need_symbol())
    request = read_algo(params, scale, hedged=office.venue.hedge_mode(call.account))
    client_id = read_client_id(params, "clientAlgoId") or new_client_id()
    waiting = office.waiting(call.account)
    if len(waiting) >= MAX_OPEN:
        raise ApiError(400, -4045, "Reach max stop order limit.")
    if any(algo.client_id == client_id for algo in waiting):
        raise ApiError(400, -4116, "ClientOrderId is duplicated.")
    order = office.venue.place(call.account, request, call.now_ns)
    algo = office.add_algo(
        AlgoOrder(
            algo_id=0,
            client_id=client_id,
            order=order,
            type_name=params.need("type"),
            time_in_force=params.get("timeInForce") or "GTC",
            close_position=request.close_fraction is not None,
            price_protect=params.get_flag("priceProtect"),
        )
    )
    office.flush(call.now_ns)
    return rows.algo_placed(algo, scale)


def _ids(params: Params) -> tuple[int | None, str | None]:
    algo_id, client_id = params.get_int("algoId"), read_client_id(params, "clientAlgoId")
    if algo_id is None and client_id is None:
        raise errors.neither("clientAlgoId", "algoId")
    return algo_id, client_id


def cancel(office: FuturesOffice, call: Call) -> Json:
    """Cancel one that still waits; -2011 otherwise."""
    algo = office.find_algo(call.account, *_ids(call.params), waiting=True)
    _cancel(office, algo, call)
    office.flush(call.now_ns)
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "code": "200",
        "msg": "success",
    }


def _cancel(office: FuturesOffice, algo: AlgoOrder, call: Call) -> None:
    order = algo.order
    office.venue.cancel(call.account, order.symbol, call.now_ns, order_id=order.order_id)


def cancel_all(office: FuturesOffice, call: Call) -> Json:
    """Cancel every conditional order of a symbol; it succeeds also when there was none."""
    symbol = call.params.need_symbol()
    office.scale(symbol)
    for algo in office.waiting(call.account, symbol):
        _cancel(office, algo, call)
    office.flush(call.now_ns)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def status(office: FuturesOffice, call: Call) -> Json:
    """Query one, waiting or not; -2013 when there is none."""
    algo = office.find_algo(call.account, *_ids(call.params))
    return rows.algo_queried(algo, office.scale(algo.order.symbol))


def open_algos(office: FuturesOffice, call: Call) -> list[Json]:
    """Return those that still wait, of one symbol or of all."""
    symbol, algo_id = call.params.get_symbol(), call.params.get_int("algoId")
    if symbol is not None:
        office.scale(symbol)
    return [
        rows.algo_queried(algo, office.scale(algo.order.symbol))
        for algo in office.waiting(call.account, symbol)
        if algo_id in (None, algo.algo_id)
    ]


def all_algos(office: FuturesOffice, call: Call) -> list[Json]:
    """Return every one of a symbol, oldest first."""
    params = call.params
    symbol = params.need_symbol()
    scale = office.scale(symbol)
    least, limit = params.get_int("algoId"), params.get_limit(500, 1000)
    span = time_range(params)
    found = [
        algo
        for algo in office.algos(call.account, symbol)
        if (least is None or algo.algo_id >= least) and within(span, algo.order.created_ns)
    ]
    chosen = page(found, limit, oldest=least is not None or span[0] is not None)
    return [rows.algo_queried(algo, scale) for algo in chosen]
