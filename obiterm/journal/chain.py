"""The chain: each row's hash covers the row and the hash before it.

``hash = blake2b-256(previous hash ‖ seq ‖ at_ns ‖ len(account) ‖ account ‖ len(kind) ‖ kind ‖
payload)``; ``seq`` and ``at_ns`` are eight bytes, lengths two, all big-endian; the first row
follows 32 zero bytes. What follows the previous hash is the row's *body*, and it lies on disk
as it is hashed (``obiterm.journal.frames``), so a third party needs no program of ours.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import NamedTuple

GENESIS = bytes(32)
"""What the first row follows."""
MIN_BODY = 20
"""Bytes of a body whose account, kind and payload are empty."""

_LENGTH = struct.Struct(">H")
_START = struct.Struct(">qqH")
_ACCOUNT_AT = _START.size


class Row(NamedTuple):
    """One row of a journal."""

    seq: int
    """1, 2, 3 … without a gap."""
    at_ns: int
    account: str
    kind: str
    payload: bytes
    hash: bytes


class Broken(Exception):
    """The chain does not hold at ``seq``."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"row {seq}: {reason}")
        self.seq = seq
        self.reason = reason


def pack_word(word: str) -> bytes:
    """Return an account or kind with its length before it.

    Raises:
        struct.error: it has more than 65,535 bytes.
    """
    raw = word.encode()
    return _LENGTH.pack(len(raw)) + raw


def body_hash(previous: bytes, body: bytes) -> bytes:
    """Return the hash of a row that follows a row with the hash ``previous``."""
    return blake2b(previous + body, digest_size=32).digest()


def unpack_row(body: bytes, hash_: bytes) -> Row:
    """Return the row of a body.

    Raises:
        Broken: the body cannot have been written by this program.
    """
    seq, at_ns, size = _START.unpack_from(body)
    kind_at = _ACCOUNT_AT + size + _LENGTH.size
    try:
        (kind_size,) = _LENGTH.unpack_from(body, kind_at - _LENGTH.size)
        payload_at = kind_at + kind_size
        if payload_at > len(body):
            raise Broken(seq, "its fields are longer than the row")
        return Row(
            seq,
            at_ns,
            body[_ACCOUNT_AT : _ACCOUNT_AT + size].decode(),
            body[kind_at:payload_at].decode(),
            body[payload_at:],
            hash_,
        )
    except struct.error as error:
        raise Broken(seq, "its fields are longer than the row") from error
    except UnicodeDecodeError as error:
        raise Broken(seq, "its account or kind is no text") from error


def body_seq(body: bytes) -> int:
    """Return the number that a body carries."""
    return int.from_bytes(body[:8], "big", signed=True)


def check_body(body: bytes, hash_: bytes, expected_seq: int, previous: bytes) -> None:
    """Check that a row follows ``previous`` as number ``expected_seq``.

    Raises:
        Broken: it is missing, out of order, changed, or follows another row.
    """
    seq = body_seq(body)
    if seq > expected_seq:
        gone = f"rows {expected_seq} to {seq - 1} are" if seq - expected_seq > 1 else "the row is"
        raise Broken(expected_seq, f"{gone} missing")
    if seq < expected_seq:
        raise Broken(expected_seq, f"out of order: row {seq} stands in its place")
    if body_hash(previous, body) != hash_:
        raise Broken(
            seq, "its hash does not fit: the row, or its place after the row before, was changed"
        )
    unpack_row(body, hash_)
