"""Turns the parameters of a new order into a core request (bybit.md §5.1)."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from math import ceil

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, NewOrder, PositionSide, Stp, Tif, TriggerBy
from obiterm.exchange.bybit import errors
from obiterm.exchange.bybit.category import OTHER_CATEGORIES, Category
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.bybit.memo import NO_EXITS, TRIGGERS, Exits, Memo, rises, trigger_kind
from obiterm.exchange.bybit.numbers import Json, Scale
from obiterm.exchange.bybit.office import ZERO, BackOffice
from obiterm.exchange.bybit.params import Params

SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
LEGS = {0: PositionSide.BOTH, 1: PositionSide.LONG, 2: PositionSide.SHORT}
_SMP = {
    "None": Stp.NONE,
    "CancelMaker": Stp.EXPIRE_MAKER,
    "CancelTaker": Stp.EXPIRE_TAKER,
    "CancelBoth": Stp.EXPIRE_BOTH,
}
_TIFS = ("GTC", "IOC", "FOK", "PostOnly")
_ALL = Decimal(1)


class Wanted(msgspec.Struct, frozen=True):
    """A new order, ready for the core, with the venue's notes on it."""

    request: NewOrder
    memo: Memo


def read_category(params: Params) -> Category:
    """Read a category that trades here."""
    name = params.need("category")
    try:
        return Category(name)
    except ValueError:
        raise errors.bad("params error: category invalid") from None


def listed_elsewhere(params: Params) -> Json | None:
    """Return the empty list of a category that the venue has and this exchange does not trade."""
    name = params.need("category")
    if name not in OTHER_CATEGORIES:
        return None
    return {"list": [], "nextPageCursor": "", "category": name}


def read_market(office: BackOffice, params: Params) -> Scale:
    """Read category and symbol."""
    category = read_category(params)
    return office.market(category, params.need("symbol"))


def to_ticks(value: Decimal, scale: Scale, what: str = "price") -> int:
    """Turn a price into ticks; off the grid is refused."""
    ticks, rest = divmod(value, scale.spec.tick_size)
    if rest or ticks <= 0:
        if scale.category is Category.SPOT and rest:
            raise ApiError(170134, "Order price has too many decimals.")
        raise errors.bad(f"{what} invalid")
    return int(ticks)


def to_lots(value: Decimal, scale: Scale) -> int:
    """Turn a base quantity into lots; off the grid is refused."""
    lots, rest = divmod(value, scale.spec.lot_size)
    if rest or lots <= 0:
        if scale.category is Category.SPOT and rest:
            raise ApiError(170137, "Order quantity has too many decimals.")
        raise errors.bad("Qty invalid")
    return int(lots)


def read_leg(office: BackOffice, account: str, params: Params) -> PositionSide:
    """Read ``positionIdx``; it must fit the position mode."""
    leg = LEGS.get(params.integer("positionIdx", 0))
    if leg is None:
        raise errors.invalid("positionIdx")
    if (leg is not PositionSide.BOTH) != office.venue.hedge_mode(account):
        raise errors.bad("position idx not match position mode")
    return leg


def read_trigger_by(params: Params, name: str) -> TriggerBy:
    """Read what a trigger looks at; the last price by default."""
    return TRIGGERS[params.choice(name, tuple(TRIGGERS), "LastPrice")]


def read_exits(params: Params, *, spot: bool) -> Exits:
    """Read take-profit and stop-loss that come with an entry."""
    profit, loss = params.decimal("takeProfit") or ZERO, params.decimal("stopLoss") or ZERO
    if not (profit or loss):
        return NO_EXITS
    if spot:
        raise errors.bad("takeProfit and stopLoss of spot orders are not supported here")
    return Exits(
        profit,
        loss,
        read_trigger_by(params, "tpTriggerBy"),
        read_trigger_by(params, "slTriggerBy"),
        params.choice("tpslMode", ("Full", "Partial"), "Full") == "Partial",
    )


