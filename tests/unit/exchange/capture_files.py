"""Writes small captures in the recorded format."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import msgspec

Line = dict[str, Any]
T0 = 1_700_000_000_000_000_000


def depth(t_ms: int, first: int, last: int, bids: Any = (), asks: Any = ()) -> Line:
    data = {
        "e": "depthUpdate",
        "E": T0 // 1_000_000 + t_ms,
        "s": "BTCUSDT",
        "U": first,
        "u": last,
        "b": [list(level) for level in bids],
        "a": [list(level) for level in asks],
    }
    return frame(t_ms, "btcusdt@depth@100ms", data)


def trade(t_ms: int, number: int, price: str, quantity: str, *, sells: bool) -> Line:
    at_ms = T0 // 1_000_000 + t_ms
    data = {
        "e": "trade",
        "E": at_ms,
        "s": "BTCUSDT",
        "t": number,
        "p": price,
        "q": quantity,
        "T": at_ms,
        "m": sells,
        "M": True,
    }
    return frame(t_ms, "btcusdt@trade", data)


def ticker(t_ms: int, update: int, bid: tuple[str, str], ask: tuple[str, str]) -> Line:
    data = {"u": update, "s": "BTCUSDT", "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]}
    return frame(t_ms, "btcusdt@bookTicker", data)


def snapshot(t_ms: int, last: int, bids: Any, asks: Any) -> Line:
    message = {
        "lastUpdateId": last,
        "bids": [list(level) for level in bids],
        "asks": [list(level) for level in asks],
    }
    return {"t": T0 + t_ms * 1_000_000, "m": message}


def frame(t_ms: int, stream: str, data: Line) -> Line:
    return {"t": T0 + t_ms * 1_000_000, "m": {"stream": stream, "data": data}}


def text_of(lines: list[Line]) -> bytes:
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def write(path: Path, lines: list[Line]) -> Path:
    path.write_bytes(gzip.compress(text_of(lines)))
    return path


BIDS = (("60000.00", "2.00000"), ("59999.99", "1.00000"), ("59999.90", "5.00000"))
ASKS = (("60000.01", "1.00000"), ("60000.05", "2.00000"), ("60000.50", "4.00000"))


def opening() -> list[Line]:
    """Two diffs from before the snapshot, the snapshot, and the diff that spans it."""
    return [
        depth(0, 90, 95, bids=[("59999.90", "5.00000")]),
        depth(100, 96, 100, bids=[("59999.90", "5.00000")]),
        trade(150, 500, "60000.00", "0.01000", sells=True),
        snapshot(180, 100, BIDS, ASKS),
        depth(200, 99, 104, asks=[("60000.50", "4.00000")]),
    ]
