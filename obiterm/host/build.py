"""Build engines from a profile: hubs, keys, instruments, records."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from obiterm import __version__
from obiterm.config.keys import ApiKeys, find_keys
from obiterm.config.models import AccountProfile, Profile
from obiterm.config.parameters import check_on_instruments
from obiterm.core.clock import Clock
from obiterm.core.errors import ConfigError
from obiterm.core.events import ClockMeasured
from obiterm.core.values import AccountId, Environment, RunId, Symbol
from obiterm.engine.account import AccountEngine
from obiterm.engine.gateway import Gateway, Prepared, RemembersIds
from obiterm.engine.guard import SelfTradeGuard
from obiterm.engine.hub import Hub
from obiterm.engine.latches import LatchStore
from obiterm.engine.listeners import EventListener, NoteListener
from obiterm.engine.venues import open_hub
from obiterm.host.exchange_child import ExchangeAddress
from obiterm.host.inheritance import EarlierRuns, Inheritance, inherit, read_earlier
from obiterm.host.journal_books import JournalFile
from obiterm.host.slots import AccountSlot
from obiterm.journal.log import Journal
from obiterm.trading.record import StartRecord, StrategyRecord, encode_limits


def new_run_id() -> RunId:
    """Return a short id of a host run: seconds in base 36 and two random signs."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number, text = int(time.time()), ""
    while number:
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return RunId(text + "".join(secrets.choice(digits) for _ in range(2)))


class HubKey(msgspec.Struct, frozen=True):
    """What accounts must have in common to share a hub."""

    venue: str
    environment: Environment
    urls: tuple[tuple[str, str], ...]
    life: int = 0
    """Which process of a simulated exchange; a new one has streams of its own."""


