"""The panic path: cancel everything, prove it, close what is open (R102 R127).

It runs beside the kernel and needs no strategy, journal, screen or lease. What it
knows it asks the venue for; what it sends is not waited for by anybody else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError
from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder
from obiterm.core.values import NS_PER_MS, RunId, Symbol
from obiterm.engine.abroad import OrdersAbroad
from obiterm.engine.flatten import Flattener, Holdings, call
from obiterm.engine.gateway import Gateway

_FIRST_WAIT_S = 0.02
_LONGEST_WAIT_S = 2.0
_LONGEST_WATCH_S = 0.2
"""Longest pause while orders may still arrive at the venue."""
_NAMED = 3
"""Orders that are named in a line."""
_LOG = logging.getLogger("obiterm.engine")


class Books(Holdings, Protocol):
    """What the panic path may ask the account's book-keeping."""

    def open_orders(self) -> int:
        """Return how many orders of ours are open as far as we know."""
        ...

    def on_the_way(self) -> int:
        """Return how many orders may yet reach the venue unseen."""
        ...


class PanicProgress:
    """How far one account has got; read by the publisher."""

    def __init__(self, account: str, flatten: bool, who: str, started_ns: int) -> None:
        self.account = account
        self.flatten = flatten
        self.who = who
        self.started_ns = started_ns
        self.cancelled = 0
        """Orders that are gone since the first key, those of the first burst included."""
        self.open_before = 0
        self.left_orders = -1
        self.left_positions = -1
        self.attempt = 0
        self.elapsed_ms = 0.0
        self.done = False
        self.text = ""


class PanicPath:
    """One account's kill or emergency exit; idempotent, a second call joins the first."""

    def __init__(
        self,
        gateway: Gateway,
        instruments: dict[Symbol, Instrument],
        run: RunId,
        clock: Clock,
        books: Books,
    ) -> None:
        self._gateway = gateway
        self._instruments = instruments
        self._clock = clock
        self._books = books
        self._flattener = Flattener(gateway, instruments, run, clock, books)
        self._abroad = OrdersAbroad(gateway, instruments, clock)
        self._task: asyncio.Task[None] | None = None
        self.progress: PanicProgress | None = None

    @property
    def is_running(self) -> bool:
        """Return whether there is still something to do."""
        return self._task is not None and not self._task.done()

    def start(self, account: str, flatten: bool, who: str) -> None:
        """Write the first cancels now and begin to verify. Call from the engine's loop."""
        open_before = self._books.open_orders()
        for symbol in self._instruments:
            try:
                self._gateway.cancel_all_now(symbol)
            except (ObitermError, OSError):
                continue  # the verified path below tries again and reports
            except Exception as error:  # task boundary: a defect must not stop a kill
                _LOG.error("cancel-all on %s: %s", symbol, error, exc_info=error)
        if self.is_running and self.progress is not None:
            self.progress.flatten = self.progress.flatten or flatten
            return
        self._flattener.begin()
        self._abroad = OrdersAbroad(self._gateway, self._instruments, self._clock)
        self.progress = PanicProgress(account, flatten, who, self._clock.wall_ns())
        self.progress.open_before = open_before
        self._task = asyncio.get_running_loop().create_task(self._run(self.progress))

    async def wait(self) -> None:
        """Wait until the path has nothing left to do."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Give up; used when the host ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- rounds -----------------------------------------------------------------------------

    async def _run(self, progress: PanicProgress) -> None:
        try:
            await self._rounds(progress)
        finally:
            await self._flattener.close()

    async def _rounds(self, progress: PanicProgress) -> None:
        started = self._clock.monotonic_ns()
        wait_s = _FIRST_WAIT_S
        while True:
            progress.attempt += 1
            done = False
            try:
                done = await self._round(progress)
            except (ObitermError, OSError, TimeoutError) as error:
                progress.text = f"no answer, trying again: {error or type(error).__name__}"
            except Exception as error:  # task boundary: a defect must not end a kill
                progress.text = f"trying again after {type(error).__name__}: {error}"
            progress.elapsed_ms = (self._clock.monotonic_ns() - started) / NS_PER_MS
            if done:
                progress.done = True
                return
            await asyncio.sleep(wait_s)
            calm = progress.left_orders == 0 and progress.text == ""
            wait_s = min(_LONGEST_WATCH_S if calm else _LONGEST_WAIT_S, wait_s * 1.6)

    async def _round(self, progress: PanicProgress) -> bool:
        """Cancel, look, and with ``flatten`` close; return whether nothing is left to do."""
        try:
            orders = await self._cancel_own(progress)
        except (ObitermError, OSError, TimeoutError):  # the end of the host is no such failure
            await self._cancel_abroad(progress)
            raise
        await self._cancel_abroad(progress)
        abroad = self._abroad.orders
        progress.left_orders = len(orders) + len(abroad)
        progress.cancelled = max(progress.cancelled, progress.open_before - len(orders))
        names = [f"{o.symbol} {o.client_id}" for o in orders]
        names += [f"{o.symbol} {o.side} {o.quantity} {o.name}" for o in abroad]
        progress.text = f"still open: {', '.join(names[:_NAMED])}" if names else ""
        if orders or not self._abroad.is_clear:
            return False
        if progress.flatten:
            await self._flatten(progress)
        else:
            progress.left_positions = sum(
                abs(self._books.exposure_lots(symbol)) >= (1 if i.is_perpetual else i.min_lots)
                for symbol, i in self._instruments.items()
            )
        if self._books.on_the_way():
            return False  # sent before the kill, not seen yet: it is cancelled when it shows up
        return not progress.flatten or self._flattener.is_done

    async def _cancel_own(self, progress: PanicProgress) -> list[LiveOrder]:
        """Cancel what is open on the account's markets; return what is left."""
        orders = await self._open_orders()
        if not orders:
            return orders
        await self._cancel_all(sorted({order.symbol for order in orders}))
        left = await self._open_orders()
        progress.cancelled += max(0, len(orders) - len(left))
        return left

    async def _cancel_abroad(self, progress: PanicProgress) -> None:
        """Cancel what is open on the account's other markets; the next look verifies it."""
        if not self._abroad.is_due:
            return
        before = len(self._abroad.orders)
        symbols = await call(self._abroad.look())
        progress.cancelled += max(0, before - len(self._abroad.orders))
        await self._cancel_all(sorted(symbols))

    async def _flatten(self, progress: PanicProgress) -> None:
        progress.left_positions = await self._flattener.round()
        reasons = self._flattener.given_up()
        if reasons:
            progress.text = "left: " + "; ".join(reasons)

    async def _open_orders(self) -> list[LiveOrder]:
        """Ask what rests; when the venue will not tell, cancel without looking."""
        try:
            return await call(self._gateway.open_orders())
        except (ObitermError, OSError, TimeoutError):
            await self._cancel_all(self._instruments)
            raise

    async def _cancel_all(self, symbols: Iterable[Symbol]) -> None:
        """Cancel on every market; one that fails holds up no other."""
        trouble: Exception | None = None
        for symbol in symbols:
            try:
                await call(self._gateway.cancel_all(symbol))
            except (ObitermError, OSError, TimeoutError) as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble
