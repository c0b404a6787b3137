"""What each refusal of Binance spot means and leads to (binance.md §3, §13).

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
    Refusal("internal, no or late answer", _UNKNOWN, (-1000, -1001, -1006, -1007)),
    Refusal("the client id is taken: an earlier attempt arrived", _UNKNOWN, (-4116,)),
    Refusal(
        "the client id is taken: an earlier attempt arrived",
        _UNKNOWN,
        (-2010,),
        words="Duplicate order sent.",
    ),
    Refusal("over a weight or order limit, or banned for it", _RETRY, (-1003, -1015), kind=_LATER),
    Refusal("overloaded", _RETRY, (-1008,), kind=_LATER),
    Refusal(
        "our time is outside of the window: the clock is measured again",
        _RETRY,
        (-1021,),
        kind=_LATER,
    ),
    Refusal(
        "not authorised, signature, key of another environment, address or permission",
        _STOP,
        (-1002, -1022, -2008, -2014, -2015),
    ),
    Refusal("the account is not one that trades here", _STOP, (-1109,)),
    Refusal("no such order: on a cancel it is asked for", _REFUSE, (-2011, -2013)),
    Refusal(
        "balance, closed market or another reason that the words tell",
        _REFUSE,
        (-2010,),
        words="Account has insufficient balance for requested action.",
    ),
    Refusal(
        "a maker's price would take",
        _REFUSE,
        (-2010,),
        words="Order would immediately match and take.",
        kind=_WOULD_TAKE,
    ),
    Refusal(
        "below the least value",
        _REFUSE,
        (-1013,),
        words="Filter failure: NOTIONAL",
        kind=_TOO_SMALL,
    ),
    Refusal(
        "quantity off the grid or bounds",
        _REFUSE,
        (-1013,),
        words="Filter failure: LOT_SIZE",
        kind=_TOO_SMALL,
    ),
    Refusal(
        "price off the grid or outside of the band, too many orders",
        _REFUSE,
        (-1013,),
        words="Filter failure: PERCENT_PRICE_BY_SIDE",
    ),
    Refusal("more digits than the market has", _REFUSE, (-1111,)),
    Refusal(
        "a parameter is missing, unknown or not allowed with the others",
        _REFUSE,
        (-1100, -1101, -1102, -1103, -1104, -1105, -1106, -1115, -1116, -1117, -1121),
    ),
    Refusal("a replacement half or wholly failed: each half tells", _REFUSE, (-2021, -2022)),
    Refusal("key or signature", _STOP, statuses=(401,)),
    Refusal("the firewall in front", _RETRY, statuses=(403,), kind=_LATER),
    Refusal("the path is gone for good", _STOP, statuses=(410,)),
    Refusal(
        "over a limit: the time told, else the end of the minute",
        _RETRY,
        statuses=(418, 429),
        kind=_LATER,
    ),
    Refusal("no or late answer", _UNKNOWN, statuses=(0, 408, 500, 502, 503, 504)),
)
