"""Opening a journal for writing: one writer, a sound end, a torn end mended."""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import suppress
from pathlib import Path

from obiterm.core.errors import DataError, UsageError
from obiterm.journal.chain import Broken
from obiterm.journal.frames import HEADER, START, Mark, require_header, walk, write_all
from obiterm.journal.head import EMPTY, Head, NoHead, head_path, read_head, write_head
from obiterm.journal.verification import check_noted

_LOG = logging.getLogger("obiterm.journal")
_COPY = 1024 * 1024


class Anchors:
    """Two older rows, so that the next opening can check the newest rows alone."""

    def __init__(self, older: Mark, newer: Mark) -> None:
        self.older = older
        self.newer = newer

    def move(self, mark: Mark) -> None:
        """Let go of the older one; ``mark`` is the newer one from now on."""
        self.older, self.newer = self.newer, mark


def lock(path: Path) -> int:
    """Take the place of the one writer; the system gives it back even after ``kill -9``.

    Raises:
        UsageError: another process has it, or the directory cannot be written.
    """
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


def open_writer(path: Path, *, create: bool, tail_rows: int) -> tuple[int, Mark, Anchors]:
    """Open the file for writing (0600); return its descriptor, its end and its anchors.

    A frame that a power cut or ``kill -9`` left without its end is moved to ``<name>.torn``.

    Raises:
        UsageError: there is no such file, or no right to write it.
        DataError: it is no journal, or its newest rows do not hold.
    """
    fresh = not path.exists()
    if fresh and not create:
        raise UsageError(f"there is no journal at {path}")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    try:
        head, anchors = _check_end(descriptor, path, tail_rows)
        write_head(path, head)
    except (Broken, NoHead) as error:
        os.close(descriptor)
        if fresh:
            path.unlink()
        raise DataError(
            f"the journal {path} does not hold: {error}",
            hint="see `obiterm journal verify`; to start a new one move the file away, and "
            f"{head_path(path).name} with it",
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise DataError(f"cannot open the journal {path}: {error.strerror}") from error
    except DataError:
        os.close(descriptor)
        raise
    return descriptor, head.newest, anchors


def _check_end(descriptor: int, path: Path, tail_rows: int) -> tuple[Head, Anchors]:
    """Check header and newest rows, mend a torn end; return what is then on the medium."""
    start = os.pread(descriptor, len(HEADER), 0)
    try:
        head = read_head(path)
    except NoHead:
        if os.fstat(descriptor).st_size > len(HEADER):
            require_header(start, path)
            raise
        head = EMPTY  # a crash may come between the making of the two files
    if head.newest.seq == 0 and HEADER.startswith(start) and start != HEADER:
        _begin(descriptor)
    elif not start:
        raise Broken(1, f"cut off: rows 1 to {head.newest.seq} are missing at the end")
    else:
        require_header(start, path)
    os.fchmod(descriptor, 0o600)
    stop = os.fstat(descriptor).st_size
    anchors = Anchors(head.anchor, head.anchor)
    try:
        check_noted(descriptor, head.anchor, head, stop, anchors.move, tail_rows)
    except Broken:
        # The place of the older row is of no use in a changed file: find the first bad row.
        check_noted(descriptor, START, head, stop, anchors.move, tail_rows)
        raise
    last = walk(descriptor, head.newest, stop, anchors.move, tail_rows)
    if last.end < stop:
        _move_torn(descriptor, path, last, stop)
    os.fdatasync(descriptor)
    return Head(closed=False, newest=last, anchor=anchors.older), anchors


def _begin(descriptor: int) -> None:
    try:
        write_all(descriptor, HEADER, 0)
        os.fdatasync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        raise


def _move_torn(descriptor: int, path: Path, last: Mark, stop: int) -> None:
    """Move what lies behind the last whole row to ``<name>.torn``, and say so."""
    torn = path.with_name(path.name + ".torn")
    away = os.open(torn, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        at = last.end
        while at < stop:
            at += os.write(away, os.pread(descriptor, min(_COPY, stop - at), at))
        os.fsync(away)
    finally:
        os.close(away)
    os.ftruncate(descriptor, last.end)
    _LOG.warning(
        "%s ended in the middle of row %d: a write was cut short by a crash or a power cut; "
        "%d bytes were moved to %s",
        path,
        last.seq + 1,
        stop - last.end,
        torn.name,
    )
