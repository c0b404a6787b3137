"""Market streams as events, books in step with them, frames that cannot be trusted."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obiterm.core.errors import DataError
from obiterm.core.events import CandleClosed, DepthChanged, FundingChanged, TopChanged, Traded
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_US, MarketKind, Side, Symbol
from obiterm.market.book import Applied, Book
from obiterm.venues.backpack import INTERVALS, MarketSession
from tests.unit.venues_backpack.payloads import (
    AT,
    ETH,
    ETH_PERP,
    INSTRUMENTS,
    PERP,
    SOL,
    SOL_PERP,
    SPOT,
    codec,
    frame,
)

GRIDS = ["0.01", "0.00001", "0.00000001", "1", "100", "0.5", "0.0025", "0.3"]


def market() -> MarketSession:
    return MarketSession(INSTRUMENTS, intervals=("1m", "2h"))


def depth(first: int, last: int, **sides: list[list[str]]) -> dict[str, Any]:
    return {
        "e": "depth", "E": 1759338824897386, "T": 1759338824895616, "s": SOL, "U": first,
        "u": last, "a": sides.get("a", []), "b": sides.get("b", []),
    }  # fmt: skip


# ── streams ───────────────────────────────────────────────────────────────────


def test_depth_is_absolute_and_keeps_its_sequence() -> None:
    data = depth(1662976171, 1662976175, b=[["117.35", "0.00000"], ["117.3", "2.5"]])
    assert market().receive(frame("depth.SOL_USDC", data), AT) == [
        DepthChanged(
            SOL, 1662976171, 1662976175, [(11735, 0), (11730, 250)], [],
            1759338824897386 * NS_PER_US, AT,
        )
    ]  # fmt: skip


def test_ids_may_be_text() -> None:
    data = depth(0, 0) | {"U": "1662976171", "u": "1662976172"}
    (event,) = market().receive(frame("depth.SOL_USDC", data), AT)
    assert isinstance(event, DepthChanged)
    assert (event.first_id, event.last_id) == (1662976171, 1662976172)


def test_book_ticker() -> None:
    data = {"e": "bookTicker", "E": 1754517402450016, "T": 1754517402449064, "s": ETH,
            "a": "3667.50", "A": "0.4087", "b": "3667.49", "B": "0.0020",
            "u": 1328288557}  # fmt: skip
    assert market().receive(frame("bookTicker.ETH_USDC", data), AT) == [
        TopChanged(ETH, 1328288557, 366749, 20, 366750, 4087, AT)
    ]


@pytest.mark.parametrize("side", ["a", "A", "b", "B"])
@pytest.mark.parametrize("absent", [True, False])
def test_a_book_ticker_with_an_empty_side_is_no_top(side: str, absent: bool) -> None:
    data: dict[str, Any] = {"a": "2", "A": "1", "b": "1", "B": "1", "u": 7, "s": ETH}
    if absent:
        del data[side]
    else:
        data[side] = None
    assert market().receive(frame("bookTicker.ETH_USDC", data), AT) == []


@pytest.mark.parametrize(("buyer_is_maker", "aggressor"), [(True, Side.SELL), (False, Side.BUY)])
def test_the_aggressor_is_the_taker(buyer_is_maker: bool, aggressor: Side) -> None:
    data = {"e": "trade", "E": 1754601477746429, "T": 1754601477744000, "s": "ETH_USDC_PERP",
            "p": "3870.25", "q": "0.0008", "b": "5121861755", "a": "5121860761", "t": 10782547,
            "m": buyer_is_maker}  # fmt: skip
    assert market().receive(frame("trade.ETH_USDC_PERP", data), AT) == [
        Traded(ETH_PERP.symbol, 10782547, 387025, 8, aggressor, 1754601477744000 * NS_PER_US, AT)
    ]


def test_mark_price_and_funding() -> None:
    data = {"e": "markPrice", "E": 1694687965941000, "T": 1694687965940999, "s": SOL_PERP,
            "p": "18.705", "i": "18.69", "f": "-0.0000039641039274236048482914",
            "n": 1694689200000}  # fmt: skip
    assert market().receive(frame("markPrice.SOL_USDC_PERP", data), AT) == [
        FundingChanged(
            SOL_PERP, 1871, Decimal("-0.0000039641039274236048482914"),
            1694689200000 * 1_000_000, 1694687965940999 * NS_PER_US, AT,
        )
    ]  # fmt: skip


def test_a_mark_price_without_funding() -> None:
    (event,) = market().receive(frame("markPrice.SOL_USDC_PERP", {"p": "18.70", "n": None}), AT)
    assert isinstance(event, FundingChanged)
    assert event.rate.is_nan()
    assert event.next_funding_ns == 0


@pytest.mark.parametrize("start", ["2025-08-06T22:00:00", "2025-08-06 22:00:00", 1754517600000])
def test_closed_candles(start: object) -> None:
    data = {"e": "kline", "E": 1754519557526056, "s": ETH, "t": start, "T": "2025-08-07T00:00:00",
            "o": "3670.15", "c": "3680.52", "h": "3681.37", "l": "3667.65", "v": "62.2621",
            "n": 255, "X": True}  # fmt: skip
    assert market().receive(frame("kline.2h.ETH_USDC", data), AT) == [
        CandleClosed(ETH, 7200, 1754517600 * 10**9, 367015, 368137, 366765, 368052, 622621, AT)
    ]
    for change in ({"X": False}, {"o": None}):
        assert market().receive(frame("kline.2h.ETH_USDC", data | change), AT) == []


def test_symbols_may_hold_dots() -> None:
    symbol = Symbol("SPCX.US_USDC")
    stock = Instrument(
        venue="backpack", symbol=symbol, kind=MarketKind.SPOT, base="SPCX.US", quote="USDC",
        tick_size=Decimal("0.01"), lot_size=Decimal("0.01"),
    )  # fmt: skip
    session = MarketSession({symbol: stock, SOL: SPOT}, depth="depth.200ms")
    (event,) = session.receive(frame("depth.200ms.SPCX.US_USDC", depth(1, 2)), AT)
    assert isinstance(event, DepthChanged)
    assert event.symbol == symbol


def test_only_perpetuals_have_a_mark_price() -> None:
    names = MarketSession({SOL: SPOT, SOL_PERP: PERP}).subscriptions()
    assert names == [
        "depth.SOL_USDC", "bookTicker.SOL_USDC", "trade.SOL_USDC", "depth.SOL_USDC_PERP",
        "bookTicker.SOL_USDC_PERP", "trade.SOL_USDC_PERP", "markPrice.SOL_USDC_PERP",
    ]  # fmt: skip


def test_everything_is_subscribed_in_frames_of_bounded_size() -> None:
    many = {
        Symbol(f"A{at}_USDC"): SPOT.__class__(
            venue="backpack", symbol=Symbol(f"A{at}_USDC"), kind=MarketKind.SPOT, base="A",
            quote="USDC", tick_size=Decimal(1), lot_size=Decimal(1),
        )
        for at in range(40)
    }  # fmt: skip
    session = MarketSession(many)
    frames = [json.loads(each) for each in session.opening_frames()]
    assert [each["method"] for each in frames] == ["SUBSCRIBE"] * 3
    assert [name for each in frames for name in each["params"]] == session.subscriptions()
    assert max(len(each["params"]) for each in frames) <= 50
    assert session.connect_path() == ""
    assert set(INTERVALS) >= {"1s", "1m", "1w"}


# ── what cannot be trusted ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (depth(1, 2, b=[["x", "1"]]), "float"),
        (depth(1, 2, b=[["-1", "1"]]), ">= 0"),
        (depth(1, 2, a=[["1", "-1"]]), ">= 0"),
        (depth(1, 2, a=[["NaN", "1"]]), ""),
        (depth(1, 2, a=[["1e300", "1"]]), "<"),
        ({"U": 1, "a": [], "b": [], "E": 1}, "`u`"),
    ],
)
def test_a_damaged_frame_names_its_stream(data: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=r"market stream depth\.SOL_USDC") as caught:
        market().receive(frame("depth.SOL_USDC", data), AT)
    assert words in str(caught.value)


def test_a_refused_subscription_is_told() -> None:
    with pytest.raises(DataError, match="4006 Invalid stream"):
        market().receive(b'{"id":null,"error":{"code":4006,"message":"Invalid stream"}}', AT)


@pytest.mark.parametrize("data", [b"", b"[]", b"pong", b"\xff", b'{"stream":"depth.SOL_USDC"'])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        market().receive(data, AT)


def test_streams_and_fields_of_next_year_are_let_go() -> None:
    session = market()
    assert session.receive(frame("liquidation", {"e": "liquidation"}), AT) == []
    assert session.receive(frame("newStream.SOL_USDC", {}), AT) == []
    assert session.receive(b'{"result":null,"id":1}', AT) == []
    assert session.ignored == 3
    data = depth(1, 2) | {"new": {"deep": [1, None]}}
    assert len(session.receive(frame("depth.SOL_USDC", data), AT)) == 1


def test_frames_in_another_layout_mean_the_same() -> None:
    data = depth(5, 6, b=[["1.5", "2"]])
    usual = market().receive(frame("depth.SOL_USDC", data), AT)
    spaced = json.dumps({"data": data, "stream": "depth.SOL_USDC"}, indent=1)
    assert market().receive(spaced, AT) == usual
    with pytest.raises(DataError, match=r"market stream depth\.SOL_USDC"):
        market().receive(json.dumps({"data": {}, "stream": "depth.SOL_USDC"}), AT)


@given(
    grid=st.sampled_from(GRIDS),
    lot=st.sampled_from(GRIDS),
    levels=st.lists(st.tuples(st.integers(0, 2**48), st.integers(0, 2**48)), max_size=5),
    zeros=st.integers(0, 4),
)
def test_the_fast_numbers_are_the_exact_ones(
    grid: str, lot: str, levels: list[tuple[int, int]], zeros: int
) -> None:
    instrument = Instrument(
        venue="backpack", symbol=SOL, kind=MarketKind.SPOT, base="SOL", quote="USDC",
        tick_size=Decimal(grid), lot_size=Decimal(lot),
    )  # fmt: skip

    def spell(value: Decimal) -> str:
        text = format(value, "f")
        return text + "0" * zeros if "." in text else text

    texts = [
        [spell(instrument.price(price)), spell(instrument.quantity(size))] for price, size in levels
    ]
    session = MarketSession({SOL: instrument})
    (event,) = session.receive(frame("depth.SOL_USDC", depth(1, 2, b=texts, a=texts)), AT)
    assert isinstance(event, DepthChanged)
    assert event.bids == levels
    assert event.asks == levels


# ── books (T48) ───────────────────────────────────────────────────────────────


class Venue:
    """A reference book that numbers its changes as the venue does."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[int, int]] = {"b": {9_900: 5}, "a": {10_100: 5}}
        self.last_id = 1000
        self.frames: list[bytes] = []

    def change(self, side: str, offset: int, size: int, width: int) -> None:
        price = 10_000 - offset if side == "b" else 10_000 + offset
        if size:
            self.sides[side][price] = size
        else:
            self.sides[side].pop(price, None)
        first, self.last_id = self.last_id + 1, self.last_id + width
        level = [[f"{price / 100:.2f}", f"{size / 100:.2f}"]]
        data = depth(first, self.last_id, **{side: level})
        self.frames.append(frame("depth.SOL_USDC", data))

    def snapshot(self) -> bytes:
        def side(name: str) -> list[list[str]]:
            return [
                [f"{price / 100:.2f}", f"{size / 100:.2f}"]
                for price, size in sorted(self.sides[name].items())
            ]

        told = {
            "asks": side("a"), "bids": side("b"), "lastUpdateId": str(self.last_id),
            "timestamp": 1753102447307501,
        }  # fmt: skip
        return json.dumps(told).encode()

    def levels(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        bids = sorted(self.sides["b"].items(), reverse=True)
        return bids, sorted(self.sides["a"].items())


CHANGES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 20), st.integers(0, 9), st.integers(1, 3)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150)
@given(changes=CHANGES, lag=st.integers(0, 40), data=st.data())
def test_a_book_follows_through_gaps_doubles_and_disorder(
    changes: list[tuple[str, int, int, int]], lag: int, data: st.DataObject
) -> None:
    venue, session, book = Venue(), market(), Book()
    snapshots, states = [venue.snapshot()], {venue.last_id: venue.levels()}
    for change in changes:
        venue.change(*change)
        snapshots.append(venue.snapshot())
        states[venue.last_id] = venue.levels()
    order = list(range(len(changes)))
    for at in data.draw(st.lists(st.sampled_from(order), max_size=5)):
        order.insert(data.draw(st.integers(0, len(order))), at)  # doubles, early and late
    lost = data.draw(st.sets(st.sampled_from(order), max_size=2))
    seen = 0
    for at in order:
        seen = max(seen, at)
        if at not in lost:
            (event,) = session.receive(venue.frames[at], AT)
            assert isinstance(event, DepthChanged)
            book.change(event)
        if not book.synced:
            book.snapshot(codec().depth(SOL, snapshots[max(0, seen + 1 - lag)], AT))
        if book.synced:
            assert book.top(100) == states[book.last_id]
    book.reset()
    assert book.snapshot(codec().depth(SOL, snapshots[-1], AT)) is Applied.APPLIED
    assert book.top(100) == venue.levels()


@given(changes=CHANGES, before=st.integers(0, 40))
def test_a_late_snapshot_and_the_buffer_make_the_reference_book(
    changes: list[tuple[str, int, int, int]], before: int
) -> None:
    venue, session, book = Venue(), market(), Book()
    snapshots = [venue.snapshot()]
    for change in changes:
        venue.change(*change)
        snapshots.append(venue.snapshot())
    for each in venue.frames:
        (event,) = session.receive(each, AT)
        assert isinstance(event, DepthChanged)
        book.change(event)
    at = min(before, len(changes))
    assert book.snapshot(codec().depth(SOL, snapshots[at], AT)) is Applied.APPLIED
    assert book.top(100) == venue.levels()
    assert book.last_id == venue.last_id