def read_order(office: BackOffice, account: str, params: Params) -> Wanted:
    """Read a new order. Raises ``ApiError`` in the venue's words."""
    scale = read_market(office, params)
    side = SIDES.get(params.need("side"))
    if side is None:
        raise errors.bad("Side invalid")
    market = params.choice("orderType", ("Market", "Limit")) == "Market"
    tif = "IOC" if market else params.choice("timeInForce", _TIFS, "GTC")
    last = office.venue.trades(scale.spec.symbol, 1)
    last_ticks = last[-1].price_ticks if last else 0
    memo = Memo(
        scale.category,
        order_type="Market" if market else "Limit",
        tif=tif,
        smp_type=params.choice("smpType", tuple(_SMP), "None"),
        last_price=scale.price(last_ticks),
        exits=read_exits(params, spot=scale.category is Category.SPOT),
    )
    request = NewOrder(
        symbol=scale.spec.symbol,
        side=side,
        kind=Kind.MARKET if market else Kind.LIMIT_MAKER if tif == "PostOnly" else Kind.LIMIT,
        client_id=params.link_id() or office.new_link(),
        price_ticks=0 if market else to_ticks(params.need_decimal("price"), scale),
        tif=Tif(tif) if tif in ("IOC", "FOK") else Tif.GTC,
        stp=_SMP[memo.smp_type],
    )
    if scale.category is Category.SPOT:
        return Wanted(_spot(params, scale, request, memo, last_ticks), memo)
    return Wanted(_linear(office, account, params, scale, request, memo), memo)


def _spot(params: Params, scale: Scale, request: NewOrder, memo: Memo, last_ticks: int) -> NewOrder:
    """Add size and trigger. Spot knows no direction: the last price tells it (§16 trap 8)."""
    memo.order_filter = params.choice("orderFilter", ("Order", "tpslOrder", "StopOrder"), "Order")
    trigger = params.decimal("triggerPrice") or ZERO
    # Trap 7: a trigger without a filter is placed as a plain order.
    ticks = to_ticks(trigger, scale, "triggerPrice") if memo.order_filter != "Order" else 0
    request = _spot_size(params, scale, request, memo, ticks)
    if not ticks or ticks == last_ticks:
        return request
    memo.stop_type = "tpslOrder" if memo.order_filter == "tpslOrder" else "Stop"
    kind = trigger_kind(request.side, rising=ticks > last_ticks, market=memo.order_type == "Market")
    return msgspec.structs.replace(request, kind=kind, trigger_ticks=ticks)


def _spot_size(
    params: Params, scale: Scale, request: NewOrder, memo: Memo, trigger_ticks: int
) -> NewOrder:
    qty = params.need_decimal("qty")
    if memo.order_type == "Limit":
        return msgspec.structs.replace(request, lots=to_lots(qty, scale))
    default = "quoteCoin" if request.side is Side.BUY else "baseCoin"
    memo.market_unit = params.choice("marketUnit", ("baseCoin", "quoteCoin"), default)
    if memo.market_unit == "baseCoin":
        return msgspec.structs.replace(request, lots=to_lots(qty, scale))
    if qty <= 0:
        raise errors.bad("Qty invalid")
    if qty % Decimal("0.0000001"):
        raise ApiError(170148, "Market order amount decimal too long.")
    if trigger_ticks:
        price = scale.spec.tick_size * trigger_ticks
        lots = int((qty / price / scale.spec.lot_size).to_integral_value(ROUND_DOWN))
        return msgspec.structs.replace(request, lots=lots)
    memo.quote_text = params.need("qty")
    return msgspec.structs.replace(request, quote_qty=qty)


