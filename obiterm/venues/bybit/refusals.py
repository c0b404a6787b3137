"""What each refusal of Bybit means and leads to (bybit.md §12).

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
        "our time is outside of the window: the clock is measured again",
        _RETRY,
        (10002,),
        kind=_LATER,
    ),
    Refusal(
        "over a rate limit: the endpoint waits for its window",
        _RETRY,
        (10006, 20003, 10403, 170005, 170222),
        kind=_LATER,
    ),
    Refusal(
        "the trade socket is being drained: another one is opened", _RETRY, (10019,), kind=_LATER
    ),
    Refusal("the order is being processed", _RETRY, (110079, 170144, 170191, 170212), kind=_LATER),
    Refusal(
        "timeout, busy, internal",
        _UNKNOWN,
        (429, 10000, 10016, 10429, 170001, 170007, 170032, 170146, 170147),
    ),
    Refusal("the client id is taken: an earlier attempt arrived", _UNKNOWN, (110072, 170141)),
    Refusal("too many connections", _RETRY, (10003,), words="Too many connections", kind=_LATER),
    Refusal("key invalid or of another environment", _STOP, (10003,)),
    Refusal(
        "signature, permission, address, ban, compliance, kind of account, expiry",
        _STOP,
        (10004, 10005, 10007, 10008, 10009, 10010, 10024, 10027, 10028, 33004, -2015),
    ),
    Refusal("no such order: on a cancel it is asked for", _REFUSE, (110001, 170143, 170213)),
    Refusal(
        "the order has ended already: on a cancel it is asked for",
        _REFUSE,
        (110008, 110010, 170139, 170142, 170190),
    ),
    Refusal(
        "price outside of the band",
        _REFUSE,
        (
            110003,
            110120,
            110121,
            170132,
            170133,
            170192,
            170193,
            170194,
            170371,
            170372,
            30208,
            30209,
        ),
    ),
    Refusal("a maker's price would take", _REFUSE, (170217, 170218), kind=_WOULD_TAKE),
    Refusal(
        "balance or margin",
        _REFUSE,
        (110004, 110006, 110007, 110012, 110044, 110045, 110051, 110052, 170033, 170131),
    ),
    Refusal("nothing to reduce: flat is done", _REFUSE, (110017,)),
    Refusal("trigger price on the wrong side", _REFUSE, (110092, 110093)),
    Refusal(
        "below the least value or quantity", _REFUSE, (110094, 170136, 170140), kind=_TOO_SMALL
    ),
    Refusal("it is so already", None, (110025, 110026, 110043, 34040)),
    Refusal("key or signature", _STOP, statuses=(401,)),
    Refusal(
        "the limit per address: everything by REST waits ten minutes",
        _RETRY,
        statuses=(403,),
        words="access too frequent",
        kind=_LATER,
    ),
    Refusal(
        "a country that may not trade",
        _STOP,
        statuses=(403,),
        words="The Amazon CloudFront distribution is configured to block access from your country.",
    ),
    Refusal("no or late answer", _UNKNOWN, statuses=(0, 429, 500, 502, 503, 504)),
)
