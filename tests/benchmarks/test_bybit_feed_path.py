"""Bybit depth message -> event, and -> book -> imbalance over 20 levels, beside ccxt.pro.

Both get the same recorded messages in the same run, as the socket would hand them over. ccxt
runs its unchanged ``handle_message``, which begins with the same snapshot, and the same sums
over its book's nearest 20 levels. The 49 changes carry 60 levels each, three times those of a
quiet market, and are run over and over.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from obiterm.core.events import DepthChanged, DepthSnapshotted
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.market.book import Applied, Book, SequenceRule
from obiterm.venues.bybit import Category, MarketSession

ccxt_pro = pytest.importorskip("ccxt.pro", reason="ccxt is the peer of this measurement")

TARGET = 0.30
"""ARCHITECTURE §8: ours over theirs, medians."""
LEVELS = 20
ROUNDS = 40
SYMBOL = Symbol("XRPUSDT")
XRP = Instrument(
    "bybit", SYMBOL, MarketKind.PERP, "XRP", "USDT", Decimal("0.0001"), Decimal(1), settle="USDT"
)
MARKET = {
    "id": "XRPUSDT", "symbol": "XRP/USDT:USDT", "base": "XRP", "quote": "USDT", "settle": "USDT",
    "baseId": "XRP", "quoteId": "USDT", "settleId": "USDT", "type": "swap", "spot": False,
    "swap": True, "future": False, "option": False, "contract": True, "linear": True,
    "inverse": False, "active": True, "precision": {"price": 0.0001, "amount": 1.0}, "limits": {},
}  # fmt: skip


class Socket:
    """What ccxt's handlers need of its client."""

    url = "wss://stream.bybit.com/v5/public/linear"

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}

    def resolve(self, result: object, message_hash: str) -> None:
        """Nobody waits here."""

    def reject(self, error: Exception, message_hash: str = "") -> None:
        raise error


class Run:
    """Times per change in ns, and the imbalance after each."""

    def __init__(self) -> None:
        self.took_ns: list[int] = []
        self.imbalances: list[float] = []

    def measure(self, messages: list[str], handle: Callable[[str], float]) -> None:
        """Hand the snapshot over, then time the changes."""
        clock = time.perf_counter_ns
        handle(messages[0])
        for message in messages[1:]:
            began = clock()
            imbalance = handle(message)
            self.took_ns.append(clock() - began)
            self.imbalances.append(imbalance)

    def figure(self, quantile: float = 0.5) -> float:
        """Return a quantile in microseconds."""
        return sorted(self.took_ns)[int(quantile * (len(self.took_ns) - 1))] / 1000


def recorded(data: Path) -> list[str]:
    path = data / "l2" / "bybit_linear_XRPUSDT_ob500_20241201.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        messages = [json.loads(line)["m"] for line in lines]
    return [json.dumps(message, separators=(",", ":")) for message in messages]


def run_events(messages: list[str], run: Run) -> None:
    session = MarketSession(Category.LINEAR, {SYMBOL: XRP}, depth=500)
    run.measure(messages, lambda frame: float(len(session.receive(frame, 0))))


def run_ours(messages: list[str], run: Run) -> None:
    session = MarketSession(Category.LINEAR, {SYMBOL: XRP}, depth=500)
    book = Book(SequenceRule.BYBIT)

    def handle(frame: str) -> float:
        for event in session.receive(frame, 0):
            if isinstance(event, DepthChanged):
                assert book.change(event) is Applied.APPLIED
            elif isinstance(event, DepthSnapshotted):
                book.snapshot(event)
        return book.imbalance(LEVELS)

    run.measure(messages, handle)


async def run_ccxt(messages: list[str], run: Run) -> None:
    exchange = ccxt_pro.bybit()
    try:
        exchange.set_markets([MARKET])
        socket = Socket()

        def handle(message: str) -> float:
            exchange.handle_message(socket, json.loads(message))
            book = exchange.orderbooks["XRP/USDT:USDT"]
            bid = sum(level[1] for level in book["bids"][:LEVELS])
            ask = sum(level[1] for level in book["asks"][:LEVELS])
            return float((bid - ask) / (bid + ask))

        run.measure(messages, handle)
    finally:
        await exchange.close()


@pytest.mark.benchmark
@pytest.mark.captures
def test_bybits_depth_to_imbalance_beside_ccxt(shared_data: Path) -> None:
    messages = recorded(shared_data)
    events, ours, theirs = Run(), Run(), Run()
    for _ in range(ROUNDS):
        run_events(messages, events)
        run_ours(messages, ours)
        asyncio.run(run_ccxt(messages, theirs))
    assert ours.imbalances == pytest.approx(theirs.imbalances, rel=1e-9)
    ratio = ours.figure() / theirs.figure()
    print(  # noqa: T201
        f"\nbybit depth of 60 levels: event p50 {events.figure():.1f} us p99 "
        f"{events.figure(0.99):.1f} us; book and imbalance p50 {ours.figure():.1f} us p99 "
        f"{ours.figure(0.99):.1f} us; ccxt.pro p50 {theirs.figure():.1f} us p99 "
        f"{theirs.figure(0.99):.1f} us; ratio {ratio:.2f}"
    )
    assert ratio <= TARGET
