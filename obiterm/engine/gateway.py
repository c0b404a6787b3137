"""What an account engine needs of a venue, whatever the venue is.

A gateway owns the private sockets and requests of one account; it turns everything that
happens into events for ``emit`` and never decides. Orders leave without waiting: their
outcome comes back as an event. Market data comes from the venue's shared feed
(``engine/feed.py``), one for all accounts of a venue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Protocol, runtime_checkable

import msgspec

from obiterm.core.events import Event, Filled, OrderReported, PositionReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import (
    ApprovedOrder,
    ListedOrder,
    ListedPosition,
    LiveOrder,
    RehearsedOrder,
)
from obiterm.core.values import ClientOrderId, Side, Symbol, VenueOrderId

Emit = Callable[[Event], None]


def nowhere(event: Event) -> None:
    """Drop events while nobody listens: before ``run`` and after it."""


NO_TRADE = -1
"""Mark before the first trade."""


class Prepared(msgspec.Struct, frozen=True):
    """What had to be known before the kernel could be built."""

    instruments: dict[Symbol, Instrument]
    balances: dict[str, tuple[Decimal, Decimal]]
    """``asset -> (free, locked)``."""
    clock_offset_ns: int
    fill_marks: dict[Symbol, int]
    """Mark (``Gateway.fill_mark``) of the newest own trade of each symbol, ``NO_TRADE``
    where there is none."""
    positions: list[PositionReported] = []
    """Perpetual positions that are open at the venue."""
    marks_from_ns: int = 0
    """Venue time from which on ``fill_marks`` know every trade; of what was before, a mark
    of ``NO_TRADE`` says nothing. 0 where the venue tells of all times."""


class GatewayHealth(msgspec.Struct, frozen=True):
    """Figures for the risk bar."""

    sockets: dict[str, str]
    """Name of each private socket to ``up``, ``stale`` or ``down``."""
    weight_share: float
    """Used part of the fullest rate budget of the account or its address, 0 to 1."""
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
        """Check the key, read instruments, fees, balances, positions and last trades.

        Raises ``AccountStopped`` with what to do for a key, right or mode that cannot
        trade (hedge mode, wrong environment, no permission), ``RetryLater`` or
        ``OutcomeUnknown`` when it may work later, ``UsageError`` for an unknown symbol.
        """
        ...

    async def run(self, emit: Emit) -> None:
        """Keep the private sockets up and emit events until cancelled."""
        ...

    def send(self, order: ApprovedOrder) -> None:
        """Write an order to the venue. The outcome comes as an event.

        Raises ``TypeError`` for what the risk gate has not approved.
        """
        ...

    def rehearse(self, order: RehearsedOrder) -> None:
        """Build, sign and frame an order as ``send`` would, and drop the bytes (decision 0014).

        Nothing is counted, remembered or written. Without a connection that orders could
        leave by it does nothing.
        """
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

    async def open_orders(self, symbol: Symbol | None = None) -> list[LiveOrder]:
        """Fetch open orders, foreign ones too."""
        ...

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Fetch ``asset -> (free, locked)``."""
        ...

    async def positions(self) -> list[PositionReported]:
        """Fetch the open perpetual positions; empty on spot."""
        ...

    def fill_mark(self, fill: Filled) -> int:
        """Return the mark up to which fills are read once ``fill`` is: what ``fills_since`` takes.

        Its trade id where the venue's ids rise with time, else its venue time in ns.
        """
        ...

    async def fills_since(self, symbol: Symbol, mark: int) -> list[Filled]:
        """Fetch own fills after ``mark``, oldest first; all of them.

        Fills at the mark or shortly before it may come again: booking takes each once.
        """
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

    async def listed_orders(self) -> list[ListedOrder]:
        """Fetch every open order of the account, on markets that it does not trade here too."""
        ...

    async def listed_positions(self) -> list[ListedPosition]:
        """Fetch every open perpetual position of the account, on whatever market."""
        ...

    def sibling(self) -> Gateway:
        """Return another gateway of the same account, to be prepared for other markets.

        It is never run; ``close`` ends its connections.
        """
        ...

    async def close(self) -> None:
        """Close the connections of a gateway that does not run."""
        ...

    def health(self) -> GatewayHealth:
        """Return figures for the screen."""
        ...


@runtime_checkable
class RemembersIds(Protocol):
    """A gateway of a venue that keeps less of an id than we send.

    What earlier runs sent must be told to it, so that orders found there read back whole.
    """

    def learn(self, client_ids: Iterable[ClientOrderId]) -> None:
        """Take ids that earlier runs sent; call it before ``prepare``."""
        ...
