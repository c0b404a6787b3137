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


class AccountSummary(msgspec.Struct, kw_only=True):
    """One account of a headless run; the same words as in the whole."""

    name: str
    venue: str
    environment: str
    symbols: list[str]
    state: str
    connected: bool
    trouble: str
    """Why it did not trade at the end; empty when all was well."""
    books_in_sync: int
    diffs_applied: int
    gaps: int
    crossed: int
    trades: int
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
    open_orders_at_exchange: int | None
    """None when its exchange did not say."""
    left: list[str]
    """Positions that an order could still close, by our fills or the exchange's word."""


class Summary(msgspec.Struct, kw_only=True):
    """One headless run. Money is in quote, fees included where it says net.

    Figures are totals of all accounts; the slowest account's where they are times. Quote
    currencies count one for one (USDT, USDC).
    """

    command: str
    symbol: str
    """What was traded; with commas between where it was more than one market."""
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
    accounts: list[AccountSummary]


def make_summary(values: dict[str, object]) -> Summary:
    """Return the summary of the named values; all of them must be there."""
    return msgspec.convert(values, Summary)


def make_account(values: dict[str, object]) -> AccountSummary:
    """Return an account's part from the named values; all must be there, more may be."""
    names = {field.name for field in msgspec.structs.fields(AccountSummary)}
    return msgspec.convert({k: v for k, v in values.items() if k in names}, AccountSummary)


def digest(items: Iterable[object]) -> str:
    """Return the SHA-256 of items in order."""
    sha = hashlib.sha256()
    for item in items:
        sha.update(repr(item).encode())
        sha.update(b"\n")
    return sha.hexdigest()


def market_counts(kernels: Iterable[Kernel]) -> dict[str, int]:
    """Return the counts of all markets of kernels together."""
    markets = [market for kernel in kernels for market in kernel.markets.values()]
    return {
        "diffs_applied": sum(m.diffs_applied for m in markets),
        "gaps": sum(m.gaps for m in markets),
        "crossed": sum(m.crossed for m in markets),
        "trades": sum(m.trades for m in markets),
        "top_of_book_compared": sum(m.top_of_book_compared for m in markets),
        "top_of_book_matches": sum(m.top_of_book_matches for m in markets),
    }


def books_in_sync(kernel: Kernel) -> int:
    """Return how many books of a kernel are in step with the venue's."""
    return sum(1 for market in kernel.markets.values() if market.book.synced)


def money(kernels: Sequence[Kernel], gone: Sequence[Kernel] = ()) -> dict[str, str]:
    """Return the results of own fills; the position of several coins names each.

    What the kernels in ``gone`` held ended with their exchange: it is no position any more,
    and what it was worth at the last price is realised.
    """
    realised = unrealised = fees = Decimal(0)
    base: dict[str, Decimal] = {}
    for kernel in (*kernels, *gone):
        for (_, symbol), position in kernel.gate.positions.items():
            realised += position.realised_quote
            fees += position.fees_quote
            open_quote = position.unrealised(kernel.markets[symbol].mark_ticks)
            coin = kernel.setup.instruments[symbol].base
            held = base.setdefault(coin, Decimal(0))
            if kernel in gone:
                realised += open_quote
            else:
                unrealised += open_quote
                base[coin] = held + position.quantity
    plain = [_cents(one) for one in base.values()] or [_cents(Decimal(0))]
    named = [f"{_cents(one)} {coin}" for coin, one in base.items()]
    return {
        "position": plain[0] if len(plain) == 1 else ", ".join(named),
        "realised_quote": _cents(realised),
        "unrealised_quote": _cents(unrealised),
        "fees_quote": _cents(fees),
        "net_quote": _cents(realised + unrealised - fees),
    }


def left_positions(kernel: Kernel) -> list[str]:
    """Return the positions of own fills that an order could close; spot dust is none."""
    words = []
    for symbol, instrument in kernel.setup.instruments.items():
        lots = kernel.gate.exposure_lots(symbol)
        is_dust = not instrument.is_perpetual and (
            lots < instrument.min_lots
            or instrument.notional(kernel.markets[symbol].mark_ticks, lots)
            < instrument.min_notional
        )
        if lots and not is_dust:
            size = f"{instrument.quantity(lots).normalize():+f} {instrument.base}"
            words.append(f"{size} on {symbol} by our fills")
    return words


def _cents(value: Decimal) -> str:
    return f"{value.quantize(Decimal('0.00000001')):f}"


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


def slowest_us(windows: Iterable[LatencyWindow]) -> dict[str, float | None]:
    """Return the figures of the window with the largest p99."""
    every = [latency_us(window) for window in windows]
    return max(every, key=lambda one: one["p99"] or 0.0, default={"p50": None, "p99": None})


def print_summary(summary: Summary, *, as_json: bool) -> None:
    """Print the summary to standard output."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        return
    fields: dict[str, object] = msgspec.to_builtins(summary)
    accounts = fields.pop("accounts")
    for name, value in fields.items():
        print(f"{name.replace('_', ' '):<24} {_plain(value)}")
    if isinstance(accounts, list) and len(accounts) > 1:
        for account in accounts:
            print(_account_line(account))


def _account_line(account: dict[str, object]) -> str:
    words = (
        f"{account['name']:<16} {account['venue']} {account['state']}  "
        f"{account['fills']} fills  {account['orders_sent']} orders  "
        f"{account['open_orders_at_exchange']} open  net {account['net_quote']}"
    )
    return f"{words}  {account['trouble']}".rstrip()


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{k} {v}" for k, v in value.items())
    return str(value)


def verified(path: Path) -> tuple[bool, int]:
    """Return whether a journal's chain holds, and its rows."""
    from obiterm.journal.log import verify

    outcome = verify(path)
    return outcome.ok, outcome.rows
