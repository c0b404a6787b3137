"""Kill, exit or withdraw entries at the venues themselves, without the host (T4 T17).

For when the host hangs or is gone: ``obiterm kill`` and ``obiterm exit`` after a second without
an answer, and the watchdog. Each account has its own connections and is done at its own time; a
venue that does not answer is tried again while the others are done. The states are latched
on disk first, so that neither a restart nor a host that wakes up arms them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Literal

from obiterm.config.models import AccountProfile, Profile
from obiterm.config.paths import Paths
from obiterm.core.clock import Clock
from obiterm.core.errors import AccountStopped, DataError, ObitermError, Refused, UsageError
from obiterm.core.values import NS_PER_MS, Symbol, TradingState
from obiterm.engine.flatten import call
from obiterm.engine.gateway import Gateway, Prepared, RemembersIds
from obiterm.engine.latches import Latched, LatchStore
from obiterm.engine.panic import PanicPath, PanicProgress
from obiterm.host.build import HubRegistry, account_keys, new_run_id
from obiterm.host.inheritance import read_earlier
from obiterm.host.journal_books import JournalBooks, JournalFile, journal_path
from obiterm.host.play_keys import play_keys_path, read_play_keys
from obiterm.host.withdrawal import withdraw_entries
from obiterm.link.panes import PanicAccount
from obiterm.net.backoff import Backoff
from obiterm.net.clock import SteadyClock

Deed = Literal["kill", "exit", "cancel"]
"""What is done; ``cancel`` takes back entries and leaves protective orders."""

_TRY_LIMIT_S = 6.0
"""Longest time that one try to reach a venue may take."""
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_LOG = logging.getLogger("obiterm.host")


class DirectAction:
    """One deed on some accounts of a profile."""

    def __init__(
        self, profile: Profile, paths: Paths, accounts: Sequence[str], deed: Deed, who: str
    ) -> None:
        clock = SteadyClock()
        self._hubs = HubRegistry(clock)
        self._accounts = [
            _Account(profile, profile.account(name), paths, self._hubs, deed, who, clock)
            for name in accounts
        ]

    @property
    def rows(self) -> list[PanicAccount]:
        """How far each account is."""
        return [one.row() for one in self._accounts]

    async def run(
        self,
        limit_s: float,
        *,
        latched: TradingState | None = TradingState.HALTED,
        on_done: Callable[[PanicAccount], None] | None = None,
    ) -> list[PanicAccount]:
        """Do it, all accounts at the same time; return what each has come to.

        Args:
            limit_s: how long a venue that does not answer is tried.
            latched: state that is latched on disk before anything else; ``None`` = none.
            on_done: hears of each account as soon as it is done.
        """

        async def one(account: _Account) -> None:
            await account.run(latched)
            if on_done is not None:
                on_done(account.row())

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await asyncio.gather(*(one(account) for account in self._accounts))
        rows = self.rows
        await self._hubs.close()
        return rows


class _Account:
    """One account on its way to nothing left."""

    def __init__(
        self,
        profile: Profile,
        account: AccountProfile,
        paths: Paths,
        hubs: HubRegistry,
        deed: Deed,
        who: str,
        clock: Clock,
    ) -> None:
        self._account = account
        self._latches = LatchStore(paths.latches / profile.name)
        self._play_keys = play_keys_path(paths, profile.name)
        self._journal = JournalFile(journal_path(profile, paths))
        self._hubs = hubs
        self._deed = deed
        self._who = who
        self._clock = clock
        self._began_ns = clock.monotonic_ns()
        self._progress = PanicProgress(account.name, deed == "exit", who, clock.wall_ns())
        self._tries = 0
        self._gateway: Gateway | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self._ended = ""
        self._trouble = ""
        self._latch_trouble = ""
        self._done_ms = 0.0

    def row(self) -> PanicAccount:
        """Return how far it is, in the words of a host's own report."""
        progress = self._progress
        notes = [progress.text, self._trouble, self._latch_trouble, self._ended]
        is_done = (bool(self._ended) or progress.done) and not self._trouble
        if self._deed == "exit" and progress.left_positions > 0:
            is_done = False
        passed_ms = (self._clock.monotonic_ns() - self._began_ns) / NS_PER_MS
        return PanicAccount(
            account=self._account.name,
            done=is_done and not self._latch_trouble,
            cancelled=progress.cancelled,
            left_orders=progress.left_orders,
            left_positions=progress.left_positions,
            attempt=self._tries + progress.attempt,
            elapsed_ms=self._done_ms or passed_ms,
            text="; ".join(note for note in notes if note),
        )

    async def run(self, latched: TradingState | None) -> None:
        """Latch, then act until the venue shows none left, or a human has to mend something."""
        latching = asyncio.create_task(self._latch(latched))
        try:
            if (ready := await self._reach()) is not None:
                await self._act(*ready)
        finally:
            await latching
        self._done_ms = (self._clock.monotonic_ns() - self._began_ns) / NS_PER_MS

    async def _latch(self, state: TradingState | None) -> None:
        if state is None:
            return
        latched = Latched(state, f"{self._deed} by {self._who}", self._clock.wall_ns())
        try:
            await asyncio.to_thread(self._latches.write, self._account.name, latched)
        except DataError as error:
            self._latch_trouble = f"{error}: a restart would arm it"

    # -- reaching the venue -------------------------------------------------------------------

    async def _reach(self) -> tuple[Gateway, Prepared] | None:
        """Prepare the gateway, again and again; ``None`` when trying again is no use."""
        backoff = Backoff(first_s=_FIRST_WAIT_S, ceiling_s=_LONGEST_WAIT_S)
        while True:
            self._tries += 1
            try:
                async with asyncio.timeout(_TRY_LIMIT_S):
                    ready = await self._prepare()
                self._trouble = ""
                return ready
            except (AccountStopped, Refused, UsageError) as error:
                self._trouble = f"not confirmed: {error}"
                return None
            except (ObitermError, OSError, TimeoutError) as error:
                self._trouble = f"no answer, trying again: {error or type(error).__name__}"
            except Exception as error:  # task boundary: a defect must not end a kill
                self._trouble = f"trying again after {type(error).__name__}: {error}"
            await asyncio.sleep(backoff.next_s())

    async def _prepare(self) -> tuple[Gateway, Prepared] | None:
        gateway = self._gateway or await self._open()
        if gateway is None:
            return None
        self._gateway = gateway
        if self._deed != "cancel":
            self._cancel_blindly(gateway)
        if isinstance(gateway, RemembersIds):
            with contextlib.suppress(DataError, UsageError):
                gateway.learn(read_earlier(self._journal, self._account.name).sent)
        symbols = [Symbol(symbol) for symbol in self._account.symbols]
        return gateway, await gateway.prepare(symbols)

    async def _open(self) -> Gateway | None:
        account = self._account
        if not account.is_hosted:
            keys = account_keys(account)
            return (await self._hubs.hub(account)).gateway(keys)
        hosted = read_play_keys(self._play_keys, account.name)
        if not hosted.is_alive:
            self._progress.left_orders = self._progress.left_positions = 0
            self._ended = "its simulated exchange has ended, and its ledger with it"
            return None
        self._journal = self._journal.since_start(account.name)
        hub = await self._hubs.hub(account, hosted.address, hosted.life)
        return hub.gateway(hosted.keys(account.name))

    def _cancel_blindly(self, gateway: Gateway) -> None:
        """Send cancel-alls before anything is asked: the verified path comes after them."""
        for symbol in self._account.symbols:
            self._spawn(_blind_cancel(gateway, Symbol(symbol)))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    # -- acting -------------------------------------------------------------------------------

    async def _act(self, gateway: Gateway, prepared: Prepared) -> None:
        instruments = prepared.instruments
        books = JournalBooks(gateway, instruments, self._clock)
        books.read(self._journal, self._account.name, prepared)
        self._spawn(books.ask())
        if self._deed == "cancel":
            await withdraw_entries(gateway, instruments, books, self._progress)
            return
        has_spot = any(not one.is_perpetual for one in instruments.values())
        if self._deed == "exit" and has_spot and books.trouble:
            self._trouble = f"no coin was sold: which are ours is not known ({books.trouble})"
        path = PanicPath(gateway, instruments, new_run_id(), self._clock, books)
        path.start(self._account.name, self._deed == "exit", self._who)
        if path.progress is not None:
            self._progress = path.progress
        try:
            await path.wait()
        finally:
            await path.stop()


async def _blind_cancel(gateway: Gateway, symbol: Symbol) -> None:
    try:
        await call(gateway.cancel_all(symbol))
    except (ObitermError, OSError, TimeoutError):
        return  # the verified path tries again and reports
    except Exception as error:  # task boundary: a defect here must not stop a kill
        _LOG.error("cancel-all on %s: %s", symbol, error, exc_info=error)
