"""The host's life: start everything, serve until asked to stop, leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.core.commands import ALL_ACCOUNTS, EmergencyExit, Kill
from obiterm.core.errors import DataError, UsageError
from obiterm.core.values import Environment, RunId
from obiterm.engine.account import AccountEngine
from obiterm.engine.latches import LatchStore
from obiterm.host.build import build_engine, make_gateway, make_hub, new_run_id
from obiterm.host.exchange_child import ExchangeChild, ExchangeGone
from obiterm.host.lock import only_host_of
from obiterm.host.publisher import Publisher, measure_loop_lag
from obiterm.host.service import HostOptions, HostService
from obiterm.host.slots import AccountSlot
from obiterm.host.supervision import keep_journal, supervise
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
    """A started host: its engines, service and exchange, for whoever composes it."""

    def __init__(
        self,
        service: HostService,
        engines: list[AccountEngine],
        child: ExchangeChild | None,
        journal: Journal,
    ) -> None:
        self.service = service
        self.engines = engines
        self.child = child
        self.journal = journal


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
        on_ready: called when viewers can attach.
        before_end: called when the host is asked to stop, while its engines still run.
        handle_signals: take SIGUSR1, SIGUSR2, SIGTERM and SIGINT; main thread only.

    Raises:
        UsageError: the profile already runs, its journal does not hold, it cannot start.
        ExchangeGone: the simulated exchange ended by itself.
    """
    paths.ensure()
    with only_host_of(profile, paths):
        journal = _open_journal(profile, paths)
        child: ExchangeChild | None = None
        try:
            if any(one.environment is Environment.SIM for one in profile.accounts):
                child = await _start_exchange(profile)
            return await _serve(
                profile, paths, journal, child, on_ready, before_end, handle_signals
            )
        finally:
            if child is not None:
                await child.stop()
            with contextlib.suppress(DataError):
                journal.close()


def _open_journal(profile: Profile, paths: Paths) -> Journal:
    environment = profile.accounts[0].environment.value.lower()
    try:
        return Journal.open(paths.journal(f"{profile.name}-{environment}"))
    except DataError as error:
        raise UsageError(error.message, hint=error.hint) from error


async def _start_exchange(profile: Profile) -> ExchangeChild | None:
    exchange = profile.exchange
    if exchange is None:  # the profile's own check has told so already
        return None
    return await ExchangeChild.start(
        symbol=exchange.symbol,
        seed=exchange.seed,
        port=exchange.port,
        capture=exchange.capture,
        speed=exchange.speed,
    )


async def _serve(
    profile: Profile,
    paths: Paths,
    journal: Journal,
    child: ExchangeChild | None,
    on_ready: OnReady | None,
    before_end: BeforeEnd | None,
    handle_signals: bool,
) -> HostResult:
    clock = SteadyClock()
    run = new_run_id()
    latches = LatchStore(paths.latches / profile.name)
    slots = [AccountSlot(account, latches, clock) for account in profile.accounts]
    publisher = Publisher(slots, clock, profile.sizes)
    engines = await _build_engines(profile, run, latches, journal, child, publisher, clock)
    for slot, engine in zip(slots, engines, strict=True):
        slot.take(engine)
    options = HostOptions(profile=profile.name, run=run, on_detach=profile.on_detach)
    service = HostService(options, slots, publisher, journal, clock)
    server = LinkServer(paths.socket(profile.name), service)
    await server.start()
    if handle_signals:
        _handle_signals(service)
    running = RunningHost(service, engines, child, journal)
    failures: list[ExchangeGone] = []
    left: list[str] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(supervise(engine, publisher)) for engine in engines]
            tasks += [
                group.create_task(publisher.run(lambda: server.viewers)),
                group.create_task(measure_loop_lag(publisher)),
                group.create_task(keep_journal(journal, publisher)),
            ]
            if child is not None:
                tasks.append(group.create_task(_watch_exchange(child, service, failures)))
            if on_ready is not None:
                on_ready(running)
            await service.stop_asked.wait()
            if not failures:
                if before_end is not None:
                    await before_end(running)
                left = [*await service.withdraw(), *await service.panic_done()]
            publisher.publish_now(server.viewers)
            for task in tasks:
                task.cancel()
    finally:
        await server.stop(service.stop_reason or "the host has ended")
    if failures:
        raise failures[0]
    return HostResult(reason=service.stop_reason, journal=journal.path, left=tuple(left))


async def _build_engines(
    profile: Profile,
    run: RunId,
    latches: LatchStore,
    journal: Journal,
    child: ExchangeChild | None,
    publisher: Publisher,
    clock: SteadyClock,
) -> list[AccountEngine]:
    address = child.address if child else None
    engines = []
    for account in profile.accounts:
        hub = make_hub(account, address, clock)
        engines.append(
            await build_engine(
                profile,
                account,
                make_gateway(account, address, hub),
                hub.feed,
                run,
                journal,
                latches,
                clock,
                publisher.on_note,
                publisher.on_event,
            )
        )
    return engines


async def _watch_exchange(
    child: ExchangeChild, service: HostService, failures: list[ExchangeGone]
) -> None:
    """End the host when its exchange is gone: nothing is left to trade on, or to cancel."""
    try:
        await child.until_gone()
    except ExchangeGone as error:
        failures.append(error)
        service.ask_stop(error.message)


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
