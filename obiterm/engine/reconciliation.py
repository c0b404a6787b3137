"""Fetch the venue's whole word on an account: orders, fills, balances, positions (T6 T10 T36).

Fills are read from a mark that moves only with what was read this way. What the stream
told does not move it, since the stream may have left something out before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError, RetryLater
from obiterm.core.events import AccountReconciled, Event
from obiterm.core.values import Symbol
from obiterm.engine.gateway import NO_TRADE, Gateway
from obiterm.net.backoff import Backoff

Booked = Mapping[Symbol, frozenset[int]]
"""Trade ids of fills that earlier runs have taken, by symbol."""

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 10.0
_LONGEST_ASKED_S = 60.0
"""A ban may last longer; asking once a minute shows when it is over."""
_TELL_EVERY = 10


def asked_to_wait_s(error: ObitermError) -> float:
    """Return how long the venue, or our own budget for it, wants to be left alone (R42 T44)."""
    if not isinstance(error, RetryLater):
        return 0.0
    return min(error.retry_after_ms / 1_000, _LONGEST_ASKED_S)


class Reconciler:
    """One account's reconciliation; one at a time, repeated until it succeeds."""

    def __init__(
        self,
        gateway: Gateway,
        symbols: Iterable[Symbol],
        clock: Clock,
        handle: Callable[[Event], None],
        tell: Callable[[str], None],
    ) -> None:
        self._gateway = gateway
        self._marks = dict.fromkeys(symbols, NO_TRADE)
        self._booked: dict[Symbol, frozenset[int]] = {}
        self._clock = clock
        self._handle = handle
        self._tell = tell
        self._again = False
        self._task: asyncio.Task[None] | None = None

    def start_from(self, symbol: Symbol, mark: int, booked: frozenset[int]) -> None:
        """Read fills after ``mark`` (``Gateway.fill_mark``) from now on.

        Where marks are times the venue shows some from before it too; ``booked`` are trade ids
        of earlier runs, whose fills this run has in its position or its result already (T34).
        """
        self._marks[symbol] = mark
        self._booked[symbol] = booked

    def ask(self) -> None:
        """Reconcile now, or once more when one is under way: its answers may be too old."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        else:
            self._again = True

    async def stop(self) -> None:
        """Give up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def read_fills(self) -> None:
        """Deliver every fill since the mark. Raises what the venue raises."""
        for symbol, mark in self._marks.items():
            booked = self._booked.get(symbol, frozenset())
            for fill in await self._gateway.fills_since(symbol, mark):
                if fill.trade_id not in booked:
                    self._handle(fill)
                self._marks[symbol] = max(self._gateway.fill_mark(fill), self._marks[symbol])

    async def _run(self) -> None:
        backoff = Backoff(first_s=_FIRST_WAIT_S, ceiling_s=_LONGEST_WAIT_S)
        while True:
            self._again = False
            try:
                reconciled = await self._read()
            except ObitermError as error:
                if backoff.failures % _TELL_EVERY == 0:
                    self._tell(f"reconciliation, trying again: {error}")
                await asyncio.sleep(max(backoff.next_s(), asked_to_wait_s(error)))
                continue
            except Exception as error:  # task boundary: without it nothing would be read again
                self._tell(f"reconciliation, trying again: {type(error).__name__}: {error}")
                await asyncio.sleep(backoff.next_s())
                continue
            if self._again:
                continue
            self._handle(reconciled)
            if not self._again:  # handling it may have asked for more
                return

    async def _read(self) -> AccountReconciled:
        """Read orders before fills, so that no listed fill is missing among them.

        Positions come last: what filled meanwhile may be in them and not among the fills, so
        the kernel judges a difference only when it lasts.
        """
        orders = await self._gateway.open_orders()
        await self.read_fills()
        balances = await self._gateway.balances()
        positions = await self._gateway.positions()
        return AccountReconciled(
            balances=[(asset, free, locked) for asset, (free, locked) in balances.items()],
            open_orders=orders,
            received_ns=self._clock.wall_ns(),
            positions=positions,
        )
