"""The note of the newest row on the medium, in a small file beside the journal.

A journal that ends before the noted row was cut off. The note is written after a sync, so a
power cut can take only rows behind it; and while ``closed`` stands in it there are none.

121 bytes: ``obihead1``, closed (1 or 0), then seq, end and hash twice — of the newest row on the
medium and of an older one from which opening checks — and 16 bytes blake2b-128 of all that;
numbers have eight bytes, big-endian.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from obiterm.journal.frames import START, Mark, write_all

_MAGIC = b"obihead1"
_LAYOUT = struct.Struct(">8sBqq32sqq32s")
_CHECK = 16


class Head(NamedTuple):
    """What is surely on the medium."""

    closed: bool
    """No writer since: nothing may lie behind ``newest``."""
    newest: Mark
    anchor: Mark
    """An older row, at least ``TAIL_ROWS`` before the newest, or the start."""


class NoHead(Exception):
    """The note is gone or damaged; the text says which."""


EMPTY = Head(closed=False, newest=START, anchor=START)


def head_path(path: Path) -> Path:
    """Return where the note of a journal lies."""
    return path.with_name(path.name + ".head")


def write_head(path: Path, head: Head) -> None:
    """Replace the note of the journal ``path`` (0600) at once and durably.

    Raises:
        OSError: the disk refused; the old note stands.
    """
    newest, anchor = head.newest, head.anchor
    text = _LAYOUT.pack(
        _MAGIC,
        head.closed,
        newest.seq,
        newest.end,
        newest.hash,
        anchor.seq,
        anchor.end,
        anchor.hash,
    )
    place = head_path(path)
    draft = place.with_name(place.name + ".new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(descriptor, text + _check(text), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.rename(place)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    sync_directory(path.parent)


def read_head(path: Path) -> Head:
    """Return the note of the journal ``path``.

    Raises:
        NoHead: it is gone or damaged.
    """
    try:
        raw = head_path(path).read_bytes()
    except FileNotFoundError:
        raise NoHead(f"the note of the newest row, {head_path(path).name}, is gone") from None
    except OSError as error:
        raise NoHead(f"the note of the newest row cannot be read: {error.strerror}") from error
    text = raw[:-_CHECK]
    if len(text) != _LAYOUT.size or not text.startswith(_MAGIC) or raw[-_CHECK:] != _check(text):
        raise NoHead("the note of the newest row is damaged")
    _, closed, seq, end, hash_, anchor_seq, anchor_end, anchor_hash = _LAYOUT.unpack(text)
    return Head(bool(closed), Mark(seq, hash_, end), Mark(anchor_seq, anchor_hash, anchor_end))


def sync_directory(directory: Path) -> None:
    """Force names in a directory onto the medium.

    Raises:
        OSError: the disk refused.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(text: bytes) -> bytes:
    return blake2b(text, digest_size=_CHECK).digest()
