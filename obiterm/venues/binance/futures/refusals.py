"""What each refusal of Binance futures means and leads to (binance.md §3, §9.2, §13).

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
    Refusal("the client id is taken: an earlier attempt arrived", _UNKNOWN, (-4116, -20132)),
    Refusal("over a weight or order limit, or banned for it", _RETRY, (-1003, -1015), kind=_LATER),
    Refusal(
        "overloaded; exits and cancels that are flagged as such still pass",
        _RETRY,
        (-1008,),
        kind=_LATER,
    ),
    Refusal(
        "our time is outside of the window: the clock is measured again",
        _RETRY,
        (-1021, -5028),
        kind=_LATER,
    ),
    Refusal(
        "the listen key is gone: a new one is made and the stream opened anew",
        _RETRY,
        (-1125,),
        kind=_LATER,
    ),
    Refusal(
        "not authorised, signature, key of another environment, address or permission",
        _STOP,
        (-1002, -1022, -2008, -2014, -2015),
    ),
    Refusal("the futures account is not opened, or archived", _STOP, (-1109, -4109)),
    Refusal("no such order: on a cancel it is asked for", _REFUSE, (-2011, -2013)),
    Refusal(
        "balance, margin, position or leverage limit",
        _REFUSE,
        (-2018, -2019, -2024, -2027, -2028, -4050, -4051),
    ),
    Refusal("the trigger is met already", _REFUSE, (-2021,)),
    Refusal("nothing to reduce, or other reducing orders hold it", _REFUSE, (-2022, -4118)),
    Refusal("the account is in liquidation", _REFUSE, (-2023,)),
    Refusal("order does not fit the position mode", _REFUSE, (-4061, -4062, -1106)),
    Refusal("only reducing orders, or none, are taken", _REFUSE, (-4087, -4088, -4400, -4401)),
    Refusal("a stop was sent to the normal book", _REFUSE, (-4120,)),
    Refusal("price outside of the band around the mark", _REFUSE, (-4131, -4016, -4024)),
    Refusal(
        "quantity off the bounds, or below the least value",
        _REFUSE,
        (-4003, -4004, -4005, -4164),
        kind=_TOO_SMALL,
    ),
    Refusal("price or quantity off the grid", _REFUSE, (-4014, -4023, -1111)),
    Refusal("fill-or-kill refused", _REFUSE, (-5021,)),
    Refusal("a maker's price would take", _REFUSE, (-5022,), kind=_WOULD_TAKE),
    Refusal("margin type, position mode or asset mode is so already", None, (-4046, -4059, -4171)),
    Refusal(
        "failed for certain", _RETRY, statuses=(503,), words="Service Unavailable.", kind=_LATER
    ),
    Refusal(
        "failed for certain",
        _RETRY,
        statuses=(503,),
        words="Internal error; unable to process your request. Please try again.",
        kind=_LATER,
    ),
    Refusal("key or signature, or the path is gone for good", _STOP, statuses=(401, 410)),
    Refusal(
        "the firewall, or over a limit: the time told, else the end of the minute",
        _RETRY,
        statuses=(403, 418, 429),
        kind=_LATER,
    ),
    Refusal("no or late answer", _UNKNOWN, statuses=(0, 408, 500, 502, 503, 504)),
)
