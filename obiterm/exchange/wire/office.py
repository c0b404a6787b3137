"""The core and what every dialect keeps beside it: clock, accounts, outputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

from obiterm.exchange.api import Fill, Order, OrderUpdate, Output
from obiterm.exchange.wire.core import GatedCore

Json = dict[str, object]
"""A message before it is encoded."""

FIRST_UID = 354_937_868


class Office:
    """The venue core behind a wire.

    Outputs of the core leave through ``sinks`` in the order in which they happened.
    """

    def __init__(self, venue: GatedCore) -> None:
        self.venue = venue
        self.uids: dict[str, int] = {}
        """Account name -> the venue's number of it."""
        self.clock_offset_ns = 0
        """How far the clock that callers see runs ahead of the real one; a fault sets it."""
        self.sinks: list[Callable[[list[Output], int], None]] = []
        self._market_ns = 0

    def add_account(self, name: str, balances: dict[str, Decimal]) -> None:
        """Create a funded account."""
        self.venue.add_account(name, balances)
        self.uids[name] = FIRST_UID + len(self.uids)

    def told_id(self, order_id: int, client_id: str) -> str:
        """Return the client id by which callers know an order, where the core has another."""
        return client_id

    def clock_ns(self) -> int:
        """Return the exchange's clock as callers see it."""
        return time.time_ns() + self.clock_offset_ns

    def market_ns(self) -> int:
        """Return the time of the market: the real clock, never stepping back."""
        self._market_ns = max(self._market_ns, time.time_ns())
        return self._market_ns

    def flush(self, now_ns: int) -> list[Output]:
        """Hand the core's outputs to every sink and return them."""
        outputs = self.venue.drain()
        if outputs:
            for sink in self.sinks:
                sink(outputs, now_ns)
        return outputs

    def settle(self, order: Order, now_ns: int) -> list[Fill]:
        """Send out what an order caused and return its own fills."""
        return [
            output.fill
            for output in self.flush(now_ns)
            if isinstance(output, OrderUpdate)
            and output.fill is not None
            and output.order.order_id == order.order_id
        ]
