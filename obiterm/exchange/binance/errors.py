"""The venue's own refusals: HTTP status, code and words (binance.md §3, §13)."""

from __future__ import annotations

from obiterm.exchange.api import Refusal, Why


class ApiError(Exception):
    """A request is refused; REST and WebSocket API tell it in the same code and words.

    Attributes:
        status: HTTP status, also the ``status`` of a WebSocket API reply.
        code: the venue's code, negative.
        msg: the venue's words.
        data: what both halves of a cancel-replace came to; ``None`` elsewhere.
        retry_after_s: seconds until the limit that refused it opens again; 0 when no limit did.
    """

    def __init__(
        self,
        status: int,
        code: int,
        msg: str,
        *,
        data: dict[str, object] | None = None,
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(f"{status} {code} {msg}")
        self.status = status
        self.code = code
        self.msg = msg
        self.data = data
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, object]:
        """Return the error object as the venue writes it."""
        out: dict[str, object] = {"code": self.code, "msg": self.msg}
        if self.data is not None:
            out["data"] = self.data
        return out


def missing(name: str) -> ApiError:
    """Say that a mandatory parameter is not there."""
    return ApiError(
        400,
        -1102,
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )


def neither(first: str, second: str) -> ApiError:
    """Say that one of two parameters must be there."""
    return ApiError(
        400, -1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!"
    )


def illegal(name: str, legal: str) -> ApiError:
    """Say that a parameter holds characters outside its range."""
    return ApiError(
        400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def empty(name: str) -> ApiError:
    """Say that a parameter was sent without a value."""
    return ApiError(400, -1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> ApiError:
    """Say that a parameter does not belong to this type of order."""
    return ApiError(400, -1106, f"Parameter '{name}' sent when not required.")


def precision(name: str) -> ApiError:
    """Say that a number has more digits than the asset."""
    return ApiError(400, -1111, f"Parameter '{name}' has too much precision.")


def invalid_symbol() -> ApiError:
    """Say that there is no such market."""
    return ApiError(400, -1121, "Invalid symbol.")


def bad_signature() -> ApiError:
    """Say that the signature does not belong to these bytes and this key."""
    return ApiError(400, -1022, "Signature for this request is not valid.")


def no_permission() -> ApiError:
    """Refuse a key that is unknown, or that may not do this."""
    return ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.")


def rejected(msg: str) -> ApiError:
    """Say why a new order was not taken."""
    return ApiError(400, -2010, msg)


def filter_failure(name: str) -> ApiError:
    """Name the filter that an order broke (binance.md §6.1)."""
    return ApiError(400, -1013, f"Filter failure: {name}")


INSUFFICIENT = "Account has insufficient balance for requested action."
UNKNOWN_ORDER = "Unknown order sent."

_WORDS: dict[Why, tuple[int, str]] = {
    Why.INSUFFICIENT_BALANCE: (-2010, INSUFFICIENT),
    Why.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    Why.WOULD_TRIGGER: (-2010, "Stop price would trigger immediately."),
    Why.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    Why.NO_LIQUIDITY: (-2010, "Market is closed."),
    Why.LIST_PRICES: (-2010, "The relationship of the prices for the orders is not correct."),
    Why.UNKNOWN_ORDER: (-2011, UNKNOWN_ORDER),
    Why.NOTHING_OPEN: (-2011, UNKNOWN_ORDER),
    Why.CANCEL_RESTRICTION: (
        -2011,
        "Order was not canceled due to cancel restrictions.",
    ),
    Why.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
}


def from_refusal(refusal: Refusal) -> ApiError:
    """Turn the core's reason into the venue's code and words."""
    if refusal.why is Why.FILTER:
        return filter_failure(refusal.detail)
    code, msg = _WORDS[refusal.why]
    return ApiError(400, code, msg)


def query_error(refusal: Refusal) -> ApiError:
    """Turn the core's reason into the words of a query: an order not found is -2013 there."""
    if refusal.why is Why.UNKNOWN_ORDER:
        return ApiError(400, -2013, "Order does not exist.")
    return from_refusal(refusal)
