"""``--speed max``: kernel and exchange core in one process, in simulated time."""

from __future__ import annotations

import argparse
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from obiterm import __version__
from obiterm.cli.capture import damage_is_usage
from obiterm.cli.progress import Progress
from obiterm.cli.summary import (
    AccountSummary,
    Summary,
    books_in_sync,
    digest,
    latency_us,
    left_positions,
    make_account,
    make_summary,
    market_counts,
    money,
    print_summary,
    trips,
    verified,
)
from obiterm.config.models import ExchangeProfile, Profile
from obiterm.config.paths import Paths
from obiterm.core.errors import ConfigError, UsageError
from obiterm.core.events import Event
from obiterm.core.values import NS_PER_S, AccountId, RunId, Symbol, TradingState
from obiterm.exchange.api import VenueCore, Verbatim
from obiterm.exchange.replay import ReplayVenue
from obiterm.exchange.serve import default_balances
from obiterm.exchange.venue import SimVenue
from obiterm.journal.log import Journal
from obiterm.research.simulated import MarketReader, SimulatedRun
from obiterm.research.translate import instrument_of
from obiterm.trading.kernel import Kernel
from obiterm.trading.record import StartRecord, StrategyRecord, encode_limits
from obiterm.venues.binance.market_session import MarketSession

_ACCOUNT = "main"
_DEMO_START_NS = 1_760_000_000 * NS_PER_S
"""Simulated time of an order-flow run: fixed, so that two runs are equal."""
_DEMO_SECONDS = 60.0
_LONG_NS = 700 * NS_PER_S
"""Length that the progress line assumes for a capture."""
_MOST_RUNS = 8
"""Runs of one profile at the same time, each with a journal of its own."""


def run_maximum(options: argparse.Namespace, profile: Profile, command: str) -> int:
    """Run, kill, verify and print the summary."""
    exchange = _only_exchange(profile)
    market = _market(exchange, options.seconds)
    market.venue.add_account(_ACCOUNT, exchange.balances or default_balances())
    record = _record(profile, market.venue, market.symbol)
    with _fresh_journal(profile) as journal:
        began = time.monotonic()
        run = SimulatedRun(
            record, market.venue, _ACCOUNT, journal, _reader(record, exchange.capture)
        )
        _run(run, market, "replaying" if exchange.capture else "simulating")
        journal.close()
        took_s = time.monotonic() - began
        summary = _summary(run, market, journal.path, command, took_s)
    print_summary(summary, as_json=options.json)
    good = summary.journal_verified and not summary.open_orders_at_exchange
    return 0 if good else 1


def _only_exchange(profile: Profile) -> ExchangeProfile:
    """Return the one exchange of a profile that can run in simulated time."""
    exchange = profile.exchanges[0]
    if len(profile.accounts) > 1 or (exchange.venue, len(exchange.symbols)) != ("binance", 1):
        expected = "a profile with one account on one market of binance, such as demo-spot"
        raise ConfigError("--speed", "max", expected, hint=f"{profile.name} has more")
    return exchange


@dataclass(frozen=True, slots=True)
class _Market:
    """What is traded, and from when until when (simulated nanoseconds)."""

    venue: VenueCore
    symbol: str
    start_ns: int
    until_ns: int | None


def _market(exchange: ExchangeProfile, seconds: float | None) -> _Market:
    symbol = exchange.symbols[0]
    if exchange.capture is None:
        until_ns = _DEMO_START_NS + int((seconds or _DEMO_SECONDS) * NS_PER_S)
        venue = SimVenue.named([symbol], seed=exchange.seed, start_ns=_DEMO_START_NS)
        return _Market(venue, symbol, _DEMO_START_NS, until_ns)
    with damage_is_usage():
        replay = ReplayVenue(exchange.capture, symbol=symbol, speed=None)
    replay.start()
    start_ns = replay.next_event_ns() or 0
    ends_ns = start_ns + int(seconds * NS_PER_S) if seconds else None
    return _Market(replay, symbol, start_ns, ends_ns)


