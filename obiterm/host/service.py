"""The host: engines on one side, screens and shells on the other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import msgspec

from obiterm import __version__
from obiterm.core.clock import Clock
from obiterm.core.commands import (
    ALL_ACCOUNTS,
    AnyCommand,
    EmergencyExit,
    HoldFire,
    Kill,
    Rearm,
    StopStrategy,
)
from obiterm.core.values import NS_PER_S, OrderRole, OrderState, TradingState
from obiterm.engine.account import AccountEngine
from obiterm.host import frames
from obiterm.host.publisher import Publisher
from obiterm.journal.log import Journal
from obiterm.link.messages import (
    PROTOCOL_VERSION,
    AskStatus,
    Done,
    Hello,
    InstrumentInfo,
    LeaseChanged,
    Leave,
    Request,
    Status,
    TakeLease,
    ToHost,
    Watch,
    Welcome,
)
from obiterm.link.server import Viewer

_STOP_LIMIT_S = 10.0
_WITHDRAW_LIMIT_S = 3.0


class HostOptions(msgspec.Struct, frozen=True):
    """What a host needs to know beside its engines."""

    profile: str
    on_detach: str
    """keep, hold, cancel or flatten (ARCHITECTURE §1)."""
    size_presets: tuple[int, ...]


class HostService:
    """Answers the link: commands, lease, status, detach policy. Lives on the engines' loop."""

    def __init__(
        self,
        options: HostOptions,
        engines: Sequence[AccountEngine],
        publisher: Publisher,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._options = options
        self._engines = list(engines)
        self._publisher = publisher
        self._journal = journal
        self._clock = clock
        self._started_ns = clock.monotonic_ns()
        self._viewers: list[Viewer] = []
        self.stop_asked = asyncio.Event()
        self.stop_reason = ""

    # -- link ------------------------------------------------------------------------------

    def joined(self, viewer: Viewer) -> None:
        """Greet a viewer; the first screen gets the lease."""
        viewer.watch = Watch(symbol=self._first_symbol())
        self._viewers.append(viewer)
        if viewer.role == "screen" and not any(v.has_lease for v in self._viewers):
            viewer.has_lease = True
        viewer.post(self._welcome(viewer))
        if viewer.role in ("screen", "watch"):
            self._publisher.welcome(viewer)
            self._human(viewer, "attached")

    def received(self, viewer: Viewer, message: ToHost) -> None:
        """Take one message of a viewer."""
        match message:
            case Request():
                ok, text = self._obey(viewer, message.command)
                viewer.post(Done(request_id=message.request_id, ok=ok, text=text))
            case Watch():
                self._watch(viewer, message)
            case TakeLease():
                self._take_lease(viewer)
            case AskStatus():
                viewer.post(self.status())
            case Leave():
                self._leave(viewer, message)
            case Hello():
                return

    def left(self, viewer: Viewer) -> None:
        """Forget a viewer; when the last screen is gone the detach rule acts."""
        if viewer not in self._viewers:
            return
        self._viewers.remove(viewer)
        if viewer.role not in ("screen", "watch"):
            return
        self._human(viewer, "detached")
        had_lease, viewer.has_lease = viewer.has_lease, False
        screens = [v for v in self._viewers if v.role == "screen"]
        if had_lease and screens:
            self._give_lease(screens[0])
        if viewer.role == "screen" and not screens and not self.stop_asked.is_set():
            self._apply_detach_rule()

    # -- commands --------------------------------------------------------------------------

    def command_all(self, command: AnyCommand, who: str) -> tuple[bool, str]:
        """Give a command to the accounts it names; panic does not need a lease."""
        named = [e for e in self._engines if command.account in (e.name, ALL_ACCOUNTS)]
        if not named:
            known = ", ".join(e.name for e in self._engines)
            return False, f"no account {command.account!r}: there are {known}"
        if isinstance(command, Rearm) and command.account == ALL_ACCOUNTS:
            if command.typed != "all":
                return False, "type all to arm every account"
            named_commands = [(e, Rearm(account=e.name, typed=e.name)) for e in named]
            results = [engine.command(one, who) for engine, one in named_commands]
        else:
            results = [engine.command(command, who) for engine in named]
        failed = [text for ok, text in results if not ok]
        return (not failed), failed[0] if failed else results[0][1]

    def _obey(self, viewer: Viewer, command: AnyCommand) -> tuple[bool, str]:
        panic = isinstance(command, Kill | EmergencyExit | HoldFire)
        if not panic and not viewer.has_lease:
            holder = next((v.client for v in self._viewers if v.has_lease), "nobody")
            return False, f"watching only: {holder} has control"
        result = self.command_all(command, viewer.client)
        self._journal.append(
            "host",
            "human",
            msgspec.msgpack.encode((viewer.client, command, result)),
            self._clock.wall_ns(),
        )
        return result

    def _take_lease(self, viewer: Viewer) -> None:
        if viewer.role != "screen":
            return
        for other in self._viewers:
            if other.has_lease and other is not viewer:
                other.has_lease = False
                other.post(LeaseChanged(has_lease=False, holder=viewer.client))
        self._give_lease(viewer)

    def _give_lease(self, viewer: Viewer) -> None:
        viewer.has_lease = True
        viewer.post(LeaseChanged(has_lease=True, holder=viewer.client))
        self._human(viewer, "took control")

    def _watch(self, viewer: Viewer, message: Watch) -> None:
        known = {symbol for engine in self._engines for symbol in engine.kernel.markets}
        if message.symbol in known:
            viewer.watch = message
            self._publisher.send_history(viewer)

    def _leave(self, viewer: Viewer, message: Leave) -> None:
        if message.stop and viewer.has_lease:
            self.ask_stop(f"stopped by {viewer.client}")

    # -- detaching and stopping ----------------------------------------------------------------

    def _apply_detach_rule(self) -> None:
        rule = self._options.on_detach
        who = f"on_detach = {rule}"
        if rule == "hold":
            self.command_all(HoldFire(account=ALL_ACCOUNTS), who)
        elif rule == "cancel":
            self.command_all(Kill(account=ALL_ACCOUNTS), who)
        elif rule == "flatten":
            self.command_all(EmergencyExit(account=ALL_ACCOUNTS), who)

    def ask_stop(self, reason: str) -> None:
        """Ask the host to end; ``withdraw`` runs before it does."""
        self.stop_reason = self.stop_reason or reason
        self.stop_asked.set()

    async def withdraw(self) -> None:
        """Take back every order that could open a position; stops that protect one stay.

        Bounded: a venue that does not answer does not keep the host alive.
        """
        for engine in self._engines:
            for runner in engine.kernel.runners:
                engine.command(StopStrategy(account=engine.name, name=runner.name), "host stop")
        deadline = self._clock.monotonic_ns() + int(_WITHDRAW_LIMIT_S * NS_PER_S)
        while self._clock.monotonic_ns() < deadline:
            left = 0
            for engine in self._engines:
                for order in list(engine.kernel.desk.live()):
                    if order.intent.role not in (OrderRole.ENTRY, OrderRole.MANUAL):
                        continue
                    left += 1
                    if order.state in (OrderState.OPEN, OrderState.PARTIAL):
                        engine.cancel_order(order)
            if not left:
                return
            await asyncio.sleep(0.02)

    async def panic_done(self, limit_s: float = _STOP_LIMIT_S) -> bool:
        """Wait until every account's panic path has finished; False when it takes too long."""
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.gather(*(engine.panic.wait() for engine in self._engines))
        except TimeoutError:
            return False
        return True

    # -- telling -----------------------------------------------------------------------------

    def status(self) -> Status:
        """Return the host's state for shells."""
        now_ns = self._clock.wall_ns()
        states = {engine.kernel.state for engine in self._engines}
        worst = next(
            (s for s in (TradingState.HALTED, TradingState.REDUCING) if s in states),
            TradingState.ACTIVE,
        )
        return Status(
            host_pid=os.getpid(),
            profile=self._options.profile,
            uptime_s=(self._clock.monotonic_ns() - self._started_ns) / NS_PER_S,
            state=worst.value,
            accounts=[frames.account_status(engine, now_ns) for engine in self._engines],
            panic=frames.panic_pane(self._engines),
        )

    def _welcome(self, viewer: Viewer) -> Welcome:
        infos = []
        for engine in self._engines:
            for symbol, i in engine.kernel.setup.instruments.items():
                infos.append(
                    InstrumentInfo(
                        symbol=symbol,
                        venue=i.venue,
                        kind=i.kind,
                        base=i.base,
                        quote=i.quote,
                        tick_size=f"{i.tick_size:f}",
                        lot_size=f"{i.lot_size:f}",
                        price_decimals=i.price_decimals,
                        quantity_decimals=i.quantity_decimals,
                        min_notional=f"{i.min_notional:f}",
                        min_lots=i.min_lots,
                        account=engine.name,
                    )
                )
        record = self._engines[0].record
        return Welcome(
            version=PROTOCOL_VERSION,
            program=__version__,
            host_pid=os.getpid(),
            profile=self._options.profile,
            environment=record.environment,
            run_id=record.run,
            instruments=infos,
            accounts=[engine.name for engine in self._engines],
            has_lease=viewer.has_lease,
            size_presets=list(self._options.size_presets),
            on_detach=self._options.on_detach,
        )

    def _first_symbol(self) -> str:
        return next(iter(self._engines[0].kernel.markets))

    def _human(self, viewer: Viewer, what: str) -> None:
        payload = msgspec.msgpack.encode((viewer.client, viewer.role, what))
        self._journal.append("host", "human", payload, self._clock.wall_ns())
