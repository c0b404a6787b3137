"""Market streams in, events out."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from obiterm.core.errors import DataError
from obiterm.core.events import DepthChanged, TopChanged, Traded
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Side, Symbol
from obiterm.venues.binance import MarketSession


def instrument(symbol: str, tick: str, lot: str) -> Instrument:
    return Instrument(
        venue="binance",
        symbol=Symbol(symbol),
        kind=MarketKind.SPOT,
        base=symbol[:-4],
        quote=symbol[-4:],
        tick_size=Decimal(tick),
        lot_size=Decimal(lot),
    )


BNB = instrument("BNBUSDT", "0.0001", "0.01")
BTC = instrument("BTCUSDT", "0.01", "0.00001")


@pytest.fixture
def session() -> MarketSession:
    return MarketSession({each.symbol: each for each in (BNB, BTC)})


def wrapped(stream: str, payload: str) -> bytes:
    return f'{{"stream":"{stream}","data":{payload}}}'.encode()


DEPTH = wrapped(
    "bnbusdt@depth@100ms",
    '{"e":"depthUpdate","E":1672515782136,"s":"BNBUSDT","U":157,"u":160,'
    '"b":[["0.0024","10"],["0.0023","0.00"]],"a":[["0.0026","100"]]}',
)


def test_a_depth_update(session: MarketSession) -> None:
    assert session.receive(DEPTH, 7) == [
        DepthChanged(
            BNB.symbol,
            157,
            160,
            [(24, 1000), (23, 0)],
            [(26, 10000)],
            1672515782136_000_000,
            7,
        )
    ]


def test_a_book_ticker_has_no_time_of_its_own(session: MarketSession) -> None:
    frame = wrapped(
        "bnbusdt@bookTicker",
        '{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000",'
        '"A":"40.66000000"}',
    )
    assert session.receive(frame, 7) == [
        TopChanged(BNB.symbol, 400900217, 253519, 3121, 253652, 4066, 7)
    ]


@pytest.mark.parametrize(("maker", "aggressor"), [("true", Side.SELL), ("false", Side.BUY)])
def test_the_buyer_being_maker_means_that_the_aggressor_sold(
    session: MarketSession, maker: str, aggressor: Side
) -> None:
    frame = wrapped(
        "btcusdt@trade",
        '{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"0.01","q":"100",'
        f'"T":1672515782100,"m":{maker},"M":true,"new":[1]}}',
    )
    [event] = session.receive(frame.decode(), 7)
    assert event == Traded(BTC.symbol, 12345, 1, 10_000_000, aggressor, 1672515782100_000_000, 7)


def test_the_layout_of_the_json_does_not_matter(session: MarketSession) -> None:
    spaced = json.dumps(json.loads(DEPTH), indent=1)
    turned = json.dumps(dict(reversed(json.loads(DEPTH).items())))
    assert session.receive(spaced, 7) == session.receive(DEPTH, 7)
    assert session.receive(turned, 7) == session.receive(DEPTH, 7)


def test_names_for_the_connection() -> None:
    session = MarketSession({BTC.symbol: BTC})
    assert session.subscriptions() == [
        "btcusdt@depth@100ms",
        "btcusdt@bookTicker",
        "btcusdt@trade",
    ]
    assert session.connect_path() == (
        "/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade"
    )


def test_symbols_need_not_be_ascii() -> None:
    coin = instrument("币安人生USDT", "0.0001", "0.1")
    session = MarketSession({coin.symbol: coin})
    path = session.connect_path()
    assert path.startswith("/stream?streams=%E5%B8%81")
    frame = wrapped(
        "币安人生usdt@bookTicker",
        '{"u":1,"s":"币安人生USDT","b":"1","B":"1","a":"2","A":"2"}',
    )
    [event] = session.receive(frame, 7)
    assert event.symbol == coin.symbol
    escaped = json.dumps(json.loads(frame)).encode()
    assert session.receive(escaped, 7) == [event]


@pytest.mark.parametrize(
    "frame",
    [
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
        b'{"e":"serverShutdown","E":1770123456789}',
    ],
)
def test_an_announced_shutdown_asks_for_a_new_connection(
    session: MarketSession, frame: bytes
) -> None:
    assert session.receive(frame, 7) == []
    assert session.must_reconnect


@pytest.mark.parametrize(
    "frame",
    [
        b'{"result":null,"id":1}',
        b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade"}}',
        b'{"stream":"xrpusdt@trade","data":{"e":"trade"}}',
        b'{"stream":"btcusdt@kline_1m","data":[1,2]}',
    ],
)
def test_what_was_not_asked_for_is_let_go(session: MarketSession, frame: bytes) -> None:
    assert session.receive(frame, 7) == []
    assert session.ignored == 1
    assert not session.must_reconnect


@pytest.mark.parametrize(
    "frame",
    [
        b'{"code":2,"msg":"Invalid request: unknown stream","id":1}',
        b"not json",
        b"\xff\xfe",
        b'{"stream":"btcusdt@trade","data":{"t":1}}',
        b'{"stream":"btcusdt@trade"',
        b'{"stream":"btcusdt@trade","data":null}',
        b'{ "stream":"btcusdt@trade","data":{"t":1}}',
        DEPTH[:-30],
        b"",
    ],
)
def test_what_cannot_be_trusted_is_refused(session: MarketSession, frame: bytes) -> None:
    with pytest.raises(DataError, match="market stream"):
        session.receive(frame, 7)


@pytest.mark.captures
def test_a_recorded_market(shared_data: Path) -> None:
    """Every frame of a real capture becomes the event that exact arithmetic gives."""
    session = MarketSession({BTC.symbol: BTC})
    counts: dict[type, int] = {}
    path = shared_data / "l2" / "binance_spot_BTCUSDT_20240808.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        for number, line in enumerate(lines):
            message = json.loads(line)["m"]
            if "stream" not in message:
                continue
            [event] = session.receive(json.dumps(message, separators=(",", ":")), number)
            counts[type(event)] = counts.get(type(event), 0) + 1
            if isinstance(event, DepthChanged) and number % 50 == 0:
                exact = [
                    (round(Decimal(p) / BTC.tick_size), round(Decimal(q) / BTC.lot_size))
                    for p, q in message["data"]["b"]
                ]
                assert event.bids == exact
    assert counts == {DepthChanged: 6495, TopChanged: 73174, Traded: 19904}
