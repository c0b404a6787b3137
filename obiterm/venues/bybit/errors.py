"""What a failure of Bybit means for the one who asked (bybit.md §12)."""

from __future__ import annotations

from obiterm.core.errors import OutcomeUnknown, VenueError
from obiterm.core.values import RefusalKind
from obiterm.venues.common.refusals import Verdict, failure_of

CLOCK_CODE = 10002
"""Our time is outside of what the venue accepts: measure the clock again, once."""
DRAINING_CODE = 10019
"""The socket takes no new requests; those under way finish. Open another one."""
KEY_CODE = 10003
"""Key invalid or of another environment; on the trade socket also: too many connections."""

SIGN_CODE = 10004
"""The signature does not fit the key."""

NO_SUCH_ORDER = frozenset({110001, 170213, 170143})
"""The order does not exist, or not any more: ask."""
ALREADY_OVER = frozenset({110008, 110010, 170139, 170142, 170190})
"""The order is filled or cancelled: what a cancel wants is so already."""
NOT_MODIFIED = frozenset({110025, 110026, 110043, 34040})
"""The setting is so already: success."""
DUPLICATE_ID = frozenset({110072, 170141})
"""An earlier attempt with this client id arrived: ask, never send another."""
RATE_LIMITED = frozenset({10006, 20003, 10403, 170005, 170222})
"""Over a limit of the account, the connection or the address."""
NOTHING_TO_REDUCE = frozenset({110017})
"""A reducing order found no position on that side: read the position; flat is done."""
TOO_SMALL = frozenset({110094, 170136, 170140})
"""Below the least value or quantity (T50)."""
NO_FUNDS = frozenset(
    {110004, 110006, 110007, 110012, 110044, 110045, 110051, 110052, 170033, 170131}
)
"""Balance or margin does not cover the order."""
WOULD_TAKE = "EC_PostOnlyWillTakeLiquidity"
"""Reason of a maker's order that ended because its price would have taken."""
POST_ONLY_REFUSED = frozenset({170217, 170218})
"""The same as a code: only makers are taken, or the maker's price would take."""
PRICE_OUTSIDE = frozenset(
    {
        30208, 30209, 110003, 110120, 110121, 170132, 170133, 170192, 170193, 170194, 170217,
        170218, 170371, 170372,
    }
)  # fmt: skip
"""The price lies outside the venue's band, or a maker's price would take: re-price."""
WRONG_TRIGGER = frozenset({110092, 110093})
"""The trigger price lies on the wrong side of the market: act at market or move it."""

_UNKNOWN = frozenset({10000, 10016, 10429, 429, 170001, 170007, 170032, 170146, 170147})
_BUSY = frozenset({110079, 170144, 170191, 170212})
"""The order is being processed: a short wait."""
_STOP = frozenset(
    {
        -2015, KEY_CODE, SIGN_CODE, 10005, 10007, 10008, 10009, 10010, 10024, 10027, 10028, 33004,
    }
)  # fmt: skip
_RETRY = RATE_LIMITED | _BUSY | {CLOCK_CODE, DRAINING_CODE}

_HTTP_FORBIDDEN = 403
_BY_STATUS = {401: Verdict.STOP, 429: Verdict.UNKNOWN}
_TOO_MANY = "too many"
_FREQUENT = "too frequent"
_COUNTRY = ("country", "region")

HINTS = {
    KEY_CODE: "keys of mainnet, testnet and demo are never interchangeable: check the environment",
    SIGN_CODE: "the secret does not belong to this key",
    10005: "give the key the permission to trade this kind of market",
    10008: "the venue has closed this account to trading: ask its support",
    10009: "the venue has banned this machine's address: ask its support, change nothing here",
    10010: "this machine's address is not on the key's list",
    10028: "upgrade to a unified trading account",
    33004: "the key has expired: renew it at the venue",
    -2015: "the key has expired: renew it at the venue",
}
"""What the user can do about a code."""

_POSITION_MODE = "position idx not match"
_POSITION_MODE_HINT = "the account is in hedge mode on this symbol: switch it to one-way mode"


def classify(http_status: int, code: int, msg: str) -> Verdict:
    """Say what a failed request means; status 0 stands for no answer at all.

    The venue answers refusals with HTTP 200 and a code, which outranks the status. A status
    of its own comes from the gateway in front: 403 is the address limit, or a country that
    may not trade; 5xx says nothing about what happened behind it.
    """
    known = _by_code(code, msg.lower())
    if known is not None:
        return known
    if http_status == 0 or http_status >= 500:
        return Verdict.UNKNOWN
    if http_status == _HTTP_FORBIDDEN:
        return Verdict.STOP if _is_banned_country(msg) else Verdict.RETRY
    return _BY_STATUS.get(http_status, Verdict.REFUSE)


def refusal_kind(http_status: int, code: int, msg: str) -> RefusalKind:
    """Say what a refused order was refused for (§12)."""
    if classify(http_status, code, msg) is Verdict.RETRY:
        return RefusalKind.LATER
    if code in POST_ONLY_REFUSED:
        return RefusalKind.WOULD_TAKE
    return RefusalKind.TOO_SMALL if code in TOO_SMALL else RefusalKind.ORDER


def is_address_limit(http_status: int, msg: str) -> bool:
    """Tell the limit per IP address: keep all requests back for ten minutes (§3)."""
    return http_status == _HTTP_FORBIDDEN and not _is_banned_country(msg)


def hint_for(code: int, msg: str) -> str:
    """Return what the user can do about a failure; empty when nothing special."""
    if _POSITION_MODE in msg.lower():
        return _POSITION_MODE_HINT
    return HINTS.get(code, "")


def as_error(
    http_status: int, code: int, msg: str, *, retry_after_ms: int = 0
) -> VenueError | OutcomeUnknown:
    """Build the error to raise for a failed request, in the venue's own words (R13)."""
    verdict = classify(http_status, code, msg)
    shown_code = str(code or http_status)
    words = msg or f"HTTP {http_status}"
    hint = hint_for(code, msg)
    return failure_of(verdict, shown_code, words, hint=hint, retry_after_ms=retry_after_ms)


def _by_code(code: int, words: str) -> Verdict | None:
    if code == KEY_CODE and _TOO_MANY in words:
        return Verdict.RETRY
    if code in _UNKNOWN or code in DUPLICATE_ID:
        return Verdict.UNKNOWN
    if code in _RETRY:
        return Verdict.RETRY
    if code in _STOP:
        return Verdict.STOP
    return Verdict.REFUSE if code else None


def _is_banned_country(msg: str) -> bool:
    words = msg.lower()
    return _FREQUENT not in words and any(mark in words for mark in _COUNTRY)