class HubRegistry:
    """One hub for all accounts of a venue in one environment at the same addresses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hubs: dict[HubKey, Hub] = {}

    async def hub(
        self, account: AccountProfile, address: ExchangeAddress | None = None, life: int = 0
    ) -> Hub:
        """Return the hub of an account, opened when it is the first to need it.

        Args:
            account: who asks.
            address: the simulated exchange that the host has started for it.
            life: which process of that exchange.

        Raises:
            ConfigError: the venue, environment or an address is wrong.
        """
        urls: Mapping[str, str] = address.urls() if address is not None else account.urls
        key = HubKey(account.venue, account.environment, tuple(sorted(urls.items())), life)
        hub = self._hubs.get(key)
        if hub is None:
            hub = open_hub(account.venue, account.environment, urls, self._clock)
            self._hubs[key] = hub
            await self._drop_earlier(key)
        return hub

    async def close(self) -> None:
        """Close every hub."""
        hubs, self._hubs = list(self._hubs.values()), {}
        for hub in hubs:
            await hub.close()

    async def _drop_earlier(self, key: HubKey) -> None:
        """Close the hubs of processes that are gone."""
        for other in list(self._hubs):
            if other.life < key.life and msgspec.structs.replace(other, life=key.life) == key:
                await self._hubs.pop(other).close()


def account_keys(account: AccountProfile) -> ApiKeys:
    """Return the keys that an account's profile refers to.

    Raises:
        ConfigError: it refers to none, or a variable that it names is not set.
    """
    keys = find_keys(account)
    if keys is None:
        raise ConfigError(
            f"keys of account {account.name}", account.keys, "env:PREFIX with its keys set"
        )
    return keys


class EngineBuilder:
    """What the engines of one host are built with."""

    def __init__(
        self,
        profile: Profile,
        journal: Journal,
        latches: LatchStore,
        clock: Clock,
        on_note: NoteListener,
        on_event: EventListener,
    ) -> None:
        self._profile = profile
        self._journal = journal
        self._latches = latches
        self._clock = clock
        self._on_note = on_note
        self._on_event = on_event
        self._guard = SelfTradeGuard()
        for account in profile.accounts:
            if account.keys and not account.is_hosted:
                symbols = [Symbol(symbol) for symbol in account.symbols]
                address = account.urls.get("rest", "")
                self._guard.expect(
                    account.name, account.venue, account.environment, address, symbols
                )
        self._earlier: dict[str, EarlierRuns] = {}
        self._runs: set[RunId] = set()
        self.run = self._new_run()
        """Run of the host. Every engine has one of its own, and with it ids of its own."""

    async def build(
        self,
        account: AccountProfile,
        slot: AccountSlot,
        hub: Hub,
        gateway: Gateway,
    ) -> AccountEngine:
        """Prepare a gateway and return the account's engine.

        What earlier runs left (positions, latched state, the day's result) is taken over,
        unless the exchange was started for this run: then only what the slot still knows.

        Raises:
            ObitermError: the venue did not answer what has to be known.
        """
        earlier = None if gateway.is_fresh else await self._read_earlier(account.name, gateway)
        prepared = await gateway.prepare([Symbol(s) for s in account.symbols])
        check_on_instruments(self._profile, account.name, prepared.instruments)
        past = await self._past(earlier, slot, gateway, prepared)
        remains = slot.remains
        record = StartRecord(
            program=__version__,
            account=AccountId(account.name),
            environment=account.environment,
            run=self._new_run(),
            profile=self._profile.name,
            instruments=list(prepared.instruments.values()),
            limits=encode_limits(account.limits),
            strategies=[
                StrategyRecord(
                    name=strategy.name,
                    kind=strategy.kind,
                    symbol=Symbol(strategy.symbol),
                    parameters=strategy.parameters,
                    running=strategy.enabled if remains is None else remains.running[strategy.name],
                )
                for strategy in self._profile.strategies_of(account.name)
            ],
            start_state=slot.state,
            armed=not account.environment.is_real_money,
            balances=prepared.balances,
            market_events=self._profile.journal_market_events,
            result_before_quote=past.result_quote,
            knows_past=past.knows_past,
            fill_marks=past.fill_marks,
        )
        engine = AccountEngine(
            record,
            gateway,
            hub.feed,
            self._journal,
            self._latches,
            self._clock,
            self._on_note,
            self._on_event,
            self._guard,
        )
        self._earlier.pop(account.name, None)
        clock_told = ClockMeasured(prepared.clock_offset_ns, 0, self._clock.wall_ns())
        engine.inherit([clock_told, *past.events], past.fill_marks, past.booked)
        return engine

    def give_up(self, account: str) -> None:
        """Let the others trade where an account was to: it waits for a human now."""
        self._guard.dismiss(account)

    def _new_run(self) -> RunId:
        """Return a run that no engine of this host has: ids must tell accounts apart too."""
        while (run := new_run_id()) in self._runs:
            pass
        self._runs.add(run)
        return run

    async def _read_earlier(self, account: str, gateway: Gateway) -> EarlierRuns:
        """Read the journal once for an account, beside the loop: others are trading in it.

        What is tried again later needs no second reading: until its engine stands nothing of
        the account is written.
        """
        earlier = self._earlier.get(account)
        if earlier is None:
            journal = JournalFile(self._journal.path)
            earlier = await asyncio.to_thread(read_earlier, journal, account)
            if isinstance(gateway, RemembersIds):
                await asyncio.to_thread(gateway.learn, earlier.sent)
            self._earlier[account] = earlier
        return earlier

    async def _past(
        self,
        earlier: EarlierRuns | None,
        slot: AccountSlot,
        gateway: Gateway,
        prepared: Prepared,
    ) -> Inheritance:
        if earlier is None:
            result = slot.remains.result_quote if slot.remains is not None else Decimal(0)
            return Inheritance([], prepared.fill_marks, result, knows_past=True)
        return await asyncio.to_thread(
            inherit,
            earlier,
            prepared.instruments,
            prepared.fill_marks,
            self._clock.wall_ns(),
            mark_of=gateway.fill_mark,
            positions=prepared.positions,
            marks_from_ns=prepared.marks_from_ns,
        )
