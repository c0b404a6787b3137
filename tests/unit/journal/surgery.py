"""A journal's file taken apart and put together, from the words of docs/decisions/0001 alone."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

HEADER = b"obiterm journal\nlayout 00000001\n"


def split(raw: bytes) -> list[bytes]:
    """Return the frames of a journal's file."""
    assert raw.startswith(HEADER)
    found = []
    at = len(HEADER)
    while at < len(raw):
        end = at + 8 + int.from_bytes(raw[at : at + 4], "big") + 32
        found.append(raw[at:end])
        at = end
    return found


def join(frames: list[bytes]) -> bytes:
    """Return the file of these frames."""
    return HEADER + b"".join(frames)


def body(seq: int, at_ns: int, account: bytes, kind: bytes, payload: bytes) -> bytes:
    """Return what is hashed of a row."""
    text = seq.to_bytes(8, "big", signed=True) + at_ns.to_bytes(8, "big")
    for word in (account, kind):
        text += len(word).to_bytes(2, "big") + word
    return text + payload


def frame(previous: bytes, content: bytes) -> bytes:
    """Return the frame of a row with a right hash for its place."""
    length = len(content)
    prefix = length.to_bytes(4, "big") + (0xFFFFFFFF - length).to_bytes(4, "big")
    return prefix + content + hashlib.blake2b(previous + content, digest_size=32).digest()


def frame_hash(frame_: bytes) -> bytes:
    """Return the hash at the end of a frame."""
    return frame_[-32:]


def head_of(path: Path) -> Path:
    """Return the note beside a journal."""
    return path.with_name(path.name + ".head")


def torn_of(path: Path) -> Path:
    """Return where a torn end is moved to."""
    return path.with_name(path.name + ".torn")


def copy_journal(source: Path, target: Path) -> None:
    """Copy a journal and its note."""
    shutil.copyfile(source, target)
    shutil.copyfile(head_of(source), head_of(target))
