"""Client order ids that say whose order it is.

``ob-<run>-<number>-<owner>-<tag>``: the first field marks an order as ours on any
run, the second names the run, so that a restart finds its own orders at the venue
even if the disk is gone (ARCHITECTURE §3). At most 36 characters of ``[A-Za-z0-9_-]``,
which every venue of the product takes.
"""

from __future__ import annotations

import re

from obiterm.core.values import ClientOrderId, RunId

MARK = "ob"
_OWNER_LENGTH = 8
_TAG_LENGTH = 6
_FORM = re.compile(rf"^{MARK}-([a-z0-9]+)-([0-9]+)-([A-Za-z0-9]*)-([A-Za-z0-9]*)$")


def short_name(owner: str) -> str:
    """Return the part of an owner's name that fits into an id."""
    return re.sub(r"[^A-Za-z0-9]", "", owner)[:_OWNER_LENGTH]


def make_client_id(run: RunId, number: int, owner: str, tag: str) -> ClientOrderId:
    """Return the id of order ``number`` of a run; the same input gives the same id."""
    clean_tag = re.sub(r"[^A-Za-z0-9]", "", tag)[:_TAG_LENGTH]
    return ClientOrderId(f"{MARK}-{run}-{number}-{short_name(owner)}-{clean_tag}")


def read_client_id(client_id: str) -> tuple[RunId, int, str, str] | None:
    """Return ``(run, number, short owner, tag)`` of an id of ours, ``None`` for a foreign one."""
    match = _FORM.match(client_id)
    if match is None:
        return None
    return RunId(match[1]), int(match[2]), match[3], match[4]
