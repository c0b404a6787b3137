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

import os
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from obiterm.core.errors import DataError, UsageError
from obiterm.journal.chain import (
    Broken,
    Row,
    body_seq,
    pack_word,
    unpack_row,
)
from obiterm.journal.frames import START, Mark, frames, open_reader, pack_frame, write_all
from obiterm.journal.head import Head, write_head
from obiterm.journal.opening import Anchors, lock, open_writer
from obiterm.journal.verification import Verification, verify

__all__ = ["Journal", "Row", "Verification", "read_rows", "verify"]

MAX_BUFFERED_BYTES = 64 * 1024 * 1024
"""Most payload bytes that wait for a commit; more means that nobody can write."""
TAIL_ROWS = 1_000
"""Newest rows that ``Journal.open`` checks, at least."""

_MAX_WORDS = 1_000


class Journal:
    """One open journal. One thread at a time; ``checkpoint`` alone may run beside it.

    Attributes:
        path: the file.
    """

    def __init__(
        self, path: Path, descriptor: int, lock_descriptor: int, mark: Mark, anchors: Anchors
    ) -> None:
        self.path = path
        self._descriptor = descriptor
        self._lock_descriptor = lock_descriptor
        self._mark = mark
        self._anchors = anchors
        self._synced = mark
        self._syncing = threading.Lock()
        self._next_seq = mark.seq + 1
        self._last_hash = mark.hash
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self._words: dict[tuple[str, str], bytes] = {}

    @property
    def rows_written(self) -> int:
        """Rows on disk, all runs together."""
        return self._mark.seq

    @property
    def head_hash(self) -> bytes:
        """Hash of the newest row on disk."""
        return self._mark.hash

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Journal:
        """Open for writing, after a check of the newest rows.

        Raises:
            UsageError: another process writes it, it cannot be made, or (``create=False``)
                it does not exist.
            DataError: it is no journal, or its newest rows do not hold.
        """
        lock_descriptor = lock(path)
        try:
            descriptor, mark, anchors = open_writer(path, create=create, tail_rows=TAIL_ROWS)
        except (UsageError, DataError):
            os.close(lock_descriptor)
            raise
        return cls(path, descriptor, lock_descriptor, mark, anchors)

    def append(self, account: str, kind: str, payload: bytes, at_ns: int) -> int:
        """Add a row to the buffer and return its number. ``commit`` puts it on disk.

        Raises:
            DataError: too much waits already, since commits fail; or no row can hold that.
        """
        if self._buffered_bytes > MAX_BUFFERED_BYTES:
            raise DataError(f"{len(self._buffer)} rows wait for the journal {self.path}")
        seq = self._next_seq
        try:
            words = self._words.get((account, kind)) or self._pack_words(account, kind)
            frame, hash_ = pack_frame(self._last_hash, seq, at_ns, words, payload)
        except (struct.error, ValueError) as error:
            raise DataError(f"no row of the journal {self.path} can hold that: {error}") from error
        self._buffer.append(frame)
        self._buffered_bytes += len(payload)
        self._last_hash = hash_
        self._next_seq = seq + 1
        return seq

    def rehearse(self, account: str, kind: str, payload: bytes, at_ns: int) -> None:
        """Build the next row as ``append`` would, and drop it: nothing is added or written."""
        words = self._words.get((account, kind)) or pack_word(account) + pack_word(kind)
        pack_frame(self._last_hash, self._next_seq, at_ns, words, payload)

    def _pack_words(self, account: str, kind: str) -> bytes:
        if len(self._words) >= _MAX_WORDS:
            self._words.clear()
        words = self._words[account, kind] = pack_word(account) + pack_word(kind)
        return words

    def commit(self) -> None:
        """Write the buffer at once. Without buffered rows it does nothing.

        Raises:
            DataError: the disk is full, read-only or broken. The rows stay buffered, nothing
                of them stays in the file, and the next ``commit`` tries again; whatever they
                announce must not be done.
        """
        buffer = self._buffer
        if not buffer:
            return
        data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
        end = self._mark.end
        try:
            done = os.pwrite(self._descriptor, data, end)
            if done != len(data):
                write_all(self._descriptor, data[done:], end + done)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, end)
            raise DataError(
                f"cannot write the journal {self.path}: {error.strerror}",
                hint="no order leaves without it; free disk space or mend the disk",
            ) from error
        mark = Mark(self._next_seq - 1, self._last_hash, end + len(data))
        if mark.seq - self._anchors.newer.seq >= TAIL_ROWS:
            self._anchors = Anchors(self._anchors.newer, mark)
        self._mark = mark
        self._buffer = []
        self._buffered_bytes = 0

    def rows(
        self, *, after: int = 0, account: str | None = None, kind: str | None = None
    ) -> Iterator[Row]:
        """Yield committed rows above ``after``, oldest first; a snapshot of this moment."""
        return read_rows(self.path, after=after, account=account, kind=kind)

    def checkpoint(self) -> None:
        """Force what is committed onto the medium, and note its newest row beside it.

        It never makes ``commit`` wait, and may be called from another thread.

        Raises:
            DataError: the disk refused.
        """
        with self._syncing:
            if self._lock_descriptor >= 0 and self._mark != self._synced:
                self._sync(closed=False)

    def _sync(self, *, closed: bool) -> None:
        anchor = self._anchors.older
        mark = self._mark
        try:
            os.fdatasync(self._descriptor)
            write_head(self.path, Head(closed, mark, anchor))
        except OSError as error:
            raise DataError(
                f"cannot checkpoint the journal {self.path}: {error.strerror}"
            ) from error
        self._synced = mark

    def close(self) -> None:
        """Commit, force all onto the medium and let go of the lock.

        Raises:
            DataError: the last rows could not be written; the journal is closed all the same.
        """
        with self._syncing:
            if self._lock_descriptor < 0:
                return
            try:
                self.commit()
                self._sync(closed=True)
            finally:
                os.close(self._descriptor)
                os.close(self._lock_descriptor)
                self._descriptor = self._lock_descriptor = -1


def read_rows(
    path: Path, *, after: int = 0, account: str | None = None, kind: str | None = None
) -> Iterator[Row]:
    """Yield the committed rows of a journal that may be open elsewhere.

    Raises:
        UsageError: there is no such file.
        DataError: it cannot be read.
    """
    try:
        of_account = None if account is None else pack_word(account)
        of_kind = None if kind is None else pack_word(kind)
    except (struct.error, UnicodeEncodeError):
        return  # no row has such a name
    descriptor = open_reader(path)
    try:
        stop = os.fstat(descriptor).st_size
        for body, hash_, _ in frames(descriptor, START, stop):
            if of_account is not None and not body.startswith(of_account, 16):
                continue
            if of_kind is not None:
                kind_at = 18 + int.from_bytes(body[16:18], "big")
                if not body.startswith(of_kind, kind_at):
                    continue
            if body_seq(body) > after:
                yield unpack_row(body, hash_)
    except Broken as error:
        raise DataError(
            f"the journal {path} does not hold: {error}", hint="see `obiterm journal verify`"
        ) from error
    finally:
        os.close(descriptor)
