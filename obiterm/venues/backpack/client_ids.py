"""Our text ids as the venue's 32-bit numbers, and back (backpack.md §1.9).

Backpack's ``clientId`` is an unsigned 32-bit integer. An id of ours,
``ob-<run>-<number><role>-<owner>-<tag>``, becomes::

    bit 31 ……… 24 │ 23 … 21 │ 20 ………………………………… 0
    mark 10110100 │ role 1…6 │ (hash of the run + number) mod 2**21

- The mark tells our orders on any run, even when the disk is gone: numbers 3,019,898,880
  to 3,036,676,095, away from small counters and from Unix seconds. A foreign program that
  draws numbers at random hits mark and a role with probability 0.3 %.
- The role survives too: an orphaned stop is known as a stop.
- The run's BLAKE2b hash moves the start of the counter: two runs of 1,000 orders share any
  number with probability 0.1 %, and 2,097,152 orders of a run have numbers of their own.

The way there needs nothing but the text. The way back needs the text to have been seen:
``ClientIds`` remembers the texts that were sent and those that were ``learn``-ed from the
journal. A number with our mark that nobody remembers becomes ``ob-lost-<low bits><role>--``,
which names the same number again. Numbers of other programs become their decimal text.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from obiterm.core.errors import UsageError
from obiterm.core.values import ClientOrderId

MARK = 0b10110100
LIMIT = 2**32
"""Client ids of the venue lie below."""
LOST_RUN = "lost"
"""Run of ids that were made from a number alone."""

_MARK_SHIFT = 24
_ROLE_SHIFT = 21
_LOW_MASK: int = 2**_ROLE_SHIFT - 1
_ROLE_MASK = 0b111
_ASIDE: int = 2 ** (_ROLE_SHIFT - 1)
_ASIDE_STEPS = 64
_ROLES = "estxmp"
"""Letters of the roles in text ids; a letter's place, from 1, is its code."""
PROBE: int = MARK << _MARK_SHIFT | 7 << _ROLE_SHIFT
"""A number that no order carries: our mark with a role that does not exist."""
_FORM = re.compile(rf"ob-([a-z0-9]+)-([0-9]+)([{_ROLES}])-[A-Za-z0-9]*-[A-Za-z0-9]*")
_KEPT = 50_000


def numeric_id(client_id: str) -> int:
    """Return the venue's number of an id; the same text gives the same number for ever.

    Raises ``UsageError`` for text that is neither an id of ours nor a number of the venue.
    """
    match = _FORM.fullmatch(client_id)
    if match is not None:
        run, number, letter = match[1], int(match[2]), match[3]
        start = 0 if run == LOST_RUN else _run_start(run)
        low = (start + number) & _LOW_MASK
        code: int = _ROLES.index(letter) + 1
        return MARK << _MARK_SHIFT | code << _ROLE_SHIFT | low
    if client_id.isascii() and client_id.isdigit() and int(client_id) < LIMIT:
        return int(client_id)
    raise UsageError(f"client id {client_id!r} cannot be told to this venue")


def is_ours(number: int) -> bool:
    """Tell by its high bits whether an order of this product carries ``number``."""
    return number >> _MARK_SHIFT == MARK and 0 < number >> _ROLE_SHIFT & _ROLE_MASK <= len(_ROLES)


def lost_text(number: int) -> ClientOrderId:
    """Return the text of a number that nobody remembers; ``numeric_id`` undoes it."""
    if not is_ours(number):
        return ClientOrderId(str(number))
    letter = _ROLES[(number >> _ROLE_SHIFT & _ROLE_MASK) - 1]
    return ClientOrderId(f"ob-{LOST_RUN}-{number & _LOW_MASK}{letter}--")


class ClientIds:
    """The ids of one account, both ways; shared by its sessions and codecs.

    Bounded: the ids that were not used for longest are forgotten. Open orders are used
    with every reconciliation, so they stay.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._texts: dict[int, ClientOrderId] = {}
        self._numbers: dict[ClientOrderId, int] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def assign(self, client_id: ClientOrderId) -> int:
        """Return the number for a new order and remember it.

        A number that another remembered id holds is not used again: the new id moves aside
        by steps of half the counter and one. Learn the journal's ids and read the open
        orders before the first order of a run.
        """
        known = self._numbers.get(client_id)
        if known is not None:
            return known
        number = numeric_id(client_id)
        for _ in range(_ASIDE_STEPS):
            holder = self._texts.get(number)
            if holder is None or holder == client_id:
                break
            number = number & ~_LOW_MASK | (number + _ASIDE + 1) & _LOW_MASK
        self._remember(client_id, number)
        return number

    def learn(self, client_id: ClientOrderId) -> None:
        """Remember an id of an earlier run (from the journal), so that its number reads back."""
        if client_id not in self._numbers:
            self._remember(client_id, numeric_id(client_id))

    def number(self, client_id: ClientOrderId) -> int:
        """Return the number that an order carries at the venue."""
        known = self._numbers.get(client_id)
        return numeric_id(client_id) if known is None else known

    def text(self, number: int | None) -> ClientOrderId:
        """Return the id of an order that the venue told of; empty when it has none."""
        if number is None:
            return ClientOrderId("")
        known = self._texts.get(number)
        if known is None:
            known = lost_text(number)
            if is_ours(number):
                self._remember(known, number)
        else:
            self._texts[number] = self._texts.pop(number)
        return known

    def _remember(self, client_id: ClientOrderId, number: int) -> None:
        old = self._texts.pop(number, None)
        if old is not None:
            self._numbers.pop(old, None)
        self._texts[number] = client_id
        self._numbers[client_id] = number
        while len(self._texts) > self._kept:
            oldest = next(iter(self._texts))
            self._numbers.pop(self._texts.pop(oldest), None)


def _run_start(run: str) -> int:
    return int.from_bytes(blake2b(run.encode(), digest_size=4).digest(), "big") & _LOW_MASK
