"""One account as the host sees it: there from the start, whether or not its engine is (R126).

The host serves screens at once; each account prepares by itself and may take long, or never
come. What a human asks of an account that is not there yet is kept where it makes the
account safer (kill, exit, hold), and carried out as soon as its engine stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from obiterm.config.models import AccountProfile
from obiterm.core.clock import Clock
from obiterm.core.commands import AnyCommand, EmergencyExit, HoldFire, Kill, Rearm
from obiterm.core.errors import DataError
from obiterm.core.values import NS_PER_MS, Environment, Symbol, TradingState
from obiterm.engine.account import AccountEngine
from obiterm.engine.latches import Latched, LatchStore, LatchWriter
from obiterm.engine.panic import PanicProgress
from obiterm.trading.kernel import Kernel


class Remains(msgspec.Struct, frozen=True):
    """What of an account outlives the exchange that it was on."""

    result_quote: Decimal
    """Result of the day."""
    running: dict[str, bool]
    """Whether each strategy instance was let trade."""


class AccountSlot:
    """An account of the profile and, once it is prepared, its engine.

    Attributes:
        name: its name in the profile.
        venue: the venue's name in the profile.
        environment: where it trades.
        symbols: the markets it watches, in the venue's spelling.
        has_keys: whether it can trade; without keys it only watches.
        engine: what trades; ``None`` until the venue has answered all that it needs.
        since_ns: wall time of the last change of ``trouble``.
        remains: what is left of an engine whose exchange is gone.
        is_stopped: whether nothing more is tried until a human wants it (``Rearm``).
        retry: set when a human wants that.
    """

    def __init__(self, account: AccountProfile, latches: LatchStore, clock: Clock) -> None:
        self.name = account.name
        self.venue: str = account.venue
        self.environment: Environment = account.environment
        self.symbols: tuple[Symbol, ...] = tuple(Symbol(s) for s in account.symbols)
        self.has_keys = bool(account.keys)
        self.engine: AccountEngine | None = None
        self.since_ns = clock.wall_ns()
        self.remains: Remains | None = None
        self.is_stopped = False
        self.retry = asyncio.Event()
        self._clock = clock
        self._trouble = "connecting"
        self._holds = False
        self._panic: PanicProgress | None = None
        self._latches = LatchWriter(latches, account.name, self._latch_failed)
        latched = None if account.is_hosted else latches.read(account.name)
        self._state = latched.state if latched is not None else TradingState.ACTIVE

    @property
    def trouble(self) -> str:
        """Why it does not trade, for its chip; empty when all is well."""
        if self._trouble or self.engine is None:
            return self._trouble
        kernel = self.engine.kernel
        return self.engine.trouble or clock_trouble(kernel) or funds_trouble(kernel)

    @property
    def state(self) -> TradingState:
        """The engine's trading state; without one the state that it will start with."""
        return self.engine.kernel.state if self.engine is not None else self._state

    @property
    def standing(self) -> str:
        """Whether it can trade: ``READY``, ``CONNECTING`` or ``STOPPED`` until a human acts."""
        if self.is_stopped:
            return "STOPPED"
        return "CONNECTING" if self._trouble else "READY"

    @property
    def holding(self) -> bool:
        """Whether ``HoldFire`` is in force."""
        return self.engine.kernel.gate.holding if self.engine is not None else self._holds

    @property
    def rest_url(self) -> str:
        """Base address of the venue's REST; empty while it is not known."""
        return self.engine.gateway.rest_url if self.engine is not None else ""

    @property
    def panic(self) -> PanicProgress | None:
        """How far a kill or exit is; one that still waits for the venue is never done."""
        if self._panic is None:
            return self.engine.panic.progress if self.engine is not None else None
        self._panic.elapsed_ms = (self._clock.wall_ns() - self._panic.started_ns) / NS_PER_MS
        self._panic.text = f"not reached yet: {self._trouble}"
        return self._panic

    # -- the account's life, told by who supervises it -----------------------------------------

    def suffer(self, text: str) -> None:
        """Say why it does not trade; empty when it does again."""
        if text != self._trouble:
            self._trouble = text
            self.since_ns = self._clock.wall_ns()

    def take(self, engine: AccountEngine) -> None:
        """Put the engine in place, with what was asked of the account in the meantime.

        The order matters: an engine that starts halted sends nothing before its kill runs.
        """
        self.engine = engine
        self.suffer("")
        if self._holds:
            self._holds = False
            engine.command(HoldFire(account=self.name), "asked before it was connected")
        if self._panic is not None:
            panic, self._panic = self._panic, None
            kind = EmergencyExit if panic.flatten else Kill
            engine.command(kind(account=self.name), panic.who)

    def lose(self) -> list[str]:
        """Take the engine away, since its venue has forgotten the account.

        Its trading state, what was asked of it and the day's result stay; a kill that was not
        finished is asked of the next engine. Return what it held, for whoever tells of it.
        """
        engine, self.engine = self.engine, None
        if engine is None:
            return []
        self._state = engine.kernel.state
        self._holds = engine.kernel.gate.holding
        running = {runner.name: runner.running for runner in engine.kernel.runners}
        self.remains = Remains(engine.kernel.gate.day_result_quote, running)
        progress = engine.panic.progress
        if progress is not None and not progress.done:
            self._panic = PanicProgress(
                self.name, progress.flatten, progress.who, progress.started_ns
            )
        return _held(engine.kernel)

    # -- commands ----------------------------------------------------------------------------

    def command(self, command: AnyCommand, who: str) -> tuple[bool, str]:
        """Obey a command now, or keep it; return whether it was taken and what to tell."""
        if isinstance(command, Rearm) and command.typed == self.name:
            self.retry.set()
        if self.engine is not None:
            return self.engine.command(command, who)
        match command:
            case Kill() | EmergencyExit():
                return self._keep_panic(isinstance(command, EmergencyExit), who)
            case HoldFire():
                self._holds = True
                return True, f"{self.name}: holds fire as soon as it is connected"
            case Rearm() if command.typed != self.name:
                return False, f"type {self.name} to arm it"
            case Rearm() if self._panic is not None:
                return False, f"{self.name}: the kill still waits for the venue: {self._trouble}"
            case Rearm():
                return True, f"{self.name}: trying again: {self._trouble}"
            case _:
                return False, f"{self.name} is not connected: {self._trouble}"

    def _keep_panic(self, flatten: bool, who: str) -> tuple[bool, str]:
        if self._panic is None:
            self._panic = PanicProgress(self.name, flatten, who, self._clock.wall_ns())
        self._panic.flatten = self._panic.flatten or flatten
        self._state = TradingState.HALTED
        self._latches.write(Latched(self._state, f"kill by {who}", self._clock.wall_ns()))
        return True, f"{self.name}: halted; the venue is not reached yet: {self._trouble}"

    async def close(self) -> None:
        """Wait until what must be on disk is there."""
        await self._latches.close()

    def _latch_failed(self, error: DataError) -> None:
        self.suffer(error.message)


