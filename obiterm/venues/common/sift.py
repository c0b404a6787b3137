"""Markets of a listing, one by one: what can be read is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from obiterm.core.errors import DataError

Row = TypeVar("Row")
Made = TypeVar("Made")


def sift(
    rows: Iterable[Row], name: Callable[[Row], str], make: Callable[[Row], Made]
) -> tuple[list[Made], dict[str, str]]:
    """Make what can be made of the rows, and tell the others by name with the reason.

    One market with a rule that nobody has heard of yet must not close a venue with hundreds.
    Raises the first ``DataError`` when nothing at all could be made.
    """
    made: list[Made] = []
    damaged: dict[str, str] = {}
    first: DataError | None = None
    for row in rows:
        try:
            made.append(make(row))
        except DataError as error:
            first = first or error
            damaged[name(row)] = str(error)
    if first is not None and not made:
        raise first
    return made, damaged
