"""Markets of Backpack as instruments (backpack.md §5.1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from obiterm.core.errors import DataError
from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.backpack import (
    market,
    markets,
)
from tests.unit.venues_backpack.payloads import (
    SOL,
    SOL_PERP,
    body,
)

MARKET: dict[str, Any] = {
    "symbol": "SOL_USDC_PERP", "baseSymbol": "SOL", "quoteSymbol": "USDC", "marketType": "PERP",
    "rwaMarketType": None, "createdAt": "2025-01-21T06:34:54.691858", "visible": True,
    "orderBookState": "Open", "fundingInterval": 3600000, "fundingRateLowerBound": "-100",
    "fundingRateUpperBound": "100", "openInterestLimit": "4000000", "positionLimitWeight": None,
    "imfFunction": {"type": "sqrt", "base": "0.02", "factor": "0.0001275"},
    "mmfFunction": {"type": "sqrt", "base": "0.0125", "factor": "0.0000765"},
    "filters": {
        "price": {"minPrice": "0.01", "maxPrice": "1000", "tickSize": "0.01",
                  "maxMultiplier": "1.25", "minMultiplier": "0.75", "maxImpactMultiplier": "1.03",
                  "minImpactMultiplier": "0.97", "meanPremiumBand": {"tolerancePct": "0.05"}},
        "quantity": {"minQuantity": "0.02", "maxQuantity": None, "stepSize": "0.01"},
    },
}  # fmt: skip


def test_a_perpetual() -> None:
    told = market(body(MARKET)).markets[SOL_PERP]
    instrument = told.instrument
    assert (instrument.kind, instrument.base, instrument.quote, instrument.settle) == (
        MarketKind.PERP, "SOL", "USDC", "USDC",
    )  # fmt: skip
    assert (instrument.tick_size, instrument.lot_size) == (Decimal("0.01"), Decimal("0.01"))
    assert (instrument.min_lots, instrument.max_lots) == (2, 2**53)
    assert (instrument.min_price_ticks, instrument.max_price_ticks) == (1, 100_000)
    assert (instrument.max_leverage, instrument.maintenance_margin) == (
        Decimal(50),
        Decimal("0.0125"),
    )
    assert instrument.funding_interval_s == 3600
    assert instrument.min_notional == 0
    assert (instrument.maker_fee, instrument.taker_fee) == (Decimal("0.0002"), Decimal("0.0005"))
    assert told.is_trading
    assert (told.lowest_price_ratio, told.highest_price_ratio) == (
        Decimal("0.75"), Decimal("1.25"),
    )  # fmt: skip
    assert (told.lowest_impact_ratio, told.highest_impact_ratio) == (
        Decimal("0.97"), Decimal("1.03"),
    )  # fmt: skip
    assert told.initial_margin_factor == Decimal("0.0001275")


def test_a_spot_market_has_no_margin_and_no_funding() -> None:
    row = MARKET | {"symbol": SOL, "marketType": "SPOT", "imfFunction": None, "mmfFunction": None,
                    "fundingInterval": 28800000}  # fmt: skip
    instrument = markets(body([row])).instruments[SOL]
    assert (instrument.max_leverage, instrument.maintenance_margin) == (Decimal(1), Decimal(0))
    assert (instrument.funding_interval_s, instrument.settle) == (0, "")
    assert (instrument.maker_fee, instrument.taker_fee) == (Decimal("0.0008"), Decimal("0.001"))


def test_the_funding_interval_may_be_text() -> None:
    row = MARKET | {"fundingInterval": "28800000"}
    assert markets(body([row])).instruments[SOL_PERP].funding_interval_s == 28_800


@pytest.mark.parametrize(
    "change",
    [
        {"orderBookState": "PostOnly"},
        {"orderBookState": "CancelOnly"},
        {"orderBookState": "A_STATE_OF_NEXT_YEAR"},
        {"visible": False},
    ],
)
def test_only_an_open_visible_market_trades(change: dict[str, Any]) -> None:
    assert not markets(body([MARKET | change])).markets[SOL_PERP].is_trading


def test_kinds_of_markets_that_we_do_not_trade_are_named() -> None:
    rows = [MARKET | {"symbol": f"X{kind}", "marketType": kind} for kind in ("IPERP", "MONAD")]
    listing = markets(body([*rows, MARKET]))
    assert set(listing.markets) == {SOL_PERP}
    assert listing.others == {Symbol("XIPERP"): "IPERP", Symbol("XMONAD"): "MONAD"}


@pytest.mark.parametrize("tick", ["0", "0.0", "x", "-0.01", "Infinity"])
def test_a_market_without_a_grid_is_damaged(tick: str) -> None:
    filters = {**MARKET["filters"], "price": {"tickSize": tick}}
    with pytest.raises(DataError, match="SOL_USDC_PERP tickSize"):
        markets(body([MARKET | {"filters": filters}]))


def test_a_market_that_cannot_be_read_closes_no_other() -> None:
    filters = {**MARKET["filters"], "quantity": {"stepSize": "0"}}
    listing = markets(body([MARKET | {"symbol": "NEW_USDC", "filters": filters}, MARKET]))
    assert set(listing.markets) == {SOL_PERP}
    assert listing.damaged == {"NEW_USDC": "NEW_USDC stepSize = '0' is no grid"}
