"""Keep the order paths of all accounts warm while they can trade (docs/decisions/0014)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from obiterm.engine.account import AccountEngine
from obiterm.host.slots import AccountSlot

EVERY_S = 0.006
"""Between two rehearsals, of one account each."""
LOOK_AGAIN_S = 0.1
"""While no account could send an order."""


class Rehearsals:
    """Rehearses one account after the other; each time is one short step of the loop."""

    def __init__(self, slots: Sequence[AccountSlot], tell: Callable[[str, str], None]) -> None:
        self._slots = slots
        self._tell = tell
        self._next = 0
        self._failed: dict[str, AccountEngine] = {}

    async def run(self) -> None:
        """Rehearse until cancelled."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(0, lambda: None)

        def beat() -> None:
            nonlocal timer
            timer = loop.call_later(EVERY_S if self.rehearse() else LOOK_AGAIN_S, beat)

        beat()
        try:
            await loop.create_future()
        finally:
            timer.cancel()

    def rehearse(self) -> bool:
        """Rehearse the next account that could trade; return False when none could."""
        count = len(self._slots)
        for _ in range(count):
            slot = self._slots[self._next % count]
            self._next += 1
            if self._walk(slot):
                return True
        return False

    def _walk(self, slot: AccountSlot) -> bool:
        engine = slot.engine
        if engine is None or self._failed.get(slot.name) is engine:
            return False
        try:
            return engine.rehearsal.walk()
        except Exception as error:  # task boundary: told once; the account trades on, only slower
            self._failed[slot.name] = engine
            what = f"{type(error).__name__}: {error}"
            self._tell(slot.name, f"orders are no longer rehearsed, they may leave later: {what}")
            return False
