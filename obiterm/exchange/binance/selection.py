"""Which rows of a history a caller asked for (binance.md §3, ranges)."""

from __future__ import annotations

from obiterm.exchange.api import Fill
from obiterm.exchange.binance.backoffice import BackOffice, Call
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.params import Params, page
from obiterm.exchange.binance.wire import ms

DAY_MS = 86_400_000
Range = tuple[int | None, int | None]


def read_range(params: Params, longest_ms: int, too_long: ApiError) -> Range:
    """Read ``startTime`` and ``endTime``; more than ``longest_ms`` between them is refused."""
    start, end = params.get_ms("startTime"), params.get_ms("endTime")
    if start is not None and end is not None:
        if end < start:
            raise ApiError(400, -1102, "Start time is greater than end time.")
        if end - start > longest_ms:
            raise too_long
    return start, end


def within(span: Range, time_ns: int) -> bool:
    """Tell whether a moment lies in a range; both ends belong to it."""
    start, end = span
    return (start is None or ms(time_ns) >= start) and (end is None or ms(time_ns) <= end)


def own_fills(office: BackOffice, call: Call, span: Range) -> list[Fill]:
    """Return the caller's fills of a symbol, oldest first, by order, id or time."""
    params = call.params
    order_id, from_id = params.get_int("orderId"), params.get_int("fromId")
    if from_id is not None and span != (None, None):
        raise ApiError(400, -1128, "Combination of optional parameters invalid.")
    fills = [
        fill
        for fill in office.venue.fills(call.account, params.need_symbol())
        if (order_id is None or fill.order_id == order_id)
        and (from_id is None or fill.trade_id >= from_id)
        and within(span, fill.time_ns)
    ]
    oldest = from_id is not None or span[0] is not None
    return page(fills, params.get_limit(500, 1000), oldest=oldest)
