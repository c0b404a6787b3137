"""``--speed max``: kernel and exchange core in one process, in simulated time."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from obiterm import __version__
from obiterm.cli.progress import Progress
from obiterm.cli.summary import (
    Summary,
    digest,
    latency_us,
    make_summary,
    market_counts,
    money,
    print_summary,
    trips,
    verified,
)
from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.core.events import Event
from obiterm.core.values import NS_PER_S, AccountId, RunId, Symbol, TradingState
from obiterm.exchange.api import VenueCore, Verbatim
from obiterm.exchange.replay import ReplayVenue
from obiterm.exchange.serve import default_balances
from obiterm.exchange.venue import SimVenue
from obiterm.journal.log import Journal
from obiterm.research.simulated import MarketReader, SimulatedRun
from obiterm.research.translate import instrument_of
from obiterm.trading.record import StartRecord, StrategyRecord, encode_limits
from obiterm.venues.binance.market_session import MarketSession

_ACCOUNT = "main"
_DEMO_START_NS = 1_760_000_000 * NS_PER_S
"""Simulated time of an order-flow run: fixed, so that two runs are equal."""
_DEMO_SECONDS = 60.0


def run_maximum(options: argparse.Namespace, profile: Profile, command: str) -> int:
    """Run, kill, verify and print the summary."""
    exchange = profile.exchange
    if exchange is None:
        raise ValueError("a profile without an exchange got past its checks")
    capture = exchange.capture
    venue: VenueCore
    if capture is not None:
        replay = ReplayVenue(capture, speed=None)
        replay.start()
        venue, symbol, total = replay, next(iter(replay.markets)), replay.lines
        start_ns = replay.next_event_ns() or 0
        until_ns = start_ns + int(options.seconds * NS_PER_S) if options.seconds else None
    else:
        symbol, total, start_ns = exchange.symbol, 0, _DEMO_START_NS
        venue = SimVenue.named([symbol], seed=exchange.seed, start_ns=start_ns)
        until_ns = start_ns + int((options.seconds or _DEMO_SECONDS) * NS_PER_S)
    venue.add_account(_ACCOUNT, default_balances())
    record = _record(profile, venue, symbol)
    path = _fresh_journal(profile)
    journal = Journal.open(path)
    began = time.monotonic()
    progress = Progress("replaying" if capture else "simulating", "s")
    span_ns = (until_ns or start_ns + 700 * NS_PER_S) - start_ns
    run = SimulatedRun(record, venue, _ACCOUNT, journal, _reader(record, capture))
    run.run(
        start_ns,
        until_ns,
        lambda now_ns: progress.show((now_ns - start_ns) // NS_PER_S, span_ns // NS_PER_S),
    )
    progress.end()
    journal.close()
    summary = _summary(run, venue, path, command, symbol, time.monotonic() - began)
    print_summary(summary, as_json=options.json)
    good = summary.journal_verified and not summary.open_orders_at_exchange
    return 0 if good and total >= 0 else 1


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


def _fresh_journal(profile: Profile) -> Path:
    """Return the journal of a simulated-time run; it is made anew, since the run repeats."""
    path = Paths.from_environment().ensure().journal(f"{profile.name}-max")
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path


def _summary(
    run: SimulatedRun, venue: VenueCore, path: Path, command: str, symbol: str, seconds: float
) -> Summary:
    kernel = run.kernel
    fills = venue.fills(_ACCOUNT)
    round_trips, wins = trips([kernel])
    ok, rows = verified(path)
    return make_summary(
        {
            "command": command,
            "symbol": symbol,
            "speed": "max",
            "seconds": round(seconds, 3),
            **market_counts(kernel),
            "orders_sent": len(run.orders_sent),
            "fills": len(fills),
            "round_trips": round_trips,
            "wins": wins,
            **money([kernel]),
            "tick_to_order_us": latency_us(run.decisions),
            "risk_refusals": kernel.gate.refusals,
            "faults": 0,
            "open_orders_at_exchange": len(venue.open_orders(_ACCOUNT)),
            "journal": str(path),
            "journal_rows": rows,
            "journal_verified": ok,
            "orders_digest": digest(run.orders_sent),
            "fills_digest": digest(
                (f.client_id, f.side.value, f.price_ticks, f.lots, str(f.fee), f.time_ns)
                for f in fills
            ),
            "state": kernel.state.value,
        }
    )
