"""Questions about orders and executions, page by page (bybit.md §5.6, §5.7, §6.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from obiterm.exchange.api import FundingPayment, Order
from obiterm.exchange.bybit import errors, numbers
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.memo import waits
from obiterm.exchange.bybit.numbers import Json
from obiterm.exchange.bybit.office import BackOffice, Call, is_open
from obiterm.exchange.bybit.order_request import listed_elsewhere, read_category
from obiterm.exchange.bybit.params import Params
from obiterm.exchange.bybit.rows import fill_row, funding_row, order_row, status_word

MOST_CLOSED = 500
WEEK_MS = 7 * 86_400_000
_CURSOR = "page_token="
T = TypeVar("T")
Stamp = tuple[int, int]


def page(
    params: Params, rows: list[T], stamp: Callable[[T], Stamp], limit: int
) -> tuple[list[T], str]:
    """Return a page of ``rows`` (newest first) and the cursor of the next one.

    The cursor comes percent-encoded and must come back as it is (bybit.md §2.1).
    """
    token = params.get("cursor")
    if token is not None:
        rows = [row for row in rows if stamp(row) < _read_cursor(token)]
    shown = rows[:limit]
    if len(rows) <= limit:
        return shown, ""
    time_ns, number = stamp(shown[-1])
    return shown, f"page_token%3D{time_ns}%3A{number}%26"


def _read_cursor(token: str) -> Stamp:
    time_ns, _, number = token.removeprefix(_CURSOR).removesuffix("&").partition(":")
    if not token.startswith(_CURSOR) or not (time_ns.isdigit() and number.isdigit()):
        raise errors.bad("params error: cursor invalid")
    return int(time_ns), int(number)


def _order_stamp(order: Order) -> Stamp:
    return order.created_ns, order.order_id


# -- orders -----------------------------------------------------------------------


def realtime(office: BackOffice, call: Call) -> Json:
    """List open orders, or the last closed ones; by id open or not."""
    params = call.params
    elsewhere = listed_elsewhere(params)
    if elsewhere is not None:
        return elsewhere
    category = read_category(params)
    if "orderId" in params or "orderLinkId" in params:
        return _single(office, call, category)
    wanted = _chooser(office, category, params, needs_scope=True)
    if params.integer("openOnly", 0):
        rows = [one for one in office.all_orders(call.account, category) if not is_open(one)]
        rows = rows[-MOST_CLOSED:]
    else:
        rows = office.open_orders(call.account, category)
    return _listed(office, call, category, [one for one in rows if wanted(one)])


def history(office: BackOffice, call: Call) -> Json:
    """List orders that ended, newest first."""
    params = call.params
    elsewhere = listed_elsewhere(params)
    if elsewhere is not None:
        return elsewhere
    category = read_category(params)
    if "orderId" in params or "orderLinkId" in params:
        return _single(office, call, category, closed_only=True)
    wanted, since = _chooser(office, category, params), _window(office, params)
    status = params.get("orderStatus")
    rows = [
        order
        for order in office.all_orders(call.account, category)
        if not is_open(order)
        and wanted(order)
        and since(numbers.ms(order.created_ns))
        and status in (None, status_word(order, office.memo(order)))
    ]
    return _listed(office, call, category, rows)


def _single(
    office: BackOffice, call: Call, category: Category, *, closed_only: bool = False
) -> Json:
    try:
        order = office.find(call.account, category, call.params)
    except errors.ApiError:
        return {"list": [], "nextPageCursor": "", "category": category.value}
    rows = [] if closed_only and is_open(order) else [order_row(office, order)]
    return {"list": rows, "nextPageCursor": "", "category": category.value}


def _listed(office: BackOffice, call: Call, category: Category, orders: list[Order]) -> Json:
    newest = sorted(orders, key=_order_stamp, reverse=True)
    shown, cursor = page(call.params, newest, _order_stamp, call.params.limit(20, 50))
    return {
        "list": [order_row(office, order) for order in shown],
        "nextPageCursor": cursor,
        "category": category.value,
    }


def _chooser(
    office: BackOffice, category: Category, params: Params, *, needs_scope: bool = False
) -> Callable[[Order], bool]:
    """Return what tells whether an order is asked for."""
    name, base, settle = (params.get(one) for one in ("symbol", "baseCoin", "settleCoin"))
    if needs_scope and category is Category.LINEAR and not (name or base or settle):
        raise errors.bad("params error: symbol, baseCoin or settleCoin is required")
    if name is not None:
        office.market(category, name)
    kind = params.get("orderFilter")

    def wanted(order: Order) -> bool:
        scale = office.scale(order.symbol)
        if name is not None and scale.symbol != name:
            return False
        if base is not None and scale.spec.base != base:
            return False
        if category is Category.LINEAR and settle is not None and scale.spec.settle != settle:
            return False
        filter_of = office.memo(order).order_filter if waits(order) else "Order"
        return kind is None or kind == filter_of

    return wanted


def _window(office: BackOffice, params: Params) -> Callable[[int], bool]:
    """Return what tells whether a time is in the window asked for; it is of at most a week."""
    start, end = params.time_ms("startTime"), params.time_ms("endTime")
    if start is not None and end is not None and not 0 <= end - start <= WEEK_MS:
        raise errors.bad("The time range between startTime and endTime cannot exceed 7 days")
    if start is not None and end is None:
        end = start + WEEK_MS
    if start is None:
        start = (numbers.ms(office.clock_ns()) if end is None else end) - WEEK_MS
    return lambda time_ms: (start is None or time_ms >= start) and (end is None or time_ms <= end)


# -- executions -------------------------------------------------------------------


class _Row:
    """An execution or a funding record."""

    __slots__ = ("row", "stamp", "time_ms")

    def __init__(self, row: Json, time_ns: int, number: int) -> None:
        self.row = row
        self.stamp: Stamp = (time_ns, number)
        self.time_ms = numbers.ms(time_ns)


def executions(office: BackOffice, call: Call) -> Json:
    """List executions, newest first; funding records are among the perpetual ones."""
    params = call.params
    elsewhere = listed_elsewhere(params)
    if elsewhere is not None:
        return elsewhere
    category = read_category(params)
    since, kind = _window(office, params), params.get("execType")
    name, base = params.get("symbol"), params.get("baseCoin")
    if name is not None:
        office.market(category, name)
    order_text, link = params.get("orderId"), params.get("orderLinkId")
    rows = [
        one
        for one in [*_fills(office, call.account, category), *_funding(office, call, category)]
        if since(one.time_ms)
        and kind in (None, one.row["execType"])
        and name in (None, one.row["symbol"])
        and order_text in (None, one.row["orderId"])
        and link in (None, one.row["orderLinkId"])
        and (base is None or str(one.row["symbol"]).startswith(base))
    ]
    rows.sort(key=lambda one: one.stamp, reverse=True)
    shown, cursor = page(params, rows, lambda one: one.stamp, params.limit(50, 100))
    return {
        "nextPageCursor": cursor,
        "category": category.value,
        "list": [one.row for one in shown],
    }


def _fills(office: BackOffice, account: str, category: Category) -> list[_Row]:
    left: dict[int, int] = {}
    rows = []
    for fill in office.venue.fills(account):
        if office.scale(fill.symbol).category is not category:
            continue
        order = office.venue.find_order(account, fill.symbol, order_id=fill.order_id)
        left[fill.order_id] = left.get(fill.order_id, order.lots) - fill.lots
        row = fill_row(office, fill, order, left[fill.order_id])
        rows.append(_Row(row, fill.time_ns, fill.trade_id * 2 + fill.is_maker))
    return rows


def _funding(office: BackOffice, call: Call, category: Category) -> list[_Row]:
    if category is Category.SPOT:
        return []
    payments: list[FundingPayment] = office.venue.funding_payments(call.account)
    return [_Row(funding_row(office, one), one.time_ns, one.payment_id) for one in payments]
