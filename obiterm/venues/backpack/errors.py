"""What a failure of Backpack means for the one who asked (backpack.md §4, §7.4)."""

from __future__ import annotations

from obiterm.core.errors import OutcomeUnknown, VenueError
from obiterm.core.values import RefusalKind
from obiterm.venues.common.refusals import Verdict, failure_of

NOT_RESTING = "RESOURCE_NOT_FOUND"
"""No such order rests: filled, cancelled or never there. Look it up in the history."""
TOO_MANY = "TOO_MANY_REQUESTS"
BAD_REQUEST = "INVALID_CLIENT_REQUEST"
"""One code for many faults; the message tells them apart."""

NO_FUNDS = frozenset(
    {
        "INSUFFICIENT_FUNDS",
        "INSUFFICIENT_MARGIN",
        "INSUFFICIENT_SUPPLY",
        "BORROW_LIMIT",
        "BORROW_REQUIRES_LEND_REDEEM",
        "LEND_LIMIT",
        "LEND_REQUIRES_BORROW_REPAY",
        "MAX_LEVERAGE_REACHED",
        "POSITION_LIMIT",
    }
)
"""Balance, margin or a limit of the account does not cover the order."""
LIQUIDATING = "ACCOUNT_LIQUIDATING"

_BY_CODE = {
    "ACCOUNT_DEACTIVATED": Verdict.STOP,
    "FORBIDDEN": Verdict.STOP,
    "INVALID_SIGNATURE": Verdict.STOP,
    "INVALID_TWO_FACTOR_CODE": Verdict.STOP,
    "UNAUTHORIZED": Verdict.STOP,
    "MAINTENANCE": Verdict.RETRY,
    "TOO_EARLY": Verdict.RETRY,
    TOO_MANY: Verdict.RETRY,
    "TRADING_PAUSED": Verdict.RETRY,
    "SERVER_ERROR": Verdict.UNKNOWN,
    "TIMEOUT": Verdict.UNKNOWN,
}

_CLOCK_WORDS = ("request has expired", "invalid timestamp")
_KEY_WORDS = (
    "invalid signature",
    "x-signature",
    "x-api-key",
    "api key",
    "invalid public key",
    "verifying key",
)
_DUPLICATE_WORDS = ("duplicate", "already exists", "already in use")
_WOULD_TAKE_WORDS = ("immediately match",)
_TOO_LONG_WORDS = ("decimal too long",)

_HTTP_UNAUTHORISED = 401
_HTTP_FIREWALL = 403
_HTTP_SERVER = 500
_BY_STATUS = {
    _HTTP_UNAUTHORISED: Verdict.STOP,
    _HTTP_FIREWALL: Verdict.RETRY,
    408: Verdict.UNKNOWN,
    425: Verdict.RETRY,
    429: Verdict.RETRY,
}

_HTTP_BAD = 400
_SELF_TRADE = "SelfTradePrevention"
_BY_EXPIRY = {
    "PostOnlyTaker": "a maker's price would have taken: re-price",
    "PostOnlyMode": "the market takes only post-only orders",
    _SELF_TRADE: "it would have met an own order",
    "PriceOutOfBounds": "the price band stopped the rest: read the position and try again",
    "PriceImpact": "the impact band stopped the rest: read the position and try again",
    "SlippageToleranceExceeded": "the slippage limit stopped the rest",
    "ReduceOnlyNotReduced": "there was nothing to reduce: read the position",
    "StopWithoutPosition": "a stop needs a position: place it after the entry's fill",
    "MaxStopOrdersPerPosition": "this position has as many stops as the venue allows",
    "InsufficientMargin": "the margin did not cover it",
    "InsufficientFunds": "the balance did not cover it",
    "AccountTradingSuspended": "the venue suspended trading of this account",
    "UserPermissions": "the key or the account may not trade this market",
}

_HINTS = {
    "FORBIDDEN": "give the key the permission to trade",
    "INVALID_SIGNATURE": "the secret does not belong to this key, or the key was deleted",
    "UNAUTHORIZED": "the key is unknown to the venue: it may have been deleted",
    "ACCOUNT_DEACTIVATED": "the venue has closed this account: ask its support",
    LIQUIDATING: "the venue is liquidating this account: nothing can be sent until it is done",
}


