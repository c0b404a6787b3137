"""What an account engine needs of a venue, whatever the venue is.

A gateway owns sockets and requests of one account; it turns everything that
happens into events for ``emit`` and never decides. Orders leave without waiting:
their outcome comes back as an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Protocol

import msgspec

from obiterm.core.events import DepthSnapshotted, Event, Filled
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, LiveOrder
from obiterm.core.values import ClientOrderId, Side, Symbol, VenueOrderId

Emit = Callable[[Event], None]


class Prepared(msgspec.Struct, frozen=True):
    """What had to be known before the kernel could be built."""

    instruments: dict[Symbol, Instrument]
    balances: dict[str, tuple[Decimal, Decimal]]
    """``asset -> (free, locked)``."""
    clock_offset_ns: int


class GatewayHealth(msgspec.Struct, frozen=True):
    """Figures for the risk bar."""

    sockets: dict[str, str]
    """Name to ``up``, ``stale`` or ``down``."""
    weight_share: float
    round_trips_ms: tuple[float, ...]
    """Newest last."""


class Gateway(Protocol):
    """One account at one venue."""

    rest_url: str
    venue: str

    async def prepare(self, symbols: Iterable[Symbol]) -> Prepared:
        """Measure the clock, check the key, read instruments, fees and balances."""
        ...

    async def run(self, emit: Emit) -> None:
        """Keep the sockets up and emit events until cancelled."""
        ...

    def send(self, order: ApprovedOrder) -> None:
        """Write an order to the venue. The outcome comes as an event."""
        ...

    def cancel(
        self, symbol: Symbol, client_id: ClientOrderId, venue_id: VenueOrderId | None
    ) -> None:
        """Write a cancel. The outcome comes as an event."""
        ...

    def query(self, symbol: Symbol, client_id: ClientOrderId) -> None:
        """Ask about an order. The answer comes as an event."""
        ...

    async def snapshot(self, symbol: Symbol) -> DepthSnapshotted:
        """Fetch a book."""
        ...

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Fetch open orders, foreign ones too."""
        ...

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Fetch ``asset -> (free, locked)``."""
        ...

    async def fills_since(self, symbol: Symbol, trade_id: int | None) -> list[Filled]:
        """Fetch own fills after ``trade_id``, oldest first."""
        ...

    # -- the panic path: plain requests, no state of ours in the way --------------------

    def cancel_all_now(self, symbol: Symbol) -> None:
        """Write a cancel-all at once, on whatever connection is up; no answer is waited for."""
        ...

    async def cancel_all(self, symbol: Symbol) -> int:
        """Cancel everything on a symbol; return how many orders were cancelled."""
        ...

    async def close_market(
        self, symbol: Symbol, side: Side, lots: int, client_id: ClientOrderId
    ) -> None:
        """Send a reducing market order; raise the venue's refusal."""
        ...

    def health(self) -> GatewayHealth:
        """Return figures for the screen."""
        ...
