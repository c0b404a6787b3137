"""What a failure of Binance futures means (binance.md §3, §9.2, §13).

The numbers are shared with Spot, some meanings are not: ``-2021`` and ``-2022`` are refusals
of cancel-replace there, here of a trigger and of a reduce-only order. A 503 is told by its
words: one of them is an unknown outcome, the others failed for certain.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import OutcomeUnknown, VenueError
from obiterm.core.values import RefusalKind
from obiterm.venues.binance import translate as spot
from obiterm.venues.binance.errors import CLOCK_CODE
from obiterm.venues.binance.messages import ErrorBody
from obiterm.venues.common.refusals import Verdict, failure_of

ENGINE_CLOCK_CODE = -5028
"""The order was too old when it came to the matching engine."""
CLOCK_CODES = frozenset({CLOCK_CODE, ENGINE_CLOCK_CODE})
"""Our time is outside of what the venue accepts: measure the clock again, once."""
NO_LISTEN_KEY = -1125
OVERLOADED = -1008
"""Exits and cancels are exempt, when they are flagged as such."""
UNKNOWN_ORDER_ON_CANCEL = -2011
NO_SUCH_ORDER = -2013
WOULD_TRIGGER = -2021
REDUCE_ONLY_REFUSED = -2022
IN_LIQUIDATION = -2023
MODE_CODES = frozenset({-4061, -4062})
"""Order and position mode do not fit: read ``accountConfig`` again."""
ALREADY_SO = frozenset({-4046, -4059, -4171})
"""Margin type, position mode or asset mode is what was asked for: a success."""
USE_ALGO = -4120
OUTSIDE_OF_BAND = -4131
"""A market order would leave the price band around the mark."""
POST_ONLY_REFUSED = -5022
WRONG_SIZE = frozenset({-4003, -4004, -4005, -4164})
"""Quantity or value is outside of what the market takes."""
CLOSED_FOR_ENTRIES = frozenset({-4087, -4088, -4400, -4401})
"""The account or symbol takes reducing orders only, or none: stop entries."""
DUPLICATE_ID = frozenset({-4116, -20132})
"""The id is in use (``-20132``: of a conditional order, seen by others, 2026): the first try
may have worked."""

VERDICTS = {
    -1000: Verdict.UNKNOWN,
    -1001: Verdict.UNKNOWN,
    -1002: Verdict.STOP,
    -1003: Verdict.RETRY,
    -1006: Verdict.UNKNOWN,
    -1007: Verdict.UNKNOWN,
    OVERLOADED: Verdict.RETRY,
    -1015: Verdict.RETRY,
    CLOCK_CODE: Verdict.RETRY,
    -1022: Verdict.STOP,
    -1109: Verdict.STOP,
    NO_LISTEN_KEY: Verdict.RETRY,
    -2008: Verdict.STOP,
    -2014: Verdict.STOP,
    -2015: Verdict.STOP,
    -4109: Verdict.STOP,
    ENGINE_CLOCK_CODE: Verdict.RETRY,
    **dict.fromkeys(DUPLICATE_ID, Verdict.UNKNOWN),
}
"""What the codes mean that are no plain refusal."""

_WRONG_KEY = "make sure that the key was made in this environment and is copied whole"
HINTS = {
    -1002: "the key needs the right to trade futures",
    -1022: "the secret does not belong to this key",
    -1109: "open the futures account, then make a key with futures enabled",
    -2008: _WRONG_KEY,
    -2014: _WRONG_KEY,
    -2015: "the key must be of this environment, may trade futures, and allow this address",
    -4109: "the futures account sleeps: transfer something into it",
}
"""What to do about a refusal that stops the account."""

_UNAVAILABLE = 503
_FAILED_503 = ("service unavailable", "internal error; unable to process your request")
"""Words of a 503 that certainly changed nothing (§9.2); any other 503 may have."""

_BY_STATUS = {
    401: Verdict.STOP,
    403: Verdict.RETRY,
    408: Verdict.UNKNOWN,
    410: Verdict.STOP,
    418: Verdict.RETRY,
    429: Verdict.RETRY,
}

_HTTP_OK = 200
_MS_PER_S = 1000

_read_error = msgspec.json.Decoder(ErrorBody)


def classify(http_status: int, code: int, msg: str) -> Verdict:
    """Say what a failed request means; status 0 stands for no answer at all.

    The words of a 503 outrank its code, because ``-1001`` comes with the words of a certain
    failure there; else the code outranks the status, and a 5xx without a code that we know
    is an unknown outcome.
    """
    if http_status == _UNAVAILABLE and msg.lower().startswith(_FAILED_503):
        return Verdict.RETRY
    if code in VERDICTS:
        return VERDICTS[code]
    if http_status == 0:
        return Verdict.UNKNOWN
    if http_status in _BY_STATUS:
        return _BY_STATUS[http_status]
    return Verdict.UNKNOWN if http_status >= 500 else Verdict.REFUSE


def refusal_kind(http_status: int, code: int, msg: str) -> RefusalKind:
    """Say what a refused order was refused for (binance.md §13)."""
    if classify(http_status, code, msg) is Verdict.RETRY:
        return RefusalKind.LATER
    if code == POST_ONLY_REFUSED:
        return RefusalKind.WOULD_TAKE
    return RefusalKind.TOO_SMALL if code in WRONG_SIZE else RefusalKind.ORDER


class Failure(spot.Failure, frozen=True):
    """A failed request: HTTP status (0 = no answer), the venue's code and words."""

    @property
    def verdict(self) -> Verdict:
        """What the failure means on futures."""
        return classify(self.status, self.code, self.msg)

    @property
    def refusal(self) -> RefusalKind:
        """Why an order was refused by it."""
        return refusal_kind(self.status, self.code, self.msg)


def as_error(
    http_status: int, code: int, msg: str, *, retry_after_ms: int = 0
) -> VenueError | OutcomeUnknown:
    """Build the error to raise for a failed request, in the venue's own words (R13)."""
    verdict = classify(http_status, code, msg)
    shown_code = str(code or http_status)
    words = msg or f"HTTP {http_status}"
    hint = HINTS.get(code, "")
    return failure_of(verdict, shown_code, words, hint=hint, retry_after_ms=retry_after_ms)


def read_error(status: int, body: bytes) -> ErrorBody:
    """Read an error; proxies and firewalls answer with pages that are not JSON.

    Such a page still counts by its first words: a bare 503 page has no code.
    """
    try:
        return _read_error.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        words = body[:200].decode("utf-8", "replace").strip()
        is_page = not words or words.startswith("<")
        return ErrorBody(msg=f"HTTP {status}" if is_page else words)


def check(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise the venue's refusal unless ``status`` is 200 or the wish is already fulfilled.

    ``-4046``, ``-4059`` and ``-4171`` count as success (§9.1). Header names are lower-case.
    """
    if status == _HTTP_OK:
        return
    error = read_error(status, body)
    if error.code in ALREADY_SO:
        return
    seconds = headers.get("retry-after", "")
    retry_after_ms = int(seconds) * _MS_PER_S if seconds.isdigit() else 0
    raise as_error(status, error.code, error.msg, retry_after_ms=retry_after_ms)