def classify(http_status: int, code: str, msg: str) -> Verdict:
    """Say what a failed request means; status 0 stands for no answer at all.

    The venue's code outranks the HTTP status, except that a 5xx without a code we know is
    always an unknown outcome. A refusal in words of a duplicate id is unknown too: the first
    try may have worked. A 403 without a code comes from the firewall in front: nothing
    reached the venue.
    """
    if code in _BY_CODE:
        return _BY_CODE[code]
    if http_status == 0 or http_status >= _HTTP_SERVER:
        return Verdict.UNKNOWN
    words = msg.lower()
    if is_clock_fault(code, msg):
        return Verdict.RETRY
    if code == BAD_REQUEST and any(word in words for word in _KEY_WORDS):
        return Verdict.STOP
    if any(word in words for word in _DUPLICATE_WORDS):
        return Verdict.UNKNOWN
    if not code and http_status in _BY_STATUS:
        return _BY_STATUS[http_status]
    if http_status == _HTTP_UNAUTHORISED:
        return Verdict.STOP
    return Verdict.REFUSE


def is_clock_fault(code: str, msg: str) -> bool:
    """Tell a request whose time the venue refused: measure the clock, then ask and retry once."""
    return code == BAD_REQUEST and any(word in msg.lower() for word in _CLOCK_WORDS)


def would_take(code: str, msg: str) -> bool:
    """Tell a post-only order that would have taken: nothing was created, re-price (T50)."""
    if code == "PostOnlyTaker":
        return True
    return code == "INVALID_ORDER" and any(word in msg.lower() for word in _WOULD_TAKE_WORDS)


def price_outside(code: str) -> bool:
    """Tell a price outside of the venue's band."""
    return code in ("INVALID_PRICE", "InvalidPrice", "PriceOutOfBounds", "PriceImpact")


def too_small(code: str, msg: str) -> bool:
    """Tell a quantity that the market does not take (T50)."""
    if code in ("INVALID_QUANTITY", "InvalidQuantity"):
        return True
    return code == BAD_REQUEST and any(word in msg.lower() for word in _TOO_LONG_WORDS)


def refusal_kind(http_status: int, code: str, msg: str) -> RefusalKind:
    """Say what a refused or expired order was refused for (§4, §7.4)."""
    if classify(http_status, code, msg) is Verdict.RETRY:
        return RefusalKind.LATER
    if would_take(code, msg):
        return RefusalKind.WOULD_TAKE
    return RefusalKind.TOO_SMALL if too_small(code, msg) else RefusalKind.ORDER


def expiry_kind(reason: str) -> RefusalKind:
    """Say why the engine let an order expire, as far as it matters for what to do next."""
    if reason == _SELF_TRADE:
        return RefusalKind.SELF_TRADE
    return refusal_kind(_HTTP_BAD, reason, "")


def explain_expiry(reason: str) -> str:
    """Say in our words why the engine let an order expire; empty for reasons we do not know."""
    return _BY_EXPIRY.get(reason, "")


def hint(code: str, msg: str = "") -> str:
    """Say what the user can do about a failure; empty where nobody can do anything."""
    known = _HINTS.get(code, "")
    if known or code != BAD_REQUEST:
        return known
    if is_clock_fault(code, msg):
        return "this machine's clock is off: synchronise it"
    if classify(400, code, msg) is Verdict.STOP:
        return _HINTS["INVALID_SIGNATURE"]
    return ""


def as_error(
    http_status: int, code: str, msg: str, *, retry_after_ms: int = 0
) -> VenueError | OutcomeUnknown:
    """Build the error to raise for a failed request, in the venue's own words (R13)."""
    verdict = classify(http_status, code, msg)
    shown_code = code or str(http_status)
    words = msg or f"HTTP {http_status}"
    return failure_of(
        verdict, shown_code, words, hint=hint(code, msg), retry_after_ms=retry_after_ms
    )
