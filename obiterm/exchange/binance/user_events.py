"""User data events (binance.md §7): order reports, balances, order lists."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import BalanceUpdate, ListUpdate, OrderUpdate
from obiterm.exchange.binance.wire import TYPE_NAMES, ZERO, Extras, Scale, amount, ms
from obiterm.exchange.wire.office import Json


def execution_report(update: OrderUpdate, scale: Scale, extras: Extras, now_ns: int) -> Json:
    """Write an ``executionReport``.

    On a cancel ``c`` is the id of the cancel and ``C`` the order's own.
    """
    order, fill = update.order, update.fill
    is_cancel = update.execution == "CANCELED"
    event: Json = {
        "e": "executionReport",
        "E": ms(now_ns),
        "s": order.symbol,
        "c": (update.cancel_client_id or order.client_id) if is_cancel else order.client_id,
        "S": order.side.value,
        "o": TYPE_NAMES[order.kind],
        "f": order.tif.value,
        "q": scale.size(order.lots),
        "p": scale.price(order.price_ticks),
        "P": scale.price(order.trigger_ticks),
        "F": ZERO,
        "g": order.list_id,
        "C": order.client_id if is_cancel else "",
        "x": update.execution,
        "X": order.status.value,
        "r": "NONE",
        "i": order.order_id,
        "l": scale.size(fill.lots if fill else 0),
        "z": scale.size(order.filled_lots),
        "L": scale.price(fill.price_ticks if fill else 0),
        "n": amount(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": ms(order.updated_ns),
        "t": fill.trade_id if fill else -1,
        "I": update.execution_id,
        "w": _rests(update),
        "m": fill.is_maker if fill else False,
        "M": fill is not None,
        "O": ms(order.created_ns),
        "Z": amount(order.filled_quote),
        "Y": amount(fill.quote if fill else Decimal(0)),
        "Q": amount(order.quote_qty),
        "V": order.stp.value,
    }
    if order.working_ns >= 0:
        event["W"] = ms(order.working_ns)
    if order.expiry_reason:
        event["eR"] = order.expiry_reason
    return event | extras.event()


def _rests(update: OrderUpdate) -> bool:
    order = update.order
    return order.working_ns >= 0 and order.status.value in ("NEW", "PARTIALLY_FILLED")


def account_position(update: BalanceUpdate, now_ns: int) -> Json:
    """Write an ``outboundAccountPosition``."""
    return {
        "e": "outboundAccountPosition",
        "E": ms(now_ns),
        "u": ms(update.time_ns),
        "B": [
            {"a": asset, "f": amount(free), "l": amount(locked)}
            for asset, free, locked in update.balances
        ],
    }


def list_status(update: ListUpdate, now_ns: int) -> Json:
    """Write a ``listStatus``."""
    order_list = update.order_list
    return {
        "e": "listStatus",
        "E": ms(now_ns),
        "s": order_list.symbol,
        "g": order_list.list_id,
        "c": "OCO",
        "l": "ALL_DONE" if order_list.done else "EXEC_STARTED",
        "L": "ALL_DONE" if order_list.done else "EXECUTING",
        "r": "NONE",
        "C": order_list.client_id,
        "T": ms(update.time_ns),
        "O": [{"s": leg.symbol, "i": leg.order_id, "c": leg.client_id} for leg in update.legs],
    }
