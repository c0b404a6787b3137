"""Market streams in, events out (bybit.md §8)."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import DataError
from obiterm.core.events import (
    CandleClosed,
    DepthChanged,
    DepthSnapshotted,
    FundingChanged,
    Traded,
)
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, MarketKind, Side, Symbol
from obiterm.market.book import Applied, Book, SequenceRule
from obiterm.venues.bybit import Category, MarketSession, trade_id
from tests.unit.venues_bybit.payloads import BTC, BTC_SPOT, PERP, SPOT

XRP = Instrument(
    venue="bybit",
    symbol=Symbol("XRPUSDT"),
    kind=MarketKind.PERP,
    base="XRP",
    quote="USDT",
    tick_size=Decimal("0.0001"),
    lot_size=Decimal(1),
    settle="USDT",
)


@pytest.fixture
def session() -> MarketSession:
    return MarketSession(Category.LINEAR, {PERP: BTC})


@pytest.fixture
def spot() -> MarketSession:
    return MarketSession(Category.SPOT, {SPOT: BTC_SPOT})


def frame(topic: str, data: object, **more: object) -> bytes:
    told = {"topic": topic, "type": "snapshot", "ts": 1_672_304_484_978, "data": data, **more}
    return json.dumps(told, separators=(",", ":")).encode()


def book(
    kind: str, number: int, bids: list[list[str]], asks: list[list[str]], **more: Any
) -> bytes:
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": number, "seq": 7_961_638_724}
    told = {"type": kind, "cts": 1_672_304_484_976, **more}
    return frame("orderbook.50.BTCUSDT", data, **told)


SNAPSHOT = book("snapshot", 18_521_288, [["16493.50", "0.006"]], [["16611.00", "0.029"]])
DELTA = book("delta", 18_521_289, [["16493.50", "0"]], [["16612.10", "0.213"]])


def answer(frames: list[bytes], **more: object) -> list[bytes]:
    return [
        json.dumps(
            {
                "success": True,
                "ret_msg": "",
                "conn_id": "x",
                "req_id": json.loads(each)["req_id"],
                "op": json.loads(each)["op"],
                **more,
            }
        ).encode()
        for each in frames
    ]


def join(session: MarketSession, now_ns: int = 0) -> None:
    for told in answer(session.connect_frames(now_ns)):
        assert session.receive(told, 7) == []
    assert session.ready


def test_a_book_begins_with_a_snapshot(session: MarketSession) -> None:
    at = 1_672_304_484_976 * NS_PER_MS
    assert session.receive(SNAPSHOT, 7) == [
        DepthSnapshotted(PERP, 18_521_288, [(164_935, 6)], [(166_110, 29)], at, 7, 50)
    ]
    assert session.receive(DELTA, 8) == [
        DepthChanged(PERP, 18_521_289, 18_521_289, [(164_935, 0)], [(166_121, 213)], at, 8)
    ]


def test_the_snapshot_after_a_restart_is_one_whatever_it_is_called(session: MarketSession) -> None:
    [event] = session.receive(book("delta", 1, [["16493.50", "0.006"]], []), 7)
    assert isinstance(event, DepthSnapshotted)
    assert event.last_id == 1


def test_a_snapshot_is_sorted_and_without_the_engines_time_has_the_publishers(
    session: MarketSession,
) -> None:
    levels = [["16493.40", "1"], ["16493.50", "0.006"]]
    [event] = session.receive(book("snapshot", 5, levels, levels, cts=0), 7)
    assert isinstance(event, DepthSnapshotted)
    assert [ticks for ticks, _ in event.bids] == [164_935, 164_934]
    assert [ticks for ticks, _ in event.asks] == [164_934, 164_935]
    assert event.event_ns == 1_672_304_484_978 * NS_PER_MS


def trade(**changes: object) -> dict[str, object]:
    told = {
        "T": 1672304486865, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "16578.50",
        "L": "PlusTick", "i": "20f43950-d8dd-5b31-9112-a178eb6023af", "BT": False, "RPI": False,
        "seq": 1783284617,
    }  # fmt: skip
    return {**told, **changes}


def test_trades_name_the_taker_and_block_trades_are_left_out(session: MarketSession) -> None:
    data = [trade(), trade(S="Sell", i="x-2"), trade(BT=True, i="x-3")]
    first, second = session.receive(frame("publicTrade.BTCUSDT", data), 7)
    at = 1_672_304_486_865 * NS_PER_MS
    number = trade_id("20f43950-d8dd-5b31-9112-a178eb6023af")
    assert first == Traded(PERP, number, 165_785, 1, Side.BUY, at, 7)
    assert isinstance(second, Traded)
    assert second.aggressor is Side.SELL


def test_a_spot_trade_without_a_tick_direction(spot: MarketSession) -> None:
    row = trade(i="2290000000068683805", p="16578.55")
    del row["L"], row["RPI"]
    [event] = spot.receive(frame("publicTrade.BTCUSDT", [row]), 7)
    assert isinstance(event, Traded)
    assert (event.symbol, event.trade_id) == (SPOT, 2_290_000_000_068_683_805)
    assert (event.price_ticks, event.lots) == (1_657_855, 1000)


def ticker(kind: str = "delta", **fields: str) -> bytes:
    data = {"symbol": "BTCUSDT", **fields}
    return frame("tickers.BTCUSDT", data, type=kind, cs=24_987_956_059)


def test_a_ticker_is_merged_and_only_news_is_told(session: MarketSession) -> None:
    whole = ticker(
        "snapshot",
        markPrice="17217.35",
        fundingRate="-0.000212",
        nextFundingTime="1673280000000",
        lastPrice="17216.00",
    )
    at = 1_672_304_484_978 * NS_PER_MS
    due = 1_673_280_000_000 * NS_PER_MS
    rate = Decimal("-0.000212")
    assert session.receive(whole, 7) == [FundingChanged(PERP, 172_174, rate, due, at, 7)]
    assert session.receive(ticker(lastPrice="17300"), 8) == []
    assert session.receive(ticker(markPrice="17217.35"), 8) == []
    assert session.receive(ticker(markPrice="17218"), 9) == [
        FundingChanged(PERP, 172_180, rate, due, at, 9)
    ]
    [told] = session.receive(ticker(fundingRate="0.0001"), 9)
    assert isinstance(told, FundingChanged)
    assert (told.mark_ticks, told.rate) == (172_180, Decimal("0.0001"))


def test_a_ticker_without_a_mark_or_a_rate_yet(session: MarketSession) -> None:
    assert session.receive(ticker(fundingRate="0.0001"), 7) == []
    [told] = session.receive(ticker(markPrice="17218", fundingRate="", nextFundingTime=""), 7)
    assert isinstance(told, FundingChanged)
    assert told.rate.is_nan()
    assert told.next_funding_ns == 0


def test_spot_has_no_ticker_to_read(spot: MarketSession) -> None:
    assert spot.topics() == ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "kline.1.BTCUSDT"]


def candle(**changes: object) -> dict[str, object]:
    told = {
        "start": 1672324800000, "end": 1672325099999, "interval": "1", "open": "16649.5",
        "close": "16677", "high": "16677", "low": "16608", "volume": "2.081",
        "turnover": "34666.4005", "confirm": True, "timestamp": 1672324988882,
    }  # fmt: skip
    return {**told, **changes}


def test_only_complete_candles_are_told(session: MarketSession) -> None:
    open_one = candle(confirm=False, start=1672324860000)
    assert session.receive(frame("kline.1.BTCUSDT", [candle(), open_one]), 7) == [
        CandleClosed(
            symbol=PERP,
            timeframe_s=60,
            open_ns=1_672_324_800_000 * NS_PER_MS,
            open_ticks=166_495,
            high_ticks=166_770,
            low_ticks=166_080,
            close_ticks=166_770,
            lots=2081,
            received_ns=7,
        )
    ]


def test_the_layout_of_the_json_does_not_matter(session: MarketSession) -> None:
    for told in (SNAPSHOT, DELTA):
        plain = session.receive(told, 7)
        turned = json.dumps(dict(reversed(json.loads(told).items())), indent=1)
        assert session.receive(turned, 7) == plain


def test_unknown_fields_and_values_change_nothing(session: MarketSession) -> None:
    told = json.loads(SNAPSHOT)
    plain = session.receive(SNAPSHOT, 7)
    told["new"] = [1]
    told["data"]["rpi"] = {"x": None}
    assert session.receive(json.dumps(told), 7) == plain
    rows = [trade(new=1), trade(L="SidewaysTick", i="x")]
    assert len(session.receive(frame("publicTrade.BTCUSDT", rows), 7)) == 2


@pytest.mark.parametrize(
    "told",
    [
        b"not json",
        b"\xff\xfe",
        b"",
        SNAPSHOT[:-30],
        book("delta", 5, [["-1", "1"]], []),
        book("delta", 5, [["1", "NaN"]], []),
        book("delta", 5, [["1e300", "1"]], []),
        frame("publicTrade.BTCUSDT", [trade(S="Up")]),
        frame("publicTrade.BTCUSDT", None),
        frame("kline.1.BTCUSDT", [candle(open="?")]),
        ticker(markPrice="?"),
        ticker(markPrice="1", nextFundingTime="soon"),
    ],
)
def test_what_cannot_be_trusted_is_refused(session: MarketSession, told: bytes) -> None:
    with pytest.raises(DataError):
        session.receive(told, 7)


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_other_frame_is_ignored_or_refused(data: bytes | str) -> None:
    session = MarketSession(Category.LINEAR, {PERP: BTC})
    try:
        assert session.receive(data, 7) == []
    except DataError:
        return


@given(
    st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 10**9)), max_size=30),
    st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 10**9)), max_size=30),
    st.integers(2, 2**53),
)
def test_levels_are_exact(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], number: int
) -> None:
    session = MarketSession(Category.LINEAR, {PERP: BTC})
    texts = [
        [[str(BTC.price(ticks)), str(BTC.quantity(lots))] for ticks, lots in side]
        for side in (bids, asks)
    ]
    [event] = session.receive(book("delta", number, *texts), 7)
    assert isinstance(event, DepthChanged)
    assert (event.bids, event.asks, event.last_id) == (bids, asks, number)


@pytest.mark.captures
def test_a_recorded_market(shared_data: Path) -> None:
    """The recorded stream fills a book that stays in step to its last level."""
    session = MarketSession(Category.LINEAR, {XRP.symbol: XRP}, depth=500)
    book_, untrimmed = Book(SequenceRule.BYBIT), 0
    reference: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
    path = shared_data / "l2" / "bybit_linear_XRPUSDT_ob500_20241201.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        messages = [json.loads(line)["m"] for line in lines]
    for message in messages:
        [event] = session.receive(json.dumps(message, separators=(",", ":")), 7)
        if isinstance(event, DepthSnapshotted):
            applied = book_.snapshot(event)
        else:
            assert isinstance(event, DepthChanged)
            applied = book_.change(event)
        assert applied is Applied.APPLIED
        for side, levels in reference.items():
            for price, size in message["data"][side]:
                levels.pop(Decimal(price), None)
                if Decimal(size):
                    levels[Decimal(price)] = Decimal(size)
            untrimmed = max(untrimmed, len(levels))
    assert len(messages) == 50
    assert (book_.diffs_applied, book_.gaps, book_.crossed_seen) == (49, 0, 0)
    bids, asks = book_.top(1000)
    assert len(bids) == len(asks) == 500
    assert untrimmed == 500, "the venue told every level that left the window"
    exact = {
        side: {(int(p / XRP.tick_size), int(q / XRP.lot_size)) for p, q in levels.items()}
        for side, levels in reference.items()
    }
    assert (set(bids), set(asks)) == (exact["b"], exact["a"])
