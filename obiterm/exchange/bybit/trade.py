"""Placing, changing and cancelling orders (bybit.md §5)."""

from __future__ import annotations

from collections.abc import Callable

from obiterm.exchange.api import NO_ID, NewOrder, Order, Refusal, Status, Why
from obiterm.exchange.bybit import errors, numbers
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.bybit.memo import Exits, waits
from obiterm.exchange.bybit.numbers import Json
from obiterm.exchange.bybit.office import ZERO, BackOffice, Call, is_open
from obiterm.exchange.bybit.order_request import (
    Wanted,
    read_category,
    read_market,
    read_order,
    read_trigger_by,
    seen_price,
    to_lots,
    to_ticks,
    wrong_side,
)
from obiterm.exchange.bybit.params import Params
from obiterm.exchange.bybit.rows import link_of

MOST_IN_BATCH = {Category.LINEAR: 20, Category.SPOT: 10}


def create(office: BackOffice, call: Call) -> Json:
    """Accept an order. What it comes to is told by streams and queries alone."""
    wanted = read_order(office, call.account, call.params)
    order = _place(office, call, wanted)
    return _ack(wanted.memo.category, order)


def _ack(category: Category, order: Order) -> Json:
    return {
        "orderId": numbers.order_id(category, order.order_id),
        "orderLinkId": link_of(order),
    }


def _place(office: BackOffice, call: Call, wanted: Wanted) -> Order:
    request, memo = wanted.request, wanted.memo
    scale = office.scale(request.symbol)
    if request.client_id in office.links[call.account]:
        raise errors.from_refusal(Refusal(Why.DUPLICATE_CLIENT_ID), memo.category)
    try:
        order = office.venue.place(call.account, request, call.now_ns)
    except Refusal as refusal:
        if refusal.why is Why.WOULD_TAKE:
            memo.reject_reason = "EC_PostOnlyWillTakeLiquidity"
        elif refusal.why is Why.NO_LIQUIDITY:
            memo.reject_reason = "EC_NoImmediateQtyToFill"
        elif refusal.why is Why.WOULD_TRIGGER:
            raise wrong_side(wanted, scale, seen_price(office, request)) from refusal
        else:
            raise errors.from_refusal(refusal, memo.category) from refusal
        return office.keep_stillborn(_stillborn(call, request), memo)
    office.remember(order, memo)
    return order


def _stillborn(call: Call, request: NewOrder) -> Order:
    """Return the order that the venue accepts and cancels at once."""
    return Order(
        order_id=NO_ID,
        account=call.account,
        symbol=request.symbol,
        side=request.side,
        kind=request.kind,
        client_id=request.client_id,
        lots=request.lots,
        price_ticks=request.price_ticks,
        trigger_ticks=request.trigger_ticks,
        tif=request.tif,
        stp=request.stp,
        created_ns=call.now_ns,
        updated_ns=call.now_ns,
        working_ns=call.now_ns,
        status=Status.EXPIRED,
        quote_qty=ZERO if request.quote_qty is None else request.quote_qty,
        reduce_only=request.reduce_only,
        position_side=request.position_side,
    )


# -- change -----------------------------------------------------------------------


def amend(office: BackOffice, call: Call) -> Json:
    """Change size, price, trigger, or the exits of an open order."""
    params = call.params
    scale = read_market(office, params)
    order = office.find(call.account, scale.category, params)
    if not is_open(order):
        raise errors.no_order(scale.category)
    lots = price = trigger = None
    if "qty" in params:
        lots = to_lots(params.need_decimal("qty"), scale)
        if lots <= order.filled_lots:
            _refuse_small(scale.category)
    if "price" in params:
        price = to_ticks(params.need_decimal("price"), scale)
    if "triggerPrice" in params:
        trigger = to_ticks(params.need_decimal("triggerPrice"), scale, "triggerPrice")
    changed = _amend_exits(office, order, params)
    if changed and lots is None and price is None and trigger is None:
        return _ack(scale.category, order)
    try:
        office.venue.amend(
            call.account,
            order.symbol,
            call.now_ns,
            order_id=order.order_id,
            lots=lots,
            price_ticks=price,
            trigger_ticks=trigger,
        )
    except Refusal as refusal:
        if refusal.why is not Why.WOULD_TAKE:
            raise errors.from_refusal(refusal, scale.category) from refusal
        office.memo(order).reject_reason = "EC_PostOnlyWillTakeLiquidity"
        office.venue.cancel(call.account, order.symbol, call.now_ns, order_id=order.order_id)
    return _ack(scale.category, order)


def _refuse_small(category: Category) -> None:
    if category is Category.SPOT:
        raise ApiError(170313, "Order quantity must exceed what is filled.")
    raise ApiError(110064, "The qty modified should not be less than the finished qty")