def _linear(
    office: BackOffice,
    account: str,
    params: Params,
    scale: Scale,
    request: NewOrder,
    memo: Memo,
) -> NewOrder:
    """Add leg, size, trigger and what only reduces."""
    leg = read_leg(office, account, params)
    memo.reduce_only = params.flag("reduceOnly")
    memo.close_on_trigger = params.flag("closeOnTrigger")
    if memo.reduce_only and memo.exits.wanted:
        raise errors.bad("takeProfit and stopLoss are not allowed on a reduce-only order")
    closes = request.side is (Side.SELL if leg is PositionSide.LONG else Side.BUY)
    if memo.reduce_only and leg is not PositionSide.BOTH and not closes:
        raise ApiError(110017, "Reduce-only rule not satisfied")
    request = msgspec.structs.replace(
        request,
        position_side=leg,
        reduce_only=memo.reduce_only and leg is PositionSide.BOTH,
    )
    request = _linear_trigger(params, scale, request, memo)
    request = _within_band(office, scale, request)
    qty = params.need_decimal("qty")
    if qty:
        return msgspec.structs.replace(request, lots=to_lots(qty, scale))
    if not (memo.reduce_only and memo.close_on_trigger):
        raise errors.bad("Qty invalid")
    if request.trigger_ticks:
        return msgspec.structs.replace(request, close_fraction=_ALL)
    held = office.venue.position(account, scale.spec.symbol, leg)
    if held.lots * request.side.sign >= 0:
        raise ApiError(110017, "current position is zero, cannot fix reduce-only order qty")
    lots = min(abs(held.lots), scale.spec.market_max_lots)
    return msgspec.structs.replace(request, lots=lots)


def _linear_trigger(params: Params, scale: Scale, request: NewOrder, memo: Memo) -> NewOrder:
    trigger = params.decimal("triggerPrice") or ZERO
    if not trigger:
        return request
    memo.trigger_direction = params.integer("triggerDirection", 0)
    if memo.trigger_direction not in (1, 2):
        raise errors.bad("TriggerDirection invalid")
    memo.stop_type, memo.order_filter = "Stop", "StopOrder"
    rising = memo.trigger_direction == 1
    kind = trigger_kind(request.side, rising=rising, market=memo.order_type == "Market")
    return msgspec.structs.replace(
        request,
        kind=kind,
        trigger_ticks=to_ticks(trigger, scale, "triggerPrice"),
        trigger_by=read_trigger_by(params, "triggerBy"),
    )


def _within_band(office: BackOffice, scale: Scale, request: NewOrder) -> NewOrder:
    """Re-price an order beyond the price limit, as the venue does by default (§11)."""
    if request.kind not in (Kind.LIMIT, Kind.LIMIT_MAKER):
        return request
    low, high = price_limits(office, scale)
    if request.side is Side.BUY and request.price_ticks > high:
        return msgspec.structs.replace(request, price_ticks=high)
    if request.side is Side.SELL and request.price_ticks < low:
        return msgspec.structs.replace(request, price_ticks=low)
    return request


def price_limits(office: BackOffice, scale: Scale) -> tuple[int, int]:
    """Return the lowest ask and the highest bid that are allowed, in ticks."""
    spec = scale.spec
    if scale.category is Category.LINEAR:
        middle, low, high = office.venue.mark(spec.symbol).mark, 1 - spec.mark_band, spec.mark_band
        high += 1
    else:
        middle = office.venue.average_price(spec.symbol)
        low, high = spec.multiplier_down, spec.multiplier_up
    lowest = ceil(middle * low / spec.tick_size)
    return lowest, int(middle * high / spec.tick_size)


def wrong_side(wanted: Wanted, scale: Scale, current: Decimal) -> ApiError:
    """Return the refusal of a trigger that the market has passed already."""
    request = wanted.request
    trigger = scale.price(request.trigger_ticks)
    if rises(request.kind, request.side):
        words = f"expect Rising, but trigger_price[{trigger}] <= current[{scale.mark(current)}]"
        return ApiError(110092, words)
    words = f"expect Falling, but trigger_price[{trigger}] >= current[{scale.mark(current)}]"
    return ApiError(110093, words)


def seen_price(office: BackOffice, request: NewOrder) -> Decimal:
    """Return the price that a trigger looks at now."""
    spec = office.scale(request.symbol).spec
    if request.trigger_by is TriggerBy.LAST:
        last = office.venue.trades(request.symbol, 1)
        return spec.tick_size * (last[-1].price_ticks if last else 0)
    told = office.venue.mark(request.symbol)
    return told.mark if request.trigger_by is TriggerBy.MARK else told.index
