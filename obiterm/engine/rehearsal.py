"""Walk the order path of one account without an order, so that a real one finds it warm.

Between two orders a trading host idles for a long time by a processor's measure: its caches
hold other things, and the first order pays for all of it (docs/decisions/0014).
"""

from __future__ import annotations

from obiterm.core.clock import Clock
from obiterm.engine.door import Door
from obiterm.engine.rows import AccountRows
from obiterm.trading.kernel import Kernel


class Rehearsal:
    """The order path of one account, from the strategy's view to the bytes for the wire."""

    def __init__(self, kernel: Kernel, rows: AccountRows, door: Door, clock: Clock) -> None:
        self._kernel = kernel
        self._rows = rows
        self._door = door
        self._clock = clock
        self._turn = 0

    def walk(self) -> bool:
        """Walk the path once; return False while no entry of the account could leave.

        Nothing of the account changes and nothing is written or sent.
        """
        now_ns = self._clock.wall_ns()
        self._turn += 1
        order = self._kernel.rehearse(self._turn, now_ns)
        if order is None:
            return False
        self._rows.rehearse(order, now_ns)
        self._door.rehearse(order)
        return True
