"""Depth message -> book -> imbalance over 20 levels, beside ccxt.pro's own handler.

Both get the same recorded messages in the same run, as the socket would hand them over:
ours as the combined stream's text, ccxt's as the raw stream's text that it subscribes to.
ccxt runs its unchanged ``handle_message`` on an order book synchronised from the same
snapshot, and the same sums over its book's nearest 20 levels.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from obiterm.core.events import DepthChanged, DepthSnapshotted
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.market.book import Applied, Book
from obiterm.strategies.base import MarketView, PositionView, View
from obiterm.strategies.surf import Surf
from obiterm.strategies.surf_parameters import SurfParameters
from obiterm.venues.binance.market_session import MarketSession

ccxt_pro = pytest.importorskip("ccxt.pro", reason="ccxt is the peer of this measurement")

TARGET = 0.30
"""ARCHITECTURE §8: ours over theirs, medians."""
LEVELS = 20
ROUNDS = 5
SYMBOL = Symbol("BTCUSDT")
BTC = Instrument(
    "binance", SYMBOL, MarketKind.SPOT, "BTC", "USDT", Decimal("0.01"), Decimal("0.00000001")
)
MARKET = {
    "id": "BTCUSDT",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "baseId": "BTC",
    "quoteId": "USDT",
    "type": "spot",
    "spot": True,
    "swap": False,
    "future": False,
    "option": False,
    "contract": False,
    "active": True,
    "precision": {"price": 0.01, "amount": 1e-8},
    "limits": {},
}


class Socket:
    """What ccxt's handlers need of its client."""

    url = "wss://stream.binance.com:9443/ws/1"

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}

    def resolve(self, result: object, message_hash: str) -> None:
        """Nobody waits here."""

    def reject(self, error: Exception, message_hash: str = "") -> None:
        raise error


class Run:
    """Times per message in ns, and the imbalance after each."""

    def __init__(self) -> None:
        self.took_ns: list[int] = []
        self.imbalances: list[float] = []

    def measure(self, messages: list[str], handle: Callable[[str], float]) -> None:
        clock = time.perf_counter_ns
        for message in messages:
            began = clock()
            imbalance = handle(message)
            self.took_ns.append(clock() - began)
            self.imbalances.append(imbalance)

    def figure(self, quantile: float = 0.5) -> float:
        """Return a quantile in microseconds."""
        return sorted(self.took_ns)[int(quantile * (len(self.took_ns) - 1))] / 1000


def recorded(data: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the snapshot and the depth messages that follow it."""
    snapshot: dict[str, Any] = {}
    frames: list[dict[str, Any]] = []
    with gzip.open(data / "l2" / "binance_spot_BTCUSDT_20240808.jsonl.gz") as lines:
        for line in lines:
            message = json.loads(line)["m"]
            if "stream" not in message:
                snapshot = message
            elif "@depth" in message["stream"]:
                frames.append(message)
    return snapshot, [f for f in frames if f["data"]["u"] > snapshot["lastUpdateId"]]


def text(message: object) -> str:
    return json.dumps(message, separators=(",", ":"))


def run_ours(snapshot: dict[str, Any], frames: list[str]) -> Run:
    sides = [
        [(BTC.ticks(Decimal(p)), BTC.lots(Decimal(q))) for p, q in snapshot[side]]
        for side in ("bids", "asks")
    ]
    book = Book()
    book.snapshot(DepthSnapshotted(SYMBOL, snapshot["lastUpdateId"], sides[0], sides[1], 0, 0))
    session = MarketSession({SYMBOL: BTC})

    def handle(frame: str) -> float:
        for event in session.receive(frame, 0):
            if isinstance(event, DepthChanged):
                assert book.change(event) is Applied.APPLIED
        return book.imbalance(LEVELS)

    run = Run()
    run.measure(frames, handle)
    return run


async def run_ccxt(snapshot: dict[str, Any], messages: list[str]) -> Run:
    exchange = ccxt_pro.binance()
    try:
        exchange.set_markets([MARKET])
        book = exchange.order_book({})
        exchange.orderbooks["BTC/USDT"] = book
        sides = {s: [[float(p), float(q)] for p, q in snapshot[s]] for s in ("bids", "asks")}
        book.reset({**sides, "nonce": snapshot["lastUpdateId"], "symbol": "BTC/USDT"})
        socket = Socket()

        def handle(message: str) -> float:
            exchange.handle_message(socket, json.loads(message))
            bid = sum(level[1] for level in book["bids"][:LEVELS])
            ask = sum(level[1] for level in book["asks"][:LEVELS])
            return float((bid - ask) / (bid + ask))

        run = Run()
        run.measure(messages, handle)
        return run
    finally:
        await exchange.close()


@pytest.mark.benchmark
@pytest.mark.captures
@pytest.mark.timeout(300)
def test_depth_message_to_imbalance_costs_a_fraction_of_ccxt_pro(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot, frames = recorded(shared_data)
    combined = [text(frame) for frame in frames]
    raw = [text(frame["data"]) for frame in frames]
    ratios, ours, theirs = [], Run(), Run()
    for _ in range(ROUNDS):
        ours = run_ours(snapshot, combined)
        theirs = asyncio.run(run_ccxt(snapshot, raw))
        ratios.append(ours.figure() / theirs.figure())
    assert ours.imbalances == pytest.approx(theirs.imbalances, abs=1e-9)
    ratio = statistics.median(ratios)
    figures = {
        "path": "depth message -> book -> imbalance of 20 levels",
        "messages": len(frames),
        "ours_us": {"p50": ours.figure(), "p99": ours.figure(0.99)},
        "ccxt_pro_us": {"p50": theirs.figure(), "p99": theirs.figure(0.99)},
        "ratio": round(ratio, 3),
        "ratios": [round(one, 3) for one in ratios],
        "target": TARGET,
    }
    with capsys.disabled():
        print("\n" + json.dumps(figures))  # noqa: T201  # the measurement is the output
    assert ratio <= TARGET


@pytest.mark.benchmark
@pytest.mark.parametrize("lots", [0, 100_000], ids=["flat", "in position"])
def test_a_decision_of_surf_costs_little(lots: int, capsys: pytest.CaptureFixture[str]) -> None:
    surf = Surf(SurfParameters(quantity=Decimal(1)), BTC)
    position = PositionView(lots, 6_000_000.0 if lots else 0.0, 1, lots, Decimal(0), 0)
    took_ns = []
    for at in range(20_000):
        bid = 6_000_000 + at % 50
        obi = (at % 100) / 100 - 0.4  # signals come and go; the guard is never confirmed
        view = View(
            now_ns=at * 100_000_000,
            instrument=BTC,
            market=MarketView(bid, 10, bid + 1, 10, bid, obi, bid + 0.5, 0.0, 1.0, True, at),
            position=position,
            available_quote=Decimal(10**9),
        )
        began = time.perf_counter_ns()
        surf.decide(view)
        took_ns.append(time.perf_counter_ns() - began)
    p50, p99 = (sorted(took_ns)[int(q * len(took_ns))] / 1000 for q in (0.5, 0.99))
    figures = {"path": "surf.decide", "held_lots": lots, "p50_us": p50, "p99_us": p99, "target": 15}
    with capsys.disabled():
        print("\n" + json.dumps(figures))  # noqa: T201  # the measurement is the output
    assert p50 <= 15
