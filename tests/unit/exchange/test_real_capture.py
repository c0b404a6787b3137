"""The recorded Binance spot market of 2024-08-08, against a reconstruction of its own."""

from __future__ import annotations

import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, NewOrder, OrderUpdate, Status, Verbatim
from obiterm.exchange.replay import ReplayVenue

SYMBOL = "BTCUSDT"
NAME = "binance_spot_BTCUSDT_20240808.jsonl.gz"
Line = dict[str, Any]


class Reconstruction:
    """The book by the venue's rules, written down a second time and without our code."""

    def __init__(self, path: Path) -> None:
        self.applied = self.trades = self.tops_equal = 0
        tops: dict[int, tuple[str, str]] = {}
        books: dict[int, tuple[str, str]] = {}
        snapshot: Line = {}
        diffs: list[Line] = []
        with gzip.open(path, "rt") as file:
            for text in file:
                message = msgspec.json.decode(text)["m"]
                stream = message.get("stream", "")
                if not stream:
                    snapshot = message
                elif "@depth" in stream:
                    diffs.append(message["data"])
                elif stream.endswith("@bookTicker"):
                    data = message["data"]
                    tops[data["u"]] = (data["b"], data["a"])
                else:
                    self.trades += 1
        self.sides: list[dict[str, str]] = [dict(snapshot["bids"]), dict(snapshot["asks"])]
        self.last_id = snapshot["lastUpdateId"]
        for diff in diffs:
            if diff["u"] <= self.last_id:
                continue
            assert diff["U"] <= self.last_id + 1
            for side, key in zip(self.sides, "ba", strict=True):
                for price, size in diff[key]:
                    side[price] = size
                    if float(size) == 0:
                        del side[price]
            self.last_id = diff["u"]
            self.applied += 1
            books[self.last_id] = (max(self.sides[0], key=float), min(self.sides[1], key=float))
            if self.applied % 500 == 0:
                assert float(books[self.last_id][0]) < float(books[self.last_id][1])
        self.tops_equal = sum(tops.get(update_id) == best for update_id, best in books.items())

    def levels(self, side: int) -> dict[int, int]:
        return {
            round(float(price) * 100): int(Decimal(size) / Decimal("0.00001"))
            for price, size in self.sides[side].items()
            if Decimal(size) >= Decimal("0.00001")
        }


@pytest.mark.captures
def test_the_real_capture_plays_whole_and_ends_in_the_reconstructed_book(
    shared_data: Path,
) -> None:
    path = shared_data / "l2" / NAME
    venue = ReplayVenue(path, speed=None)
    assert venue.lines == 99_574
    venue.start()
    applied = gaps = last_id = 0
    counts: Counter[str] = Counter()
    snapshot_id, bids, asks = 0, [(0, 0)], [(0, 0)]
    while (at_ns := venue.next_event_ns()) is not None:
        venue.advance(at_ns)
        for output in venue.drain():
            assert isinstance(output, Verbatim)
            counts[output.stream] += 1
            if "@depth" not in output.stream:
                continue
            if not snapshot_id:
                snapshot_id, bids, asks = venue.depth(SYMBOL, 1_000)
                last_id = snapshot_id
            data = msgspec.json.decode(output.text)
            if data["u"] > last_id:
                gaps += data["U"] > last_id + 1
                applied, last_id = applied + 1, data["u"]
    assert snapshot_id == 50_093_239_218
    assert (bids[0], asks[0]) == ((6_183_763, 378_826), (6_183_764, 154_698))
    assert (len(bids), len(asks)) == (1_000, 1_000)
    assert (applied, gaps, venue.gaps) == (6_493, 0, 0)
    assert counts == {
        "btcusdt@depth@100ms": 6_495,
        "btcusdt@bookTicker": 73_174,
        "btcusdt@trade": 19_904,
    }
    truth = Reconstruction(path)
    assert truth.applied == 6_493
    assert truth.trades == 19_904
    final_id, final_bids, final_asks = venue.depth(SYMBOL, 100_000)
    assert final_id == truth.last_id == last_id
    assert dict(final_bids) == truth.levels(0)
    assert dict(final_asks) == truth.levels(1)


def trade_along(path: Path) -> tuple[list[object], list[dict[str, object]]]:
    """Quote both touches through the first minutes and take now and then."""
    venue = ReplayVenue(path, speed=None)
    venue.add_account("me", {"BTC": Decimal(5), "USDT": Decimal(300_000)})
    totals = {asset: venue.treasury.total(asset) for asset in ("BTC", "USDT")}
    venue.start()
    venue.depth(SYMBOL, 1)
    reports: list[object] = []
    step = 0
    while (at_ns := venue.next_event_ns()) is not None and step < 30_000:
        step += 1
        venue.advance(at_ns)
        reports += [o for o in venue.drain() if isinstance(o, OrderUpdate)]
        if step < 100 or step % 200:
            continue
        if venue.open_orders("me"):
            venue.cancel_all("me", SYMBOL, at_ns)
        top = venue.top(SYMBOL)
        for side, ticks in ((Side.BUY, top.bid_ticks), (Side.SELL, top.ask_ticks)):
            kind = Kind.LIMIT_MAKER
            request = NewOrder(SYMBOL, side, kind, f"{side.value}{step}", 1_000, price_ticks=ticks)
            order = venue.place("me", request, at_ns)
            assert order.status is Status.NEW
        if step % 1_000 == 0:
            side = Side.BUY if step % 2_000 else Side.SELL
            venue.place("me", NewOrder(SYMBOL, side, Kind.MARKET, f"m{step}", 2_000), at_ns)
    assert {asset: venue.treasury.total(asset) for asset in totals} == totals
    assert venue.self_trades() == []
    balances = venue.balances("me")
    return reports, [{"BTC": balances["BTC"], "USDT": balances["USDT"]}]


@pytest.mark.captures
def test_trading_along_the_real_capture_is_deterministic_and_conserves(shared_data: Path) -> None:
    path = shared_data / "l2" / NAME
    first, money = trade_along(path)
    makers = [
        report.fill
        for report in first
        if isinstance(report, OrderUpdate) and report.fill is not None and report.fill.is_maker
    ]
    assert 20 < len(makers) < 300
    assert (first, money) == trade_along(path)
