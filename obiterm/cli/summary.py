"""What a headless run prints at its end."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from obiterm.core.latency import LatencyWindow
from obiterm.trading.kernel import Kernel


class Summary(msgspec.Struct, kw_only=True):
    """One headless run. Money is in quote, fees included where it says net."""

    command: str
    symbol: str
    speed: str
    seconds: float
    """Real seconds that the run took."""
    diffs_applied: int
    gaps: int
    crossed: int
    trades: int
    top_of_book_compared: int
    top_of_book_matches: int
    orders_sent: int
    fills: int
    round_trips: int
    wins: int
    position: str
    realised_quote: str
    unrealised_quote: str
    fees_quote: str
    net_quote: str
    tick_to_order_us: dict[str, float | None]
    risk_refusals: int
    faults: int
    open_orders_at_exchange: int
    journal: str
    journal_rows: int
    journal_verified: bool
    orders_digest: str
    """SHA-256 over the orders sent; equal runs have equal digests."""
    fills_digest: str
    state: str


def make_summary(values: dict[str, object]) -> Summary:
    """Return the summary of the named values; all of them must be there."""
    return msgspec.convert(values, Summary)


def digest(items: Iterable[object]) -> str:
    """Return the SHA-256 of items in order."""
    sha = hashlib.sha256()
    for item in items:
        sha.update(repr(item).encode())
        sha.update(b"\n")
    return sha.hexdigest()


def market_counts(kernel: Kernel) -> dict[str, int]:
    """Return the counts of all markets of a kernel."""
    markets = kernel.markets.values()
    return {
        "diffs_applied": sum(m.diffs_applied for m in markets),
        "gaps": sum(m.gaps for m in markets),
        "crossed": sum(m.crossed for m in markets),
        "trades": sum(m.trades for m in markets),
        "top_of_book_compared": sum(m.top_of_book_compared for m in markets),
        "top_of_book_matches": sum(m.top_of_book_matches for m in markets),
    }


def money(kernels: Sequence[Kernel]) -> dict[str, str]:
    """Return the results of own fills."""
    realised = unrealised = fees = base = Decimal(0)
    for kernel in kernels:
        for (_, symbol), position in kernel.gate.positions.items():
            realised += position.realised_quote
            fees += position.fees_quote
            unrealised += position.unrealised(kernel.markets[symbol].mark_ticks)
            base += position.quantity
    cent = Decimal("0.00000001")
    return {
        "position": f"{base.quantize(cent):f}",
        "realised_quote": f"{realised.quantize(cent):f}",
        "unrealised_quote": f"{unrealised.quantize(cent):f}",
        "fees_quote": f"{fees.quantize(cent):f}",
        "net_quote": f"{(realised + unrealised - fees).quantize(cent):f}",
    }


def trips(kernels: Sequence[Kernel]) -> tuple[int, int]:
    """Return round trips and those that won after fees."""
    every = [t for k in kernels for p in k.gate.positions.values() for t in p.trips]
    return len(every), sum(1 for trip in every if trip.net_quote > 0)


def latency_us(window: LatencyWindow) -> dict[str, float | None]:
    """Return p50 and p99 in microseconds; null without a sample."""
    result: dict[str, float | None] = {}
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        value = window.percentile_ns(share) / 1_000
        result[name] = None if math.isnan(value) else round(value, 1)
    return result


def print_summary(summary: Summary, *, as_json: bool) -> None:
    """Print the summary to standard output."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        return
    for name, value in msgspec.to_builtins(summary).items():
        print(f"{name.replace('_', ' '):<24} {_plain(value)}")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{k} {v}" for k, v in value.items())
    return str(value)


def verified(path: Path) -> tuple[bool, int]:
    """Return whether a journal's chain holds, and its rows."""
    from obiterm.journal.log import verify

    outcome = verify(path)
    return outcome.ok, outcome.rows
