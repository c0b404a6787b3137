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

from obiterm.core.events import DepthSnapshotted, Event, Filled, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, LiveOrder
from obiterm.core.values import ClientOrderId, Side, Symbol, VenueOrderId

Emit = Callable[[Event], None]

NO_TRADE = -1
"""Trade id before the first trade."""


class Prepared(msgspec.Struct, frozen=True):
    """What had to be known before the kernel could be built."""

    instruments: dict[Symbol, Instrument]
    balances: dict[str, tuple[Decimal, Decimal]]
    """``asset -> (free, locked)``."""
    clock_offset_ns: int
    last_trade_ids: dict[Symbol, int]
    """Newest own trade of each symbol, ``NO_TRADE`` where there is none."""


class GatewayHealth(msgspec.Struct, frozen=True):
    """Figures for the risk bar."""

    sockets: dict[str, str]
    """Name to ``up``, ``stale`` or ``down``."""
    weight_share: float
    round_trips_ms: tuple[float, ...]
    """Newest last."""


class Gateway(Protocol):
    """One account at one venue.

    Attributes:
        rest_url: base address of REST.
        venue: the venue's name.
        is_fresh: True for an exchange that was started for this run: nothing of an
            earlier run can be there.
    """

    rest_url: str
    venue: str
    is_fresh: bool

    async def prepare(self, symbols: Iterable[Symbol]) -> Prepared:
        """Measure the clock, check the key, read instruments, fees, balances, last trades."""
        ...

    async def run(self, emit: Emit) -> None:
        """Keep the sockets up and emit events until cancelled."""
        ...

    def send(self, order: ApprovedOrder) -> None:
        """Write an order to the venue. The outcome comes as an event."""
        ...

    def drop_unsent(self) -> None:
        """Give up orders that still wait for a connection; their outcome counts as unknown."""
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

    async def fills_since(self, symbol: Symbol, trade_id: int) -> list[Filled]:
        """Fetch own fills after ``trade_id``, oldest first; all of them."""
        ...

    # -- the panic path: plain requests, no state of ours in the way --------------------

    def cancel_all_now(self, symbol: Symbol) -> None:
        """Write a cancel-all at once, on whatever connection is up; no answer is waited for."""
        ...

    async def cancel_all(self, symbol: Symbol) -> None:
        """Cancel everything on a symbol, without looking first."""
        ...

    async def close_market(
        self, symbol: Symbol, side: Side, lots: int, client_id: ClientOrderId
    ) -> int:
        """Send a reducing market order and emit its fills; return the lots filled.

        Raises ``Refused`` in the venue's words, ``OutcomeUnknown`` when it may have acted,
        ``RetryLater`` when it has not.
        """
        ...

    async def find_order(self, symbol: Symbol, client_id: ClientOrderId) -> OrderReported | None:
        """Ask about one order and wait; ``None`` when the venue does not have it."""
        ...

    def health(self) -> GatewayHealth:
        """Return figures for the screen."""
        ...
