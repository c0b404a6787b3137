"""What a failure of Binance means for the one who asked (binance.md §3, §13)."""

from __future__ import annotations

from obiterm.core.errors import OutcomeUnknown, VenueError
from obiterm.core.values import RefusalKind
from obiterm.venues.common.refusals import Verdict, failure_of

CLOCK_CODE = -1021
"""Our time is outside of what the venue accepts: measure the clock again, once."""
UNKNOWN_ORDER_ON_CANCEL = -2011
NO_SUCH_ORDER = -2013

_BY_CODE = {
    -1000: Verdict.UNKNOWN,
    -1001: Verdict.UNKNOWN,
    -1002: Verdict.STOP,
    -1003: Verdict.RETRY,
    -1006: Verdict.UNKNOWN,
    -1007: Verdict.UNKNOWN,
    -1008: Verdict.RETRY,
    -1015: Verdict.RETRY,
    CLOCK_CODE: Verdict.RETRY,
    -1022: Verdict.STOP,
    -1109: Verdict.STOP,
    -2008: Verdict.STOP,
    -2014: Verdict.STOP,
    -2015: Verdict.STOP,
    -4116: Verdict.UNKNOWN,
}

_WRONG_KEY = "make sure that the key was made in this environment and is copied whole"
_HINTS = {
    -1002: "the key needs the right to trade on the spot market",
    -1022: "the secret does not belong to this key",
    -2008: _WRONG_KEY,
    -2014: _WRONG_KEY,
    -2015: "the key must be of this environment, may trade spot, and allow this address",
}
"""What to do about a refusal that stops the account."""

_HTTP_FIREWALL = 403
_BY_STATUS = {
    401: Verdict.STOP,
    _HTTP_FIREWALL: Verdict.RETRY,
    408: Verdict.UNKNOWN,
    410: Verdict.STOP,
    418: Verdict.RETRY,
    429: Verdict.RETRY,
}

_DUPLICATE = "duplicate order sent"

_WOULD_TAKE = "immediately match"
_SIZE_FILTERS = ("NOTIONAL", "LOT_SIZE")
_FILTER_CODE = -1013


def classify(http_status: int, code: int, msg: str) -> Verdict:
    """Say what a failed request means; status 0 stands for no answer at all.

    The venue's code outranks the HTTP status, except that a 5xx without a code we know
    is always an unknown outcome. ``-2010`` with the words of a duplicate id is unknown:
    the first try may have worked.
    """
    if code in _BY_CODE:
        return _BY_CODE[code]
    if http_status == 0 or http_status >= 500:
        return Verdict.UNKNOWN
    if http_status in _BY_STATUS:
        return _BY_STATUS[http_status]
    if _DUPLICATE in msg.lower():
        return Verdict.UNKNOWN
    return Verdict.REFUSE


def refusal_kind(http_status: int, code: int, msg: str) -> RefusalKind:
    """Say what a refused order was refused for (binance.md §6.1, §6.4).

    Spot has one code for most refusals and one for all filters: the words tell them apart.
    """
    if classify(http_status, code, msg) is Verdict.RETRY:
        return RefusalKind.LATER
    if _WOULD_TAKE in msg.lower():
        return RefusalKind.WOULD_TAKE
    if code == _FILTER_CODE and msg.rstrip(".").endswith(_SIZE_FILTERS):
        return RefusalKind.TOO_SMALL
    return RefusalKind.ORDER


def as_error(
    http_status: int, code: int, msg: str, *, retry_after_ms: int = 0
) -> VenueError | OutcomeUnknown:
    """Build the error to raise for a failed request, in the venue's own words (R13)."""
    verdict = classify(http_status, code, msg)
    shown_code = str(code or http_status)
    words = msg or f"HTTP {http_status}"
    hint = _HINTS.get(code, "")
    return failure_of(verdict, shown_code, words, hint=hint, retry_after_ms=retry_after_ms)
