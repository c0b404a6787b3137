"""The panic path: cancel everything, prove it, close what is open (R102 R127).

It runs beside the kernel and needs no strategy, journal, screen or lease. What it
knows it asks the venue for; what it sends is not waited for by anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, ClientOrderId, OrderRole, RunId, Side, Symbol
from obiterm.engine.gateway import Gateway
from obiterm.trading.desk import PANIC
from obiterm.trading.ids import make_client_id

_FIRST_WAIT_S = 0.02
_LONGEST_WAIT_S = 2.0
_CALL_LIMIT_S = 3.0
"""A venue call that takes longer is given up and tried again."""


class PanicProgress:
    """How far one account has got; read by the publisher."""

    def __init__(self, account: str, flatten: bool, who: str, started_ns: int) -> None:
        self.account = account
        self.flatten = flatten
        self.who = who
        self.started_ns = started_ns
        self.cancelled = 0
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
        exposure: Callable[[Symbol], int],
    ) -> None:
        self._gateway = gateway
        self._instruments = instruments
        self._run_id = run
        self._clock = clock
        self._exposure = exposure
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self.progress: PanicProgress | None = None

    def start(self, account: str, flatten: bool, who: str) -> None:
        """Write the first cancels now and begin to verify. Call from the engine's loop."""
        for symbol in self._instruments:
            try:
                self._gateway.cancel_all_now(symbol)
            except (ObitermError, OSError):
                continue  # the verified path below tries again and reports
        running = self._task is not None and not self._task.done()
        if running and self.progress is not None:
            self.progress.flatten = self.progress.flatten or flatten
            return
        self.progress = PanicProgress(account, flatten, who, self._clock.wall_ns())
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

    async def _run(self, progress: PanicProgress) -> None:
        started = self._clock.monotonic_ns()
        wait_s = _FIRST_WAIT_S
        while True:
            progress.attempt += 1
            try:
                async with asyncio.timeout(_CALL_LIMIT_S):
                    await self._sweep(progress)
            except (ObitermError, OSError, TimeoutError) as error:
                progress.text = f"no answer, trying again: {error or type(error).__name__}"
            progress.elapsed_ms = (self._clock.monotonic_ns() - started) / NS_PER_MS
            if progress.left_orders == 0 and (not progress.flatten or progress.left_positions == 0):
                progress.text = progress.text if progress.text.startswith("left:") else ""
                progress.done = True
                return
            await asyncio.sleep(wait_s)
            wait_s = min(_LONGEST_WAIT_S, wait_s * 1.6)

    async def _sweep(self, progress: PanicProgress) -> None:
        """Cancel, look, and with ``flatten`` close; one round."""
        gateway = self._gateway
        orders = await gateway.open_orders()
        symbols = {order.symbol for order in orders} | set(self._instruments)
        if orders:
            for symbol in symbols & {order.symbol for order in orders}:
                progress.cancelled += await gateway.cancel_all(symbol)
            orders = await gateway.open_orders()
        progress.left_orders = len(orders)
        names = ", ".join(f"{o.symbol} {o.client_id}" for o in orders[:3])
        progress.text = f"still open: {names}" if orders else ""
        if orders:
            return
        await self._close_positions(progress)

    async def _close_positions(self, progress: PanicProgress) -> None:
        balances = await self._gateway.balances()
        left = 0
        notes: list[str] = []
        for symbol, instrument in self._instruments.items():
            lots = self._exposure(symbol)
            if lots > 0:
                free, _ = balances.get(instrument.base, (Decimal(0), Decimal(0)))
                lots = min(lots, instrument.lots_down(free))
            size = abs(lots)
            if size < instrument.min_lots:
                continue
            if not progress.flatten:
                left += 1
                continue
            outcome = await self._close(symbol, instrument, lots)
            if outcome:
                notes.append(outcome)
            else:
                left += 1
        progress.left_positions = left
        if notes:
            progress.text = "left: " + "; ".join(notes)

    async def _close(self, symbol: Symbol, instrument: Instrument, lots: int) -> str:
        """Send one reducing order; return why nothing can be done, or nothing."""
        self._number += 1
        client_id = self._id(symbol)
        side = Side.SELL if lots > 0 else Side.BUY
        size = min(abs(lots), instrument.market_max_lots, instrument.max_lots)
        try:
            await self._gateway.close_market(symbol, side, size, client_id)
        except ObitermError as error:
            if "NOTIONAL" in str(error):
                return f"{instrument.quantity(size):f} {instrument.base} is below the minimum"
            raise
        return ""

    def _id(self, symbol: Symbol) -> ClientOrderId:
        return make_client_id(self._run_id, self._number, OrderRole.PANIC, PANIC, f"p{symbol[:5]}")
