"""What has happened to an account: fills, income, liquidations (binance.md §9.1)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import Origin
from obiterm.exchange.binance.backoffice import Call
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.params import page
from obiterm.exchange.binance.wire import amount, ms
from obiterm.exchange.binance_futures import rows
from obiterm.exchange.binance_futures.office import FuturesOffice
from obiterm.exchange.binance_futures.orders import time_range
from obiterm.exchange.binance_futures.positions import asked_symbol
from obiterm.exchange.wire.office import Json


def user_trades(office: FuturesOffice, call: Call) -> list[Json]:
    """Return own fills of a symbol, oldest first, by order, id or time."""
    params = call.params
    symbol = params.need_symbol()
    scale = office.scale(symbol)
    order_id, from_id = params.get_int("orderId"), params.get_int("fromId")
    start, end = time_range(params)
    if from_id is not None and (start is not None or end is not None):
        raise ApiError(400, -1128, "Combination of optional parameters invalid.")
    fills = [
        fill
        for fill in office.venue.fills(call.account, symbol)
        if (order_id is None or fill.order_id == order_id)
        and (from_id is None or fill.trade_id >= from_id)
        and (start is None or ms(fill.time_ns) >= start)
        and (end is None or ms(fill.time_ns) <= end)
    ]
    oldest = from_id is not None or start is not None
    chosen = page(fills, params.get_limit(500, 1000), oldest=oldest)
    return [rows.user_trade(fill, scale) for fill in chosen]


def income(office: FuturesOffice, call: Call) -> list[Json]:
    """Return funding, realised profit and fees, oldest first."""
    params = call.params
    symbol, kind = asked_symbol(office, call), params.get("incomeType")
    start, end = time_range(params)
    found: list[tuple[int, Json]] = []

    def add(kind: str, name: str, value: Decimal, asset: str, time_ns: int, number: int) -> None:
        row: Json = {
            "symbol": name,
            "incomeType": kind,
            "income": amount(value),
            "asset": asset,
            "time": ms(time_ns),
            "info": kind if kind == "FUNDING_FEE" else str(number),
            "tranId": number,
            "tradeId": "" if kind == "FUNDING_FEE" else str(number),
        }
        found.append((time_ns, row))

    for paid in office.venue.funding_payments(call.account, symbol):
        add("FUNDING_FEE", paid.symbol, paid.amount, paid.asset, paid.time_ns, paid.payment_id)
    for fill in office.venue.fills(call.account, symbol):
        add("COMMISSION", fill.symbol, -fill.fee, fill.fee_asset, fill.time_ns, fill.trade_id)
        if fill.closed_lots:
            spec = office.scale(fill.symbol).spec
            add(
                "REALIZED_PNL", fill.symbol, fill.realised, spec.settle, fill.time_ns, fill.trade_id
            )
    chosen = [
        row
        for time_ns, row in sorted(found, key=lambda pair: pair[0])
        if kind in (None, row["incomeType"])
        and (start is None or ms(time_ns) >= start)
        and (end is None or ms(time_ns) <= end)
    ]
    return page(chosen, params.get_limit(100, 1000), oldest=start is not None)


def force_orders(office: FuturesOffice, call: Call) -> list[Json]:
    """Return the account's own liquidations."""
    symbol = asked_symbol(office, call)
    return [
        rows.queried(order, office.scale(name))
        for name in ([symbol] if symbol else office.scales)
        for order in office.venue.all_orders(call.account, name)
        if order.origin is Origin.LIQUIDATION
    ]
