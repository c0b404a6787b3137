"""What has happened to an account: fills, income, liquidations (binance.md §9.1)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import Origin
from obiterm.exchange.binance.backoffice import Call
from obiterm.exchange.binance.params import page
from obiterm.exchange.binance.selection import own_fills, within
from obiterm.exchange.binance.wire import amount, ms
from obiterm.exchange.binance_futures import rows
from obiterm.exchange.binance_futures.office import FuturesOffice
from obiterm.exchange.binance_futures.orders import time_range
from obiterm.exchange.binance_futures.positions import asked_symbol
from obiterm.exchange.wire.office import Json


def user_trades(office: FuturesOffice, call: Call) -> list[Json]:
    """Return own fills of a symbol, oldest first, by order, id or time."""
    scale = office.scale(call.params.need_symbol())
    fills = own_fills(office, call, time_range(call.params))
    return [rows.user_trade(fill, scale) for fill in fills]


def income(office: FuturesOffice, call: Call) -> list[Json]:
    """Return funding, realised profit and fees, oldest first."""
    params = call.params
    symbol, kind = asked_symbol(office, call), params.get("incomeType")
    span = time_range(params)
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
        if kind in (None, row["incomeType"]) and within(span, time_ns)
    ]
    return page(chosen, params.get_limit(100, 1000), oldest=span[0] is not None)


def force_orders(office: FuturesOffice, call: Call) -> list[Json]:
    """Return the account's own liquidations."""
    symbol = asked_symbol(office, call)
    return [
        rows.queried(order, office.scale(name))
        for name in ([symbol] if symbol else office.scales)
        for order in office.venue.all_orders(call.account, name)
        if order.origin is Origin.LIQUIDATION
    ]