def _amend_exits(office: BackOffice, order: Order, params: Params) -> bool:
    """Change the exits that an entry will bring along; ``0`` removes one."""
    if "takeProfit" not in params and "stopLoss" not in params:
        return False
    memo = office.memo(order)
    if memo.category is Category.SPOT:
        raise errors.invalid("takeProfit")
    now = memo.exits
    profit, loss = params.decimal("takeProfit"), params.decimal("stopLoss")
    memo.exits = Exits(
        now.take_profit if profit is None else profit,
        now.stop_loss if loss is None else loss,
        read_trigger_by(params, "tpTriggerBy") if "tpTriggerBy" in params else now.take_by,
        read_trigger_by(params, "slTriggerBy") if "slTriggerBy" in params else now.stop_by,
        now.partial,
    )
    return True


# -- cancel -----------------------------------------------------------------------


def cancel(office: BackOffice, call: Call) -> Json:
    """Cancel an order by ``orderId`` or ``orderLinkId``."""
    params = call.params
    scale = read_market(office, params)
    order = office.find(call.account, scale.category, params)
    if not is_open(order) or not _filter_fits(office, order, params):
        raise errors.no_order(scale.category)
    try:
        office.venue.cancel(call.account, order.symbol, call.now_ns, order_id=order.order_id)
    except Refusal as refusal:
        raise errors.from_refusal(refusal, scale.category) from refusal
    return _ack(scale.category, order)


def _filter_fits(office: BackOffice, order: Order, params: Params) -> bool:
    """Tell whether ``orderFilter`` allows it: on spot a stop must be called one (§5.3)."""
    memo = office.memo(order)
    if memo.category is Category.LINEAR:
        return True
    wanted = params.get("orderFilter") or "Order"
    return wanted == (memo.order_filter if waits(order) else "Order")


def cancel_all(office: BackOffice, call: Call) -> Json:
    """Cancel open orders of a market, a coin or a settle coin (bybit.md §5.4)."""
    params = call.params
    category = read_category(params)
    chosen = _scope(office, category, params)
    wanted = params.get("orderFilter")
    stop_type = params.get("stopOrderType")
    cancelled: list[Json] = []
    for order in office.open_orders(call.account, category):
        memo = office.memo(order)
        kind = memo.order_filter if waits(order) else "Order"
        if order.symbol not in chosen or not is_open(order):
            continue
        if category is Category.SPOT and kind != (wanted or "Order"):
            continue
        if category is Category.LINEAR and wanted == "StopOrder" and kind == "Order":
            continue
        if category is Category.LINEAR and wanted == "Order" and kind != "Order":
            continue
        if stop_type is not None and memo.stop_type != stop_type:
            continue
        office.venue.cancel(call.account, order.symbol, call.now_ns, order_id=order.order_id)
        cancelled.append(_ack(category, order))
    return {"list": cancelled, "success": "1"}


def _scope(office: BackOffice, category: Category, params: Params) -> set[str]:
    """Return the core's names of the markets that a cancel-all means."""
    markets = office.markets(category)
    name, base, settle = (params.get(one) for one in ("symbol", "baseCoin", "settleCoin"))
    if name is not None:
        return {office.market(category, name).spec.symbol}
    if base is not None:
        return {one.spec.symbol for one in markets if one.spec.base == base}
    if category is Category.SPOT:
        return {one.spec.symbol for one in markets}
    if settle is None:
        raise errors.bad("params error: symbol, baseCoin or settleCoin is required")
    return {one.spec.symbol for one in markets if one.spec.settle == settle}


# -- batches ----------------------------------------------------------------------

_One = Callable[[BackOffice, Call], Json]


def create_batch(office: BackOffice, call: Call) -> tuple[Json, Json]:
    """Place several orders; each stands or falls alone (bybit.md §5.5)."""
    return _batch(office, call, create, with_time=True)


def amend_batch(office: BackOffice, call: Call) -> tuple[Json, Json]:
    """Change several orders."""
    return _batch(office, call, amend)


def cancel_batch(office: BackOffice, call: Call) -> tuple[Json, Json]:
    """Cancel several orders."""
    return _batch(office, call, cancel)


def _batch(
    office: BackOffice, call: Call, one: _One, *, with_time: bool = False
) -> tuple[Json, Json]:
    """Return the result and ``retExtInfo``, item by item in the order asked."""
    category = read_category(call.params)
    asked = call.params.items("request")
    if len(asked) > MOST_IN_BATCH[category]:
        raise errors.bad("The number of orders in the batch exceeds the limit")
    results: list[Json] = []
    codes: list[Json] = []
    for item in asked:
        row: Json = {"category": category.value, "symbol": item.get("symbol") or ""}
        params = item.extended(category=category.value)
        stamp = numbers.ms_text(call.now_ns)
        try:
            row |= one(office, Call(params, call.now_ns, call.credential))
            codes.append({"code": 0, "msg": "OK"})
        except ApiError as error:
            row |= {"orderId": "", "orderLinkId": item.get("orderLinkId") or ""}
            codes.append({"code": error.code, "msg": error.msg})
            stamp = ""
        if with_time:
            row["createAt"] = stamp
        results.append(row)
    return {"list": results}, {"list": codes}
