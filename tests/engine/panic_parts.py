"""A venue that is nothing but positions, for what the panic path makes of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import cast

from obiterm.core.errors import Refused
from obiterm.core.events import OrderReported, PositionReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ListedOrder, ListedPosition, LiveOrder
from obiterm.core.values import ClientOrderId, MarketKind, RunId, Side, Symbol
from obiterm.engine.gateway import Gateway
from obiterm.engine.panic import PanicPath
from obiterm.net.clock import SteadyClock

ALL_VENUES = [
    ("binance", Symbol("BTCUSDT")),
    ("binance-futures", Symbol("BTCUSDT-PERP")),
    ("bybit", Symbol("BTCUSDT")),
    ("bybit", Symbol("BTCUSDT.SPOT")),
    ("backpack", Symbol("SOL_USDC_PERP")),
]
"""A market of each dialect, spot and perpetual."""
_CHUNK = 10
_ZERO = Decimal(0)


def instrument(name: str) -> Instrument:
    """Return a perpetual with small market orders."""
    return Instrument(
        venue="x",
        symbol=Symbol(name),
        kind=MarketKind.PERP,
        base=name,
        quote="USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
        settle="USDT",
        market_max_lots=_CHUNK,
    )


class Books:
    """Books of an account that knows of no fill of its own."""

    def exposure_lots(self, symbol: Symbol) -> int:
        return 0

    def open_orders(self) -> int:
        return 0

    def on_the_way(self) -> int:
        return 0

    async def refresh(self) -> None:
        return None


class Venue:
    """Closes what it is asked to, but for what a test forbids."""

    def __init__(self, held: dict[str, int]) -> None:
        self.held = dict(held)
        self.refuses: dict[str, int] = {}
        """How often a close is refused; after the last time the position vanishes by itself."""
        self.fails: list[Exception] = []
        self.sent: list[ClientOrderId] = []
        self.asked: list[ClientOrderId] = []

    def cancel_all_now(self, symbol: Symbol) -> None:
        return None

    async def cancel_all(self, symbol: Symbol) -> None:
        return None

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        return []

    async def positions(self) -> list[PositionReported]:
        return [
            PositionReported(Symbol(name), lots, _ZERO, _ZERO, _ZERO, _ZERO, 1, 1)
            for name, lots in self.held.items()
            if lots
        ]

    async def listed_orders(self) -> list[ListedOrder]:
        return []

    async def listed_positions(self) -> list[ListedPosition]:
        return []

    async def find_order(self, symbol: Symbol, client_id: ClientOrderId) -> OrderReported | None:
        self.asked.append(client_id)
        return None

    async def close_market(
        self, symbol: Symbol, side: Side, lots: int, client_id: ClientOrderId
    ) -> int:
        self.sent.append(client_id)
        if self.fails:
            raise self.fails.pop(0)
        if symbol in self.refuses:
            self.refuses[symbol] -= 1
            if not self.refuses[symbol]:
                loop = asyncio.get_running_loop()
                loop.call_later(0.01, lambda: self.held.__setitem__(symbol, 0))
            raise Refused("110007", "no such luck")
        filled = min(lots, self.held[symbol])
        self.held[symbol] -= filled
        return filled


def panic_path(venue: Venue, instruments: Sequence[Instrument]) -> PanicPath:
    """Return a panic path on such a venue."""
    markets = {one.symbol: one for one in instruments}
    return PanicPath(cast(Gateway, venue), markets, RunId("r"), SteadyClock(), Books())
