"""The chain: each row's hash covers the row and the hash before it.

``hash = blake2b-256(previous hash ‖ seq ‖ at_ns ‖ len(account) ‖ account ‖ len(kind) ‖ kind ‖
payload)``; ``seq`` and ``at_ns`` are eight bytes, lengths two, all big-endian; the first row
follows 32 zero bytes. So a third party can check a journal with any SQLite reader.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import NamedTuple

GENESIS = bytes(32)
"""What the first row follows."""

_TIMES = struct.Struct(">qq")
_LENGTH = struct.Struct(">H")


class Row(NamedTuple):
    """One row of a journal."""

    seq: int
    """1, 2, 3 … without a gap."""
    at_ns: int
    account: str
    kind: str
    payload: bytes
    hash: bytes


class StoredRow(NamedTuple):
    """A row as it lies on disk: whatever types somebody may have put there."""

    seq: object
    at_ns: object
    account: object
    kind: object
    payload: object
    hash: object


class Broken(Exception):
    """The chain does not hold at ``seq``."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"row {seq}: {reason}")
        self.seq = seq
        self.reason = reason


def row_hash(
    previous: bytes, seq: int, at_ns: int, account: bytes, kind: bytes, payload: bytes
) -> bytes:
    """Return the hash of a row that follows a row with the hash ``previous``."""
    return blake2b(
        b"".join(
            (
                previous,
                _TIMES.pack(seq, at_ns),
                _LENGTH.pack(len(account)),
                account,
                _LENGTH.pack(len(kind)),
                kind,
                payload,
            )
        ),
        digest_size=32,
    ).digest()


def check_row(stored: StoredRow, expected_seq: int, previous: bytes) -> Row:
    """Return the row that follows ``previous``.

    Raises:
        Broken: it is missing, out of order, changed, or follows another row.
    """
    seq = stored.seq
    if not isinstance(seq, int):
        raise Broken(expected_seq, "the row number is not a number")
    if seq > expected_seq:
        gone = f"rows {expected_seq} to {seq - 1} are" if seq - expected_seq > 1 else "the row is"
        raise Broken(expected_seq, f"{gone} missing")
    if seq < expected_seq:
        raise Broken(seq, f"out of order: row {expected_seq} was expected here")
    at_ns, account, kind, payload = stored.at_ns, stored.account, stored.kind, stored.payload
    if not (
        isinstance(at_ns, int)
        and isinstance(account, str)
        and isinstance(kind, str)
        and isinstance(payload, bytes)
        and isinstance(stored.hash, bytes)
    ):
        raise Broken(seq, "a field has another type than was written")
    try:
        fits = stored.hash == row_hash(
            previous, seq, at_ns, account.encode(), kind.encode(), payload
        )
    except (struct.error, UnicodeEncodeError) as error:
        raise Broken(seq, f"a field cannot have been written by this program: {error}") from error
    if not fits:
        raise Broken(
            seq, "its hash does not fit: the row, or its place after the row before, was changed"
        )
    return Row(seq, at_ns, account, kind, payload, stored.hash)
