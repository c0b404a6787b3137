"""The venue's own refusals: HTTP status, code and words (backpack.md §4).

Codes are texts. Where the venue's words are not known, ours say the same thing.
"""

from __future__ import annotations

from obiterm.exchange.api import Refusal, Why

BAD_REQUEST = "INVALID_CLIENT_REQUEST"


class ApiError(Exception):
    """A request is refused.

    Attributes:
        status: HTTP status.
        code: the venue's code, a text.
        message: the venue's words.
        retry_after_s: seconds until the limit that refused it opens again; 0 when no limit did.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: int = 0) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, object]:
        """Return the error object as the venue writes it."""
        return {"code": self.code, "message": self.message}


def invalid(message: str) -> ApiError:
    """Refuse a request that is not formed as the venue asks."""
    return ApiError(400, BAD_REQUEST, message)


def unparsed(payload: str, detail: str) -> ApiError:
    """Refuse a body whose field has the wrong type or an unknown value."""
    return invalid(f'parse request payload error: {detail} (occurred while parsing "{payload}")')


def bad_parameter(name: str, detail: str) -> ApiError:
    """Refuse a query parameter."""
    return invalid(f"failed to parse parameter `{name}`: {detail}")


def bad_signature() -> ApiError:
    """Say that the signature does not belong to these parameters and this key."""
    return invalid("Invalid signature")


def not_found() -> ApiError:
    """Say that an order does not rest, or that there is no position."""
    return ApiError(404, "RESOURCE_NOT_FOUND", "Not Found")


def invalid_market() -> ApiError:
    """Say that there is no such market."""
    return ApiError(400, "INVALID_MARKET", "Invalid market")


def too_precise(name: str) -> ApiError:
    """Say that a number is off the market's grid."""
    return invalid(f"{name} decimal too long")


_FILTERS: dict[str, tuple[str, str]] = {
    "PRICE_FILTER": ("INVALID_PRICE", "Price is outside the allowed range"),
    "PERCENT_PRICE_BY_SIDE": ("INVALID_PRICE", "Price is too far from the last active price"),
    "PERCENT_PRICE_UP": ("INVALID_PRICE", "Price is too far from the last active price"),
    "PERCENT_PRICE_DOWN": ("INVALID_PRICE", "Price is too far from the last active price"),
    "LOT_SIZE": ("INVALID_QUANTITY", "Quantity is outside the allowed range"),
    "MARKET_LOT_SIZE": ("INVALID_QUANTITY", "Quantity is outside the allowed range"),
    "MAX_NUM_ORDERS": ("ORDER_LIMIT", "Too many open orders"),
    "MAX_NUM_ALGO_ORDERS": ("ORDER_LIMIT", "Too many open trigger orders"),
    "MAX_POSITION": ("POSITION_LIMIT", "Position limit exceeded"),
}
_WORDS: dict[Why, tuple[str, str]] = {
    Why.WOULD_TAKE: ("INVALID_ORDER", "Order would immediately match and take"),
    Why.WOULD_TRIGGER: ("INVALID_ORDER", "Order would immediately trigger"),
    Why.DUPLICATE_CLIENT_ID: ("INVALID_ORDER", "Client order ID is already in use"),
    Why.NO_LIQUIDITY: ("INVALID_ORDER", "Insufficient liquidity"),
    Why.REDUCE_ONLY: ("INVALID_ORDER", "Reduce only order would not reduce a position"),
    Why.LEVERAGE: ("MAX_LEVERAGE_REACHED", "Leverage limit is out of range"),
}


def from_refusal(refusal: Refusal, *, perpetual: bool = False) -> ApiError:
    """Turn the core's reason into the venue's code and words."""
    why = refusal.why
    if why in (Why.UNKNOWN_ORDER, Why.NOTHING_OPEN):
        return not_found()
    if why is Why.UNKNOWN_SYMBOL:
        return invalid_market()
    if why is Why.INSUFFICIENT_BALANCE:
        if perpetual:
            return ApiError(400, "INSUFFICIENT_MARGIN", "Insufficient margin")
        return ApiError(400, "INSUFFICIENT_FUNDS", "Insufficient funds")
    if why is Why.FILTER:
        code, words = _FILTERS.get(refusal.detail, ("INVALID_ORDER", "Invalid order"))
    else:
        code, words = _WORDS.get(why, ("INVALID_ORDER", "Invalid order"))
    return ApiError(400, code, words)
