"""Whole runs on the simulated exchange's perpetuals: our books against the venue's money."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from obiterm.core.events import FundingPaid
from obiterm.core.limits import RiskLimits
from obiterm.core.values import (
    NS_PER_S,
    AccountId,
    Environment,
    RunId,
    Symbol,
    TradingState,
)
from obiterm.exchange.specs import listings
from obiterm.exchange.venue import SimVenue
from obiterm.journal.log import Journal, read_rows
from obiterm.research.rejournal import replay_journal
from obiterm.research.simulated import SimulatedRun
from obiterm.research.translate import instrument_of
from obiterm.trading.record import StartRecord, StrategyRecord, encode_limits

START_NS = 1_760_000_000 * NS_PER_S
MONEY = Decimal(100_000)
VENUES = {"binance-futures": "BTCUSDT", "bybit": "BTCUSDT.P", "backpack": "BTC_USDC_PERP"}
EAGER = {
    "quantity": "0.05",
    "enter_obi": 0.05,
    "hold_obi": 0.0,
    "exit_obi": 0.1,
    "confirm_updates": 1,
    "offset_ticks": 30,
    "stop_bps": "30",
    "cooldown_ms": 0,
}


def run(path: Path, name: str, direction: str, seconds: int = 240) -> tuple[SimulatedRun, SimVenue]:
    symbol = VENUES[name]
    (listing,) = listings(name, [symbol])
    venue = SimVenue([listing.with_interval(60)], seed=5, start_ns=START_NS)
    instrument = instrument_of(venue.markets[symbol], name)
    venue.add_account("main", {instrument.settle: MONEY})
    record = StartRecord(
        program="0",
        account=AccountId("main"),
        environment=Environment.SIM,
        run=RunId("run1"),
        profile="test",
        instruments=[instrument],
        limits=encode_limits(
            RiskLimits(
                max_order_notional=Decimal(10**6),
                max_position_notional=Decimal(10**6),
                max_exposure_notional=Decimal(10**6),
                max_orders_per_10s=300,
                max_daily_loss=Decimal(10**6),
            )
        ),
        strategies=[
            StrategyRecord("surf", "surf", Symbol(symbol), EAGER | {"direction": direction}, True)
        ],
        start_state=TradingState.ACTIVE,
        armed=True,
        balances={instrument.settle: (MONEY, Decimal(0))},
        market_events=True,
    )
    journal = Journal.open(path)
    made = SimulatedRun(record, venue, "main", journal, None)
    made.run(START_NS, START_NS + seconds * NS_PER_S, lambda _: None)
    journal.close()
    return made, venue


@pytest.mark.parametrize("name", VENUES)
def test_our_result_is_the_venues_money_to_the_last_digit(tmp_path: Path, name: str) -> None:
    """Realised - fees + funding = what the wallet gained, from longs and from shorts."""
    made, venue = run(tmp_path / "a.journal", name, "both")
    gate = made.kernel.gate
    (symbol,) = made.kernel.markets
    settle = made.kernel.setup.instruments[symbol].settle
    position = gate.position("surf", symbol)
    sides = {trip.side.value for trip in position.trips}
    assert sides == {"BUY", "SELL"}
    assert gate.booked_quote() == venue.collateral("main", settle).wallet - MONEY
    assert gate.net_lots(symbol) == venue.position("main", symbol).lots
    assert gate.venue.alarms == 0
    assert gate.funding.total != 0
    assert gate.funding.total == sum(p.amount for p in _payments(tmp_path / "a.journal"))
    assert venue.self_trades() == []


def test_a_short_run_only_sells_short_and_replays_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    made, venue = run(path, "bybit", "short", seconds=120)
    (symbol,) = made.kernel.markets
    trips = made.kernel.gate.position("surf", symbol).trips
    assert trips
    assert {trip.side.value for trip in trips} == {"SELL"}
    again = replay_journal(path)
    assert again.is_same, again.first_difference
    assert again.effects > 100
    assert venue.position("main", symbol).lots <= 0


def _payments(path: Path) -> list[FundingPaid]:
    name = FundingPaid.__name__.encode()
    rows = [row for row in read_rows(path) if row.kind == "event" and name in row.payload]
    return [_read(row.payload)[1] for row in rows]


_read = msgspec.msgpack.Decoder(tuple[int, FundingPaid]).decode
