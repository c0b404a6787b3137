"""Checking a journal from its first row to its head ("Don't trust. Verify.")."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from obiterm.journal.chain import GENESIS, Broken, check_row
from obiterm.journal.storage import STORAGE_ERRORS, connect_reader, read_head, stored_rows

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
    with a copy kept elsewhere for that.

    Raises:
        UsageError: there is no such file.
        DataError: the file is no journal.
    """
    checked = 0
    total = 0
    with closing(connect_reader(path)) as connection:
        try:
            connection.execute("BEGIN")
            head = read_head(connection)
            total = head[0] if isinstance(head[0], int) else 0
            previous = GENESIS
            for stored in stored_rows(connection, after=-(2**62)):
                previous = check_row(stored, checked + 1, previous).hash
                checked += 1
                if progress is not None and checked % _PROGRESS_EVERY == 0:
                    progress(checked, total)
            check_head(head, checked, previous)
        except Broken as broken:
            return Verification(
                ok=False, rows=checked, first_bad_seq=broken.seq, reason=broken.reason
            )
        except STORAGE_ERRORS as error:
            reason = f"the file is damaged: {error}"
            return Verification(ok=False, rows=checked, first_bad_seq=checked + 1, reason=reason)
    if progress is not None:
        progress(checked, total)
    return Verification(ok=True, rows=checked, first_bad_seq=0, reason="")


def check_head(head: tuple[object, object], last_seq: int, last_hash: bytes) -> None:
    """Raise ``Broken`` unless the newest row is the one that the writer noted."""
    seq, noted_hash = head
    if not isinstance(seq, int) or not isinstance(noted_hash, bytes):
        raise Broken(last_seq + 1, "the note of the newest row is gone")
    if seq > last_seq:
        raise Broken(last_seq + 1, f"cut off: rows {last_seq + 1} to {seq} are missing at the end")
    if seq < last_seq:
        raise Broken(seq + 1, f"row {seq} was noted as the newest")
    if noted_hash != last_hash:
        raise Broken(max(1, last_seq), "the note of the newest row has another hash")
