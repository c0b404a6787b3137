"""Everything known about one market; on the recorded stream the numbers of its README."""

from __future__ import annotations

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from obiterm.core.events import (
    CandleClosed,
    DepthChanged,
    DepthSnapshotted,
    Level,
    MarketEvent,
    TopChanged,
    Traded,
)
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, NS_PER_S, MarketKind, Side, Symbol
from obiterm.market.book import Applied
from obiterm.market.state import MarketState

SYMBOL = Symbol("BTCUSDT")
BTC = Instrument(
    "binance", SYMBOL, MarketKind.SPOT, "BTC", "USDT", Decimal("0.01"), Decimal("0.00000001")
)
STALE_NS = 2 * NS_PER_S


def snapshot(last_id: int, received_ns: int = 0) -> DepthSnapshotted:
    return DepthSnapshotted(SYMBOL, last_id, [(99, 5)], [(101, 7)], 0, received_ns)


def change(
    at: int, bids: list[Level] | None = None, asks: list[Level] | None = None, received_ns: int = 0
) -> DepthChanged:
    return DepthChanged(SYMBOL, at, at, bids or [], asks or [], received_ns, received_ns)


def top(update_id: int, bid: Level, ask: Level) -> TopChanged:
    return TopChanged(SYMBOL, update_id, *bid, *ask, 0)


def market() -> MarketState:
    state = MarketState(SYMBOL, BTC)
    assert state.apply(snapshot(10)) is Applied.APPLIED
    return state


def test_the_newer_of_ticker_and_book_gives_the_best_prices() -> None:
    state = market()
    assert state.best() == (99, 5, 101, 7)
    state.apply(top(12, (100, 1), (102, 2)))
    assert state.best() == (100, 1, 102, 2)
    assert (state.mark_ticks, state.spread_ticks) == (101, 2)
    state.apply(change(11))
    assert state.best() == (100, 1, 102, 2)
    state.apply(change(12, bids=[(100, 3)]))
    assert state.best() == (100, 3, 101, 7)
    state.apply(top(11, (1, 1), (2, 2)))
    assert state.best() == (100, 3, 101, 7)


def test_a_ticker_that_overtakes_its_depth_message_is_not_compared_with_it() -> None:
    state = market()
    state.apply(top(11, (99, 6), (101, 7)))
    state.apply(top(12, (99, 8), (101, 7)))
    state.apply(change(11, bids=[(99, 6)]))
    assert (state.top_of_book_compared, state.top_of_book_matches) == (1, 1)
    state.apply(change(12, bids=[(99, 9)]))
    assert (state.top_of_book_compared, state.top_of_book_matches) == (2, 1)


def test_a_ticker_that_follows_its_change_is_compared_with_that_one() -> None:
    """Backpack tells each change at once, and its ticker behind it."""
    state = market()
    for number in range(12, 20):
        state.apply(change(number - 1, bids=[(99, number)]))
        state.apply(top(number - 1, (99, number), (101, 7)))
    state.apply(change(19, asks=[(110, 3)]))  # the top stays: no ticker tells of it
    assert (state.top_of_book_compared, state.top_of_book_matches) == (9, 9)


@pytest.mark.parametrize(
    ("event", "tradable"),
    [
        (change(11, bids=[(99, 9)]), True),
        (change(11, bids=[(101, 9)]), False),
        (change(11, bids=[(99, 0)]), False),
        (change(13), False),
    ],
    ids=["in order", "crossed", "one side empty", "gap"],
)
def test_only_a_book_in_order_may_be_traded_on(event: DepthChanged, tradable: bool) -> None:
    state = market()
    assert state.tradable(0, STALE_NS)
    state.apply(event)
    assert state.tradable(0, STALE_NS) is tradable


def test_a_silent_depth_stream_is_stale_even_while_tickers_flow() -> None:
    """T9 T38: trades and tickers do not keep a dead depth stream alive."""
    state = market()
    state.apply(change(11, received_ns=NS_PER_S))
    later = 4 * NS_PER_S
    state.apply(TopChanged(SYMBOL, 20, 99, 1, 101, 1, later))
    state.apply(Traded(SYMBOL, 1, 100, 1, Side.BUY, later, later))
    assert state.tradable(NS_PER_S + STALE_NS, STALE_NS)
    assert not state.tradable(NS_PER_S + STALE_NS + 1, STALE_NS)


def test_a_lost_feed_forgets_prices_even_if_ids_start_anew() -> None:
    state = market()
    state.apply(top(1_000_000, (500, 1), (501, 1)))
    state.book.reset()
    state.apply(top(5, (42, 1), (43, 1)))
    assert state.best() == (42, 1, 43, 1)
    state.reset()
    assert state.best() == (0, 0, 0, 0)
    assert state.mark_ticks == 0


