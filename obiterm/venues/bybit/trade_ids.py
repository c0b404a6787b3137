"""Execution ids as integers.

``Filled.trade_id`` and ``Traded.trade_id`` are integers; Bybit's ids are UUIDs, some spot ids
decimal text. The integer depends on the text alone, so the private stream, REST and a run of
next year give the same one: decimal text below 2**63 is its own number, anything else the first
63 bits of its BLAKE2b-64 digest. With 10 million executions on a symbol two would share a
number with probability 5e-6. Ids do not rise with time: ask for executions by time instead.
"""

from __future__ import annotations

from hashlib import blake2b

_LIMIT = 2**63
_DIGITS = 19


def trade_id(exec_id: str) -> int:
    """Return the integer of an execution id, 0 … 2**63 - 1."""
    if exec_id.isascii() and exec_id.isdigit() and len(exec_id) <= _DIGITS:
        number = int(exec_id)
        if number < _LIMIT and str(number) == exec_id:
            return number
    return int.from_bytes(blake2b(exec_id.encode(), digest_size=8).digest()) >> 1
