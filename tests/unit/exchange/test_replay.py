"""A recorded market as a venue: unchanged to the public, our orders inside it."""

from __future__ import annotations

import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from obiterm.core.errors import DataError, UsageError
from obiterm.core.values import Side
from obiterm.exchange.api import (
    DepthDelta,
    Kind,
    NewOrder,
    Order,
    PublicTrade,
    Refusal,
    Status,
    Tif,
    Top,
    Verbatim,
    Why,
)
from obiterm.exchange.replay import ReplayVenue

from .capture_files import ASKS, BIDS, T0, Line, depth, opening, ticker, trade, write

SYMBOL = "BTCUSDT"


def open_venue(path: Path, lines: list[Line], **options: object) -> ReplayVenue:
    venue = ReplayVenue(
        write(path / "c.gz", lines), speed=None, derived=bool(options.get("derived"))
    )
    venue.add_account("me", {"BTC": Decimal(10), "USDT": Decimal(1_000_000)})
    return venue


def play(venue: ReplayVenue, until_ms: int = 10**9) -> None:
    """Step through the recording up to a recorded moment."""
    while (at_ns := venue.next_event_ns()) is not None and at_ns <= T0 + until_ms * 1_000_000:
        venue.advance(at_ns)


def begin(venue: ReplayVenue) -> None:
    """Open both gates and play the opening."""
    venue.start()
    venue.depth(SYMBOL, 1)
    play(venue, 250)
    venue.drain()


def place(
    venue: ReplayVenue,
    side: Side,
    lots: int,
    ticks: int = 0,
    kind: Kind = Kind.LIMIT,
    *,
    trigger: int = 0,
    tif: Tif = Tif.GTC,
) -> Order:
    number = len(venue.all_orders("me", SYMBOL))
    request = NewOrder(
        SYMBOL,
        side,
        kind,
        f"c{number}",
        lots=lots,
        price_ticks=ticks,
        trigger_ticks=trigger,
        tif=tif,
    )
    return venue.place("me", request, T0 + 250_000_000)


def test_messages_leave_unchanged_and_in_order(tmp_path: Path) -> None:
    lines = [*opening(), trade(300, 501, "60000.01", "0.50000", sells=False)]
    venue = open_venue(tmp_path, lines)
    venue.start()
    venue.depth(SYMBOL, 1_000)
    play(venue)
    outputs = venue.drain()
    assert all(isinstance(output, Verbatim) for output in outputs)
    said = [(o.stream, msgspec.json.decode(o.text)) for o in outputs if isinstance(o, Verbatim)]
    messages = [line["m"] for line in lines]
    assert said == [(m["stream"], m["data"]) for m in messages if "stream" in m]
    assert venue.next_event_ns() is None


def test_depth_is_the_recorded_snapshot_until_it_was_passed(tmp_path: Path) -> None:
    venue = open_venue(tmp_path, [*opening(), depth(300, 105, 106, bids=[("60000.00", "0.00000")])])
    recorded = (
        100,
        [(6_000_000, 200_000), (5_999_999, 100_000), (5_999_990, 500_000)],
        [(6_000_001, 100_000), (6_000_005, 200_000), (6_000_050, 400_000)],
    )
    assert venue.depth(SYMBOL, 1_000) == recorded
    venue.start()
    play(venue, 180)
    assert venue.peek(SYMBOL, 1_000) == recorded
    assert venue.depth(SYMBOL, 1_000) == recorded
    play(venue)
    last_id, bids, _ = venue.depth(SYMBOL, 1)
    assert (last_id, bids) == (106, [(5_999_999, 100_000)])
    assert venue.gaps == 0


def test_candles_prints_and_average_come_from_the_recording(tmp_path: Path) -> None:
    venue = open_venue(tmp_path, [*opening(), trade(300, 501, "60000.01", "0.50000", sells=False)])
    before = venue.trades(SYMBOL, 1_000)
    assert before[-1].price_ticks == 6_000_000
    assert before[-1].trade_id == 499
    assert len(venue.candles(SYMBOL, 60_000)) > 60
    begin(venue)
    play(venue)
    prints = venue.trades(SYMBOL, 2)
    assert [(p.trade_id, p.aggressor) for p in prints] == [(500, Side.SELL), (501, Side.BUY)]
    assert venue.candles(SYMBOL, 60_000)[-1].close_ticks == 6_000_001
    again = ReplayVenue(tmp_path / "c.gz", speed=None)
    assert again.trades(SYMBOL, 1_000) == before


def test_a_joined_bid_fills_after_what_was_ahead(tmp_path: Path) -> None:
    venue = open_venue(
        tmp_path,
        [
            *opening(),
            trade(300, 501, "60000.00", "1.50000", sells=True),
            trade(310, 502, "60000.00", "0.60000", sells=True),
        ],
    )
    begin(venue)
    order = place(venue, Side.BUY, 50_000, 6_000_000, Kind.LIMIT_MAKER)
    assert venue.ahead_of(order.order_id) == 200_000
    play(venue, 300)
    assert (order.filled_lots, venue.ahead_of(order.order_id)) == (0, 50_000)
    venue.drain()
    play(venue)
    assert (order.status, order.filled_lots) == (Status.PARTIALLY_FILLED, 10_000)
    outputs = venue.drain()
    kinds = [type(output).__name__ for output in outputs]
    assert kinds == ["Verbatim", "OrderUpdate", "BalanceUpdate"]
    fill = venue.fills("me")[0]
    assert (fill.is_maker, fill.price_ticks, fill.fee_asset) == (True, 6_000_000, "BTC")
    assert fill.trade_id > 10**11
    assert fill.time_ns == T0 + 310_000_000


