"""Accepted requests whose result the account stream still owes (bybit.md §3, trap 4)."""

from __future__ import annotations

from obiterm.core.events import OrderReported
from obiterm.core.values import NS_PER_S, ClientOrderId, Symbol

LATE_NS = NS_PER_S
"""A result that has not come this long after the acceptance is asked for by REST."""


class _Due:
    """One order of which news is owed."""

    __slots__ = ("due_ns", "symbol", "wants_end")

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.wants_end = False
        """A cancel is at work: only the order's end is its result."""
        self.due_ns = 0
        """When to ask; 0 while the request is not accepted yet."""


class Awaited:
    """Orders that were sent or cancelled, until the stream or a question tells of them.

    The stream may be faster than the answer: what it told before counts. An order is asked
    about once here; the kernel's own questions follow.
    """

    def __init__(self) -> None:
        self._due: dict[ClientOrderId, _Due] = {}

    def sent(self, symbol: Symbol, client_id: ClientOrderId, *, is_cancel: bool = False) -> None:
        """Note that a request leaves."""
        due = self._due.setdefault(client_id, _Due(symbol))
        due.wants_end = due.wants_end or is_cancel

    def accepted(self, client_id: ClientOrderId, now_ns: int) -> None:
        """Note that the venue took it: from now on the result is owed."""
        due = self._due.get(client_id)
        if due is not None:
            due.due_ns = now_ns + LATE_NS

    def failed(self, client_id: ClientOrderId) -> None:
        """Note that it was refused or lost: that is told already."""
        self._due.pop(client_id, None)

    def told(self, report: OrderReported) -> None:
        """Note news of an order."""
        due = self._due.get(report.client_id)
        if due is not None and (report.state.is_final or not due.wants_end):
            del self._due[report.client_id]

    def take_late(self, now_ns: int) -> list[tuple[Symbol, ClientOrderId]]:
        """Return the orders to ask about now, and forget them."""
        late = [
            (due.symbol, client_id)
            for client_id, due in self._due.items()
            if due.due_ns and now_ns >= due.due_ns
        ]
        for _, client_id in late:
            del self._due[client_id]
        return late
