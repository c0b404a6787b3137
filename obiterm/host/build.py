"""Build engines from a profile: addresses, keys, instruments, records."""

from __future__ import annotations

import secrets
import time

import msgspec

from obiterm import __version__
from obiterm.config.keys import find_keys
from obiterm.config.models import AccountProfile, Profile
from obiterm.core.clock import Clock
from obiterm.core.errors import ConfigError
from obiterm.core.events import Event, Filled
from obiterm.core.values import AccountId, Environment, RunId, Symbol, TradingState
from obiterm.engine.account import AccountEngine, EventListener, NoteListener
from obiterm.engine.binance import BinanceGateway
from obiterm.engine.latches import LatchStore
from obiterm.host.exchange_child import ExchangeAddress
from obiterm.journal.log import Journal
from obiterm.trading.record import StartRecord, StrategyRecord, encode_limits
from obiterm.venues.binance.environments import urls
from obiterm.venues.binance.signing import Credentials

_read_event = msgspec.msgpack.Decoder(tuple[int, Event])


def new_run_id() -> RunId:
    """Return a short id of a host run: seconds in base 36 and two random signs."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number, text = int(time.time()), ""
    while number:
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return RunId(text + "".join(secrets.choice(digits) for _ in range(2)))


def key_kind(secret: str) -> str:
    """Tell an Ed25519 private key (PEM) from an HMAC secret (binance.md §4)."""
    return "ed25519" if "PRIVATE KEY" in secret else "hmac"


def make_gateway(
    account: AccountProfile, address: ExchangeAddress | None, clock: Clock
) -> BinanceGateway:
    """Return the gateway of an account."""
    keys = find_keys(account)
    if account.environment is Environment.SIM:
        if address is None:
            raise ConfigError("environment", "sim", "a running simulated exchange")
        overrides = {"rest": address.rest, "stream": address.stream, "ws_api": address.ws_api}
        credentials = Credentials(address.api_key, address.api_secret)
    else:
        if keys is None:
            raise ConfigError(
                f"keys of account {account.name}", account.keys, "env:PREFIX with its keys set"
            )
        overrides = {k: v for k, v in account.urls.model_dump().items() if v}
        credentials = Credentials(keys.api_key, keys.api_secret, key_kind(keys.api_secret))
    return BinanceGateway(urls(account.environment, overrides), credentials, clock)


async def build_engine(
    profile: Profile,
    account: AccountProfile,
    gateway: BinanceGateway,
    run: RunId,
    journal: Journal,
    latches: LatchStore,
    clock: Clock,
    on_note: NoteListener,
    on_event: EventListener,
) -> AccountEngine:
    """Prepare a gateway and return the account's engine."""
    prepared = await gateway.prepare([Symbol(s) for s in account.symbols])
    sim = account.environment is Environment.SIM
    latched = None if sim else latches.read(account.name)
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
    )
    engine = AccountEngine(record, gateway, journal, latches, clock, on_note, on_event)
    engine.kernel.gate.clock_offset_ns = prepared.clock_offset_ns
    if not sim:
        engine.carried = carried_fills(journal, account.name)
    return engine


def carried_fills(journal: Journal, account: str) -> list[Filled]:
    """Return the fills of earlier runs, each once, since the account was last flat."""
    seen: set[tuple[str, int]] = set()
    fills: list[Filled] = []
    net: dict[str, int] = {}
    for row in journal.rows(account=account, kind="event"):
        _, event = _read_event.decode(row.payload)
        if not isinstance(event, Filled) or (event.symbol, event.trade_id) in seen:
            continue
        seen.add((event.symbol, event.trade_id))
        fills.append(event)
        net[event.symbol] = net.get(event.symbol, 0) + event.side.sign * event.lots
        if not net[event.symbol]:
            fills = [fill for fill in fills if fill.symbol != event.symbol]
    return fills
