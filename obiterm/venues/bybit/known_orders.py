"""What an account remembers of its orders between the venue's frames.

Executions of makers may come without our id (§9.3), a cancel of a spot stop must name its
kind (§5.3), and the stream repeats and reorders the reports of an order (§9.1). Bounded: the
oldest orders are forgotten.
"""

from __future__ import annotations

from typing import TypeVar

from obiterm.core.values import ClientOrderId, VenueOrderId

_KEPT = 10_000

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Seen:
    """The newest report of one order."""

    __slots__ = ("filled_lots", "final", "updated_ms")

    def __init__(self) -> None:
        self.updated_ms = 0
        self.filled_lots = 0
        self.final = False


class KnownOrders:
    """Shared by the sessions and codecs of one account."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._client_ids: dict[VenueOrderId, ClientOrderId] = {}
        self._spot_stops: dict[ClientOrderId, None] = {}
        self._seen: dict[VenueOrderId, _Seen] = {}

    def learn(self, venue_id: VenueOrderId, client_id: ClientOrderId) -> None:
        """Remember our id of a venue's order."""
        if venue_id and client_id:
            self._client_ids[venue_id] = client_id
            _trim(self._client_ids, self._kept)

    def client_id(self, venue_id: VenueOrderId) -> ClientOrderId:
        """Return our id of a venue's order; empty when it was never told."""
        return self._client_ids.get(venue_id, ClientOrderId(""))

    def mark_spot_stop(self, client_id: ClientOrderId) -> None:
        """Remember that an order is a spot stop."""
        self._spot_stops[client_id] = None
        _trim(self._spot_stops, self._kept)

    def is_spot_stop(self, client_id: ClientOrderId) -> bool:
        """Tell whether a cancel must name the order's kind."""
        return client_id in self._spot_stops

    def unmark_spot_stop(self, client_id: ClientOrderId) -> None:
        """Remember that a spot stop was triggered: it is a plain order from now on."""
        self._spot_stops.pop(client_id, None)

    def is_news(
        self, venue_id: VenueOrderId, updated_ms: int, filled_lots: int, final: bool
    ) -> bool:
        """Take one report of the stream; return False when it is older than what was told.

        An order that ended stays ended: the second ``Filled`` of a cancel that lost its race,
        and anything that was overtaken, is no news. A larger fill always is.
        """
        seen = self._seen.get(venue_id)
        if seen is None:
            seen = self._seen[venue_id] = _Seen()
            _trim(self._seen, self._kept)
        elif filled_lots <= seen.filled_lots and (seen.final or updated_ms < seen.updated_ms):
            return False
        seen.updated_ms = max(seen.updated_ms, updated_ms)
        seen.filled_lots = max(seen.filled_lots, filled_lots)
        seen.final = seen.final or final
        return True


class SeenIds:
    """The newest execution ids, each once."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._ids: dict[str, None] = {}

    def __contains__(self, exec_id: str) -> bool:
        return exec_id in self._ids

    def add(self, exec_id: str) -> None:
        """Remember one id."""
        self._ids[exec_id] = None
        _trim(self._ids, self._kept)


def _trim(memory: dict[Key, Value], kept: int) -> None:
    while len(memory) > kept:
        del memory[next(iter(memory))]
