"""Futures market streams in, events out; a recorded market through session and book."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from obiterm.core.errors import DataError
from obiterm.core.events import (
    DepthChanged,
    DepthSnapshotted,
    FundingChanged,
    MarketEvent,
    TopChanged,
    Traded,
)
from obiterm.core.values import NS_PER_S, Side
from obiterm.market.book import Applied, Book, SequenceRule
from obiterm.venues.binance.futures import (
    ConditionalOrders,
    MarketSession,
    RestCodec,
    Route,
)
from tests.unit.venues_binance_futures.perp import BNB, BTC, PERP, perpetual

MARKETS = {each.symbol: each for each in (PERP, BNB)}


@pytest.fixture
def public() -> MarketSession:
    return MarketSession(MARKETS, Route.PUBLIC)


@pytest.fixture
def market() -> MarketSession:
    return MarketSession(MARKETS, Route.MARKET)


def wrapped(stream: str, payload: str) -> bytes:
    return f'{{"stream":"{stream}","data":{payload}}}'.encode()


DEPTH = wrapped(
    "btcusdt@depth@100ms",
    '{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BTCUSDT","ps":"BTCUSDT","st":1,'
    '"U":157,"u":160,"pu":149,"b":[["60000.4","10"],["60000.3","0.000"]],"a":[["60001","0.001"]]}',
)
TICKER = wrapped(
    "bnbusdt@bookTicker",
    '{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT",'
    '"ps":"BNBUSDT","b":"25.35000000","B":"31.21000000","a":"25.36000000","A":"40.66000000","st":1}',
)
MARK = (
    '{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000",'
    '"ap":"11794.15000000","i":"11784.62659091","P":"11784.25641265","r":"0.00038167",'
    '"T":1562306400000,"st":1}'
)


def test_a_depth_update_tells_the_message_before(public: MarketSession) -> None:
    assert public.receive(DEPTH, 7) == [
        DepthChanged(
            BTC, 157, 160, [(600004, 10000), (600003, 0)], [(600010, 1)],
            123456789_000_000, 7, previous_id=149,
        )
    ]  # fmt: skip


def test_a_book_ticker(public: MarketSession) -> None:
    assert public.receive(TICKER, 7) == [
        TopChanged(BNB.symbol, 400900217, 2535, 3121, 2536, 4066, 7)
    ]


@pytest.mark.parametrize(("maker", "aggressor"), [("true", Side.SELL), ("false", Side.BUY)])
def test_an_aggregate_trade(market: MarketSession, maker: str, aggressor: Side) -> None:
    frame = wrapped(
        "btcusdt@aggTrade",
        '{"e":"aggTrade","E":123456790,"s":"BTCUSDT","a":5933014,"p":"60000.1","q":"100",'
        f'"nq":"90","f":100,"l":105,"T":123456785,"m":{maker},"st":1}}',
    )
    [event] = market.receive(frame.decode(), 7)
    assert event == Traded(BTC, 5933014, 600001, 100_000, aggressor, 123456785_000_000, 7)


def test_a_single_trade_is_understood_though_not_asked_for(public: MarketSession) -> None:
    frame = wrapped(
        "btcusdt@trade",
        '{"e":"trade","E":9,"T":8,"s":"BTCUSDT","t":5,"p":"60000.1","q":"1","X":"MARKET","m":true}',
    )
    assert "btcusdt@trade" not in public.subscriptions()
    [event] = public.receive(frame, 7)
    assert event == Traded(BTC, 5, 600001, 1000, Side.SELL, 8_000_000, 7)


def test_a_mark_price_is_rounded_half_up(market: MarketSession) -> None:
    [event] = market.receive(wrapped("btcusdt@markPrice@1s", MARK), 7)
    assert event == FundingChanged(
        BTC, 117942, Decimal("0.00038167"), 1562306400000_000_000, 1562305380000_000_000, 7
    )


def test_a_market_without_funding_has_no_rate(market: MarketSession) -> None:
    frame = wrapped("btcusdt@markPrice@1s", MARK.replace('"0.00038167"', '""'))
    [event] = market.receive(frame, 7)
    assert isinstance(event, FundingChanged)
    assert event.rate.is_nan()


def test_each_stream_is_asked_for_on_its_path(public: MarketSession, market: MarketSession) -> None:
    assert public.connect_path() == (
        "/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker"
        "/bnbusdt@depth@100ms/bnbusdt@bookTicker"
    )
    assert market.connect_path() == (
        "/stream?streams=btcusdt@aggTrade/btcusdt@markPrice@1s"
        "/bnbusdt@aggTrade/bnbusdt@markPrice@1s"
    )
    assert (public.route, market.route) == (Route.PUBLIC, Route.MARKET)
    assert [Route.PUBLIC.value, Route.MARKET.value] == ["/public", "/market"]


def test_t41_an_acknowledged_but_silent_stream_is_named(public: MarketSession) -> None:
    """A stream on the wrong path is acknowledged and says nothing (binance.md §11.1)."""
    public.opened(0)
    public.receive(b'{"result":null,"id":1}', 1)
    public.receive(DEPTH, 1)
    public.receive(TICKER, 1)
    assert public.silent(9 * NS_PER_S) == []
    assert public.silent(10 * NS_PER_S) == ["bnbusdt@depth@100ms", "btcusdt@bookTicker"]
    public.receive(DEPTH.replace(b"btcusdt@", b"bnbusdt@"), 1)
    public.receive(TICKER.replace(b"bnbusdt@", b"btcusdt@"), 1)
    assert public.silent(60 * NS_PER_S) == []
    public.opened(60 * NS_PER_S)
    assert public.silent(61 * NS_PER_S) == []
    assert len(public.silent(70 * NS_PER_S)) == 4


def test_trades_may_be_silent(market: MarketSession) -> None:
    market.opened(0)
    assert market.silent(60 * NS_PER_S) == ["bnbusdt@markPrice@1s", "btcusdt@markPrice@1s"]


def test_the_layout_of_the_json_does_not_matter(public: MarketSession) -> None:
    spaced = json.dumps(json.loads(DEPTH), indent=1)
    turned = json.dumps(dict(reversed(json.loads(DEPTH).items())))
    public.opened(0)
    assert public.receive(spaced, 7) == public.receive(DEPTH, 7) == public.receive(turned, 7)
    assert "btcusdt@depth@100ms" not in public.silent(60 * NS_PER_S)


def test_symbols_need_not_be_ascii() -> None:
    coin = perpetual("币安人生USDT", "0.0001", "0.1")
    session = MarketSession({coin.symbol: coin}, Route.PUBLIC)
    assert session.connect_path().startswith("/stream?streams=%E5%B8%81")
    [event] = session.receive(TICKER.replace(b"bnbusdt@", "币安人生usdt@".encode()), 7)
    assert event.symbol == coin.symbol


@pytest.mark.parametrize(
    "frame",
    [
        b'{"result":null,"id":1}',
        b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade"}}',
        b'{"stream":"xrpusdt@bookTicker","data":{"e":"bookTicker"}}',
    ],
)
def test_what_was_not_asked_for_is_let_go(public: MarketSession, frame: bytes) -> None:
    assert public.receive(frame, 7) == []
    assert public.ignored == 1
    assert not public.must_reconnect


def test_an_announced_shutdown_asks_for_a_new_connection(public: MarketSession) -> None:
    assert public.receive(b'{"e":"serverShutdown","E":1770123456789}', 7) == []
    assert public.must_reconnect
    public.opened(1)
    assert not public.must_reconnect


@pytest.mark.parametrize(
    "frame",
    [
        b'{"code":2,"msg":"Invalid request: unknown stream","id":1}',
        b'{"error":{"code":3,"msg":"Invalid JSON"},"id":1}',
        b"not json",
        b"\xff\xfe",
        b'{"stream":"btcusdt@bookTicker","data":{"u":1}}',
        b'{"stream":"btcusdt@bookTicker","data":null}',
        DEPTH[:-30],
        DEPTH.replace(b'"pu":149,', b""),
        DEPTH.replace(b"60000.4", b"-1"),
        b"",
    ],
)
def test_what_cannot_be_trusted_is_refused(public: MarketSession, frame: bytes) -> None:
    with pytest.raises(DataError, match="market stream"):
        public.receive(frame, 7)


def test_a_damaged_mark_price_is_refused(market: MarketSession) -> None:
    for damaged in (MARK.replace("11794.15", "NaN"), MARK.replace("0.00038167", "x"), "{}"):
        with pytest.raises(DataError, match="markPrice"):
            market.receive(wrapped("btcusdt@markPrice@1s", damaged), 7)


# ── a recorded market ───────────────────────────────────────────────────────


def recorded(data: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    path = data / "l2" / "binance_usdm_BTCUSDT_20240718.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        for number, line in enumerate(lines):
            yield number, json.loads(line)["m"]


@pytest.mark.captures
def test_t48_a_recorded_market_keeps_the_book_in_step(shared_data: Path) -> None:
    """9,022 messages, 9,017 of them after the snapshot: none lost, no book crossed.

    The recording is of another speed (``depth@0ms``); the messages are the same.
    """
    session = MarketSession({BTC: PERP}, Route.PUBLIC, depth="depth@0ms")
    codec = RestCodec({BTC: PERP}, ConditionalOrders())
    book = Book(SequenceRule.BINANCE_FUTURES, buffer_limit=10_000)
    counts: dict[type[MarketEvent], int] = {}
    tops: dict[int, tuple[int, int, int, int]] = {}
    alike = compared = 0
    for number, message in recorded(shared_data):
        text = json.dumps(message, separators=(",", ":"))
        if "stream" not in message:
            snapshot = codec.depth(BTC, text.encode(), number)
            assert isinstance(snapshot, DepthSnapshotted)
            assert (len(snapshot.bids), len(snapshot.asks)) == (1000, 1000)
            assert snapshot.event_ns == message["E"] * 1_000_000
            assert book.snapshot(snapshot) is Applied.APPLIED
            continue
        [event] = session.receive(text, number)
        counts[type(event)] = counts.get(type(event), 0) + 1
        if isinstance(event, TopChanged):
            tops[event.update_id] = (
                event.bid_ticks, event.bid_lots, event.ask_ticks, event.ask_lots,
            )  # fmt: skip
        if not isinstance(event, DepthChanged):
            continue
        assert event.previous_id == message["data"]["pu"]
        book.change(event)
        if number % 50 == 0:
            exact = [
                (round(Decimal(p) / PERP.tick_size), round(Decimal(q) / PERP.lot_size))
                for p, q in message["data"]["b"]
            ]
            assert event.bids == exact
        if book.synced and event.last_id in tops:
            compared += 1
            ours = (
                book.best_bid_ticks, book.best_bid_lots, book.best_ask_ticks, book.best_ask_lots,
            )  # fmt: skip
            alike += ours == tops[event.last_id]
    assert (book.diffs_applied, book.gaps, book.crossed_seen) == (9017, 0, 0)
    assert book.synced
    assert counts == {DepthChanged: 9022, TopChanged: 52260, Traded: 10701}
    assert compared > 0
    assert alike == compared
