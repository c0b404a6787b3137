"""Which executions are known, and which the venue told of without showing them.

An order's report tells a running total; the fills themselves may come later, by another
way or never. Until they are here the position is not known, so they are fetched: a bounded
number of times, then a human is told (T11 T34 T36).
"""

from __future__ import annotations

from obiterm.core.events import Filled
from obiterm.core.values import NS_PER_MS, NS_PER_S, ClientOrderId, Symbol

_FIRST_WAIT_NS = 250 * NS_PER_MS
_LONGEST_WAIT_NS = 8 * NS_PER_S
_MOST_TRIES = 6
_TRADES_KEPT = 100_000
"""Newest trade ids of a symbol that are remembered. Fills are read again from where the last
reading ended, with half a minute of overlap at most: far fewer than these."""


class _Debt:
    """Fills of one order that are owed to us."""

    __slots__ = ("due_ns", "tries")

    def __init__(self, due_ns: int) -> None:
        self.due_ns = due_ns
        self.tries = 0


class Overdue:
    """What has to be done about missing fills.

    Attributes:
        fetch: whether to ask the venue for our trades now.
        given_up: orders whose missing fills the venue does not show after many tries; its
            total is taken as it is.
    """

    __slots__ = ("fetch", "given_up")

    def __init__(self) -> None:
        self.fetch = False
        self.given_up: list[ClientOrderId] = []


class FillLog:
    """Trade ids seen and totals per order."""

    def __init__(self) -> None:
        self._trade_ids: dict[Symbol, dict[int, None]] = {}
        self._seen: dict[ClientOrderId, int] = {}
        self._told: dict[ClientOrderId, int] = {}
        self._debts: dict[ClientOrderId, _Debt] = {}

    @property
    def debtors(self) -> list[ClientOrderId]:
        """Orders with fills that were told of and not seen."""
        return list(self._debts) if self._debts else []

    def is_known(self, fill: Filled) -> bool:
        """Return whether this execution was booked before (T34)."""
        return fill.trade_id in self._trade_ids.get(fill.symbol, ())

    def book(self, fill: Filled) -> int:
        """Note an execution; return the lots of its order seen so far."""
        trade_ids = self._trade_ids.setdefault(fill.symbol, {})
        trade_ids[fill.trade_id] = None
        if len(trade_ids) > _TRADES_KEPT:
            del trade_ids[next(iter(trade_ids))]
        seen = self._seen.get(fill.client_id, 0) + fill.lots
        self._seen[fill.client_id] = seen
        if seen >= self._told.get(fill.client_id, 0):
            self._debts.pop(fill.client_id, None)
        return seen

    def told(self, client_id: ClientOrderId, filled_lots: int, now_ns: int) -> None:
        """Note the venue's running total of an order."""
        self._told[client_id] = max(filled_lots, self._told.get(client_id, 0))
        if filled_lots > self._seen.get(client_id, 0) and client_id not in self._debts:
            self._debts[client_id] = _Debt(now_ns + _FIRST_WAIT_NS)

    def inherit(self, client_id: ClientOrderId, filled_lots: int) -> None:
        """Take an adopted order's fills up to now as known: the trade list was just read."""
        self._seen[client_id] = max(filled_lots, self._seen.get(client_id, 0))
        self._debts.pop(client_id, None)

    def overdue(self, now_ns: int) -> Overdue:
        """Return what is late at ``now_ns`` and count the try."""
        outcome = Overdue()
        if not self._debts:
            return outcome
        for client_id, debt in list(self._debts.items()):
            if now_ns < debt.due_ns:
                continue
            if debt.tries >= _MOST_TRIES:
                self.inherit(client_id, self._told[client_id])
                outcome.given_up.append(client_id)
                continue
            debt.tries += 1
            debt.due_ns = now_ns + min(_LONGEST_WAIT_NS, _FIRST_WAIT_NS << debt.tries)
            outcome.fetch = True
        return outcome

    def forget(self, client_id: ClientOrderId) -> None:
        """Drop the totals of an order that ended long ago; its trade ids stay known for long."""
        self._seen.pop(client_id, None)
        self._told.pop(client_id, None)
        self._debts.pop(client_id, None)
