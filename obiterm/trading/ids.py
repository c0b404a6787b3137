"""Client order ids that say whose order it is, and what for.

``ob-<run>-<number><role>-<owner>-<tag>``: the first field marks an order as ours on any
run, the second names the run, so that a restart finds its own orders at the venue even if
the disk is gone (ARCHITECTURE §3). The role is one letter; with it an adopted stop is
known as a stop whatever its strategy calls it. At most 36 characters of ``[A-Za-z0-9_-]``,
which every venue of the product takes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from obiterm.core.values import ClientOrderId, OrderRole, RunId

MARK = "ob"
_OWNER_LENGTH = 8
_TAG_LENGTH = 6
_LETTERS = {
    OrderRole.ENTRY: "e",
    OrderRole.STOP: "s",
    OrderRole.TAKE_PROFIT: "t",
    OrderRole.EXIT: "x",
    OrderRole.MANUAL: "m",
    OrderRole.PANIC: "p",
}
_ROLES = {letter: role for role, letter in _LETTERS.items()}
_FORM = re.compile(
    rf"^{MARK}-([a-z0-9]+)-([0-9]+)([{''.join(_ROLES)}])-([A-Za-z0-9]*)-([A-Za-z0-9]*)$"
)
_UNFIT = re.compile(r"[^A-Za-z0-9]")


class IdParts(NamedTuple):
    """What an id of ours says."""

    run: RunId
    number: int
    role: OrderRole
    owner: str
    """Short name of the owner."""
    tag: str


@lru_cache(maxsize=1_024)
def short_name(owner: str) -> str:
    """Return the part of an owner's name that fits into an id.

    A name that does not fit whole ends in four digits made from all of it, so that
    ``surf-btcusdt-a`` and ``surf-btcusdt-b`` stay two owners.
    """
    clean = _UNFIT.sub("", owner)
    if clean == owner and len(clean) <= _OWNER_LENGTH:
        return clean
    return f"{clean[: _OWNER_LENGTH - 4]}{crc32(owner.encode()) & 0xFFFF:04x}"


def make_client_id(run: RunId, number: int, role: OrderRole, owner: str, tag: str) -> ClientOrderId:
    """Return the id of order ``number`` of a run; the same input gives the same id."""
    return ClientOrderId(
        f"{MARK}-{run}-{number}{_LETTERS[role]}-{short_name(owner)}-{_short_tag(tag)}"
    )


@lru_cache(maxsize=1_024)
def _short_tag(tag: str) -> str:
    return _UNFIT.sub("", tag)[:_TAG_LENGTH]


def read_client_id(client_id: str) -> IdParts | None:
    """Return what an id of ours says, ``None`` for a foreign one."""
    match = _FORM.match(client_id)
    if match is None:
        return None
    return IdParts(RunId(match[1]), int(match[2]), _ROLES[match[3]], match[4], match[5])
