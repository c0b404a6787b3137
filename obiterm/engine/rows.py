"""What an account writes into the journal, and what a journal that cannot write means (T20)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.effects import Effect, Send
from obiterm.core.errors import DataError
from obiterm.core.orders import RehearsedOrder
from obiterm.journal.log import Journal

_encode = msgspec.msgpack.Encoder().encode


class AccountRows:
    """One account's side of the host's journal; a refusal is told, not raised."""

    def __init__(
        self, journal: Journal, account: str, clock: Clock, broken: Callable[[DataError], None]
    ) -> None:
        self._journal = journal
        self._account = account
        self._clock = clock
        self._broken = broken

    def write(self, kind: str, payload: object) -> None:
        """Add a row; it is on disk after the next commit."""
        try:
            self._journal.append(self._account, kind, _encode(payload), self._clock.wall_ns())
        except DataError as error:
            self._broken(error)

    def commit(self) -> bool:
        """Write what is held back; return whether the disk took it."""
        try:
            self._journal.commit()
        except DataError as error:
            self._broken(error)
            return False
        return True

    def intents(self, effects: Iterable[Effect], now_ns: int) -> bool:
        """Put every intent on disk before its order leaves; return whether that worked."""
        has_orders = False
        for effect in effects:
            if isinstance(effect, Send):
                has_orders = True
                self.write("intent", (now_ns, effect))
        return self.commit() if has_orders else True

    def rehearse(self, order: RehearsedOrder, now_ns: int) -> None:
        """Build the row of an intent that never leaves; nothing is added or written."""
        payload = _encode((now_ns, order))
        self._journal.rehearse(self._account, "intent", payload, self._clock.wall_ns())

    def others(self, effects: Iterable[Effect], now_ns: int) -> None:
        """Write every effect that is no order."""
        for effect in effects:
            if not isinstance(effect, Send):
                self.write("effect", (now_ns, effect))
