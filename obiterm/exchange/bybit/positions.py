"""Positions and their settings (bybit.md §6.2, §6.3)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import Refusal, Why
from obiterm.exchange.bybit import errors
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.bybit.numbers import Json, amount
from obiterm.exchange.bybit.office import BackOffice, Call
from obiterm.exchange.bybit.order_request import listed_elsewhere, read_category, read_market
from obiterm.exchange.bybit.rows import flat_sides, position_row


def _need_linear(call: Call) -> None:
    if read_category(call.params) is not Category.LINEAR:
        raise errors.invalid("category")


def position_list(office: BackOffice, call: Call) -> Json:
    """List positions: a symbol's even when flat, a settle coin's only when not."""
    params = call.params
    elsewhere = listed_elsewhere(params)
    if elsewhere is not None:
        return elsewhere
    _need_linear(call)
    name, settle = params.get("symbol"), params.get("settleCoin")
    sides = flat_sides(office, call.account)
    if name is not None:
        symbol = office.market(Category.LINEAR, name).spec.symbol
        held = [office.venue.position(call.account, symbol, side) for side in sides]
    elif settle is not None:
        held = [
            one
            for one in office.venue.positions(call.account)
            if one.lots and office.scale(one.symbol).spec.settle == settle
        ]
    else:
        raise errors.bad("params error: symbol or settleCoin is required")
    rows = [position_row(office, one, entry_name="avgPrice") for one in held]
    return {"list": rows[: params.limit(20, 200)], "nextPageCursor": "", "category": "linear"}


def set_leverage(office: BackOffice, call: Call) -> Json:
    """Change the leverage of a market; both sides alike."""
    params = call.params
    _need_linear(call)
    scale = read_market(office, params)
    leverage = params.need_decimal("buyLeverage")
    if leverage != params.need_decimal("sellLeverage"):
        raise errors.bad("buyLeverage and sellLeverage must be equal")
    symbol = scale.spec.symbol
    if leverage == office.venue.leverage(call.account, symbol):
        raise ApiError(110043, "leverage not modified")
    try:
        office.venue.set_leverage(call.account, symbol, leverage, call.now_ns)
    except Refusal as refusal:
        if refusal.why is Why.LEVERAGE:
            most = amount(Decimal(scale.spec.max_leverage))
            raise ApiError(
                110013, f"cannot set leverage [{amount(leverage)}] gt maxLeverage [{most}]"
            ) from refusal
        raise errors.from_refusal(refusal, Category.LINEAR) from refusal
    return {}


def switch_mode(office: BackOffice, call: Call) -> Json:
    """Change the position mode. Here it is one setting for the whole account."""
    params = call.params
    _need_linear(call)
    if "symbol" in params:
        read_market(office, params)
    elif "coin" not in params:
        raise errors.bad("params error: symbol or coin is required")
    mode = params.integer("mode", -1)
    if mode not in (0, 3):
        raise errors.invalid("mode")
    hedged = mode == 3
    if hedged == office.venue.hedge_mode(call.account):
        raise ApiError(110025, "Position mode is not modified")
    if office.open_orders(call.account, Category.LINEAR):
        raise ApiError(110028, "You have existing open orders, so you cannot switch position mode")
    try:
        office.venue.set_hedge_mode(call.account, hedged=hedged)
    except Refusal as refusal:
        raise errors.from_refusal(refusal, Category.LINEAR) from refusal
    return {}
