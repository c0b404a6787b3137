"""Columns of a table: which are shown, where, how wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MOST_GAP = 3


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: header and key.
        width: cells that its values want.
        least: cells with which they can do.
        is_right: numbers stand at the right.
        drop: order of leaving when there is no room, the highest first; 0 = never.
    """

    name: str
    width: int
    least: int
    is_right: bool = True
    drop: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a column stands."""

    left: int
    width: int
    is_right: bool

    @property
    def end(self) -> int:
        """Return the column after the last cell."""
        return self.left + self.width


def place(columns: Sequence[Column], width: int, spare: int = 10) -> dict[str, Placed]:
    """Fit columns into ``width`` cells.

    Columns with ``drop`` of ``spare`` and more leave while their full widths do not fit;
    then the rest shrink towards their least width; then the others with a ``drop`` leave.
    """
    kept = list(columns)
    _leave(kept, [column.width for column in kept], width, spare)
    widths = {column.name: column.width for column in kept}
    while _total(list(widths.values())) > width:
        slack = [column for column in kept if widths[column.name] > column.least]
        if slack:
            widest = max(slack, key=lambda column: widths[column.name] - column.least)
            widths[widest.name] -= 1
            continue
        last = max(kept, key=lambda column: column.drop)
        if not last.drop:
            break
        kept.remove(last)
        del widths[last.name]
    gaps = max(1, len(kept) - 1)
    gap = min(1 + max(0, width - _total(list(widths.values()))) // gaps, _MOST_GAP)
    placed: dict[str, Placed] = {}
    left = 0
    for column in kept:
        placed[column.name] = Placed(left, widths[column.name], column.is_right)
        left += widths[column.name] + gap
    return placed


def _leave(kept: list[Column], widths: list[int], width: int, spare: int) -> None:
    while _total(widths) > width:
        last = max(kept, key=lambda column: column.drop)
        if last.drop < spare:
            return
        place_of = kept.index(last)
        del kept[place_of], widths[place_of]


def _total(widths: list[int]) -> int:
    return sum(widths) + max(0, len(widths) - 1)