def _run(run: SimulatedRun, market: _Market, label: str) -> None:
    progress = Progress(label, "s")
    span_s = ((market.until_ns or market.start_ns + _LONG_NS) - market.start_ns) // NS_PER_S
    try:
        run.run(
            market.start_ns,
            market.until_ns,
            lambda now_ns: progress.show((now_ns - market.start_ns) // NS_PER_S, span_s),
        )
    finally:
        progress.end()


def _record(profile: Profile, venue: VenueCore, symbol: str) -> StartRecord:
    account = profile.accounts[0]
    instrument = instrument_of(venue.markets[symbol], account.venue)
    return StartRecord(
        program=__version__,
        account=AccountId(account.name),
        environment=account.environment,
        run=RunId("max"),
        profile=profile.name,
        instruments=[instrument],
        limits=encode_limits(account.limits),
        strategies=[
            StrategyRecord(
                name=strategy.name,
                kind=strategy.kind,
                symbol=Symbol(symbol),
                parameters=strategy.parameters,
                running=strategy.enabled,
            )
            for strategy in profile.strategies_of(account.name)
        ],
        start_state=TradingState.ACTIVE,
        armed=True,
        balances={a: (free, locked) for a, (free, locked) in venue.balances(_ACCOUNT).items()},
        market_events=True,
    )


def _reader(record: StartRecord, capture: Path | None) -> MarketReader | None:
    """Return the venue's own session as a reader of recorded messages."""
    if capture is None:
        return None
    session = MarketSession({Symbol(i.symbol): i for i in record.instruments})

    def read(message: Verbatim, now_ns: int) -> list[Event]:
        frame = b'{"stream":"' + message.stream.encode() + b'","data":' + message.text + b"}"
        return list(session.receive(frame, now_ns))

    return read


@contextmanager
def _fresh_journal(profile: Profile) -> Iterator[Journal]:
    """Yield the journal of a simulated-time run; it is made anew, since the run repeats.

    A run beside another one takes the next free name, so that neither loses its rows.
    """
    paths = Paths.from_environment().ensure()
    for number in range(1, _MOST_RUNS + 1):
        path = paths.journal(f"{profile.name}-max{'' if number == 1 else f'-{number}'}")
        slot = os.open(path.with_suffix(".slot"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with closing(os.fdopen(slot, "rb")):
            try:
                fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            for old in path.parent.glob(f"{path.name}*"):
                old.unlink(missing_ok=True)
            with closing(Journal.open(path)) as journal:
                yield journal
            return
    raise UsageError(f"{_MOST_RUNS} runs of {profile.name} at --speed max are under way already")


def _summary(
    run: SimulatedRun, market: _Market, path: Path, command: str, seconds: float
) -> Summary:
    kernel = run.kernel
    venue = market.venue
    fills = venue.fills(_ACCOUNT)
    round_trips, wins = trips([kernel])
    ok, rows = verified(path)
    done: dict[str, object] = {
        **market_counts([kernel]),
        "orders_sent": len(run.orders_sent),
        "fills": len(fills),
        "round_trips": round_trips,
        "wins": wins,
        **money([kernel]),
        "tick_to_order_us": latency_us(run.decisions),
        "risk_refusals": kernel.gate.refusals,
        "faults": 0,
        "open_orders_at_exchange": len(venue.open_orders(_ACCOUNT)),
        "state": kernel.state.value,
    }
    return make_summary(
        {
            "command": command,
            "symbol": market.symbol,
            "speed": "max",
            "seconds": round(seconds, 3),
            **done,
            "journal": str(path),
            "journal_rows": rows,
            "journal_verified": ok,
            "orders_digest": digest(run.orders_sent),
            "fills_digest": digest(
                (f.client_id, f.side.value, f.price_ticks, f.lots, str(f.fee), f.time_ns)
                for f in fills
            ),
            "accounts": [_account(kernel, done)],
        }
    )


def _account(kernel: Kernel, done: dict[str, object]) -> AccountSummary:
    """Return the run's only account."""
    return make_account(
        {
            **done,
            "name": kernel.setup.account,
            "venue": next(iter(kernel.setup.instruments.values())).venue,
            "environment": kernel.setup.environment.value,
            "symbols": list(kernel.setup.instruments),
            "connected": True,
            "trouble": "",
            "books_in_sync": books_in_sync(kernel),
            "left": left_positions(kernel),
        }
    )
