"""User data events of the futures (binance.md §11.3)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import (
    BalanceUpdate,
    Cause,
    OrderUpdate,
    Origin,
    PositionUpdate,
    Status,
)
from obiterm.exchange.binance.wire import Scale, amount, ms
from obiterm.exchange.binance_futures import rows
from obiterm.exchange.binance_futures.office import AlgoOrder, AlgoStatus
from obiterm.exchange.wire.office import Json

_REASONS = {
    "UNFILLED_IOC_QUANTITY_EXPIRED": "2",
    "UNFILLED_FOK_ORDER_EXPIRED": "2",
    "REDUCE_ONLY": "4",
    "LIQUIDATION": "5",
    "POSITION_CLOSED": "6",
    "INSUFFICIENT_LIQUIDITY": "9",
}
_CAUSES = {
    Cause.TRADE: "ORDER",
    Cause.LIQUIDATION: "ORDER",
    Cause.FUNDING: "FUNDING_FEE",
    Cause.INSURANCE: "INSURANCE_CLEAR",
}
_REJECTIONS = {
    "INSUFFICIENT_MARGIN": "Margin is insufficient.",
    "REDUCE_ONLY": "ReduceOnly Order is rejected.",
}


def order_update(update: OrderUpdate, scale: Scale, now_ns: int) -> Json:
    """Write an ``ORDER_TRADE_UPDATE``."""
    order, fill = update.order, update.fill
    execution = update.execution
    if execution == "TRADE_PREVENTION":
        execution = "EXPIRED"
    elif execution == "TRADE" and order.origin is Origin.LIQUIDATION:
        execution = "CALCULATED"
    by_stp = order.status is Status.EXPIRED_IN_MATCH
    body: Json = {
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side.value,
        "o": rows.type_of(order),
        "f": rows.tif_of(order),
        "q": scale.size(order.lots),
        "p": scale.price(order.price_ticks),
        "ap": rows.average(order, scale),
        "sp": scale.price(order.trigger_ticks),
        "x": execution,
        "X": order.status.value,
        "i": order.order_id,
        "l": scale.size(fill.lots if fill else 0),
        "z": scale.size(order.filled_lots),
        "L": scale.price(fill.price_ticks if fill else 0),
        "T": ms(order.updated_ns),
        "t": fill.trade_id if fill else 0,
        "b": "0",
        "a": "0",
        "m": fill.is_maker if fill else False,
        "R": order.reduce_only or order.close_fraction is not None,
        "wt": rows.working_type(order),
        "ot": rows.original_type(order),
        "ps": order.position_side.value,
        "cp": order.close_fraction is not None,
        "pP": False,
        "si": 0,
        "ss": 0,
        "rp": amount(fill.realised if fill else Decimal(0)),
        "V": order.stp.value,
        "pm": "NONE",
        "gtd": 0,
        "er": "1" if by_stp else _REASONS.get(order.expiry_reason, "0"),
    }
    if fill is not None:
        body["N"] = fill.fee_asset
        body["n"] = amount(fill.fee)
    return {"e": "ORDER_TRADE_UPDATE", "E": ms(now_ns), "T": ms(order.updated_ns), "o": body}


def trade_lite(update: OrderUpdate, scale: Scale, now_ns: int) -> Json | None:
    """Write a ``TRADE_LITE``: a fill told early, without fee or status."""
    order, fill = update.order, update.fill
    if fill is None:
        return None
    return {
        "e": "TRADE_LITE",
        "E": ms(now_ns),
        "T": ms(fill.time_ns),
        "s": order.symbol,
        "q": scale.size(order.lots),
        "p": scale.price(order.price_ticks),
        "m": fill.is_maker,
        "c": order.client_id,
        "S": order.side.value,
        "L": scale.price(fill.price_ticks),
        "l": scale.size(fill.lots),
        "t": fill.trade_id,
        "i": order.order_id,
    }


def algo_update(
    algo: AlgoOrder, update: OrderUpdate, status: AlgoStatus, scale: Scale, now_ns: int
) -> Json:
    """Write an ``ALGO_UPDATE``; ``ai`` is the normal order that it became."""
    order = update.order
    fired = order.triggered and status is not AlgoStatus.TRIGGERING
    fired = fired and status is not AlgoStatus.REJECTED
    body: Json = {
        "caid": algo.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": algo.type_name,
        "s": order.symbol,
        "S": order.side.value,
        "ps": order.position_side.value,
        "f": algo.time_in_force,
        "q": scale.size(order.lots),
        "X": status.value,
        "ai": str(order.order_id) if fired else "",
        "ap": rows.average(order, scale),
        "aq": scale.size(order.filled_lots),
        "act": rows.type_of(order) if fired else "0",
        "tp": scale.price(order.trigger_ticks),
        "p": scale.price(order.price_ticks),
        "V": order.stp.value,
        "wt": rows.working_type(order),
        "pm": "NONE",
        "cp": algo.close_position,
        "pP": algo.price_protect,
        "R": order.reduce_only,
        "tt": ms(order.triggered_ns) if order.triggered else 0,
        "gtd": 0,
        "rm": _REJECTIONS.get(order.expiry_reason, "") if status is AlgoStatus.REJECTED else "",
        "ia": False,
    }
    return {"e": "ALGO_UPDATE", "T": ms(order.updated_ns), "E": ms(now_ns), "o": body}


def account_update(
    balance: BalanceUpdate | None,
    positions: list[PositionUpdate],
    funding: Decimal,
    scales: dict[str, Scale],
    now_ns: int,
) -> Json:
    """Write an ``ACCOUNT_UPDATE``: what changed, and why.

    ``bc`` is what the wallet moved by beside P&L and fees: here the ``funding``.
    """
    change = positions[-1] if balance is None else balance
    body: Json = {
        "m": _CAUSES.get(change.cause, "ORDER"),
        "B": [
            {
                "a": asset,
                "wb": amount(free + locked),
                "cw": amount(free + locked),
                "bc": amount(funding),
            }
            for asset, free, locked in (balance.balances if balance else [])
        ],
        "P": [_position(update, scales[update.position.symbol]) for update in positions],
    }
    if change.cause is Cause.FUNDING and positions:
        body["S"] = positions[-1].position.symbol
    return {"e": "ACCOUNT_UPDATE", "E": ms(now_ns), "T": ms(change.time_ns), "a": body}


def _position(update: PositionUpdate, scale: Scale) -> Json:
    one = update.position
    return {
        "s": one.symbol,
        "pa": format(scale.lot_size * one.lots, "f"),
        "ep": f"{one.entry:.8f}" if one.entry else "0",
        "bep": f"{one.entry:.8f}" if one.entry else "0",
        "cr": amount(one.realised),
        "up": amount(one.unrealised),
        "mt": "cross",
        "iw": "0",
        "ps": one.side.value,
    }


def leverage_update(symbol: str, leverage: int, now_ns: int) -> Json:
    """Write an ``ACCOUNT_CONFIG_UPDATE``."""
    return {
        "e": "ACCOUNT_CONFIG_UPDATE",
        "E": ms(now_ns),
        "T": ms(now_ns),
        "ac": {"s": symbol, "l": leverage},
    }


def key_expired(listen_key: str, now_ns: int) -> Json:
    """Write a ``listenKeyExpired``."""
    return {"e": "listenKeyExpired", "E": ms(now_ns), "listenKey": listen_key}
