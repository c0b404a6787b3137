"""The host's life: start everything, serve until asked to stop, leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.core.commands import ALL_ACCOUNTS, EmergencyExit, Kill
from obiterm.core.effects import Note, Verb
from obiterm.core.errors import ConfigError, DataError, ObitermError
from obiterm.core.values import Environment, Symbol
from obiterm.engine.account import AccountEngine
from obiterm.engine.latches import LatchStore
from obiterm.host.build import build_engine, make_gateway, new_run_id
from obiterm.host.exchange_child import ExchangeChild
from obiterm.host.publisher import Publisher, measure_loop_lag
from obiterm.host.service import HostOptions, HostService
from obiterm.journal.log import Journal
from obiterm.link.server import LinkServer
from obiterm.net.clock import SteadyClock

_CHECKPOINT_S = 5.0
_RESTART_AFTER_S = 2.0


class HostResult(msgspec.Struct, frozen=True):
    """How a host ended."""

    reason: str
    journal: Path


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


async def run_host(
    profile: Profile,
    paths: Paths,
    *,
    on_ready: OnReady | None = None,
    handle_signals: bool = True,
) -> HostResult:
    """Run the host of a profile until it is asked to stop.

    Raises ``UsageError`` when the profile already runs or cannot start.
    """
    paths.ensure()
    environment = profile.accounts[0].environment
    journal = Journal.open(paths.journal(f"{profile.name}-{environment.value.lower()}"))
    child: ExchangeChild | None = None
    try:
        if profile.exchange is not None and environment is Environment.SIM:
            child = await _start_exchange(profile)
        return await _serve(profile, paths, journal, child, on_ready, handle_signals)
    finally:
        if child is not None:
            await child.stop()
        with contextlib.suppress(DataError):
            journal.commit()
        journal.close()


async def _start_exchange(profile: Profile) -> ExchangeChild:
    exchange = profile.exchange
    if exchange is None:
        raise ConfigError("exchange", None, "an [exchange] section in this profile")
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
    handle_signals: bool,
) -> HostResult:
    clock = SteadyClock()
    run = new_run_id()
    publisher = Publisher([], clock)
    latches = LatchStore(paths.latches / profile.name)
    engines = [
        await build_engine(
            profile,
            account,
            make_gateway(account, child.address if child else None, clock),
            run,
            journal,
            latches,
            clock,
            publisher.on_note,
            publisher.on_event,
        )
        for account in profile.accounts
    ]
    publisher.attach(engines)
    options = HostOptions(
        profile=profile.name,
        on_detach=profile.on_detach,
        size_presets=_presets(profile, engines[0]),
    )
    service = HostService(options, engines, publisher, journal, clock)
    server = LinkServer(paths.socket(profile.name), service)
    await server.start()
    if handle_signals:
        _handle_signals(service)
    running = RunningHost(service, engines, child, journal)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_supervise(engine, publisher)) for engine in engines]
            tasks += [
                group.create_task(publisher.run(lambda: server.viewers)),
                group.create_task(measure_loop_lag(publisher)),
                group.create_task(_keep_journal(journal, publisher)),
            ]
            if on_ready is not None:
                on_ready(running)
            await service.stop_asked.wait()
            await service.withdraw()
            await service.panic_done()
            publisher.publish(server.viewers)
            for task in tasks:
                task.cancel()
    finally:
        await server.stop(service.stop_reason or "the host has ended")
    return HostResult(reason=service.stop_reason, journal=journal.path)


def _presets(profile: Profile, engine: AccountEngine) -> tuple[int, ...]:
    instrument = next(iter(engine.kernel.setup.instruments.values()))
    return tuple(max(1, instrument.lots_down(size)) for size in profile.sizes) or (
        instrument.min_lots,
    )


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


async def _supervise(engine: AccountEngine, publisher: Publisher) -> None:
    """Keep one account running; its failure never touches another (R126)."""
    while True:
        try:
            await engine.run()
        except Exception as error:  # task boundary: restart this account, tell the screen
            reason = _innermost(error)
            engine.trouble = f"restarting after {type(reason).__name__}: {reason}"
            publisher.on_note(
                engine.name,
                Note(verb=Verb.RISK, symbol=Symbol(""), text=engine.trouble, at_ns=engine.now_ns()),
            )
        await asyncio.sleep(_RESTART_AFTER_S)
        engine.trouble = ""


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


async def _keep_journal(journal: Journal, publisher: Publisher) -> None:
    """Bring the journal to the medium every few seconds, off the engines' thread."""
    while True:
        await asyncio.sleep(_CHECKPOINT_S)
        publisher.journal_rows = journal.rows_written
        with contextlib.suppress(ObitermError):
            await asyncio.to_thread(journal.checkpoint)
