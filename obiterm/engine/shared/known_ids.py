"""Whose order a venue's order id is, for venues that leave our id out of their trade lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from obiterm.core.values import ClientOrderId, VenueOrderId

_KEPT = 20_000


class KnownIds(Mapping[VenueOrderId, ClientOrderId]):
    """Our ids by the venue's, the newest ``kept`` of them.

    An empty id stands for an order that the venue says is not ours.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._ids: dict[VenueOrderId, ClientOrderId] = {}

    def learn(self, venue_id: VenueOrderId, client_id: ClientOrderId) -> None:
        """Take one; what is known stays."""
        if not venue_id or venue_id in self._ids:
            return
        self._ids[venue_id] = client_id
        if len(self._ids) > self._kept:
            del self._ids[next(iter(self._ids))]

    def __getitem__(self, venue_id: VenueOrderId) -> ClientOrderId:
        return self._ids[venue_id]

    def __iter__(self) -> Iterator[VenueOrderId]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)
