"""Feeds a surf instance synthetic views."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, MarketKind, Symbol
from obiterm.strategies.base import Decision, MarketView, PositionView, View, Wish
from obiterm.strategies.surf import Surf
from obiterm.strategies.surf_parameters import SurfParameters

D = Decimal
SPOT = Instrument(
    "binance",
    Symbol("BTCUSDT"),
    MarketKind.SPOT,
    "BTC",
    "USDT",
    tick_size=D("0.01"),
    lot_size=D("0.00001"),
    min_notional=D(5),
)
PERP = msgspec.structs.replace(SPOT, kind=MarketKind.PERP)
BID, ASK = 100_000, 100_010
"""1,000.00 and 1,000.10."""
FULL = 100_000
"""Lots of quantity 1."""


class Desk:
    """Feeds a surf instance one view after another; time and book updates go on by themselves."""

    def __init__(self, instrument: Instrument = SPOT, **parameters: Any) -> None:
        values: dict[str, Any] = {"quantity": D(1), "reprice_ticks": 0} | parameters
        self.instrument = instrument
        self.surf = Surf(SurfParameters(**values), instrument)
        self.now_ms = 1_000
        self.updates = 0
        self.trips = 0
        self.position = PositionView(0, 0.0, 0, 0, D(0), 0)

    def view(self, obi: float, **market: Any) -> View:
        known: dict[str, Any] = {
            "bid_ticks": BID,
            "bid_lots": 10 * FULL,
            "ask_ticks": ASK,
            "ask_lots": 10 * FULL,
            "last_ticks": BID,
            "obi": obi,
            "micro_ticks": 0.0,
            "flow": 0.0,
            "atr_ticks": 50.0,
            "tradable": True,
            "depth_updates": self.updates,
        }
        return View(
            now_ns=self.now_ms * NS_PER_MS,
            instrument=self.instrument,
            market=MarketView(**(known | market)),
            position=self.position,
            available_quote=D(10_000),
        )

    def see(self, obi: float = 0.0, *, ms: int = 100, updates: int = 1, **market: Any) -> Decision:
        """Let ``ms`` pass and ``updates`` book messages arrive; return the decision."""
        self.now_ms += ms
        self.updates += updates
        return self.surf.decide(self.view(obi, **market))

    def hold(self, lots: int = FULL, average: float = BID, kept: int | None = None) -> None:
        self.position = PositionView(
            lots, average, self.now_ms * NS_PER_MS, lots if kept is None else kept, D(0), self.trips
        )

    def flat(self) -> None:
        self.trips += 1
        self.position = PositionView(0, 0.0, 0, 0, D(0), self.trips)


def wish(decision: Decision, tag: str) -> Wish:
    (found,) = [w for w in decision.wishes if w.tag == tag]
    return found


def tags(decision: Decision) -> list[str]:
    return [w.tag for w in decision.wishes]
