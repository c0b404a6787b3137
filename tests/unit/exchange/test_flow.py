"""The order-flow market: the same for the same seed, deep, lively, never crossed."""

from __future__ import annotations

import itertools
from decimal import Decimal
from statistics import correlation

import pytest

from obiterm.core.errors import UsageError
from obiterm.core.values import NS_PER_S, Side
from obiterm.exchange.api import DepthDelta, Kind, NewOrder, Output, PublicTrade, Status, Top
from obiterm.exchange.candles import MINUTE_MS
from obiterm.exchange.spoof import STILL_SHOWN
from obiterm.exchange.venue import SimVenue

from .conftest import START_NS, SYMBOL

TENTH_NS = NS_PER_S // 10


def open_market(seed: int = 7) -> SimVenue:
    return SimVenue.named([SYMBOL], seed=seed, start_ns=START_NS, opening={SYMBOL: Decimal(60_000)})


def outputs(venue: SimVenue, seconds: int, step_ns: int) -> list[Output]:
    made: list[Output] = []
    for now_ns in range(START_NS, START_NS + seconds * NS_PER_S + 1, step_ns):
        venue.advance(now_ns)
        made += venue.drain()
    return made


def test_the_same_seed_makes_the_same_market_however_it_is_stepped() -> None:
    fine = outputs(open_market(), 10, NS_PER_S // 100)
    coarse = outputs(open_market(), 10, NS_PER_S)
    assert fine == coarse
    assert len(fine) > 500
    assert outputs(open_market(8), 10, NS_PER_S) != coarse


def test_it_opens_deep_and_with_a_past() -> None:
    venue = open_market()
    _, bids, asks = venue.depth(SYMBOL, 5_000)
    assert len(bids) >= 1_000
    assert len(asks) >= 1_000
    assert bids[0][0] < asks[0][0]
    top = venue.top(SYMBOL)
    assert abs(top.bid_ticks * Decimal("0.01") - 60_000) < 1
    candles = venue.candles(SYMBOL, MINUTE_MS)
    assert len(candles) > 60
    assert {b.open_ms - a.open_ms for a, b in itertools.pairwise(candles)} == {MINUTE_MS}
    trades = venue.trades(SYMBOL, 1_000)
    assert len(trades) >= 300
    assert [t.trade_id for t in trades] == list(range(trades[0].trade_id, trades[-1].trade_id + 1))
    assert trades[-1].time_ns <= START_NS
    assert trades[-1].price_ticks == candles[-1].close_ticks == 6_000_000
    assert abs(venue.average_price(SYMBOL) - 60_000) < 1_000


def test_deltas_rebuild_the_book_and_tops_follow() -> None:
    venue = open_market()
    last_id, bids, asks = venue.depth(SYMBOL, 5_000)
    book = {Side.BUY: dict(bids), Side.SELL: dict(asks)}
    trade_id = venue.trades(SYMBOL, 1)[0].trade_id
    for output in outputs(venue, 30, TENTH_NS):
        if isinstance(output, DepthDelta):
            assert output.first_id == last_id + 1
            last_id = output.last_id
            for side, levels in ((Side.BUY, output.bids), (Side.SELL, output.asks)):
                for ticks, lots in levels:
                    book[side][ticks] = lots
                    if not lots:
                        del book[side][ticks]
            assert max(book[Side.BUY]) < min(book[Side.SELL])
        elif isinstance(output, Top):
            assert output.update_id == last_id
            assert (output.bid_ticks, output.ask_ticks) == (
                max(book[Side.BUY]),
                min(book[Side.SELL]),
            )
            assert output.bid_lots == book[Side.BUY][output.bid_ticks]
        elif isinstance(output, PublicTrade):
            assert output.trade_id == trade_id + 1
            trade_id = output.trade_id
    final_id, bids, asks = venue.depth(SYMBOL, 5_000)
    assert final_id == last_id
    assert book == {Side.BUY: dict(bids), Side.SELL: dict(asks)}


@pytest.mark.parametrize("seed", [1, 7, 23])
def test_imbalance_is_often_strong_and_leads_the_price_mildly(seed: int) -> None:
    venue = open_market(seed)
    imbalances, mids, events = [], [], 0
    for tenth in range(900):
        venue.advance(START_NS + tenth * TENTH_NS)
        events += sum(isinstance(output, DepthDelta) for output in venue.drain())
        _, bids, asks = venue.depth(SYMBOL, 20)
        bid, ask = sum(lots for _, lots in bids), sum(lots for _, lots in asks)
        imbalances.append((bid - ask) / (bid + ask))
        mids.append((bids[0][0] + asks[0][0]) / 2)
        assert asks[0][0] - bids[0][0] < 500
    moves = [later - now for now, later in zip(mids, mids[10:], strict=False)]
    assert 0.15 < correlation(imbalances[:-10], moves) < 0.8
    assert sum(value > 0.4 for value in imbalances) > 60
    assert sum(value < -0.4 for value in imbalances) > 60
    assert 20 < events / 90 < 90
    assert min(len(side) for side in venue.depth(SYMBOL, 5_000)[1:]) > 500


def test_spoofs_are_labelled_and_pulled_untraded() -> None:
    venue = open_market(3)
    made = outputs(venue, 120, NS_PER_S)
    spoofs = venue.spoofs(SYMBOL)
    assert len(spoofs) >= 4
    traded = {t.buyer_order_id for t in made if isinstance(t, PublicTrade)}
    traded |= {t.seller_order_id for t in made if isinstance(t, PublicTrade)}
    for spoof in spoofs:
        assert spoof.to_ns == STILL_SHOWN or spoof.to_ns > spoof.from_ns
        assert spoof.order_ids
    met = [spoof for spoof in spoofs if traded & set(spoof.order_ids)]
    assert len(met) <= len(spoofs) // 4


def test_the_house_fills_a_joined_bid_by_and_by() -> None:
    venue = open_market()
    venue.add_account("main", {"USDT": Decimal(10_000)})
    top = venue.top(SYMBOL)
    order = venue.place(
        "main",
        NewOrder(SYMBOL, Side.BUY, Kind.LIMIT_MAKER, "join", lots=1_000, price_ticks=top.bid_ticks),
        START_NS,
    )
    for second in range(1, 120):
        venue.advance(START_NS + second * NS_PER_S)
        if order.status is Status.FILLED:
            break
    assert order.status is Status.FILLED
    assert all(fill.is_maker for fill in venue.fills("main"))


def test_several_markets_run_side_by_side() -> None:
    venue = SimVenue.named(["BTCUSDT", "ETHUSDT"], seed=1, start_ns=START_NS)
    made = outputs(venue, 3, NS_PER_S)
    symbols = {output.symbol for output in made if isinstance(output, DepthDelta)}
    assert symbols == {"BTCUSDT", "ETHUSDT"}
    times = [output.time_ns for output in made if isinstance(output, DepthDelta)]
    assert times == sorted(times)


def test_an_unknown_market_is_a_usage_error_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="BTCUSDT"):
        SimVenue.named(["NOPE"], seed=1, start_ns=START_NS)


@pytest.mark.parametrize("side", list(Side))
def test_the_market_heals_after_somebody_ate_a_whole_side(side: Side) -> None:
    venue = open_market()
    venue.add_account("whale", {"BTC": Decimal(100_000), "USDT": Decimal(10**11)})
    for number in range(50):
        request = NewOrder(SYMBOL, side, Kind.MARKET, f"all{number}", lots=9_000_000)
        if venue.place("whale", request, START_NS).status is Status.EXPIRED:
            break
    top = venue.top(SYMBOL)
    assert (top.ask_ticks if side is Side.BUY else top.bid_ticks) == 0
    for second in range(1, 21):
        venue.advance(START_NS + second * NS_PER_S)
        top = venue.top(SYMBOL)
        assert not (top.bid_ticks and top.ask_ticks) or top.bid_ticks < top.ask_ticks
    assert abs(top.bid_ticks - 6_000_000) < 20_000
    assert top.ask_ticks - top.bid_ticks < 2_000