def engines_of(slots: Sequence[AccountSlot]) -> list[AccountEngine]:
    """Return the engines that there are."""
    return [slot.engine for slot in slots if slot.engine is not None]


def _held(kernel: Kernel) -> list[str]:
    """Return every open position in words."""
    words = []
    for (owner, symbol), position in kernel.gate.positions.items():
        if not position.is_flat:
            instrument = position.instrument
            size = f"{instrument.quantity(position.lots).normalize():+f} {instrument.base}"
            words.append(f"{size} of {owner} on {symbol}")
    return words


def clock_trouble(kernel: Kernel) -> str:
    """Say that entries wait for the machine's clock, and what to do; empty when they do not."""
    off_ms = kernel.gate.clock_offset_ns / NS_PER_MS
    if abs(off_ms) <= kernel.setup.limits.max_clock_offset_ms:
        return ""
    where = "behind" if off_ms > 0 else "ahead of"
    return (
        f"entries wait: this machine's clock is {abs(off_ms) / 1000:.1f} s {where} the venue's; "
        "synchronise it (requests carry the venue's time meanwhile)"
    )


def funds_trouble(kernel: Kernel) -> str:
    """Say that the account is empty, and what to do; nothing when it holds anything at all."""
    if any(free or locked for free, locked in kernel.gate.balances.values()):
        return ""
    money = sorted({one.money for one in kernel.setup.instruments.values()})
    return (
        f"no funds: the account is empty; deposit or transfer {' or '.join(money)}, entries are "
        "refused until then"
    )
