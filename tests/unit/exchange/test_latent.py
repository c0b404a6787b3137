"""One price for all venues: the same for the same moment, continuous, bounded."""

from __future__ import annotations

import itertools
from decimal import Decimal
from statistics import correlation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import UsageError
from obiterm.core.values import NS_PER_S
from obiterm.exchange.latent import CHAPTER_S, LatentPath
from obiterm.exchange.specs import listings, market_spec
from obiterm.exchange.venue import SimVenue

from .conftest import START_NS

CHAPTER_NS = CHAPTER_S * NS_PER_S


@given(st.integers(0, 5), st.integers(0, 3 * CHAPTER_NS))
def test_a_moment_has_one_price_whoever_asks(seed: int, offset_ns: int) -> None:
    time_ns = START_NS + offset_ns
    factor = LatentPath(seed, "BTC").factor(time_ns)
    assert factor == LatentPath(seed, "BTC").factor(time_ns)
    assert 0.95 < factor < 1.05


@pytest.mark.parametrize("seed", [1, 7])
def test_chapters_meet_without_a_jump(seed: int) -> None:
    path = LatentPath(seed, "BTC")
    first = START_NS - START_NS % CHAPTER_NS
    for number in range(1, 4):
        edge = first + number * CHAPTER_NS
        assert path.factor(edge - 1) == pytest.approx(path.factor(edge), rel=1e-6)
    prices = [path.factor(first + tenth * NS_PER_S // 10) for tenth in range(12_000)]
    moves = [abs(b / a - 1) for a, b in itertools.pairwise(prices)]
    assert max(moves) < 2e-4
    assert max(prices) / min(prices) > 1.002


def test_assets_and_seeds_have_paths_of_their_own() -> None:
    at = START_NS + 5 * NS_PER_S
    values = {LatentPath(seed, asset).factor(at) for seed in (1, 2) for asset in ("BTC", "ETH")}
    assert len(values) == 4


def middle(venue: SimVenue, symbol: str) -> float:
    top = venue.top(symbol)
    return float(venue.markets[symbol].tick_size) * (top.bid_ticks + top.ask_ticks) / 2


def test_venues_that_start_at_different_times_move_together() -> None:
    venues = {
        "binance": ("BTCUSDT", START_NS - 7 * NS_PER_S),
        "bybit": ("BTCUSDT.P", START_NS - 1_300_000_000),
        "backpack": ("BTC_USDC_PERP", START_NS - 40 * NS_PER_S),
    }
    opened = {
        name: SimVenue.named([symbol], seed=7, start_ns=start_ns, venue=name)
        for name, (symbol, start_ns) in venues.items()
    }
    tracks: dict[str, list[float]] = {name: [] for name in venues}
    for second in range(120):
        for name, venue in opened.items():
            venue.advance(START_NS + second * NS_PER_S)
            tracks[name].append(middle(venue, venues[name][0]))
    for name in ("bybit", "backpack"):
        assert correlation(tracks["binance"], tracks[name]) > 0.9
        for mine, other in zip(tracks["binance"], tracks[name], strict=True):
            assert abs(mine / other - 1) < 0.0015
    assert max(tracks["binance"]) - min(tracks["binance"]) > 5


def test_names_of_a_venue_may_stand_for_spot_and_perpetual() -> None:
    assert [one.spec.symbol for one in listings("bybit", ["BTCUSDT"])] == ["BTCUSDT", "BTCUSDT.P"]
    assert market_spec("BTCUSDT.P", "bybit").venue_symbol == "BTCUSDT"
    assert [one.spec.symbol for one in listings("backpack", ["SOL_USDC"])] == ["SOL_USDC"]
    with pytest.raises(UsageError, match="NOPE"):
        listings("bybit", ["NOPE"])
    with pytest.raises(UsageError, match="kraken"):
        listings("kraken", [])
    assert market_spec("BTCUSDT").tick_size == Decimal("0.01")