def test_trades_give_last_price_volume_change_and_flow() -> None:
    state = market()
    assert (state.last_ticks, state.change_pct, state.volume_quote) == (0, 0.0, Decimal(0))
    state.apply(Traded(SYMBOL, 1, 10_000, 10**8, Side.BUY, NS_PER_S, NS_PER_S))
    state.apply(Traded(SYMBOL, 2, 10_100, 2 * 10**8, Side.SELL, NS_PER_S, NS_PER_S))
    assert (state.trades, state.last_ticks) == (2, 10_100)
    assert state.volume_quote == Decimal("302")
    assert state.change_pct == pytest.approx(1.0)
    assert state.flow.value(NS_PER_S) == pytest.approx(-1 / 3)


def test_a_minute_counts_once_whether_the_venue_or_our_trades_tell_it() -> None:
    state = market()
    minute = 60 * NS_PER_S
    for at in range(20):
        history = CandleClosed(SYMBOL, 60, at * minute, 100, 110, 90, 100, 1, 0)
        state.apply(history)
        state.apply(history)
    assert state.atr.value == pytest.approx(20.0)
    state.apply(CandleClosed(SYMBOL, 300, 30 * minute, 100, 900, 1, 100, 1, 0))
    assert state.atr.value == pytest.approx(20.0)
    for seconds in (20 * 60 - 5, 20 * 60 + 5, 21 * 60 + 5):
        state.apply(Traded(SYMBOL, 1, 100, 1, Side.BUY, seconds * NS_PER_S, 0))
    assert state.candle is not None
    assert state.candle.open_ns == 20 * minute
    assert state.atr.value == pytest.approx(20 + (0 - 20) / 14)


# -- the recorded stream ---------------------------------------------------------------------


def events_of(message: dict[str, object], received_ns: int) -> MarketEvent:
    """Read a recorded message the plain and exact way."""
    if "stream" not in message:
        sides = [levels_of(message[side]) for side in ("bids", "asks")]
        last_id = message["lastUpdateId"]
        assert isinstance(last_id, int)
        return DepthSnapshotted(SYMBOL, last_id, sides[0], sides[1], 0, received_ns)
    data = message["data"]
    assert isinstance(data, dict)
    if "@depth" in str(message["stream"]):
        bids, asks = levels_of(data["b"]), levels_of(data["a"])
        event_ns = data["E"] * NS_PER_MS
        return DepthChanged(SYMBOL, data["U"], data["u"], bids, asks, event_ns, received_ns)
    if "@trade" in str(message["stream"]):
        side = Side.SELL if data["m"] else Side.BUY
        ticks, lots = BTC.ticks(Decimal(data["p"])), BTC.lots(Decimal(data["q"]))
        event_ns = data["T"] * NS_PER_MS
        return Traded(SYMBOL, data["t"], ticks, lots, side, event_ns, received_ns)
    (bid,), (ask,) = levels_of([[data["b"], data["B"]]]), levels_of([[data["a"], data["A"]]])
    return TopChanged(SYMBOL, data["u"], *bid, *ask, received_ns)


def levels_of(raw: object) -> list[Level]:
    assert isinstance(raw, list)
    return [(BTC.ticks(Decimal(price)), BTC.lots(Decimal(size))) for price, size in raw]


def venue_minutes(data: Path) -> dict[int, tuple[Decimal, ...]]:
    path = data / "candles" / "binance_spot_BTCUSDT_1m_20240808.csv.gz"
    with gzip.open(path, "rt") as rows:
        return {
            int(row["open_time_ms"]): tuple(
                Decimal(row[name]) for name in ("open", "high", "low", "close", "volume")
            )
            for row in csv.DictReader(rows)
        }


@pytest.mark.captures
def test_the_recorded_stream_gives_the_figures_of_its_description(shared_data: Path) -> None:
    state = MarketState(SYMBOL, BTC)
    candles: list[CandleClosed] = []
    path = shared_data / "l2" / "binance_spot_BTCUSDT_20240808.jsonl.gz"
    with gzip.open(path) as lines:
        for line in lines:
            row = json.loads(line)
            before = state.candle
            state.apply(events_of(row["m"], row["t"]))
            if state.candle is not None and state.candle is not before:
                candles.append(state.candle)
    assert (state.diffs_applied, state.gaps, state.crossed) == (6493, 0, 0)
    assert (state.top_of_book_compared, state.top_of_book_matches) == (6493, 6491)
    assert state.trades == 19_904
    assert state.volume_quote / Decimal("437.916") == pytest.approx(Decimal("61671.55"), abs=1)
    minutes = venue_minutes(shared_data)
    assert len(candles) == 10
    for one in candles:
        ours = (one.open_ticks, one.high_ticks, one.low_ticks, one.close_ticks)
        built = (*(BTC.price(ticks) for ticks in ours), BTC.quantity(one.lots))
        assert built == minutes[one.open_ns // NS_PER_MS]
