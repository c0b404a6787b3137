"""The host: engines on one side, screens and shells on the other."""

from __future__ import annotations

import asyncio
import contextlib
import math
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
from obiterm.core.errors import DataError
from obiterm.core.values import NS_PER_S, OrderRole, OrderState
from obiterm.engine.account import AccountEngine
from obiterm.host import frames
from obiterm.host.cover import Cover
from obiterm.host.listings import ListingStore
from obiterm.host.places import Places
from obiterm.host.publisher import Publisher
from obiterm.host.slots import AccountSlot, engines_of
from obiterm.host.spectators import OpenFeed
from obiterm.journal.log import Journal
from obiterm.link.messages import (
    PROTOCOL_VERSION,
    AccountStatus,
    AskListings,
    AskStatus,
    Done,
    Hello,
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
from obiterm.trading.order_states import TrackedOrder

_STOP_LIMIT_S = 10.0
_WITHDRAW_LIMIT_S = 3.0
_LOOK_AGAIN_S = 0.02
_STATES = ("HALTED", "REDUCING", "ACTIVE", "CONNECTING", "STOPPED")
"""Of all accounts the first that one of them is in is the state of the host."""


class HostOptions(msgspec.Struct, frozen=True):
    """What a host needs to know beside its accounts."""

    profile: str
    run: str
    """Id of this run of the host."""
    on_detach: str
    """keep, hold, cancel or flatten (ARCHITECTURE §1)."""


class HostService:
    """Answers the link: commands, lease, status, detach policy. Lives on the engines' loop."""

    def __init__(
        self,
        options: HostOptions,
        slots: Sequence[AccountSlot],
        publisher: Publisher,
        journal: Journal,
        clock: Clock,
        open_feed: OpenFeed,
    ) -> None:
        self._options = options
        self._slots = list(slots)
        self._publisher = publisher
        self._journal = journal
        self._clock = clock
        self._started_ns = clock.monotonic_ns()
        self._viewers: list[Viewer] = []
        self._tasks: set[asyncio.Task[list[str]]] = set()
        places = Places(slots)
        self._listings = ListingStore(
            places.venues.values(), places.traders(), open_feed, clock, self._listings_changed
        )
        self._asked_listings: set[Viewer] = set()
        self.cover: Cover | None = None
        self.stop_asked = asyncio.Event()
        self.stop_reason = ""

    @property
    def _engines(self) -> list[AccountEngine]:
        return engines_of(self._slots)

    # -- link ------------------------------------------------------------------------------

    def joined(self, viewer: Viewer) -> None:
        """Greet a viewer; the first screen gets the lease."""
        venue, symbol = self._publisher.first_market()
        viewer.watch = Watch(venue, symbol)
        self._viewers.append(viewer)
        if viewer.role == "screen" and not any(v.has_lease for v in self._viewers):
            viewer.has_lease = True
        viewer.post(self._welcome(viewer))
        if viewer.role in ("screen", "watch"):
            if not viewer.has_lease:
                viewer.post(LeaseChanged(has_lease=False, holder=self._holder()))
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
            case AskListings():
                self._ask_listings(viewer)
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
        self._asked_listings.discard(viewer)
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
        named = [one for one in self._slots if command.account in (one.name, ALL_ACCOUNTS)]
        if not named:
            known = ", ".join(one.name for one in self._slots)
            return False, f"no account {command.account!r}: there are {known}"
        if isinstance(command, Rearm) and command.account == ALL_ACCOUNTS:
            if command.typed != "all":
                return False, "type all to arm every account"
            results = [
                self._give(one, Rearm(account=one.name, typed=one.name), who) for one in named
            ]
        else:
            results = [self._give(one, command, who) for one in named]
        failed = [text for ok, text in results if not ok]
        return (not failed), failed[0] if failed else results[0][1]

    def _give(self, slot: AccountSlot, command: AnyCommand, who: str) -> tuple[bool, str]:
        """Give one account a command; its fault never keeps the next one from a kill (R126)."""
        try:
            return slot.command(command, who)
        except Exception as error:  # task boundary: told to whoever asked, and in the log
            text = f"{type(command).__name__} failed: {type(error).__name__}: {error}"
            self._publisher.tell(slot.name, text)
            return False, f"{slot.name}: {text}"

    def _obey(self, viewer: Viewer, command: AnyCommand) -> tuple[bool, str]:
        if not isinstance(command, Kill | EmergencyExit | HoldFire):
            if not viewer.has_lease:
                return False, f"watching only: {self._holder() or 'nobody'} has control"
            if self.stop_asked.is_set():
                return False, f"the host is ending: {self.stop_reason}"
        result = self.command_all(command, viewer.client)
        self._write(msgspec.msgpack.encode((viewer.client, command, result)))
        return result

    def _take_lease(self, viewer: Viewer) -> None:
        if viewer.role != "screen":
            return
        self._give_lease(viewer)

    def _give_lease(self, viewer: Viewer) -> None:
        """Give control to one screen and tell every other who has it."""
        for one in self._viewers:
            one.has_lease = one is viewer
            one.post(LeaseChanged(has_lease=one.has_lease, holder=viewer.client))
        self._human(viewer, "took control")

    def _holder(self) -> str:
        return next((viewer.client for viewer in self._viewers if viewer.has_lease), "")

    def _watch(self, viewer: Viewer, message: Watch) -> None:
        if self._publisher.has_market(message.venue, message.symbol):
            viewer.watch = message
            self._publisher.send_history(viewer)

    def _ask_listings(self, viewer: Viewer) -> None:
        """Tell a viewer every market that is known, and more as the venues answer."""
        self._listings.ask()
        viewer.post(self._listings.message())
        if self._listings.is_reading:
            self._asked_listings.add(viewer)

    def _listings_changed(self) -> None:
        message = self._listings.message()
        for viewer in self._asked_listings:
            viewer.post(message)
        if not self._listings.is_reading:
            self._asked_listings.clear()

    async def close(self) -> None:
        """Give up what is being asked for viewers."""
        await self._listings.close()

    def _leave(self, viewer: Viewer, message: Leave) -> None:
        if message.stop and viewer.has_lease:
            self.ask_stop(f"stopped by {viewer.client}")

    # -- detaching and stopping ----------------------------------------------------------------

    def _apply_detach_rule(self) -> None:
        rule = self._options.on_detach
        who = f"on_detach = {rule}"
        if rule in ("hold", "cancel"):
            self.command_all(HoldFire(account=ALL_ACCOUNTS), who)
        if rule == "cancel":
            task = asyncio.get_running_loop().create_task(self.withdraw(hold=True))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif rule == "flatten":
            self.command_all(EmergencyExit(account=ALL_ACCOUNTS), who)

    def ask_stop(self, reason: str) -> None:
        """Ask the host to end; ``withdraw`` runs before it does."""
        self.stop_reason = self.stop_reason or reason
        self.stop_asked.set()

    async def withdraw(self, *, hold: bool = False) -> list[str]:
        """Take back every order that could open a position; stops that protect one stay.

        Args:
            hold: strategies go on with what they have; otherwise they are stopped.

        Returns:
            The orders whose end the venue has not confirmed. Bounded: a venue that does not
            answer does not keep the host alive.
        """
        if not hold:
            for slot in self._slots:
                for runner in slot.engine.kernel.runners if slot.engine is not None else ():
                    self._give(slot, StopStrategy(account=slot.name, name=runner.name), "host stop")
        deadline = self._clock.monotonic_ns() + int(_WITHDRAW_LIMIT_S * NS_PER_S)
        while (left := self._entries()) and self._clock.monotonic_ns() < deadline:
            for engine, order in left:
                if order.state in (OrderState.OPEN, OrderState.PARTIAL):
                    engine.cancel_order(order)
            await asyncio.sleep(_LOOK_AGAIN_S)
        return [f"{engine.name} {order.intent.client_id}" for engine, order in left]

    def _entries(self) -> list[tuple[AccountEngine, TrackedOrder]]:
        return [
            (engine, order)
            for engine in self._engines
            for order in engine.kernel.desk.live()
            if order.intent.role in (OrderRole.ENTRY, OrderRole.MANUAL)
        ]

    async def panic_done(self, limit_s: float = _STOP_LIMIT_S) -> list[str]:
        """Wait for every account's panic path; return the accounts that are not done in time.

        One that is not connected is not waited for: its kill is not confirmed.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await asyncio.gather(*(engine.panic.wait() for engine in self._engines))
        return [
            slot.name
            for slot in self._slots
            if (progress := slot.panic) is not None and not progress.done
        ]

    # -- telling -----------------------------------------------------------------------------

    def status(self) -> Status:
        """Return the host's state for shells."""
        now_ns = self._clock.wall_ns()
        accounts = [
            msgspec.structs.replace(
                self._account_status(slot, now_ns),
                covered=self.cover is not None and self.cover.is_up and slot.has_keys,
            )
            for slot in self._slots
        ]
        words = {account.word for account in accounts}
        return Status(
            host_pid=os.getpid(),
            profile=self._options.profile,
            uptime_s=(self._clock.monotonic_ns() - self._started_ns) / NS_PER_S,
            state=next(word for word in _STATES if word in words),
            accounts=accounts,
            panic=frames.panic_pane(self._slots),
            watchdog=self.cover.text if self.cover is not None else "off",
            losses=self.cover.losses if self.cover is not None else [],
        )

    def _account_status(self, slot: AccountSlot, now_ns: int) -> AccountStatus:
        """Return one account; a fault in its figures still leaves its name and state."""
        try:
            return frames.account_status(slot, now_ns)
        except Exception as error:  # task boundary: a shell that asks must get an answer
            self._publisher.tell(slot.name, f"status: {type(error).__name__}: {error}")
            return AccountStatus(
                name=slot.name,
                venue=slot.venue,
                environment=slot.environment,
                state=slot.state,
                rest=slot.rest_url,
                open_orders=slot.engine.kernel.desk.live_count if slot.engine is not None else 0,
                positions=[],
                feed_age_ms=math.nan,
                trouble=slot.trouble,
                standing=slot.standing,
            )

    def _welcome(self, viewer: Viewer) -> Welcome:
        return Welcome(
            version=PROTOCOL_VERSION,
            program=__version__,
            host_pid=os.getpid(),
            profile=self._options.profile,
            environment=self._slots[0].environment,
            run_id=self._options.run,
            instruments=self._publisher.instruments(),
            accounts=[slot.name for slot in self._slots],
            has_lease=viewer.has_lease,
            on_detach=self._options.on_detach,
        )

    def _human(self, viewer: Viewer, what: str) -> None:
        self._write(msgspec.msgpack.encode((viewer.client, viewer.role, what)))

    def _write(self, payload: bytes) -> None:
        """Journal what a human did. A journal that cannot write stops no kill and no screen."""
        try:
            self._journal.append("host", "human", payload, self._clock.wall_ns())
        except DataError as error:
            self._publisher.tell("host", f"not journaled: {error}")
