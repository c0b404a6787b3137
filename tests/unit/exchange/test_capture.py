"""Reading captures, and saying precisely what is wrong with bad ones."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest

from obiterm.core.errors import DataError, UsageError
from obiterm.exchange.capture import (
    NO_TIME,
    CaptureKind,
    DepthData,
    Snapshot,
    TickerData,
    TradeData,
    identify,
    read_capture,
    survey_capture,
)

from .capture_files import ASKS, BIDS, T0, frame, opening, text_of, ticker, trade, write

SPOT = CaptureKind("binance", "spot", "BTCUSDT")


def test_lines_come_in_order_with_their_data_unchanged(tmp_path: Path) -> None:
    data = b'{"u":1,"s":"BTCUSDT","b":"1.0","B":"2","a":"3","A":"4", "more": [1,  2]}'
    text = b'{"t":5,"m":{"stream":"btcusdt@bookTicker","data":' + data + b"}}\n"
    path = tmp_path / "one.gz"
    path.write_bytes(gzip.compress(text_of(opening()) + text))
    lines = list(read_capture(path, SPOT))
    assert [line.number for line in lines] == list(range(1, 7))
    kinds = [type(line.event) for line in lines]
    assert kinds == [DepthData, DepthData, TradeData, Snapshot, DepthData, TickerData]
    assert lines[0].time_ns == T0
    assert lines[-1].data == data
    assert lines[3].stream == ""


def test_a_missing_receive_time_falls_back_to_the_event_time(tmp_path: Path) -> None:
    lines = [*opening(), ticker(300, 110, BIDS[0], ASKS[0])]
    for line in lines:
        line["t"] = None
    read = list(read_capture(write(tmp_path / "c.gz", lines), SPOT))
    assert read[0].time_ns == T0
    assert read[-1].time_ns == NO_TIME


def test_several_gzip_members_are_one_capture(tmp_path: Path) -> None:
    path = tmp_path / "c.gz"
    lines = opening()
    path.write_bytes(gzip.compress(text_of(lines[:2])) + gzip.compress(text_of(lines[2:])))
    survey = survey_capture(path, SPOT)
    assert survey.lines == 5
    assert survey.streams == {"btcusdt@depth@100ms", "btcusdt@trade"}
    assert survey.snapshot.last_id == 100
    assert survey.first_trade is not None


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.gz: No such file"):
        survey_capture(tmp_path / "nowhere.gz", SPOT)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_truncated_gzip_says_how_far_it_was_read(tmp_path: Path, cut: float) -> None:
    lines = opening() + [
        trade(1_000 + i, 501 + i, f"{60_000 + i * 7919 % 97}.{i % 100:02}", "0.01000", sells=True)
        for i in range(20_000)
    ]
    whole = gzip.compress(text_of(lines))
    path = tmp_path / "cut.gz"
    path.write_bytes(whole[: int(len(whole) * cut)])
    readable = zlib.decompressobj(31).decompress(path.read_bytes())
    with pytest.raises(DataError) as caught:
        survey_capture(path, SPOT)
    expected = f"cut off after {readable.count(chr(10).encode())} lines ({len(readable)} bytes"
    assert expected in str(caught.value)


def test_a_corrupt_gzip_says_how_far_it_was_read(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.gz", opening())
    damaged = bytearray(path.read_bytes())
    damaged[-6] ^= 0xFF
    path.write_bytes(bytes(damaged))
    with pytest.raises(DataError, match=r"corrupt after \d+ lines \(\d+ bytes of text\)"):
        survey_capture(path, SPOT)


def test_a_file_that_is_no_gzip_is_corrupt_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    path.write_bytes(text_of(opening()))
    with pytest.raises(DataError, match="corrupt after 0 lines"):
        survey_capture(path, SPOT)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="cut off after 0 lines"):
        survey_capture(path, SPOT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"not json\n", "line 6 is not JSON"),
        (b'{"t":1,"m":{"stream":\n', "line 6 is not JSON"),
        (b"[1,2]\n", "line 6 is not a capture line"),
        (b'{"t":1}\n', "line 6 is not a capture line"),
        (b'{"t":1,"m":{"stream":"x@trade","data":{"p":1}}}\n', "line 6 is not a capture line"),
        (b'{"t":1,"m":{"stream":"x@trade"}}\n', "line 6 is not"),
    ],
)
def test_a_bad_line_is_named_by_number(tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "c.gz"
    path.write_bytes(gzip.compress(text_of(opening()) + text))
    with pytest.raises(DataError, match=words):
        survey_capture(path, SPOT)


def test_a_capture_without_a_snapshot_cannot_be_played(tmp_path: Path) -> None:
    path = write(tmp_path / "c.gz", [line for line in opening() if "stream" in line["m"]])
    with pytest.raises(DataError, match="no depth snapshot in 4 lines"):
        survey_capture(path, SPOT)


def test_other_messages_of_the_market_are_passed_through(tmp_path: Path) -> None:
    lines = [*opening(), frame(300, "btcusdt@aggTrade", {"e": "aggTrade"})]
    last = list(read_capture(write(tmp_path / "c.gz", lines), SPOT))[-1]
    assert (last.stream, last.event) == ("btcusdt@aggTrade", None)


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (("depth", "pu", 4), "binance usdm BTCUSDT, not of binance spot BTCUSDT"),
        (("trade", "X", "MARKET"), "binance usdm BTCUSDT"),
        (("depth", "s", "ETHUSDT"), "binance spot ETHUSDT, not of binance spot BTCUSDT"),
    ],
)
def test_another_market_is_a_usage_error_that_names_it(
    tmp_path: Path, mark: tuple[str, str, object], words: str
) -> None:
    lines = opening()
    stream, key, value = mark
    for line in lines:
        if stream in line["m"].get("stream", ""):
            line["m"]["data"][key] = value
    with pytest.raises(UsageError, match=words):
        survey_capture(write(tmp_path / "c.gz", lines), SPOT)


def test_a_futures_book_ticker_is_told_by_its_event_name(tmp_path: Path) -> None:
    line = ticker(0, 1, BIDS[0], ASKS[0])
    line["m"]["data"]["e"] = "bookTicker"
    assert identify(write(tmp_path / "c.gz", [line])).market == "usdm"


@pytest.mark.captures
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("binance_spot_BTCUSDT_20240808", SPOT),
        ("binance_usdm_BTCUSDT_20240718", CaptureKind("binance", "usdm", "BTCUSDT")),
        ("bybit_linear_XRPUSDT_ob500_20241201", CaptureKind("bybit", "v5", "XRPUSDT")),
    ],
)
def test_real_captures_are_recognised(shared_data: Path, name: str, kind: CaptureKind) -> None:
    path = shared_data / "l2" / f"{name}.jsonl.gz"
    assert identify(path) == kind
    if kind != SPOT:
        with pytest.raises(UsageError, match=f"capture of {kind}, not of {SPOT}"):
            survey_capture(path, SPOT)
