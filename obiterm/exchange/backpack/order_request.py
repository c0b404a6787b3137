"""Reads ``OrderExecutePayload`` into an order of the core (backpack.md §7.2, §7.3).

Which way a trigger order waits follows from where its trigger price lies: the venue
has no field for it. Without ``triggerBy`` the last price triggers.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal, InvalidOperation

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.api import (
    Kind,
    MarketSpec,
    NewOrder,
    Stp,
    Tif,
    Top,
    TriggerBy,
)
from obiterm.exchange.backpack.errors import ApiError, invalid, too_precise
from obiterm.exchange.backpack.extras import TRIGGERS, Extras, Leg
from obiterm.exchange.backpack.params import Params
from obiterm.exchange.backpack.wire import SIDES

PAYLOAD = "OrderExecutePayload"
STPS = {
    "RejectTaker": Stp.EXPIRE_TAKER,
    "RejectMaker": Stp.EXPIRE_MAKER,
    "RejectBoth": Stp.EXPIRE_BOTH,
}
STP_NAMES = {stp: name for name, stp in STPS.items()}
TIFS = {tif.value: tif for tif in Tif}
_TYPES = {"Limit": "Limit", "Market": "Market"}
_SLIPPAGES = {"TickSize": "TickSize", "Percent": "Percent"}
_BOTH_OR_NEITHER = "Must specify both `triggerPrice` and `triggerQuantity` or neither"


class Scene(msgspec.Struct, frozen=True):
    """What an order is read against."""

    spec: MarketSpec
    top: Top
    price_of: Callable[[TriggerBy], Decimal]
    """The price that triggers of a kind look at, in ticks."""
    new_client_id: str
    """What the core calls an order that came without ``clientId``."""


def to_ticks(price: Decimal, spec: MarketSpec) -> int:
    """Turn a price into ticks, or refuse it for its digits."""
    ticks = price / spec.tick_size
    if ticks != int(ticks):
        raise too_precise("Price")
    return int(ticks)


def to_lots(quantity: Decimal, spec: MarketSpec) -> int:
    """Turn a quantity into lots, or refuse it for its digits."""
    lots = quantity / spec.lot_size
    if lots != int(lots):
        raise too_precise("Quantity")
    return int(lots)


def read_order(params: Params, scene: Scene) -> tuple[NewOrder, Extras]:
    """Return the order to place and what only the dialect remembers of it."""
    spec = scene.spec
    is_market = params.need_choice("orderType", _TYPES, "OrderTypeEnum") == "Market"
    client_id = params.get_client_id()
    stp = params.get_choice("selfTradePrevention", STPS, "SelfTradePrevention")
    reduce_only = params.get_flag("reduceOnly")
    for name in ("autoBorrow", "autoBorrowRepay", "autoLend", "autoLendRedeem"):
        params.get_flag(name)
    if reduce_only and not spec.is_perpetual:
        raise ApiError(400, "INVALID_ORDER", "Reduce only is not supported on this market")
    order = NewOrder(
        symbol=spec.symbol,
        side=params.need_choice("side", SIDES, "Side"),
        kind=Kind.MARKET if is_market else Kind.LIMIT,
        client_id=scene.new_client_id if client_id is None else str(client_id),
        tif=params.get_choice("timeInForce", TIFS, "TimeInForce") or Tif.GTC,
        stp=stp or Stp.EXPIRE_TAKER,
        reduce_only=bool(reduce_only),
    )
    extras = Extras(
        reduce_only=reduce_only,
        trigger_quantity=params.get("triggerQuantity") or "",
        trigger_by=params.get("triggerBy") or "",
        quote_quantity=params.get("quoteQuantity") or "",
        slippage=params.get("slippageTolerance") or "",
        slippage_type=params.get("slippageToleranceType") or "",
        stop_loss=_leg(params, spec, "stopLoss"),
        take_profit=_leg(params, spec, "takeProfit"),
    )
    if extras.has_legs and not spec.is_perpetual:
        raise ApiError(400, "INVALID_ORDER", "Attached orders are not supported on this market")
    order = _priced(params, order, scene, is_market=is_market)
    if ("triggerPrice" in params) != ("triggerQuantity" in params):
        raise invalid(_BOTH_OR_NEITHER)
    if "triggerPrice" in params:
        return _waiting(params, order, scene), extras
    order = _sized(params, order, spec, is_market=is_market)
    if is_market and "slippageTolerance" in params:
        return _bounded(params, order, scene), msgspec.structs.replace(extras, as_market=True)
    return order, extras


def _priced(params: Params, order: NewOrder, scene: Scene, *, is_market: bool) -> NewOrder:
    price = params.get_decimal("price")
    post_only = params.get_flag("postOnly")
    if is_market:
        if price is not None:
            raise invalid("Price must not be specified for market orders")
        if post_only:
            raise invalid("Post only is not supported for market orders")
        return order
    if price is None:
        raise invalid("Price is required for limit orders")
    if post_only and order.tif is not Tif.GTC:
        raise invalid("Post only orders must be good till cancelled")
    if post_only and "triggerPrice" in params:
        raise invalid("Post only is not supported for trigger orders")
    return msgspec.structs.replace(
        order,
        kind=Kind.LIMIT_MAKER if post_only else Kind.LIMIT,
        price_ticks=to_ticks(price, scene.spec),
    )


def _sized(params: Params, order: NewOrder, spec: MarketSpec, *, is_market: bool) -> NewOrder:
    quantity, quote = params.get_decimal("quantity"), params.get_decimal("quoteQuantity")
    if not is_market:
        if quote is not None:
            raise invalid("Quote quantity is only supported for market orders")
        if quantity is None:
            raise invalid("Quantity is required for limit orders")
    elif (quantity is None) == (quote is None):
        raise invalid("Must specify either `quantity` or `quoteQuantity`")
    if quantity is not None:
        return msgspec.structs.replace(order, lots=to_lots(quantity, spec))
    return msgspec.structs.replace(order, quote_qty=quote)


def _waiting(params: Params, order: NewOrder, scene: Scene) -> NewOrder:
    """Make a trigger order; its trigger quantity is the one that counts."""
    spec = scene.spec
    by = params.get_choice("triggerBy", TRIGGERS, "TriggerBy") or TriggerBy.LAST
    if not spec.is_perpetual:
        by = TriggerBy.LAST
    price = params.get_decimal("triggerPrice")
    if price is None:
        raise invalid(_BOTH_OR_NEITHER)
    ticks = to_ticks(price, spec)
    text = params.need("triggerQuantity")
    lots, fraction = 0, None
    if text.endswith("%"):
        fraction = _fraction(text)
        if not spec.is_perpetual:
            raise invalid("Trigger quantity must be an amount on this market")
    else:
        quantity = params.get_decimal("triggerQuantity")
        lots = to_lots(quantity or Decimal(0), spec)
    kind = waiting_kind(order.side, ticks, scene.price_of(by), at_market=order.kind is Kind.MARKET)
    return msgspec.structs.replace(
        order,
        kind=kind,
        trigger_ticks=ticks,
        trigger_by=by,
        lots=lots,
        close_fraction=fraction,
        dies_with_position=order.reduce_only or fraction is not None,
    )


def waiting_kind(side: Side, ticks: int, now: Decimal, *, at_market: bool) -> Kind:
    """Tell a stop from a take profit by where its trigger lies."""
    is_stop = ticks > now if side is Side.BUY else ticks < now
    if is_stop:
        return Kind.STOP_MARKET if at_market else Kind.STOP_LIMIT
    return Kind.TAKE_PROFIT_MARKET if at_market else Kind.TAKE_PROFIT_LIMIT


def _fraction(text: str) -> Decimal:
    try:
        share = Decimal(text[:-1])
    except InvalidOperation:
        raise invalid("Invalid trigger quantity") from None
    if not 0 < share <= 100:
        raise invalid("Invalid trigger quantity")
    return share / 100


def _bounded(params: Params, order: NewOrder, scene: Scene) -> NewOrder:
    """Hold a market order to its slippage tolerance; ``Percent`` 1 is read as 1 %."""
    spec, top = scene.spec, scene.top
    tolerance = params.get_decimal("slippageTolerance") or Decimal(0)
    kind = params.need_choice("slippageToleranceType", _SLIPPAGES, "SlippageToleranceType")
    best = Decimal(top.ask_ticks if order.side is Side.BUY else top.bid_ticks)
    if not best:
        raise ApiError(400, "INVALID_ORDER", "Insufficient liquidity")
    away = tolerance if kind == "TickSize" else best * tolerance / 100
    limit = max(1, int((best + order.side.sign * away).to_integral_value(ROUND_DOWN)))
    lots = order.lots
    if order.quote_qty is not None:
        lots = int(order.quote_qty / (spec.tick_size * spec.lot_size * limit))
    return msgspec.structs.replace(
        order,
        kind=Kind.LIMIT,
        tif=Tif.FOK if order.tif is Tif.FOK else Tif.IOC,
        price_ticks=limit,
        lots=lots,
        quote_qty=None,
    )


def _leg(params: Params, spec: MarketSpec, name: str) -> Leg | None:
    trigger = params.get_decimal(f"{name}TriggerPrice")
    by = f"{name}TriggerBy"
    params.get_choice(by, TRIGGERS, "TriggerBy")
    limit = params.get_decimal(f"{name}LimitPrice")
    if trigger is None:
        if by in params or limit is not None:
            raise invalid(f"Must specify `{name}TriggerPrice`")
        return None
    return Leg(
        to_ticks(trigger, spec),
        params.get(by) or "",
        0 if limit is None else to_ticks(limit, spec),
    )
