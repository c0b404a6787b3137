"""The panic path: cancel everything, prove it, close what is open (R102 R127).

It runs beside the kernel and needs no strategy, journal, screen or lease. What it
knows it asks the venue for; what it sends is not waited for by anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from typing import Protocol, TypeVar

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError, OutcomeUnknown, Refused
from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder
from obiterm.core.values import NS_PER_MS, ClientOrderId, MarketKind, OrderRole, RunId, Side, Symbol
from obiterm.engine.gateway import Gateway
from obiterm.trading.desk import PANIC
from obiterm.trading.ids import make_client_id
from obiterm.trading.questions import ARRIVES_WITHIN_NS

_FIRST_WAIT_S = 0.02
_LONGEST_WAIT_S = 2.0
_LONGEST_WATCH_S = 0.2
"""Longest pause while orders may still arrive at the venue."""
_CALL_LIMIT_S = 3.0
"""A venue call that takes longer is given up and tried again."""
_MOST_REFUSALS = 3
"""Closes of one symbol that the venue may refuse in a row before a human is told."""
_BLIND_AFTER = 3
"""Rounds without our trades from the venue after which the last known position counts."""

_T = TypeVar("_T")


class Books(Protocol):
    """What the panic path may ask the account's book-keeping."""

    def exposure_lots(self, symbol: Symbol) -> int:
        """Return the signed lots that an order could close."""
        ...

    def open_orders(self) -> int:
        """Return how many orders of ours are open as far as we know."""
        ...

    def on_the_way(self) -> int:
        """Return how many orders may yet reach the venue unseen."""
        ...

    async def refresh(self) -> None:
        """Book every fill that the venue knows."""
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


class _Closing:
    """What was sent to close one symbol."""

    __slots__ = ("client_id", "given_up", "held_before", "refusals", "sent_ns")

    def __init__(self) -> None:
        self.client_id: ClientOrderId | None = None
        """A close whose outcome is not known."""
        self.sent_ns = 0
        self.held_before: int | None = None
        """Lots held before a close that has filled; until they change nothing more is sent."""
        self.refusals = 0
        self.given_up = ""


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
        self._run_id = run
        self._clock = clock
        self._books = books
        self._number = 0
        self._blind_rounds = 0
        self._closings: dict[Symbol, _Closing] = {}
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
        if self.is_running and self.progress is not None:
            self.progress.flatten = self.progress.flatten or flatten
            return
        self._closings = {}
        self._blind_rounds = 0
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
        orders = await self._open_orders()
        if orders:
            for symbol in sorted({order.symbol for order in orders}):
                await self._call(self._gateway.cancel_all(symbol))
            left = await self._open_orders()
            progress.cancelled += max(0, len(orders) - len(left))
            orders = left
        progress.left_orders = len(orders)
        progress.cancelled = max(progress.cancelled, progress.open_before - len(orders))
        names = ", ".join(f"{o.symbol} {o.client_id}" for o in orders[:3])
        progress.text = f"still open: {names}" if orders else ""
        if orders:
            return False
        if progress.flatten:
            await self._flatten(progress)
        else:
            progress.left_positions = sum(
                abs(self._books.exposure_lots(symbol)) >= instrument.min_lots
                for symbol, instrument in self._instruments.items()
            )
        if self._books.on_the_way():
            return False  # sent before the kill, not seen yet: it is cancelled when it shows up
        return not progress.flatten or progress.left_positions == len(self._given_up())

    async def _open_orders(self) -> list[LiveOrder]:
        """Ask what rests; when the venue will not tell, cancel without looking."""
        try:
            return await self._call(self._gateway.open_orders())
        except (ObitermError, OSError, TimeoutError):
            for symbol in self._instruments:
                await self._call(self._gateway.cancel_all(symbol))
            raise

    # -- positions --------------------------------------------------------------------------

    async def _flatten(self, progress: PanicProgress) -> None:
        """Close what is held, as the venue's own trades show it."""
        unsettled = [s for s in self._closings if not await self._is_settled(s)]
        await self._refresh()
        balances = await self._call(self._gateway.balances())
        left = 0
        for symbol, instrument in self._instruments.items():
            lots = self._books.exposure_lots(symbol)
            if lots > 0 and instrument.kind is MarketKind.SPOT:
                free, _ = balances.get(instrument.base, (Decimal(0), Decimal(0)))
                lots = min(lots, instrument.lots_down(free))
            if abs(lots) < instrument.min_lots:
                continue
            left += 1
            closing = self._closings.setdefault(symbol, _Closing())
            moved = closing.held_before != self._books.exposure_lots(symbol)
            if symbol not in unsettled and moved and not closing.given_up:
                await self._close(symbol, instrument, lots, closing)
        progress.left_positions = left
        reasons = self._given_up()
        if reasons:
            progress.text = "left: " + "; ".join(reasons)

    async def _refresh(self) -> None:
        try:
            await self._call(self._books.refresh())
            self._blind_rounds = 0
        except (ObitermError, OSError, TimeoutError):
            self._blind_rounds += 1
            if self._blind_rounds < _BLIND_AFTER:
                raise

    async def _close(
        self, symbol: Symbol, instrument: Instrument, lots: int, closing: _Closing
    ) -> None:
        """Send one reducing order; until its outcome is known no other follows (T7 T12)."""
        self._number += 1
        client_id = make_client_id(
            self._run_id, self._number, OrderRole.PANIC, PANIC, f"p{symbol[:5]}"
        )
        side = Side.SELL if lots > 0 else Side.BUY
        size = min(abs(lots), instrument.market_max_lots, instrument.max_lots)
        held = self._books.exposure_lots(symbol)
        closing.client_id, closing.sent_ns = client_id, self._clock.wall_ns()
        try:
            filled = await self._call(self._gateway.close_market(symbol, side, size, client_id))
        except Refused as refusal:
            closing.client_id = None
            closing.refusals += 1
            if closing.refusals >= _MOST_REFUSALS:
                closing.given_up = f"{instrument.quantity(size):f} {instrument.base}: {refusal}"
            return
        except (OutcomeUnknown, TimeoutError):
            raise
        except ObitermError:
            closing.client_id = None  # it did not reach the venue
            raise
        closing.client_id = None
        closing.refusals = 0
        if filled:
            closing.held_before = held

    async def _is_settled(self, symbol: Symbol) -> bool:
        """Return whether no close of this symbol is in doubt; ask the venue if one is."""
        closing = self._closings[symbol]
        if closing.client_id is None:
            return True
        asked_ns = self._clock.wall_ns()
        found = await self._call(self._gateway.find_order(symbol, closing.client_id))
        if found is None:
            if asked_ns - closing.sent_ns < ARRIVES_WITHIN_NS:
                return False  # the close may have come after the venue looked
        elif not found.state.is_final:
            return False
        closing.client_id = None
        return True

    def _given_up(self) -> list[str]:
        return [c.given_up for c in self._closings.values() if c.given_up]

    @staticmethod
    async def _call(work: Awaitable[_T]) -> _T:
        async with asyncio.timeout(_CALL_LIMIT_S):
            return await work
