"""What a venue's refusal leads to: the verdicts, the errors, the rows of the reference page."""

from __future__ import annotations

from enum import Enum

import msgspec

from obiterm.core.errors import AccountStopped, OutcomeUnknown, Refused, RetryLater, VenueError
from obiterm.core.values import RefusalKind


class Verdict(Enum):
    """What the caller does with a failure."""

    RETRY = "retry"
    """Nothing happened at the venue; the same may be asked again later."""
    REFUSE = "refuse"
    """The venue said no; do not repeat unchanged."""
    UNKNOWN = "unknown"
    """The venue may have acted: ask by client id before anything else."""
    STOP = "stop"
    """Key, permission or client defect: stop the account and tell the user."""


class Refusal(msgspec.Struct, frozen=True):
    """One row of the table of refusals: what is told, what it means, what follows."""

    meaning: str
    verdict: Verdict | None
    """``None``: it is so already, which is what was wanted."""
    codes: tuple[int | str, ...] = ()
    """The venue's codes; none: an answer without one."""
    statuses: tuple[int, ...] = (400,)
    """HTTP statuses that come with it; 0: no answer at all."""
    words: str = ""
    """The venue's words, where they make the difference."""
    kind: RefusalKind = RefusalKind.ORDER
    """What follows for a strategy whose order was refused so."""


def failure_of(
    verdict: Verdict, code: str, words: str, *, hint: str = "", retry_after_ms: int = 0
) -> VenueError | OutcomeUnknown:
    """Return the error to raise for a failed request, in the venue's own words (R13)."""
    if verdict is Verdict.UNKNOWN:
        return OutcomeUnknown(f"{code} {words}")
    if verdict is Verdict.RETRY:
        return RetryLater(code, words, retry_after_ms=retry_after_ms)
    if verdict is Verdict.STOP:
        return AccountStopped(code, words, hint=hint)
    return Refused(code, words, hint=hint)
