"""The futures' own codes and words for what the core refuses (binance.md §13)."""

from __future__ import annotations

from obiterm.exchange.api import Refusal, Why
from obiterm.exchange.binance.errors import ApiError

UNKNOWN_ORDER = ApiError(400, -2011, "Unknown order sent.")
NO_SUCH_ORDER = ApiError(400, -2013, "Order does not exist.")

_WORDS: dict[Why, tuple[int, str]] = {
    Why.INSUFFICIENT_BALANCE: (-2019, "Margin is insufficient."),
    Why.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    Why.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Why.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    Why.NO_LIQUIDITY: (
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    ),
    Why.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Why.NOTHING_OPEN: (-2011, "Unknown order sent."),
    Why.CANCEL_RESTRICTION: (-2011, "Unknown order sent."),
    Why.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Why.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Why.POSITION_SIDE: (-4061, "Order's position side does not match user's setting."),
    Why.POSITION_MODE: (
        -4068,
        "Position side cannot be changed if there exists position.",
    ),
    Why.UNCHANGED: (-5027, "No need to modify the order."),
    Why.LIST_PRICES: (-1128, "Combination of optional parameters invalid."),
    Why.NOT_SUPPORTED: (-1020, "This operation is not supported."),
}
_FILTERS: dict[str, tuple[int, str]] = {
    "PRICE_FILTER": (-4013, "Price less than min price."),
    "PERCENT_PRICE_UP": (-4016, "Limit price can't be higher than the cap around the mark price."),
    "PERCENT_PRICE_DOWN": (
        -4024,
        "Limit price can't be lower than the floor around the mark price.",
    ),
    "LOT_SIZE": (-4005, "Quantity greater than max quantity."),
    "MARKET_LOT_SIZE": (-4005, "Quantity greater than max quantity."),
    "MAX_NUM_ORDERS": (-2025, "Reach max open order limit."),
    "MAX_NUM_ALGO_ORDERS": (-4045, "Reach max stop order limit."),
    "MIN_NOTIONAL": (
        -4164,
        "Order's notional must be no smaller than the symbol's minimum "
        "(unless you choose reduce only).",
    ),
}


def from_refusal(refusal: Refusal) -> ApiError:
    """Turn the core's reason into the venue's code and words."""
    if refusal.why is Why.FILTER:
        code, msg = _FILTERS[refusal.detail]
    elif refusal.why is Why.LEVERAGE:
        code, msg = -4028, f"Leverage is not valid; the most is {refusal.detail}"
    else:
        code, msg = _WORDS[refusal.why]
    return ApiError(400, code, msg)


def query_error(refusal: Refusal) -> ApiError:
    """Turn the core's reason into the words of a query: an order not found is -2013 there."""
    return NO_SUCH_ORDER if refusal.why is Why.UNKNOWN_ORDER else from_refusal(refusal)
