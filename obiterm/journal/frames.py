"""The file of a journal: a header, then one frame per row, nothing else.

Header: 32 bytes of text, ``obiterm journal\\nlayout 00000001\\n``. Frame: four bytes length of
the body, four bytes its complement, the body (``obiterm.journal.chain``), 32 bytes hash; all
big-endian. The complement tells a changed length from a frame that was not written to its end.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from obiterm.core.errors import DataError, UsageError
from obiterm.journal.chain import GENESIS, MIN_BODY, Broken, check_body

HEADER = b"obiterm journal\nlayout 00000001\n"
MAX_BODY = 64 * 1024 * 1024
"""Longest body: what a reader must be ready to hold."""

_MAGIC = HEADER[:23]
_PREFIX = struct.Struct(">II")
_START = struct.Struct(">IIqq")
_TIMES = 16
_BODY_AT = _PREFIX.size
_HASH = 32
_AROUND = _BODY_AT + _HASH
_COMPLEMENT = 0xFFFFFFFF
_CHUNK = 256 * 1024
_SECTOR = 512


class Mark(NamedTuple):
    """A place after a whole row."""

    seq: int
    hash: bytes
    end: int
    """Offset in the file of what comes after the row."""


START = Mark(0, GENESIS, len(HEADER))
"""The place before the first row."""


def pack_frame(
    previous: bytes, seq: int, at_ns: int, words: bytes, payload: bytes
) -> tuple[bytes, bytes]:
    """Return the frame of a row and its hash; ``words`` are its account and kind, packed.

    Raises:
        struct.error: a number has more than 64 bits.
        ValueError: the body is longer than ``MAX_BODY``.
    """
    length = _TIMES + len(words) + len(payload)
    if length > MAX_BODY:
        raise ValueError(f"{length} bytes are too long")
    # One call and few objects: between two orders all of this falls out of the caches.
    row = _START.pack(length, length ^ _COMPLEMENT, seq, at_ns) + words + payload
    hash_ = blake2b(previous + row[_BODY_AT:], digest_size=_HASH).digest()
    return row + hash_, hash_


def open_reader(path: Path) -> int:
    """Open a journal for reading beside a writer and return the descriptor.

    Raises:
        UsageError: there is no such file, or no right to read it.
        DataError: it is no journal.
    """
    if not path.is_file():
        raise UsageError(f"there is no journal at {path}")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    try:
        require_header(os.pread(descriptor, len(HEADER), 0), path)
    except OSError as error:
        os.close(descriptor)
        raise DataError(f"cannot read the journal {path}: {error.strerror}") from error
    except DataError:
        os.close(descriptor)
        raise
    return descriptor


def require_header(found: bytes, path: Path) -> None:
    """Raise ``DataError`` unless a file that starts so is a journal of this layout."""
    if found == HEADER:
        return
    layout = found[len(_MAGIC) : -1]
    if found.startswith(_MAGIC) and len(found) == len(HEADER) and layout.isdigit():
        raise DataError(f"{path} has journal layout {int(layout)}; this program reads layout 1")
    raise DataError(f"{path} is not a journal of this program")


def frames(descriptor: int, start: Mark, stop: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield ``(body, hash, end)`` of the whole frames between ``start`` and offset ``stop``.

    It ends early where a frame was not written to its end. Hashes are not checked.

    Raises:
        Broken: a frame's length was changed, or the disk cannot be read.
    """
    unpack = _PREFIX.unpack_from
    seq, base, chunk, at = start.seq, start.end, b"", 0
    while True:
        size = len(chunk)
        missing = 0
        while at + _BODY_AT <= size:
            length, complement = unpack(chunk, at)
            if length ^ complement != _COMPLEMENT or not MIN_BODY <= length <= MAX_BODY:
                if _lost_sector(descriptor, base + at, base + at + _BODY_AT, stop):
                    return
                raise Broken(seq + 1, "its length was changed")
            end = at + _AROUND + length
            if end > size:
                missing = end - size
                break
            seq += 1
            yield chunk[at + _BODY_AT : end - _HASH], chunk[end - _HASH : end], base + end
            at = end
        room = stop - base - size
        if missing > room:
            return
        try:
            more = os.pread(descriptor, min(max(_CHUNK, missing), room), base + size)
        except OSError as error:
            raise Broken(seq + 1, f"it cannot be read: {error.strerror}") from error
        if not more:
            return
        chunk = chunk[at:] + more
        base += at
        at = 0


def walk(descriptor: int, start: Mark, stop: int, tell: Callable[[Mark], None], every: int) -> Mark:
    """Check all rows between ``start`` and offset ``stop`` and return the place after them.

    ``tell`` is called after each ``every`` rows. Bytes of a frame that a power cut left without
    its end are not walked over: they lie behind the place that is returned.

    Raises:
        Broken: a row does not hold, or the disk cannot be read.
    """
    seq, previous, place = start
    try:
        for body, hash_, end in frames(descriptor, start, stop):
            seq += 1
            check_body(body, hash_, seq, previous)
            previous, place = hash_, end
            if seq % every == 0:
                tell(Mark(seq, hash_, end))
    except Broken:
        if not _lost_sector(descriptor, place, _frame_end(descriptor, place), stop):
            raise
        return Mark(seq - 1, previous, place)
    return Mark(seq, previous, place)


def write_all(descriptor: int, data: bytes, at: int) -> None:
    """Write ``data`` at an offset, whatever the system takes at a time.

    Raises:
        OSError: the disk refused; a part may be written.
    """
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, at)
        view = view[done:]
        at += done


def _frame_end(descriptor: int, at: int) -> int:
    try:
        found = os.pread(descriptor, _BODY_AT, at)
    except OSError:
        return at
    if len(found) < _BODY_AT:
        return at + len(found)
    length, complement = _PREFIX.unpack(found)
    return int(at + (_AROUND + length if length ^ complement == _COMPLEMENT else _BODY_AT))


def _lost_sector(descriptor: int, start: int, end: int, stop: int) -> bool:
    """Return whether a sector of a frame is zeros: it never reached the medium.

    After a power cut a file may have its length but not all its data; what is missing reads
    as zeros, from one sector's edge (or from the old end of the file) to another's.
    """
    try:
        while start < min(end, stop):
            edge = min(stop, (start // _SECTOR + 1) * _SECTOR)
            if not any(os.pread(descriptor, edge - start, start)):
                return True
            start = edge
    except OSError:
        return False
    return False
