"""What each refusal of Backpack means and leads to (backpack.md §4, §7.4).

The rows are for people: ``classify`` and ``refusal_kind`` decide. A test holds the two together and
the page ``docs/reference/refusals.md`` is written from here.
"""

from __future__ import annotations

from obiterm.core.values import RefusalKind
from obiterm.venues.common.refusals import Refusal, Verdict

_RETRY, _REFUSE = Verdict.RETRY, Verdict.REFUSE
_UNKNOWN, _STOP = Verdict.UNKNOWN, Verdict.STOP
_LATER, _TOO_SMALL = RefusalKind.LATER, RefusalKind.TOO_SMALL
_WOULD_TAKE = RefusalKind.WOULD_TAKE

REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "the venue failed, or was late", _UNKNOWN, ("SERVER_ERROR", "TIMEOUT"), statuses=(500,)
    ),
    Refusal(
        "the client id is taken: an earlier attempt arrived",
        _UNKNOWN,
        ("INVALID_CLIENT_REQUEST",),
        words="clientId already exists",
    ),
    Refusal(
        "over a rate limit: everything but cancels waits for the minute to end",
        _RETRY,
        ("TOO_MANY_REQUESTS",),
        statuses=(429,),
        kind=_LATER,
    ),
    Refusal(
        "maintenance, a pause of trading, too early",
        _RETRY,
        ("MAINTENANCE", "TRADING_PAUSED", "TOO_EARLY"),
        kind=_LATER,
    ),
    Refusal(
        "our time is outside of the window: the clock is measured again",
        _RETRY,
        ("INVALID_CLIENT_REQUEST",),
        words="Request has expired",
        kind=_LATER,
    ),
    Refusal(
        "our time is outside of the window: the clock is measured again",
        _RETRY,
        ("INVALID_CLIENT_REQUEST",),
        words="Invalid timestamp: must be within 10 minutes of current time",
        kind=_LATER,
    ),
    Refusal(
        "key, signature, permission, account, second factor",
        _STOP,
        (
            "UNAUTHORIZED",
            "FORBIDDEN",
            "INVALID_SIGNATURE",
            "ACCOUNT_DEACTIVATED",
            "INVALID_TWO_FACTOR_CODE",
        ),
    ),
    Refusal(
        "the signature does not fit the key",
        _STOP,
        ("INVALID_CLIENT_REQUEST",),
        words="Invalid signature",
    ),
    Refusal(
        "no such order rests: it is looked up in the history",
        _REFUSE,
        ("RESOURCE_NOT_FOUND",),
        statuses=(404,),
    ),
    Refusal(
        "a maker's price would take",
        _REFUSE,
        ("INVALID_ORDER",),
        words="Order would immediately match and take",
        kind=_WOULD_TAKE,
    ),
    Refusal("something else about the order", _REFUSE, ("INVALID_ORDER",)),
    Refusal("price off the grid or outside of the band", _REFUSE, ("INVALID_PRICE",)),
    Refusal("quantity off the grid or bounds", _REFUSE, ("INVALID_QUANTITY",), kind=_TOO_SMALL),
    Refusal(
        "more digits than the market has",
        _REFUSE,
        ("INVALID_CLIENT_REQUEST",),
        words="Quantity decimal too long",
        kind=_TOO_SMALL,
    ),
    Refusal(
        "fields that the venue cannot read",
        _REFUSE,
        ("INVALID_CLIENT_REQUEST",),
        words="parse request payload error",
    ),
    Refusal(
        "balance, margin or a limit of the account",
        _REFUSE,
        (
            "INSUFFICIENT_FUNDS",
            "INSUFFICIENT_MARGIN",
            "INSUFFICIENT_SUPPLY",
            "BORROW_LIMIT",
            "BORROW_REQUIRES_LEND_REDEEM",
            "LEND_LIMIT",
            "LEND_REQUIRES_BORROW_REPAY",
            "MAX_LEVERAGE_REACHED",
            "POSITION_LIMIT",
        ),
    ),
    Refusal("too many open orders", _REFUSE, ("ORDER_LIMIT",)),
    Refusal("the venue is liquidating the account", _REFUSE, ("ACCOUNT_LIQUIDATING",)),
    Refusal(
        "no such market, asset, position, range or source; a precondition; not built",
        _REFUSE,
        (
            "INVALID_MARKET",
            "INVALID_SYMBOL",
            "INVALID_ASSET",
            "INVALID_POSITION_ID",
            "INVALID_RANGE",
            "INVALID_SOURCE",
            "PRECONDITION_FAILED",
            "NOT_IMPLEMENTED",
        ),
    ),
    Refusal("key or signature", _STOP, statuses=(401,)),
    Refusal(
        "the firewall in front, too early, over a limit",
        _RETRY,
        statuses=(403, 425, 429),
        kind=_LATER,
    ),
    Refusal("no or late answer", _UNKNOWN, statuses=(0, 408, 500, 502, 503, 504)),
)
