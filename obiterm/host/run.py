"""The host's life: start everything, serve until asked to stop, leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from obiterm.config.keys import require_own_keys
from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.core.commands import ALL_ACCOUNTS, EmergencyExit, Kill
from obiterm.core.errors import ConfigError, DataError, RetryLater, UsageError
from obiterm.engine.account import AccountEngine
from obiterm.engine.feed import SharedFeed
from obiterm.engine.latches import LatchStore
from obiterm.host.build import EngineBuilder, HubRegistry, account_keys
from obiterm.host.cover import Cover
from obiterm.host.exchange_child import ExchangeGone
from obiterm.host.exchanges import HostedExchange, hosted_exchanges
from obiterm.host.journal_books import journal_path
from obiterm.host.lock import only_host_of
from obiterm.host.places import venue_names
from obiterm.host.play_keys import play_keys_path, write_play_keys
from obiterm.host.publisher import Publisher, measure_loop_lag
from obiterm.host.rehearsal import Rehearsals
from obiterm.host.service import HostOptions, HostService
from obiterm.host.slots import AccountSlot, engines_of
from obiterm.host.spectators import Spectators
from obiterm.host.supervision import Supervisor, keep_journal
from obiterm.journal.log import Journal
from obiterm.link.server import LinkServer
from obiterm.net.clock import SteadyClock


class HostResult(msgspec.Struct, frozen=True):
    """How a host ended."""

    reason: str
    journal: Path
    left: tuple[str, ...] = ()
    """Orders and accounts whose end the venue did not confirm; empty when all is well."""


class RunningHost:
    """A started host: its accounts, service and exchanges, for whoever composes it."""

    def __init__(
        self,
        service: HostService,
        slots: list[AccountSlot],
        exchanges: list[HostedExchange],
        journal: Journal,
    ) -> None:
        self.service = service
        self.slots = slots
        self.exchanges = exchanges
        self.journal = journal

    @property
    def engines(self) -> list[AccountEngine]:
        """The engines that there are now."""
        return engines_of(self.slots)


OnReady = Callable[[RunningHost], None]
BeforeEnd = Callable[[RunningHost], Awaitable[None]]


async def run_host(
    profile: Profile,
    paths: Paths,
    *,
    on_ready: OnReady | None = None,
    before_end: BeforeEnd | None = None,
    handle_signals: bool = True,
) -> HostResult:
    """Run the host of a profile until it is asked to stop.

    Args:
        on_ready: called when viewers can attach; accounts may still be connecting.
        before_end: called when the host is asked to stop, while its engines still run.
        handle_signals: take SIGUSR1, SIGUSR2, SIGTERM and SIGINT; main thread only.

    Raises:
        UsageError: the profile already runs, its journal does not hold, it cannot start.
        ExchangeGone: a simulated exchange did not start, or a replay ended by itself.
    """
    paths.ensure()
    with only_host_of(profile, paths):
        journal = _open_journal(profile, paths)
        exchanges = hosted_exchanges(profile)
        try:
            _require_some_keys(profile)
            require_own_keys(profile.accounts)
            await _start_all(exchanges)
            host = _Host(profile, paths, journal, exchanges)
            return await host.serve(on_ready, before_end, handle_signals)
        finally:
            for exchange in exchanges:
                await exchange.stop()
            with contextlib.suppress(DataError):
                journal.close()


def _open_journal(profile: Profile, paths: Paths) -> Journal:
    try:
        return Journal.open(journal_path(profile, paths))
    except DataError as error:
        raise UsageError(error.message, hint=error.hint) from error


def _require_some_keys(profile: Profile) -> None:
    """Refuse to start when no account could ever trade; one that could not is told apart."""
    faults: list[ConfigError] = []
    for account in profile.accounts:
        try:
            if not account.is_hosted:
                account_keys(account)
        except ConfigError as error:
            faults.append(error)
    if len(faults) == len(profile.accounts):
        raise faults[0]


async def _start_all(exchanges: list[HostedExchange]) -> None:
    """Start the exchanges at the same time.

    One that cannot start now is tried again later, like one that ends, unless it is the only
    one. What the profile asks for in vain ends the host.
    """
    results = await asyncio.gather(*(one.start() for one in exchanges), return_exceptions=True)
    failures = [one for one in results if isinstance(one, BaseException)]
    for failure in failures:
        if not isinstance(failure, ExchangeGone) or len(failures) == len(exchanges):
            raise failure


class _Host:
    """One running host."""

    def __init__(
        self, profile: Profile, paths: Paths, journal: Journal, exchanges: list[HostedExchange]
    ) -> None:
        self._profile = profile
        self._journal = journal
        self._exchanges = exchanges
        self._failures: list[ExchangeGone] = []
        clock = SteadyClock()
        latches = LatchStore(paths.latches / profile.name)
        self._slots = [AccountSlot(account, latches, clock) for account in profile.accounts]
        self._hubs = HubRegistry(clock)
        self._spectators = Spectators(self._open_feed, clock)
        self._publisher = Publisher(self._slots, clock, profile.sizes, self._spectators)
        self._builder = EngineBuilder(
            profile, journal, latches, clock, self._publisher.on_note, self._publisher.on_event
        )
        options = HostOptions(profile.name, self._builder.run, profile.on_detach)
        self._service = HostService(
            options, self._slots, self._publisher, journal, clock, self._open_feed
        )
        self._cover = Cover(profile, paths, lambda text: self._publisher.tell("host", text))
        self._service.cover = self._cover
        self._play_keys = play_keys_path(paths, profile.name)
        self._server = LinkServer(paths.socket(profile.name), self._service)

    async def serve(
        self, on_ready: OnReady | None, before_end: BeforeEnd | None, handle_signals: bool
    ) -> HostResult:
        """Serve until asked to stop; accounts come up meanwhile, each by itself."""
        service = self._service
        write_play_keys(self._play_keys, self._exchanges)
        await self._server.start()
        if handle_signals:
            _handle_signals(service)
        running = RunningHost(service, self._slots, self._exchanges, self._journal)
        left: list[str] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks = self._start_tasks(group)
                if on_ready is not None:
                    on_ready(running)
                await service.stop_asked.wait()
                if not self._failures:
                    if before_end is not None:
                        await before_end(running)
                    left = [*await service.withdraw(), *await service.panic_done()]
                self._publisher.publish_now(self._server.viewers)
                for task in tasks:
                    task.cancel()
        finally:
            await self._server.stop(service.stop_reason or "the host has ended")
            await self._service.close()
            await self._spectators.close()
            await self._hubs.close()
            for slot in self._slots:
                await slot.close()
            write_play_keys(self._play_keys, ())
            await self._cover.stop(is_clean=service.stop_asked.is_set())
        if self._failures:
            raise self._failures[0]
        return HostResult(service.stop_reason, self._journal.path, tuple(left))

    def _start_tasks(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        publisher = self._publisher
        work = [
            publisher.run(lambda: self._server.viewers),
            measure_loop_lag(publisher),
            keep_journal(self._journal, publisher),
            self._cover.run(),
            Rehearsals(self._slots, publisher.tell).run(),
            *(self._keep_exchange(exchange) for exchange in self._exchanges),
            *(self._supervisor(slot).run() for slot in self._slots),
        ]
        return [group.create_task(one) for one in work]

    def _supervisor(self, slot: AccountSlot) -> Supervisor:
        account = self._profile.account(slot.name)
        number = self._profile.exchange_of(account)
        exchange = self._exchanges[number] if number is not None else None
        return Supervisor(account, slot, exchange, self._hubs, self._builder, self._publisher)

    async def _open_feed(self, place: str) -> SharedFeed:
        """Open market data of a venue for those who only look; trading has its own.

        Raises:
            RetryLater: the simulated exchange of the venue does not answer.
        """
        names = venue_names(self._slots)
        account = next(one for one in self._profile.accounts if names[one.name] == place)
        number = self._profile.exchange_of(account)
        if number is None:
            hub = await self._hubs.hub(account)
        else:
            exchange = self._exchanges[number]
            if exchange.address is None:
                raise RetryLater("exchange", exchange.trouble)
            hub = await self._hubs.hub(account, exchange.address, exchange.life)
        return hub.spectate()

    async def _keep_exchange(self, exchange: HostedExchange) -> None:
        """Keep an exchange up; a replay that breaks off ends the host, it has nothing left."""
        try:
            await exchange.keep(self._exchange_told)
        except ExchangeGone as error:
            self._failures.append(error)
            self._service.ask_stop(error.message)

    def _exchange_told(self, text: str) -> None:
        write_play_keys(self._play_keys, self._exchanges)
        self._publisher.tell("host", text)


def _handle_signals(service: HostService) -> None:
    """SIGUSR1 kills, SIGUSR2 flattens, SIGTERM and SIGINT end the host; SIGHUP is a detach."""
    loop = asyncio.get_running_loop()

    def kill() -> None:
        service.command_all(Kill(account=ALL_ACCOUNTS), "SIGUSR1")

    def flatten() -> None:
        service.command_all(EmergencyExit(account=ALL_ACCOUNTS), "SIGUSR2")

    loop.add_signal_handler(signal.SIGUSR1, kill)
    loop.add_signal_handler(signal.SIGUSR2, flatten)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.ask_stop, f"signal {number.name}")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
