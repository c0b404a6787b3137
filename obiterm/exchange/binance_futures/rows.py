"""The futures' spelling of orders, conditional orders and fills (binance.md §9.3, §10)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.values import Side
from obiterm.exchange.api import Fill, Kind, Order, Status, TriggerBy
from obiterm.exchange.binance.wire import Scale, amount, ms
from obiterm.exchange.binance_futures.office import AlgoOrder
from obiterm.exchange.wire.office import Json

ZERO = Decimal(0)
ALGO_TYPES: dict[str, Kind] = {
    "STOP": Kind.STOP_LIMIT,
    "STOP_MARKET": Kind.STOP_MARKET,
    "TAKE_PROFIT": Kind.TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": Kind.TAKE_PROFIT_MARKET,
}
_ALGO_NAMES = {kind: name for name, kind in ALGO_TYPES.items()}
_MARKET = frozenset({Kind.MARKET, Kind.STOP_MARKET, Kind.TAKE_PROFIT_MARKET})
WORKING_TYPES: dict[str, TriggerBy] = {
    "CONTRACT_PRICE": TriggerBy.LAST,
    "MARK_PRICE": TriggerBy.MARK,
}
_WORKING_NAMES = {by: name for name, by in WORKING_TYPES.items()}
CONSTANTS: Json = {"priceProtect": False, "priceMatch": "NONE", "goodTillDate": 0}


def type_of(order: Order) -> str:
    """Return the type of a normal order: what it trades as."""
    return "MARKET" if order.kind in _MARKET else "LIMIT"


def original_type(order: Order) -> str:
    """Return the type as it was asked for."""
    return _ALGO_NAMES.get(order.kind, type_of(order))


def tif_of(order: Order) -> str:
    """Return the time in force; a post-only order's is ``GTX``."""
    return "GTX" if order.kind is Kind.LIMIT_MAKER else order.tif.value


def working_type(order: Order) -> str:
    """Return which price an order waits for."""
    return _WORKING_NAMES.get(order.trigger_by, "CONTRACT_PRICE")


def average(order: Order, scale: Scale) -> str:
    """Return the average fill price, ``0.00000`` without a fill."""
    filled = scale.lot_size * order.filled_lots
    return f"{order.filled_quote / filled if filled else ZERO:.5f}"


def placed(order: Order, scale: Scale, *, as_ack: bool = False) -> Json:
    """Write the answer to placing, changing or cancelling an order.

    It has neither ``avgPrice`` nor ``cumQuote`` (binance.md §10.1). ``as_ack``: as it
    was when it was accepted, whatever has happened since.
    """
    filled = 0 if as_ack else order.filled_lots
    return {
        "clientOrderId": order.client_id,
        "cumQty": scale.size(filled),
        "executedQty": scale.size(filled),
        "orderId": order.order_id,
        "origQty": scale.size(order.lots),
        "price": scale.price(order.price_ticks),
        "reduceOnly": order.reduce_only or order.close_fraction is not None,
        "side": order.side.value,
        "positionSide": order.position_side.value,
        "status": Status.NEW.value if as_ack else order.status.value,
        "stopPrice": scale.price(order.trigger_ticks),
        "closePosition": order.close_fraction is not None,
        "symbol": order.symbol,
        "timeInForce": tif_of(order),
        "type": type_of(order),
        "origType": original_type(order),
        "updateTime": ms(order.updated_ns),
        "workingType": working_type(order),
        "selfTradePreventionMode": order.stp.value,
    } | CONSTANTS


def queried(order: Order, scale: Scale) -> Json:
    """Write the answer to an order query."""
    row = placed(order, scale)
    del row["cumQty"]
    return row | {
        "avgPrice": average(order, scale),
        "cumQuote": amount(order.filled_quote),
        "time": ms(order.created_ns),
    }


def algo_placed(algo: AlgoOrder, scale: Scale) -> Json:
    """Write a conditional order; the reply says ``orderType`` where the request said ``type``."""
    order = algo.order
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type_name,
        "symbol": order.symbol,
        "side": order.side.value,
        "positionSide": order.position_side.value,
        "timeInForce": algo.time_in_force,
        "quantity": scale.size(order.lots),
        "algoStatus": algo.status().value,
        "triggerPrice": scale.price(order.trigger_ticks),
        "price": scale.price(order.price_ticks),
        "icebergQuantity": None,
        "selfTradePreventionMode": order.stp.value,
        "workingType": working_type(order),
        "priceMatch": "NONE",
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": order.reduce_only,
        "activatePrice": "",
        "callbackRate": "",
        "createTime": ms(order.created_ns),
        "updateTime": ms(order.updated_ns),
        "triggerTime": ms(order.triggered_ns) if order.triggered else 0,
        "goodTillDate": 0,
    }


def algo_queried(algo: AlgoOrder, scale: Scale) -> Json:
    """Write the answer to a query of a conditional order: with what it turned into."""
    order, fired = algo.order, algo.order.triggered
    return algo_placed(algo, scale) | {
        "actualOrderId": str(order.order_id) if fired else "",
        "actualPrice": average(order, scale),
        "actualQty": scale.size(order.filled_lots),
        "actualType": type_of(order) if fired else "",
        "tpOrderType": "",
    }


def user_trade(fill: Fill, scale: Scale) -> Json:
    """Write a row of ``userTrades``."""
    return {
        "buyer": fill.side is Side.BUY,
        "commission": amount(fill.fee),
        "commissionAsset": fill.fee_asset,
        "id": fill.trade_id,
        "maker": fill.is_maker,
        "orderId": fill.order_id,
        "price": scale.price(fill.price_ticks),
        "qty": scale.size(fill.lots),
        "quoteQty": amount(fill.quote),
        "realizedPnl": amount(fill.realised),
        "side": fill.side.value,
        "positionSide": fill.position_side.value,
        "symbol": fill.symbol,
        "time": ms(fill.time_ns),
    }
