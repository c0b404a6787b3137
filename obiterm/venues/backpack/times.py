"""Backpack's mixed times as Unix nanoseconds (backpack.md §13)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from obiterm.core.errors import DataError
from obiterm.core.values import NS_PER_MS, NS_PER_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def moment_ns(told: int | str | None, field: str) -> int:
    """Read a time that is Unix ms or text; 0 when there is none.

    Text is UTC without a zone, with a blank or a ``T`` in the middle; a zone is honoured if
    one comes. Raises ``DataError`` naming ``field`` for text that is no time.
    """
    if told is None or told == "":
        return 0
    if isinstance(told, int):
        return told * NS_PER_MS
    if told.isascii() and told.isdigit():
        return int(told) * NS_PER_MS
    try:
        when = datetime.fromisoformat(told)
    except ValueError:
        raise DataError(f"{field} = {told!r} is not a time") from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return (when - _EPOCH) // _MICROSECOND * NS_PER_US
