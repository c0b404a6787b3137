"""Watch the accounts of a running host: when they did not see, when an outcome was unknown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec

from obiterm.core.values import OrderState
from obiterm.host.slots import AccountSlot

_LOOK_S = 0.02


class Span(msgspec.Struct):
    """A time, by the wall clock."""

    from_ns: int
    to_ns: int

    @property
    def took_ns(self) -> int:
        """How long it was."""
        return self.to_ns - self.from_ns


class Watcher:
    """Looks fifty times a second.

    Attributes:
        blind: by account, times in which it was not connected, did not see its orders, or had
            a market whose book could not be traded on.
        unknown: by account, times in which the outcome of an order was not known.
    """

    def __init__(self, slots: Sequence[AccountSlot]) -> None:
        self._slots = slots
        self.blind: dict[str, list[Span]] = {slot.name: [] for slot in slots}
        self.unknown: dict[str, list[Span]] = {slot.name: [] for slot in slots}
        self._open: dict[tuple[str, str], Span] = {}

    async def run(self) -> None:
        """Watch from the first sight of each account until cancelled."""
        seen: set[str] = set()
        while True:
            now_ns = time.time_ns()
            for slot in self._slots:
                sees = _sees(slot)
                if sees:
                    seen.add(slot.name)
                if slot.name in seen:
                    self._note("blind", self.blind[slot.name], slot, not sees, now_ns)
                    self._note("unknown", self.unknown[slot.name], slot, _doubts(slot), now_ns)
            await asyncio.sleep(_LOOK_S)

    def _note(
        self, what: str, spans: list[Span], slot: AccountSlot, lasts: bool, now_ns: int
    ) -> None:
        key = (what, slot.name)
        span = self._open.get(key)
        if lasts and span is None:
            self._open[key] = Span(now_ns, now_ns)
            spans.append(self._open[key])
        elif span is not None:
            span.to_ns = now_ns
            if not lasts:
                del self._open[key]


def _sees(slot: AccountSlot) -> bool:
    engine = slot.engine
    if engine is None or not engine.kernel.in_sight:
        return False
    now_ns = engine.now_ns()
    return all(engine.kernel.gate.tradable(symbol, now_ns) for symbol in slot.symbols)


def _doubts(slot: AccountSlot) -> bool:
    engine = slot.engine
    return engine is not None and any(
        order.state is OrderState.UNKNOWN for order in engine.kernel.desk.live()
    )
