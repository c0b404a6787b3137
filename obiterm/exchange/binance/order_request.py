"""Turns the parameters of a new order into a core request (binance.md §6.3)."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, NewOrder, Stp, Tif
from obiterm.exchange.binance import errors
from obiterm.exchange.binance.backoffice import new_client_id
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.params import Params
from obiterm.exchange.binance.wire import KINDS, NO_EXTRAS, Extras, Scale

LIMIT_KINDS = frozenset({Kind.LIMIT, Kind.LIMIT_MAKER, Kind.STOP_LIMIT, Kind.TAKE_PROFIT_LIMIT})
TRIGGER_KINDS = frozenset(
    {Kind.STOP_MARKET, Kind.STOP_LIMIT, Kind.TAKE_PROFIT_MARKET, Kind.TAKE_PROFIT_LIMIT}
)
TIMED_KINDS = frozenset({Kind.LIMIT, Kind.STOP_LIMIT, Kind.TAKE_PROFIT_LIMIT})
MIN_STRATEGY_TYPE = 1_000_000

ORDER_PARAMS = frozenset(
    {
        "symbol",
        "side",
        "type",
        "timeInForce",
        "quantity",
        "quoteOrderQty",
        "price",
        "newClientOrderId",
        "strategyId",
        "strategyType",
        "stopPrice",
        "trailingDelta",
        "icebergQty",
        "newOrderRespType",
        "selfTradePreventionMode",
        "pegPriceType",
        "pegOffsetValue",
        "pegOffsetType",
    }
)


class RespType(Enum):
    """How much of the order the answer tells."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


def read_kind(params: Params, name: str = "type") -> Kind:
    """Read an order type."""
    kind = KINDS.get(params.need(name))
    if kind is None:
        raise ApiError(400, -1116, "Invalid orderType.")
    return kind


def read_side(params: Params) -> Side:
    """Read the side."""
    params.need("side")
    side = params.get_choice("side", Side, ApiError(400, -1117, "Invalid side."))
    if side is None:
        raise errors.missing("side")
    return side


def read_tif(params: Params, name: str = "timeInForce", *, needed: bool) -> Tif:
    """Read the time in force; GTC where it is optional and absent."""
    if needed:
        params.need(name)
    return params.get_choice(name, Tif, ApiError(400, -1115, "Invalid timeInForce.")) or Tif.GTC


def read_stp(params: Params) -> Stp:
    """Read the self-trade prevention mode; the market's default is EXPIRE_MAKER."""
    refusal = errors.rejected(
        "This symbol does not allow the specified self-trade prevention mode."
    )
    return params.get_choice("selfTradePreventionMode", Stp, refusal) or Stp.EXPIRE_MAKER


def read_resp_type(params: Params, kind: Kind) -> RespType:
    """Read how much to answer: FULL by default for MARKET and LIMIT, else ACK."""
    refusal = ApiError(400, -1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    chosen = params.get_choice("newOrderRespType", RespType, refusal)
    if chosen is not None:
        return chosen
    return RespType.FULL if kind in (Kind.MARKET, Kind.LIMIT) else RespType.ACK


def read_extras(params: Params, prefix: str = "") -> Extras:
    """Read the fields that are only echoed."""
    names = ("strategyId", "strategyType")
    if prefix:
        names = (f"{prefix}StrategyId", f"{prefix}StrategyType")
    strategy_id, strategy_type = (params.get_int(name) for name in names)
    if strategy_type is not None and strategy_type < MIN_STRATEGY_TYPE:
        raise ApiError(400, -1134, "strategyType was less than 1000000.")
    if strategy_id is None and strategy_type is None:
        return NO_EXTRAS
    return Extras(strategy_id, strategy_type)


def to_ticks(value: Decimal, scale: Scale, *, what: str = "price") -> int:
    """Turn a price into ticks; off the grid is a ``PRICE_FILTER`` failure."""
    if value <= 0:
        raise ApiError(400, -1013, f"Invalid {what}.")
    ticks, rest = divmod(value, scale.tick_size)
    if rest:
        raise errors.filter_failure("PRICE_FILTER")
    return int(ticks)


def to_lots(value: Decimal, scale: Scale) -> int:
    """Turn a quantity into lots; off the grid is a ``LOT_SIZE`` failure."""
    if value <= 0:
        raise ApiError(400, -1013, "Invalid quantity.")
    lots, rest = divmod(value, scale.lot_size)
    if rest:
        raise errors.filter_failure("LOT_SIZE")
    return int(lots)


def read_order(params: Params, scale: Scale) -> NewOrder:
    """Read a new order: what its type needs, nothing that it does not take.

    Raises ``ApiError`` with -1102, -1106, -1111, -1013 and the like.
    """
    side = read_side(params)
    kind = read_kind(params)
    _refuse_unsupported(params)
    tif = read_tif(params, needed=kind in TIMED_KINDS)
    if kind in (Kind.MARKET, Kind.LIMIT_MAKER):
        params.refuse(["timeInForce"])
    price = trigger = 0
    if kind in LIMIT_KINDS:
        lots, quote_qty = to_lots_of(params, scale), None
        price = to_ticks(params.need_decimal("price"), scale)
        params.refuse(["quoteOrderQty"])
    else:
        params.refuse(["price"])
        lots, quote_qty = _market_size(params, kind, scale)
    if kind in TRIGGER_KINDS:
        trigger = to_ticks(params.need_decimal("stopPrice"), scale, what="stopPrice")
    else:
        params.refuse(["stopPrice"])
    return NewOrder(
        symbol=scale.spec.symbol,
        side=side,
        kind=kind,
        client_id=params.get_client_id("newClientOrderId") or new_client_id(),
        lots=lots,
        quote_qty=quote_qty,
        price_ticks=price,
        trigger_ticks=trigger,
        tif=tif,
        stp=read_stp(params),
    )


def to_lots_of(params: Params, scale: Scale) -> int:
    """Read the mandatory quantity."""
    return to_lots(params.need_decimal("quantity"), scale)


def _market_size(params: Params, kind: Kind, scale: Scale) -> tuple[int, Decimal | None]:
    quote_qty = params.get_decimal("quoteOrderQty")
    if kind is not Kind.MARKET:
        params.refuse(["quoteOrderQty"])
        return to_lots_of(params, scale), None
    if quote_qty is None:
        if "quantity" not in params:
            raise errors.neither("quantity", "quoteOrderQty")
        return to_lots_of(params, scale), None
    if "quantity" in params:
        raise ApiError(400, -1128, "Combination of optional parameters invalid.")
    if quote_qty <= 0:
        raise ApiError(400, -1013, "Invalid quote order qty.")
    return 0, quote_qty


_NOT_HERE = {
    "icebergQty": "Iceberg orders are not supported for this symbol.",
    "trailingDelta": "Trailing stop orders are not supported for this symbol.",
    "pegPriceType": "Pegged orders are not supported for this symbol.",
}


def _refuse_unsupported(params: Params) -> None:
    for name, words in _NOT_HERE.items():
        if name in params:
            raise errors.rejected(words)
