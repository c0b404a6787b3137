"""Build engines from a profile: addresses, keys, instruments, records."""

from __future__ import annotations

import secrets
import time
from decimal import Decimal

from obiterm import __version__
from obiterm.config.keys import ApiKeys, find_keys
from obiterm.config.models import AccountProfile, Profile
from obiterm.core.clock import Clock
from obiterm.core.errors import ConfigError
from obiterm.core.events import ClockMeasured
from obiterm.core.values import AccountId, Environment, RunId, Symbol, TradingState
from obiterm.engine.account import AccountEngine
from obiterm.engine.feed import SharedFeed
from obiterm.engine.gateway import Gateway
from obiterm.engine.hub import Hub
from obiterm.engine.latches import LatchStore
from obiterm.engine.listeners import EventListener, NoteListener
from obiterm.engine.venues import open_hub
from obiterm.host.exchange_child import ExchangeAddress
from obiterm.host.inheritance import Inheritance, inherit
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


def make_hub(account: AccountProfile, address: ExchangeAddress | None, clock: Clock) -> Hub:
    """Return the hub of an account's venue; ``address`` is that of an exchange started for it.

    A simulated account without one trades on an exchange that runs already, at its ``urls``.
    """
    if account.environment is Environment.SIM and address is not None:
        overrides = {"rest": address.rest, "stream": address.stream, "ws_api": address.ws_api}
    else:
        overrides = {k: v for k, v in account.urls.model_dump().items() if v}
        if account.environment is Environment.SIM and not account.urls.rest:
            raise ConfigError("environment", "sim", "a running simulated exchange")
    return open_hub(account.venue, account.environment, overrides, clock)


def make_gateway(account: AccountProfile, address: ExchangeAddress | None, hub: Hub) -> Gateway:
    """Return the private side of an account, with the keys that its profile refers to."""
    keys = find_keys(account)
    is_fresh = account.environment is Environment.SIM and address is not None
    if is_fresh and address is not None:
        keys = ApiKeys(address.api_key, address.api_secret)
    if keys is None:
        raise ConfigError(
            f"keys of account {account.name}", account.keys, "env:PREFIX with its keys set"
        )
    return hub.gateway(keys, is_fresh=is_fresh)


async def build_engine(
    profile: Profile,
    account: AccountProfile,
    gateway: Gateway,
    feed: SharedFeed,
    run: RunId,
    journal: Journal,
    latches: LatchStore,
    clock: Clock,
    on_note: NoteListener,
    on_event: EventListener,
) -> AccountEngine:
    """Prepare a gateway and return the account's engine.

    What earlier runs left (positions, latched state, the day's result) is taken over, unless
    the exchange was started for this run.
    """
    prepared = await gateway.prepare([Symbol(s) for s in account.symbols])
    marks, now_ns = prepared.fill_marks, clock.wall_ns()
    if gateway.is_fresh:
        latched, past = None, Inheritance([], marks, Decimal(0), knows_past=True)
    else:
        latched = latches.read(account.name)
        past = inherit(
            journal,
            account.name,
            prepared.instruments,
            marks,
            now_ns,
            mark_of=gateway.fill_mark,
            positions=prepared.positions,
        )
    record = StartRecord(
        program=__version__,
        account=AccountId(account.name),
        environment=account.environment,
        run=run,
        profile=profile.name,
        instruments=list(prepared.instruments.values()),
        limits=encode_limits(account.limits),
        strategies=[
            StrategyRecord(
                name=strategy.name,
                kind=strategy.kind,
                symbol=Symbol(strategy.symbol),
                parameters=strategy.parameters,
                running=strategy.enabled,
            )
            for strategy in profile.strategies_of(account.name)
        ],
        start_state=latched.state if latched else TradingState.ACTIVE,
        armed=not account.environment.is_real_money,
        balances=prepared.balances,
        market_events=profile.journal_market_events,
        result_before_quote=past.result_quote,
        knows_past=past.knows_past,
        fill_marks=past.fill_marks,
    )
    engine = AccountEngine(record, gateway, feed, journal, latches, clock, on_note, on_event)
    clock_told = ClockMeasured(prepared.clock_offset_ns, 0, now_ns)
    engine.inherit([clock_told, *past.events], past.fill_marks)
    return engine
