"""``account.orderUpdate`` and ``account.positionUpdate`` (backpack.md §8.4, §8.5)."""

from __future__ import annotations

from obiterm.exchange.api import Kind, OrderUpdate, Origin, Position
from obiterm.exchange.backpack.account import position_id, standing
from obiterm.exchange.backpack.extras import Extras
from obiterm.exchange.backpack.office import BackpackOffice
from obiterm.exchange.backpack.order_request import STP_NAMES
from obiterm.exchange.backpack.order_rows import (
    client_id,
    reason,
    status_name,
    tif_name,
    trigger_quantity,
    type_name,
    waits,
)
from obiterm.exchange.backpack.wire import SIDE_NAMES, Json, Scale, amount, us
from obiterm.exchange.filters import ALGO_KINDS

_EVENTS = {
    "TRADE": "orderFill",
    "CANCELED": "orderCancelled",
    "EXPIRED": "orderExpired",
    "TRADE_PREVENTION": "orderExpired",
    "REJECTED": "triggerFailed",
    "AMENDMENT": "orderModified",
}
_ORIGINS = {Origin.USER: "USER", Origin.LIQUIDATION: "LIQUIDATION_AUTOCLOSE"}


def order_event(update: OrderUpdate, scale: Scale, extras: Extras, now_ns: int) -> Json:
    """Write what happened to an order; fields that do not apply are left out."""
    order, fill = update.order, update.fill
    name = _EVENTS.get(update.execution)
    if name is None:
        name = "triggerPlaced" if waits(order) else "orderAccepted"
    event: Json = {
        "e": name,
        "E": us(now_ns),
        "T": us(order.updated_ns),
        "s": order.symbol,
        "i": str(order.order_id),
        "S": SIDE_NAMES[order.side],
        "o": type_name(order, extras).upper(),
        "f": tif_name(order, extras),
        "X": status_name(order),
        "z": scale.size(order.filled_lots) if order.filled_lots else "0",
        "Z": amount(order.filled_quote),
        "V": STP_NAMES.get(order.stp, "RejectTaker"),
        "r": order.reduce_only,
        "O": _ORIGINS[order.origin],
        "t": None,
    }
    number = client_id(order)
    if number is not None:
        event["c"] = number
    if not waits(order):
        event["q"] = scale.size(order.lots)
    if extras.quote_quantity:
        event["Q"] = extras.quote_quantity
    if type_name(order, extras) == "Limit":
        event["p"] = scale.price(order.price_ticks)
        event["y"] = order.kind is Kind.LIMIT_MAKER
    if order.kind in ALGO_KINDS:
        event["P"] = scale.price(order.trigger_ticks)
        event["B"] = extras.trigger_by or "LastPrice"
        event["Y"] = trigger_quantity(order, scale, extras)
    event |= _attached(extras, scale)
    if fill is not None:
        event["t"] = fill.trade_id
        event["l"] = scale.size(fill.lots)
        event["L"] = scale.price(fill.price_ticks)
        event["m"] = fill.is_maker
        event["n"] = amount(fill.fee)
        event["N"] = fill.fee_asset
    if name == "orderExpired":
        event["R"] = reason(order, extras) or "Unknown"
    if extras.related_id is not None:
        event["I"] = str(extras.related_id)
    return event


def _attached(extras: Extras, scale: Scale) -> Json:
    event: Json = {}
    for leg, letters in ((extras.take_profit, "adj"), (extras.stop_loss, "bgk")):
        if leg is not None:
            event[letters[0]] = scale.price(leg.trigger_ticks)
            event[letters[1]] = leg.trigger_by or "LastPrice"
            if leg.limit_ticks:
                event[letters[2]] = scale.price(leg.limit_ticks)
    return event


def position_event(
    office: BackpackOffice, position: Position, name: str | None, now_ns: int
) -> Json:
    """Write a position; without a name it is part of the snapshot upon subscribing."""
    scale, more = office.scale(position.symbol), standing(office, position)
    event: Json = {} if name is None else {"e": name}
    return event | {
        "E": us(now_ns),
        "T": us(position.updated_ns),
        "s": position.symbol,
        "i": position_id(position),
        "q": scale.size(position.lots),
        "Q": scale.size(more.exposure_lots),
        "n": amount(abs(more.exposure_notional)),
        "B": amount(position.entry),
        "b": amount(more.break_even),
        "M": amount(position.mark),
        "f": amount(more.initial_fraction),
        "m": amount(scale.spec.maintenance_margin),
        "p": amount(position.realised),
        "P": amount(position.unrealised),
        "l": "0",
    }
