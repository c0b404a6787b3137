"""Orders, fills and funding as REST tells them (backpack.md §6.6, §7.5)."""

from __future__ import annotations

from obiterm.exchange.api import Fill, FundingPayment, Kind, Order, Origin, Status, Tif
from obiterm.exchange.backpack.extras import NO_EXTRAS, Extras, Leg
from obiterm.exchange.backpack.order_request import STP_NAMES
from obiterm.exchange.backpack.wire import SIDE_NAMES, Json, Scale, amount, ms, utc_text
from obiterm.exchange.filters import ALGO_KINDS, MARKET_KINDS

OWN_CLIENT_ID = "~"
"""Begins the ids that orders without ``clientId`` have inside the core."""
BOOK_LIQUIDATION = "LiquidatePositionOnBook"
_STATUSES = {
    Status.NEW: "New",
    Status.PARTIALLY_FILLED: "PartiallyFilled",
    Status.FILLED: "Filled",
    Status.CANCELED: "Cancelled",
    Status.EXPIRED: "Expired",
    Status.EXPIRED_IN_MATCH: "Expired",
    Status.REJECTED: "TriggerFailed",
}
_REASONS = {
    "UNFILLED_FOK_ORDER_EXPIRED": "FillOrKill",
    "UNFILLED_IOC_QUANTITY_EXPIRED": "ImmediateOrCancel",
    "INSUFFICIENT_LIQUIDITY": "InsufficientLiquidity",
    "INSUFFICIENT_MARGIN": "InsufficientMargin",
    "REDUCE_ONLY": "ReduceOnlyNotReduced",
    "POSITION_CLOSED": "StopWithoutPosition",
    "LIQUIDATION": "Liquidation",
}


def status_name(order: Order) -> str:
    """Return the venue's word for an order's state."""
    if order.status is Status.NEW and waits(order):
        return "TriggerPending"
    return _STATUSES[order.status]


def waits(order: Order) -> bool:
    """Tell whether an order has not been triggered yet."""
    return order.kind in ALGO_KINDS and not order.triggered


def reason(order: Order, extras: Extras = NO_EXTRAS) -> str | None:
    """Return why an order expired, if it did."""
    if order.status is Status.EXPIRED_IN_MATCH:
        return "SelfTradePrevention"
    if not order.expiry_reason:
        return None
    if extras.as_market and order.expiry_reason == "UNFILLED_IOC_QUANTITY_EXPIRED":
        return "SlippageToleranceExceeded"
    if order.expiry_reason == "INSUFFICIENT_LIQUIDITY" and order.symbol.endswith("_PERP"):
        # A market order of a perpetual ends at the band around the mark.
        return "PriceImpact"
    return _REASONS.get(order.expiry_reason, "Unknown")


def client_id(order: Order | Fill) -> int | None:
    """Return the client's number for an order."""
    return int(order.client_id) if order.client_id.isdigit() else None


def type_name(order: Order, extras: Extras) -> str:
    """Return ``Limit`` or ``Market``: there are no other types."""
    return "Market" if extras.as_market or order.kind in MARKET_KINDS else "Limit"


def tif_name(order: Order, extras: Extras) -> str:
    """Return the time in force that was asked for."""
    return "GTC" if extras.as_market and order.tif is Tif.IOC else order.tif.value


def trigger_quantity(order: Order, scale: Scale, extras: Extras) -> str | None:
    """Return what an order closes when it fires: an amount, or a share of the position."""
    if order.kind not in ALGO_KINDS:
        return None
    return extras.trigger_quantity or scale.size(order.lots)


def order_row(order: Order, scale: Scale, extras: Extras = NO_EXTRAS) -> Json:
    """Write an order as ``/api/v1`` does: times in ms."""
    is_algo = order.kind in ALGO_KINDS
    kind = type_name(order, extras)
    row: Json = {
        "id": str(order.order_id),
        "clientId": client_id(order),
        "orderType": kind,
        "symbol": order.symbol,
        "side": SIDE_NAMES[order.side],
        "status": status_name(order),
        "timeInForce": tif_name(order, extras),
        "quantity": None if waits(order) else scale.size(order.lots),
        "executedQuantity": scale.size(order.filled_lots) if order.filled_lots else "0",
        "executedQuoteQuantity": amount(order.filled_quote),
        "createdAt": ms(order.created_ns),
        "selfTradePrevention": STP_NAMES.get(order.stp, "RejectTaker"),
        "reduceOnly": extras.reduce_only or (True if order.reduce_only else None),
        "relatedOrderId": None if extras.related_id is None else str(extras.related_id),
        "strategyId": None,
        "triggerBy": extras.trigger_by or ("LastPrice" if is_algo else None),
        "triggerPrice": scale.price(order.trigger_ticks) if is_algo else None,
        "triggerQuantity": trigger_quantity(order, scale, extras),
        "triggeredAt": ms(order.triggered_ns) if order.triggered else None,
    }
    if kind == "Limit":
        row["price"] = scale.price(order.price_ticks)
        row["postOnly"] = order.kind is Kind.LIMIT_MAKER
    else:
        row["quoteQuantity"] = extras.quote_quantity or None
        row["slippageTolerance"] = extras.slippage or None
        row["slippageToleranceType"] = extras.slippage_type or None
    return (
        row
        | _leg("stopLoss", extras.stop_loss, scale)
        | _leg("takeProfit", extras.take_profit, scale)
    )


def _leg(name: str, leg: Leg | None, scale: Scale) -> Json:
    return {
        f"{name}TriggerPrice": None if leg is None else scale.price(leg.trigger_ticks),
        f"{name}LimitPrice": scale.price(leg.limit_ticks) if leg and leg.limit_ticks else None,
        f"{name}TriggerBy": None if leg is None else leg.trigger_by or "LastPrice",
    }


def history_row(order: Order, scale: Scale, extras: Extras = NO_EXTRAS) -> Json:
    """Write an order as ``/wapi/v1/history/orders`` does: times as UTC text."""
    row = order_row(order, scale, extras)
    row["createdAt"] = utc_text(order.created_ns)
    row.setdefault("price", None)
    row.setdefault("postOnly", False)
    row["expiryReason"] = reason(order, extras)
    row["systemOrderType"] = system_type(order)
    return row


def system_type(order: Order) -> str | None:
    """Return why the house made an order; ``None`` for the user's own."""
    return BOOK_LIQUIDATION if order.origin is Origin.LIQUIDATION else None


def fill_row(fill: Fill, scale: Scale, system: str | None) -> Json:
    """Write a row of ``/wapi/v1/history/fills``; ``clientId`` is text here."""
    number = client_id(fill)
    return {
        "tradeId": fill.trade_id,
        "orderId": str(fill.order_id),
        "clientId": None if number is None else str(number),
        "symbol": fill.symbol,
        "side": SIDE_NAMES[fill.side],
        "price": scale.price(fill.price_ticks),
        "quantity": scale.size(fill.lots),
        "fee": amount(fill.fee),
        "feeSymbol": fill.fee_asset,
        "isMaker": fill.is_maker,
        "systemOrderType": system,
        "timestamp": utc_text(fill.time_ns),
    }


def funding_row(payment: FundingPayment, user_id: int) -> Json:
    """Write a row of ``/wapi/v1/history/funding``; less than 0 was paid."""
    return {
        "symbol": payment.symbol,
        "fundingRate": amount(payment.rate),
        "quantity": amount(payment.amount),
        "intervalEndTimestamp": utc_text(payment.time_ns),
        "subaccountId": 0,
        "userId": user_id,
    }
