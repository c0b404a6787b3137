"""Refusals in the venue's own codes and words (bybit.md §12)."""

from __future__ import annotations

from obiterm.exchange.api import Refusal, Why
from obiterm.exchange.bybit.category import Category

OK = 0
BAD_PARAMETER = 10001
BAD_TIME = 10002
BAD_KEY = 10003
BAD_SIGN = 10004
NO_PERMISSION = 10005
TOO_MANY = 10006


class ApiError(Exception):
    """A request is refused. Business refusals travel with HTTP 200."""

    def __init__(self, code: int, msg: str, *, status: int = 200) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status


def bad(words: str) -> ApiError:
    """Return the refusal of a bad parameter."""
    return ApiError(BAD_PARAMETER, words)


def invalid(name: str) -> ApiError:
    """Return the refusal of a parameter that is missing or malformed."""
    return ApiError(BAD_PARAMETER, f"params error: {name} invalid")


def bad_symbol(category: Category) -> ApiError:
    """Return the refusal of an unknown market."""
    if category is Category.SPOT:
        return ApiError(170121, "Invalid symbol.")
    return ApiError(BAD_PARAMETER, "params error: symbol invalid")


def no_order(category: Category) -> ApiError:
    """Return the refusal to touch an order that is not there."""
    if category is Category.SPOT:
        return ApiError(170213, "Order does not exist.")
    return ApiError(110001, "order not exists or too late to cancel")


_FILTERS: dict[str, tuple[tuple[int, str], tuple[int, str]]] = {
    "PRICE_FILTER": (
        (170132, "Order price too high."),
        (110003, "Order price exceeds the allowable range."),
    ),
    "LOT_SIZE": (
        (170136, "Order quantity below the lower limit."),
        (10001, "The number of contracts exceeds minimum limit allowed"),
    ),
    "MARKET_LOT_SIZE": (
        (170124, "Order amount too large."),
        (10001, "The number of contracts exceeds maximum limit allowed: too large"),
    ),
    "NOTIONAL": (
        (170140, "Order value exceeded lower limit."),
        (110094, "Order does not meet minimum order value 5USDT"),
    ),
    "PERCENT_PRICE_UP": (
        (170193, "Buy order price cannot be higher than the limit."),
        (30208, "The order price is higher than the highest price."),
    ),
    "PERCENT_PRICE_DOWN": (
        (170194, "Sell order price cannot be lower than the limit."),
        (30209, "The order price is lower than the lowest price."),
    ),
    "MAX_NUM_ORDERS": (
        (170810, "Cannot exceed maximum of 500 conditional, TP/SL and active orders."),
        (110020, "Not allowed to have more than 500 active orders"),
    ),
    "MAX_NUM_ALGO_ORDERS": (
        (170810, "Cannot exceed maximum of 500 conditional, TP/SL and active orders."),
        (110009, "The number of stop orders exceeds the maximum allowable limit"),
    ),
}
_SAME = {"MIN_NOTIONAL": "NOTIONAL", "PERCENT_PRICE_BY_SIDE": "PERCENT_PRICE_UP"}

_WORDS: dict[Why, tuple[tuple[int, str], tuple[int, str]]] = {
    Why.INSUFFICIENT_BALANCE: (
        (170131, "Insufficient balance."),
        (110007, "ab not enough for new order"),
    ),
    Why.DUPLICATE_CLIENT_ID: (
        (170141, "Duplicate clientOrderId."),
        (110072, "OrderLinkedID is duplicate"),
    ),
    Why.WOULD_TRIGGER: (
        (170311, "Trigger price is on the wrong side of the market."),
        (110092, "expect Rising, but trigger_price <= current"),
    ),
    Why.REDUCE_ONLY: (
        (170192, "Reduce-only is not for spot."),
        (110017, "current position is zero, cannot fix reduce-only order qty"),
    ),
    Why.LEVERAGE: (
        (BAD_PARAMETER, "leverage invalid"),
        (110013, "cannot set leverage due to risk limit level"),
    ),
    Why.POSITION_MODE: (
        (110024, "position exists, so you cannot switch position mode"),
        (110024, "position exists, so you cannot switch position mode"),
    ),
}


def from_refusal(refusal: Refusal, category: Category) -> ApiError:
    """Say in the venue's words why its core refused."""
    linear = category is Category.LINEAR
    why, detail = refusal.why, refusal.detail
    if why is Why.UNKNOWN_ORDER:
        return no_order(category)
    if why is Why.UNKNOWN_SYMBOL:
        return bad_symbol(category)
    if why is Why.POSITION_SIDE:
        return bad("position idx not match position mode")
    if why is Why.UNCHANGED:
        return bad("The order remains unchanged as the parameters entered match the existing ones.")
    pair = _FILTERS.get(_SAME.get(detail, detail)) if why is Why.FILTER else _WORDS.get(why)
    if pair is None:
        return bad(f"params error: {refusal}")
    return ApiError(*pair[linear])
