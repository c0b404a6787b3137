"""Turns the parameters of normal and conditional orders into core requests (binance.md §10)."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import Enum

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, NewOrder, PositionSide, Tif
from obiterm.exchange.binance import errors
from obiterm.exchange.binance.backoffice import new_client_id
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.order_request import read_side, read_stp
from obiterm.exchange.binance.params import Params
from obiterm.exchange.binance.wire import Scale
from obiterm.exchange.binance_futures.office import places_of
from obiterm.exchange.binance_futures.rows import ALGO_TYPES, WORKING_TYPES

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_CLOSING = frozenset({Kind.STOP_MARKET, Kind.TAKE_PROFIT_MARKET})
_LIMITS = frozenset({Kind.STOP_LIMIT, Kind.TAKE_PROFIT_LIMIT})
ORDER_PARAMS = frozenset(
    {
        "symbol",
        "side",
        "positionSide",
        "type",
        "timeInForce",
        "quantity",
        "reduceOnly",
        "price",
        "newClientOrderId",
        "newOrderRespType",
        "priceMatch",
        "selfTradePreventionMode",
        "goodTillDate",
        "stopPrice",
        "closePosition",
        "activationPrice",
        "callbackRate",
        "workingType",
        "priceProtect",
    }
)
ALGO_PARAMS = frozenset(
    {
        "algoType",
        "symbol",
        "side",
        "positionSide",
        "type",
        "timeInForce",
        "quantity",
        "price",
        "triggerPrice",
        "workingType",
        "priceMatch",
        "closePosition",
        "priceProtect",
        "reduceOnly",
        "activatePrice",
        "callbackRate",
        "clientAlgoId",
        "newOrderRespType",
        "selfTradePreventionMode",
        "goodTillDate",
    }
)


class RespType(Enum):
    """How much of the order the answer tells."""

    ACK = "ACK"
    RESULT = "RESULT"


def read_client_id(params: Params, name: str) -> str | None:
    """Read a client id (-4015 for one that is too long or has other characters)."""
    value = params.get(name)
    if value is not None and not _CLIENT_ID.fullmatch(value):
        raise ApiError(400, -4015, "Client order id is not valid.")
    return value


def read_resp_type(params: Params) -> RespType:
    """Read how much to answer; ACK by default."""
    refusal = ApiError(400, -1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    return params.get_choice("newOrderRespType", RespType, refusal) or RespType.ACK


def to_ticks(value: Decimal, scale: Scale) -> int:
    """Turn a price into ticks."""
    if value <= 0:
        raise ApiError(400, -4001, "Price less than 0.")
    return _whole(value, scale.tick_size, ApiError(400, -4014, "Price not increased by tick size."))


def to_lots(value: Decimal, scale: Scale) -> int:
    """Turn a quantity into lots."""
    if value <= 0:
        raise ApiError(400, -4003, "Quantity less than or equal to zero.")
    off_step = ApiError(400, -4023, "Quantity not increased by step size.")
    lots = _whole(value, scale.lot_size, off_step)
    if lots < scale.spec.min_lots:
        raise ApiError(400, -4004, "Quantity less than min quantity.")
    return lots


def _whole(value: Decimal, unit: Decimal, off_grid: ApiError) -> int:
    if places_of(value.normalize()) > places_of(unit):
        raise ApiError(400, -1111, "Precision is over the maximum defined for this asset.")
    count, rest = divmod(value, unit)
    if rest:
        raise off_grid
    return int(count)


def read_order(params: Params, scale: Scale, *, hedged: bool) -> NewOrder:
    """Read a normal order: LIMIT or MARKET; everything else belongs to the algo service."""
    side, kind = read_side(params), params.need("type")
    if kind in ALGO_TYPES or kind == "TRAILING_STOP_MARKET":
        raise ApiError(
            400,
            -4120,
            "Order type not supported for this endpoint. "
            "Please use the Algo Order API endpoints instead.",
        )
    if kind not in ("LIMIT", "MARKET"):
        raise ApiError(400, -1116, "Invalid orderType.")
    _refuse_unsupported(params)
    params.refuse(["stopPrice", "activationPrice", "callbackRate"])
    if params.get_flag("closePosition"):
        raise ApiError(400, -4136, "Target strategy invalid for orderType, closePosition.")
    lots, price, tif, core_kind = 0, 0, Tif.GTC, Kind.MARKET
    if kind == "LIMIT":
        core_kind, tif = _read_limit_tif(params)
        price = to_ticks(params.need_decimal("price"), scale)
    else:
        params.refuse(["price", "timeInForce"])
    lots = to_lots(params.need_decimal("quantity"), scale)
    position_side, reduce_only = _read_position(params, hedged=hedged)
    return NewOrder(
        symbol=scale.spec.symbol,
        side=side,
        kind=core_kind,
        client_id=read_client_id(params, "newClientOrderId") or new_client_id(),
        lots=lots,
        price_ticks=price,
        tif=tif,
        stp=read_stp(params),
        reduce_only=reduce_only,
        position_side=position_side,
    )


def _read_limit_tif(params: Params) -> tuple[Kind, Tif]:
    name = params.need("timeInForce")
    if name == "GTX":
        return Kind.LIMIT_MAKER, Tif.GTC
    if name not in (tif.value for tif in Tif):
        raise ApiError(400, -1115, "Invalid timeInForce.")
    return Kind.LIMIT, Tif(name)


def _read_position(params: Params, *, hedged: bool) -> tuple[PositionSide, bool]:
    """Read which position is meant; in hedge mode ``reduceOnly`` may not be sent at all."""
    wrong = ApiError(400, -4060, "Invalid position side.")
    side = params.get_choice("positionSide", PositionSide, wrong) or PositionSide.BOTH
    if hedged:
        if "reduceOnly" in params:
            raise errors.not_required("reduceonly")
        if side is PositionSide.BOTH:
            raise _wrong_mode()
        return side, False
    if side is not PositionSide.BOTH:
        raise _wrong_mode()
    return side, params.get_flag("reduceOnly")


def _wrong_mode() -> ApiError:
    return ApiError(400, -4061, "Order's position side does not match user's setting.")


def _refuse_unsupported(params: Params) -> None:
    """Refuse what ``exchangeInfo`` does not offer."""
    if params.get("priceMatch") not in (None, "NONE"):
        raise ApiError(400, -5038, "Price match is not supported for this symbol.")
    if params.get("goodTillDate") not in (None, "0"):
        raise ApiError(400, -1115, "Invalid timeInForce.")


def read_algo(params: Params, scale: Scale, *, hedged: bool) -> NewOrder:
    """Read a conditional order. Its client id in the core is not the algo's (binance.md §10.4)."""
    if params.need("algoType") != "CONDITIONAL":
        raise ApiError(400, -1130, "Data sent for parameter 'algoType' is not valid.")
    side, kind = read_side(params), ALGO_TYPES.get(params.need("type"))
    if kind is None:
        raise ApiError(400, -1116, "Invalid orderType.")
    _refuse_unsupported(params)
    params.refuse(["activatePrice", "callbackRate"])
    trigger = to_ticks(params.need_decimal("triggerPrice"), scale)
    price, tif = 0, Tif.GTC
    if kind in _LIMITS:
        price = to_ticks(params.need_decimal("price"), scale)
        tif = _read_algo_tif(params)
    else:
        params.refuse(["price"])
    working = WORKING_TYPES.get(params.get("workingType") or "CONTRACT_PRICE")
    if working is None:
        raise ApiError(400, -4138, "Invalid workingType.")
    closes = params.get_flag("closePosition")
    position_side, reduce_only = _read_position(params, hedged=hedged)
    return NewOrder(
        symbol=scale.spec.symbol,
        side=side,
        kind=kind,
        client_id=new_client_id(),
        lots=_read_algo_lots(params, scale, kind, side, closes=closes),
        price_ticks=price,
        trigger_ticks=trigger,
        tif=tif,
        stp=read_stp(params),
        trigger_by=working,
        reduce_only=reduce_only,
        close_fraction=Decimal(1) if closes else None,
        dies_with_position=closes,
        position_side=position_side,
    )


def _read_algo_tif(params: Params) -> Tif:
    name = params.get("timeInForce") or "GTC"
    if name not in (tif.value for tif in Tif):
        raise ApiError(400, -1115, "Invalid timeInForce.")
    return Tif(name)


def _read_algo_lots(params: Params, scale: Scale, kind: Kind, side: Side, *, closes: bool) -> int:
    if not closes:
        return to_lots(params.need_decimal("quantity"), scale)
    if kind not in _CLOSING:
        raise ApiError(400, -4136, "Target strategy invalid for orderType, closePosition.")
    if "quantity" in params:
        raise ApiError(400, -4137, "Quantity must be zero with closePosition equals true.")
    if params.get_flag("reduceOnly"):
        raise ApiError(400, -4138, "Reduce only must be false with closePosition equals true.")
    opens = (params.get("positionSide"), side) in (("LONG", Side.BUY), ("SHORT", Side.SELL))
    if opens:
        raise ApiError(400, -4142, "Invalid closePosition for this position side.")
    return 0
