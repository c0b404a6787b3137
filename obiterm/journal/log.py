"""The journal: append-only, hash-chained, on disk before an order leaves (§3, §6, T20).

::

    journal = Journal.open(paths.journal("demo"))
    journal.append("binance-main", "intent", payload, now_ns)
    journal.commit()              # before the send: in the file, survives kill -9
    ...
    journal.checkpoint()          # every few seconds, from a helper thread: survives a power cut

``docs/decisions/0001`` says what survives what, and why.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from obiterm.core.errors import DataError, UsageError
from obiterm.journal.chain import GENESIS, Broken, Row, check_row, row_hash
from obiterm.journal.storage import (
    STORAGE_ERRORS,
    connect_reader,
    connect_writer,
    read_head,
    stored_rows,
)
from obiterm.journal.verification import Verification, check_head, verify

__all__ = ["Journal", "Row", "Verification", "verify"]

MAX_BUFFERED_BYTES = 64 * 1024 * 1024
"""Most payload bytes that wait for a commit; more means that nobody can write."""
TAIL_ROWS = 1_000
"""Newest rows that ``Journal.open`` checks."""

_INSERT = "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)"
_UPDATE_HEAD = "UPDATE head SET seq = ?, hash = ? WHERE id = 1"


class Journal:
    """One open journal. One thread at a time; ``checkpoint`` alone may run beside it.

    Attributes:
        path: the file.
        rows_written: rows on disk, all runs together.
        head_hash: hash of the newest row on disk.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock_fd: int, seq: int, head: bytes
    ) -> None:
        self.path = path
        self.rows_written = seq
        self.head_hash = head
        self._connection = connection
        self._lock_fd = lock_fd
        self._next_seq = seq + 1
        self._last_hash = head
        self._buffer: list[Row] = []
        self._buffered_bytes = 0

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Journal:
        """Open for writing, after a check of the newest rows.

        Raises:
            UsageError: another process writes it, it cannot be made, or (``create=False``)
                it does not exist.
            DataError: it is no journal, or its newest rows do not hold.
        """
        lock_fd = _lock(path)
        try:
            connection = connect_writer(path, create=create)
        except (UsageError, DataError):
            os.close(lock_fd)
            raise
        try:
            seq, head = _check_tail(connection)
        except (Broken, *STORAGE_ERRORS) as error:
            connection.close()
            os.close(lock_fd)
            raise DataError(
                f"the journal {path} does not hold: {error}",
                hint="see `obiterm journal verify`; move the file away to start a new one",
            ) from error
        return cls(path, connection, lock_fd, seq, head)

    def append(self, account: str, kind: str, payload: bytes, at_ns: int) -> int:
        """Add a row to the buffer and return its number. ``commit`` puts it on disk.

        Raises:
            DataError: too much waits already, since commits fail.
        """
        if self._buffered_bytes > MAX_BUFFERED_BYTES:
            raise DataError(f"{len(self._buffer)} rows wait for the journal {self.path}")
        seq = self._next_seq
        hash_ = row_hash(self._last_hash, seq, at_ns, account.encode(), kind.encode(), payload)
        self._buffer.append(Row(seq, at_ns, account, kind, payload, hash_))
        self._buffered_bytes += len(payload)
        self._last_hash = hash_
        self._next_seq = seq + 1
        return seq

    def commit(self) -> None:
        """Write the buffer in one transaction. Without buffered rows it does nothing.

        Raises:
            DataError: the disk is full, read-only or broken. The rows stay buffered and the
                next ``commit`` tries again; whatever they announce must not be done.
        """
        rows = self._buffer
        if not rows:
            return
        connection = self._connection
        last = rows[-1]
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, rows)
            connection.execute(_UPDATE_HEAD, (last.seq, last.hash))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise DataError(
                f"cannot write the journal {self.path}: {error}",
                hint="no order leaves without it; free disk space or mend the disk",
            ) from error
        self.rows_written = last.seq
        self.head_hash = last.hash
        self._buffer = []
        self._buffered_bytes = 0

    def rows(
        self, *, after: int = 0, account: str | None = None, kind: str | None = None
    ) -> Iterator[Row]:
        """Yield committed rows above ``after``, oldest first; a snapshot of this moment."""
        return read_rows(self.path, after=after, account=account, kind=kind)

    def checkpoint(self) -> None:
        """Force what is committed onto the medium and let the log file start anew.

        It never makes ``commit`` wait, and may be called from another thread.

        Raises:
            DataError: the disk refused.
        """
        try:
            with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            raise DataError(f"cannot checkpoint the journal {self.path}: {error}") from error

    def close(self) -> None:
        """Commit, merge the log file and let go of the lock.

        Raises:
            DataError: the last rows could not be written; the journal is closed all the same.
        """
        if self._lock_fd < 0:
            return
        try:
            self.commit()
        finally:
            self._connection.close()
            os.close(self._lock_fd)
            self._lock_fd = -1


def read_rows(
    path: Path, *, after: int = 0, account: str | None = None, kind: str | None = None
) -> Iterator[Row]:
    """Yield the committed rows of a journal that may be open elsewhere.

    Raises:
        UsageError: there is no such file.
        DataError: it cannot be read.
    """
    with closing(connect_reader(path)) as connection:
        try:
            for stored in stored_rows(connection, after=after, account=account, kind=kind):
                yield Row(*stored)  # type: ignore[arg-type]  # checked by `verify`, not here
        except STORAGE_ERRORS as error:
            raise DataError(f"cannot read the journal {path}: {error}") from error


def _check_tail(connection: sqlite3.Connection) -> tuple[int, bytes]:
    head = read_head(connection)
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM rows").fetchone()
    seq = max(0, last - TAIL_ROWS)
    previous = GENESIS
    if seq > 0:
        anchor = connection.execute("SELECT hash FROM rows WHERE seq = ?", (seq,)).fetchone()
        if anchor is None or not isinstance(anchor[0], bytes):
            raise Broken(seq, "the row is missing")
        previous = anchor[0]
    for stored in stored_rows(connection, after=seq):
        previous = check_row(stored, seq + 1, previous).hash
        seq += 1
    check_head(head, seq, previous)
    return seq, previous


def _lock(path: Path) -> int:
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write beside {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise UsageError(
            f"another process writes the journal {path}",
            hint="a host runs on this profile already; see `obiterm status`",
        ) from error
    return descriptor
