"""Checking a journal from its first row to its head ("Don't trust. Verify.")."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from obiterm.journal.chain import Broken
from obiterm.journal.frames import HEADER, START, Mark, open_reader, walk
from obiterm.journal.head import EMPTY, Head, NoHead, read_head

Progress = Callable[[int, int], None]
"""Called now and then with ``(rows checked, rows in all)``."""

_PROGRESS_EVERY = 10_000


class Verification(msgspec.Struct, frozen=True):
    """What a check found."""

    ok: bool
    rows: int
    """Rows that hold, counted from the first."""
    first_bad_seq: int
    """Number of the first row that does not hold; 0 when all do."""
    reason: str
    """What is wrong with it; empty when all hold."""


def verify(path: Path, progress: Progress | None = None) -> Verification:
    """Check every row's hash, order and number, and that the newest rows are there.

    It may run while a host writes: it sees the rows of one moment. It cannot tell a journal
    that somebody rewrote as a whole, hashes and head included; compare ``Journal.head_hash``
    with a copy kept elsewhere for that. Nor can it tell that rows behind the last checkpoint were
    cut off, as long as no writer has closed the journal after them.

    Raises:
        UsageError: there is no such file.
        DataError: the file is no journal.
    """
    descriptor = open_reader(path)
    try:
        head, stop, fault = _moment(descriptor, path)

        def tell(mark: Mark) -> None:
            if progress is not None:
                progress(mark.seq, max(mark.seq, head.newest.seq))

        check_noted(descriptor, START, head, stop, tell, _PROGRESS_EVERY)
        last = walk(descriptor, head.newest, stop, tell, _PROGRESS_EVERY)
        if fault:
            raise Broken(last.seq + 1, fault)
    except Broken as broken:
        return Verification(
            ok=False, rows=broken.seq - 1, first_bad_seq=broken.seq, reason=broken.reason
        )
    finally:
        os.close(descriptor)
    tell(last)
    return Verification(ok=True, rows=last.seq, first_bad_seq=0, reason="")


def check_noted(
    descriptor: int,
    start: Mark,
    head: Head,
    stop: int,
    tell: Callable[[Mark], None],
    every: int,
) -> None:
    """Check the rows from ``start`` to the noted one, and that nothing follows a closed end.

    Raises:
        Broken: a row does not hold or is missing.
    """
    newest = head.newest
    found = walk(descriptor, start, min(stop, newest.end), tell, every)
    first, last = found.seq + 1, newest.seq
    if found.seq < newest.seq:
        which = f"rows {first} to {last} are" if last > first else f"row {last} is"
        what = "cut off" if found.end == stop else "torn"
        raise Broken(first, f"{what}: {which} missing at the end")
    if found != newest:
        raise Broken(max(1, last), "the note of the newest row has another hash")
    if head.closed and stop > newest.end:
        raise Broken(last + 1, f"row {last} was noted as the newest, and something follows it")


def _moment(descriptor: int, path: Path) -> tuple[Head, int, str]:
    """Return the note, the end of the file that belongs to it, and what is wrong with the note.

    The note is read first: a writer adds rows before it notes them. One that says "closed" may
    be replaced before the end is looked at, so it is read again.
    """
    while True:
        try:
            head = read_head(path)
            stop = os.fstat(descriptor).st_size
            if not head.closed or read_head(path) == head:
                return head, stop, ""
        except NoHead as error:
            stop = os.fstat(descriptor).st_size
            return EMPTY, stop, "" if stop == len(HEADER) else str(error)
