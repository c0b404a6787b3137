"""What a run takes over from the journal of earlier ones."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from obiterm.core.events import Filled, FundingPaid, PositionReported
from obiterm.core.values import (
    NS_PER_S,
    ClientOrderId,
    MarketKind,
    OrderRole,
    RunId,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.engine.gateway import NO_TRADE
from obiterm.host.inheritance import Inheritance, inherit, read_earlier
from obiterm.journal.log import Journal
from obiterm.trading.ids import make_client_id
from tests.trading_support.records import start_record
from tests.trading_support.stage import BTC, BTCUSDT

DAY_NS = 86_400 * NS_PER_S
TODAY = 20_000 * DAY_NS
NOW = TODAY + 3_600 * NS_PER_S
OURS = make_client_id(RunId("run0"), 1, OrderRole.ENTRY, "one", "entry")
PRICE = 10_000_000


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open(tmp_path / "a.journal")
    made.append("main", "start", start_record(market_events=False), TODAY - DAY_NS)
    yield made
    made.close()


def fill(
    trade_id: int,
    side: Side,
    lots: int,
    *,
    price: int = PRICE,
    client_id: str = OURS,
    fee: Decimal = Decimal(0),
    fee_asset: str = "USDT",
) -> Filled:
    return Filled(
        symbol=BTC,
        client_id=ClientOrderId(client_id),
        venue_id=VenueOrderId("1"),
        trade_id=trade_id,
        side=side,
        price_ticks=price,
        lots=lots,
        fee=fee,
        fee_asset=fee_asset,
        is_maker=True,
        event_ns=trade_id,
        received_ns=trade_id,
    )


def write(journal: Journal, *fills: Filled, at_ns: int = NOW) -> None:
    for one in fills:
        journal.append("main", "event", msgspec.msgpack.encode((at_ns, one)), at_ns)
    journal.commit()


def read(journal: Journal, newest: int = 1_000) -> Inheritance:
    journal.commit()
    return inherit(read_earlier(journal, "main"), {BTC: BTCUSDT}, {BTC: newest}, NOW, mark_of=by_id)


def by_id(one: Filled) -> int:
    return one.trade_id


def test_without_fills_trades_are_read_from_where_the_last_run_began(journal: Journal) -> None:
    past = read(journal)
    assert past == Inheritance([], {BTC: 1_000}, Decimal(0), True, booked={BTC: frozenset()})


def test_an_account_that_never_ran_here_knows_no_past(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "b.journal")
    past = read(journal, 55)
    journal.close()
    assert (past.knows_past, past.fill_marks) == (False, {BTC: 55})


def test_the_fills_of_an_open_position_are_carried_once(journal: Journal) -> None:
    buy, more = fill(10, Side.BUY, 500), fill(12, Side.BUY, 300)
    write(journal, buy, more, buy, more)
    past = read(journal)
    assert past.fills == [buy, more]
    assert past.fill_marks == {BTC: 9}  # read again: the dead run may have missed number 11


def test_round_trips_that_ended_are_left_behind(journal: Journal) -> None:
    late = fill(14, Side.BUY, 200)
    write(journal, fill(10, Side.BUY, 500), fill(12, Side.SELL, 500), late)
    assert read(journal).fills == [late]


def test_dust_of_fees_ends_no_later_than_the_position(journal: Journal) -> None:
    """Fees in coin: what is sold is less than what was bought, and the position is closed."""
    fee = Decimal("0.000005")
    write(
        journal,
        fill(10, Side.BUY, 500, fee=fee, fee_asset="BTC"),
        fill(12, Side.SELL, 499),
    )
    past = read(journal)
    assert past.fills == []
    assert past.fill_marks == {BTC: 12}


def test_a_sale_of_coins_held_before_leaves_no_short_behind(journal: Journal) -> None:
    """A restart sees what the run before saw: decision 0007."""
    by_hand = make_client_id(RunId("run0"), 2, OrderRole.MANUAL, "manual", "m1")
    write(
        journal,
        fill(10, Side.BUY, 300),
        fill(11, Side.SELL, 1_000, price=PRICE + 100_000, client_id=by_hand),
        fill(12, Side.SELL, 400, client_id=by_hand),
    )
    past = read(journal)
    assert (past.fills, past.result_quote) == ([], Decimal(3))
    assert past.fill_marks == {BTC: 12}
    later = fill(13, Side.BUY, 200)
    write(journal, later)
    assert read(journal).fills == [later]


def test_trades_of_other_people_are_not_ours(journal: Journal) -> None:
    write(journal, fill(10, Side.BUY, 500, client_id="web_77"))
    assert read(journal).fills == []


def test_a_venue_that_was_reset_has_none_of_it(journal: Journal) -> None:
    """Test networks are wiped now and then: their trade ids begin anew."""
    write(journal, fill(10_000, Side.BUY, 500))
    past = read(journal, newest=40)
    assert past == Inheritance([], {BTC: 40}, Decimal(0), True)


def test_the_days_result_is_that_of_todays_ended_trips(journal: Journal) -> None:
    write(
        journal,
        fill(10, Side.BUY, 500),
        fill(11, Side.SELL, 500, price=PRICE - 100_000),  # yesterday's loss of 5
        at_ns=TODAY - NS_PER_S,
    )
    write(journal, fill(12, Side.BUY, 500), fill(13, Side.SELL, 500, price=PRICE - 20_000))
    write(journal, fill(14, Side.BUY, 100), fill(15, Side.SELL, 50, price=PRICE - 90_000))
    past = read(journal)
    assert past.result_quote == Decimal(-1)
    assert [one.trade_id for one in past.fills] == [14, 15]


# -- perpetuals, and venues whose fills are read by time ----------------------------------

PERP = Symbol("BTCUSDT-PERP")
FUTURE = msgspec.structs.replace(
    BTCUSDT, venue="binance-futures", symbol=PERP, kind=MarketKind.PERP, settle="USDT"
)


def perp(trade_id: int, side: Side, lots: int, at_ns: int) -> Filled:
    """Return a fill whose id says nothing about time."""
    return msgspec.structs.replace(
        fill(trade_id, side, lots), symbol=PERP, event_ns=at_ns, received_ns=at_ns
    )


def by_time(one: Filled) -> int:
    return one.event_ns


def read_perp(journal: Journal, newest: int, held: int | None = None) -> Inheritance:
    journal.commit()
    told = [] if held is None else [position(held)]
    marks = {PERP: newest}
    return inherit(
        read_earlier(journal, "main"), {PERP: FUTURE}, marks, NOW, mark_of=by_time, positions=told
    )


def position(lots: int) -> PositionReported:
    nil = Decimal(0)
    return PositionReported(PERP, lots, Decimal(100_000), nil, nil, nil, NOW, NOW)


def test_marks_are_times_where_ids_do_not_rise(journal: Journal) -> None:
    first = perp(9_000, Side.SELL, 300, NOW - 50)
    write(journal, first, perp(7, Side.SELL, 200, NOW - 20))
    past = read_perp(journal, NOW - 20, held=-500)
    assert [one.trade_id for one in past.fills] == [9_000, 7]
    assert past.fill_marks == {PERP: NOW - 51}
    write(journal, perp(8, Side.BUY, 500, NOW - 10))
    past = read_perp(journal, NOW - 10)
    assert (past.fills, past.fill_marks) == ([], {PERP: NOW - 10})


@pytest.mark.parametrize(("held", "kept"), [(-300, True), (300, False), (None, False)])
def test_fills_that_the_venue_forgot_count_while_it_holds_the_position(
    journal: Journal, held: int | None, kept: bool
) -> None:
    """Some venues show the fills of a few days only; a reset venue holds nothing (T33)."""
    short = perp(5, Side.SELL, 300, NOW - 50)
    write(journal, short)
    past = read_perp(journal, newest=-1, held=held)
    assert past.fills == ([short] if kept else [])
    assert past.fill_marks == {PERP: NOW - 51 if kept else -1}


def test_funding_of_today_is_carried_once(journal: Journal) -> None:
    def paid(name: str, at_ns: int) -> FundingPaid:
        return FundingPaid(PERP, name, Decimal("-0.5"), "USDT", at_ns, at_ns)

    for one in (paid("old", TODAY - 1), paid("a", NOW - 9), paid("a", NOW - 9), paid("b", NOW)):
        journal.append("main", "event", msgspec.msgpack.encode((one.event_ns, one)), NOW)
    write(journal, perp(5, Side.BUY, 300, NOW - 4))
    past = read_perp(journal, NOW)
    assert [one.payment_id for one in past.payments] == ["a", "b"]
    assert [type(one).__name__ for one in past.events] == ["FundingPaid", "Filled", "FundingPaid"]
    assert past.result_quote == 0  # the kernel books what it is told


SPOT_BY_TIME = msgspec.structs.replace(BTCUSDT, venue="bybit")


@pytest.mark.parametrize(("age_ns", "kept"), [(100 * DAY_NS, True), (2 * DAY_NS, False)])
def test_a_venue_that_shows_no_trade_denies_none_from_before_what_it_shows(
    journal: Journal, age_ns: int, kept: bool
) -> None:
    """A spot position outlives the weeks in which fills are looked for."""
    old = msgspec.structs.replace(fill(7, Side.BUY, 500), event_ns=NOW - age_ns)
    write(journal, old, at_ns=NOW - age_ns)
    past = inherit(
        read_earlier(journal, "main"),
        {BTC: SPOT_BY_TIME},
        {BTC: NO_TRADE},
        NOW,
        mark_of=by_time,
        marks_from_ns=NOW - 91 * DAY_NS,
    )
    assert past.fills == ([old] if kept else [])
    assert past.fill_marks == {BTC: NOW - age_ns - 1 if kept else NO_TRADE}