def test_a_marketable_order_takes_recorded_levels_once(tmp_path: Path) -> None:
    venue = open_venue(tmp_path, [*opening(), depth(300, 105, 106, asks=[("60000.01", "0.30000")])])
    begin(venue)
    order = place(venue, Side.BUY, 250_000, kind=Kind.MARKET)
    assert order.status is Status.FILLED
    assert [(f.price_ticks, f.lots) for f in venue.fills("me")] == [
        (6_000_001, 100_000),
        (6_000_005, 150_000),
    ]
    assert place(venue, Side.BUY, 100, 6_000_001, tif=Tif.IOC).filled_lots == 0
    assert venue.top(SYMBOL).ask_lots == 100_000
    play(venue)
    assert place(venue, Side.BUY, 100, 6_000_001, tif=Tif.IOC).filled_lots == 100


def test_best_prices_newer_than_the_levels_decide_what_takes(tmp_path: Path) -> None:
    venue = open_venue(
        tmp_path,
        [
            *opening(),
            ticker(240, 105, ("60000.00", "2.00000"), ("60000.05", "2.00000")),
            ticker(300, 106, ("60000.00", "2.00000"), ("60000.03", "0.10000")),
        ],
    )
    begin(venue)
    top = venue.top(SYMBOL)
    assert (top.update_id, top.ask_ticks) == (105, 6_000_005)
    order = place(venue, Side.BUY, 20_000, 6_000_004, Kind.LIMIT_MAKER)
    assert order.status is Status.NEW
    play(venue)
    # An ask came down to 60,000.03 with 0.1: it would have met us.
    assert order.filled_lots == 10_000
    request = NewOrder(SYMBOL, Side.BUY, Kind.LIMIT_MAKER, "x", lots=100, price_ticks=6_000_005)
    with pytest.raises(Refusal) as caught:
        venue.place("me", request, T0)
    assert caught.value.why is Why.WOULD_TAKE


def test_stops_look_at_recorded_trades(tmp_path: Path) -> None:
    venue = open_venue(
        tmp_path,
        [
            *opening(),
            depth(300, 105, 106, bids=[("60000.00", "0.00000"), ("59999.99", "0.00000")]),
            trade(310, 501, "59999.90", "0.10000", sells=True),
        ],
    )
    begin(venue)
    order = place(venue, Side.SELL, 1_000, kind=Kind.STOP_MARKET, trigger=5_999_995)
    play(venue, 305)
    assert not order.triggered
    play(venue)
    assert order.status is Status.FILLED
    assert venue.fills("me")[0].price_ticks == 5_999_990


def test_nothing_of_ours_reaches_the_public_streams(tmp_path: Path) -> None:
    venue = open_venue(tmp_path, opening(), derived=True)
    begin(venue)
    place(venue, Side.BUY, 1_000, 6_000_000)
    place(venue, Side.SELL, 1_000, kind=Kind.MARKET)
    public = (DepthDelta, Top, PublicTrade, Verbatim)
    assert not [output for output in venue.drain() if isinstance(output, public)]
    assert venue.depth(SYMBOL, 1)[1] == [(6_000_000, 200_000)]


def test_derived_outputs_stand_beside_the_verbatim_ones(tmp_path: Path) -> None:
    lines = [*opening(), ticker(240, 105, BIDS[0], ASKS[0])]
    venue = open_venue(tmp_path, lines, derived=True)
    venue.start()
    venue.depth(SYMBOL, 1)
    play(venue)
    kinds = Counter(type(output).__name__ for output in venue.drain())
    assert kinds == {"Verbatim": 5, "DepthDelta": 1, "PublicTrade": 1, "Top": 1}
    assert venue.recorded_streams == {
        "btcusdt@depth@100ms",
        "btcusdt@trade",
        "btcusdt@bookTicker",
    }


def test_dust_in_level_sizes_is_rounded_down_but_prices_must_fit(tmp_path: Path) -> None:
    venue = open_venue(
        tmp_path, [*opening(), depth(300, 105, 106, bids=[("60000.00", "25.42618900")])]
    )
    begin(venue)
    play(venue)
    assert venue.top(SYMBOL).bid_lots == 2_542_618
    venue = open_venue(
        tmp_path, [*opening(), depth(300, 105, 106, bids=[("60000.001", "1.00000")])]
    )
    begin(venue)
    with pytest.raises(DataError, match=r"line 6: 60000\.001 is not a multiple of 0\.01"):
        play(venue)


def test_damage_is_found_before_anybody_trades(tmp_path: Path) -> None:
    path = write(tmp_path / "c.gz", opening())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="cut off"):
        ReplayVenue(path)
    path.write_bytes(gzip.compress(b'{"t":1,"m":{}}\n{"t":2,"m":\n'))
    with pytest.raises(DataError, match="line 2 is not JSON"):
        ReplayVenue(path, symbol=SYMBOL)
    write(path, opening())
    with pytest.raises(UsageError, match="not of binance spot ETHUSDT"):
        ReplayVenue(path, symbol="ETHUSDT")
