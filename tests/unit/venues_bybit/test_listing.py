"""Markets of both categories as instruments (bybit.md §4.2)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from obiterm.core.errors import AccountStopped, DataError, OutcomeUnknown
from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.bybit import (
    BASE_FEES,
    Category,
    Fees,
    Listing,
    instruments_info,
    maintenance_margins,
    with_fees,
    with_margin,
)
from obiterm.venues.bybit.listing import tradable
from tests.unit.venues_bybit.payloads import BTC, PERP, SPOT, answer

LINEAR_ROW: dict[str, Any] = {
    "symbol": "BTCUSDT", "symbolId": 5, "contractType": "LinearPerpetual", "status": "Trading",
    "baseCoin": "BTC", "quoteCoin": "USDT", "launchTime": "1585526400000", "deliveryTime": "0",
    "deliveryFeeRate": "", "priceScale": "2",
    "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
    "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
    "lotSizeFilter": {
        "maxOrderQty": "1190.000", "minOrderQty": "0.001", "qtyStep": "0.001",
        "postOnlyMaxOrderQty": "1200.000", "maxMktOrderQty": "500.000", "minNotionalValue": "5",
    },
    "unifiedMarginTrade": True, "fundingInterval": 480, "settleCoin": "USDT",
    "copyTrading": "both", "upperFundingRate": "0.00375", "lowerFundingRate": "-0.00375",
    "isPreListing": False, "preListingInfo": None,
    "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
    "symbolType": "",
}  # fmt: skip
SPOT_ROW: dict[str, Any] = {
    "symbolId": 9, "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT",
    "innovation": "0", "status": "Trading", "marginTrading": "utaOnly", "stTag": "0",
    "lotSizeFilter": {
        "basePrecision": "0.000001", "quotePrecision": "0.0000001", "minOrderQty": "0.000011",
        "maxOrderQty": "83", "minOrderAmt": "5", "maxOrderAmt": "8000000",
        "maxLimitOrderQty": "83", "maxMarketOrderQty": "41.5",
        "postOnlyMaxLimitOrderSize": "60000",
    },
    "priceFilter": {"tickSize": "0.1"},
    "riskParameters": {"priceLimitRatioX": "0.005", "priceLimitRatioY": "0.01"},
    "symbolType": "",
}  # fmt: skip


def linear(*rows: dict[str, Any], cursor: str | None = "") -> Listing:
    page = {"category": "linear", "list": list(rows), "nextPageCursor": cursor}
    return instruments_info(Category.LINEAR, 200, answer(page))


def spot(*rows: dict[str, Any]) -> Listing:
    return instruments_info(Category.SPOT, 200, answer({"category": "spot", "list": list(rows)}))


def test_a_perpetual() -> None:
    listing = linear(LINEAR_ROW, cursor="first%3D2")
    assert listing.cursor == "first%3D2"
    market = listing.markets[PERP]
    assert market.is_trading
    assert (market.post_only_max_lots, market.delivery_ns) == (1_200_000, 0)
    assert market.funding_cap == Decimal("0.00375")
    assert (market.price_limit_x, market.price_limit_y) == (Decimal("0.01"), Decimal("0.02"))
    instrument = market.instrument
    assert (instrument.venue, instrument.kind) == ("bybit", MarketKind.PERP)
    assert (instrument.base, instrument.quote, instrument.settle) == ("BTC", "USDT", "USDT")
    assert (instrument.tick_size, instrument.lot_size) == (Decimal("0.1"), Decimal("0.001"))
    assert (instrument.min_lots, instrument.max_lots) == (1, 1_190_000)
    assert instrument.market_max_lots == 500_000
    assert (instrument.min_price_ticks, instrument.max_price_ticks) == (1, 19_999_998)
    assert instrument.min_notional == 5
    assert (instrument.max_leverage, instrument.maintenance_margin) == (
        Decimal(100),
        Decimal("0.005"),
    )
    assert instrument.funding_interval_s == 8 * 3600
    assert (instrument.maker_fee, instrument.taker_fee) == (Decimal("0.0002"), Decimal("0.00055"))


def test_a_spot_market_has_a_least_value_and_no_least_quantity() -> None:
    instrument = spot(SPOT_ROW).instruments[SPOT]
    assert instrument.kind is MarketKind.SPOT
    assert (instrument.min_lots, instrument.min_notional) == (1, Decimal(5))
    assert (instrument.max_lots, instrument.market_max_lots) == (83_000_000, 41_500_000)
    assert (instrument.settle, instrument.max_leverage) == ("", Decimal(1))
    assert instrument.funding_interval_s == 0
    assert instrument.taker_fee == Decimal("0.001")


def test_one_name_in_two_categories_gives_two_markets() -> None:
    both = linear(LINEAR_ROW).joined(spot(SPOT_ROW))
    assert set(both.markets) == {PERP, SPOT}
    assert both.cursor == ""


@pytest.mark.parametrize("interval", [8, 480, "480"])
def test_a_funding_interval_in_hours_or_minutes(interval: object) -> None:
    told = linear({**LINEAR_ROW, "fundingInterval": interval}).instruments[PERP]
    assert told.funding_interval_s == 28_800


@pytest.mark.parametrize("status", ["PreLaunch", "Delivering", "Closed", "NewIn2027"])
def test_only_trading_is_trading(status: str) -> None:
    market = linear({**LINEAR_ROW, "status": status}).markets[PERP]
    assert not market.is_trading
    assert tradable([market]) == []


def test_a_market_that_will_be_taken_off_is_told() -> None:
    market = linear({**LINEAR_ROW, "deliveryTime": "1796000000000"}).markets[PERP]
    assert market.is_trading
    assert market.delivery_ns == 1_796_000_000_000_000_000
    assert tradable([market, *linear(LINEAR_ROW).markets.values()]) == [
        linear(LINEAR_ROW).markets[PERP]
    ]


def test_dated_futures_and_dotted_names_are_left_out() -> None:
    dated = {**LINEAR_ROW, "symbol": "BTC-26JUN26", "contractType": "LinearFutures"}
    dotted = {**LINEAR_ROW, "symbol": "BRK.BUSDT"}
    assert set(linear(dated, dotted, LINEAR_ROW).markets) == {PERP}


def test_old_and_missing_rules() -> None:
    lots = {"qtyStep": "0.01", "minOrderQty": None, "maxOrderQty": ""}
    row = {**LINEAR_ROW, "lotSizeFilter": lots, "settleCoin": "", "leverageFilter": {}}
    del row["riskParameters"], row["upperFundingRate"], row["fundingInterval"]
    market = linear({**row, "contractType": None}, cursor=None).markets[PERP]
    instrument = market.instrument
    assert instrument.min_lots == 1
    assert instrument.max_lots == instrument.market_max_lots == 2**53
    assert (instrument.settle, instrument.max_leverage) == ("USDT", Decimal(1))
    assert (instrument.maintenance_margin, instrument.funding_interval_s) == (Decimal(0), 0)
    assert market.post_only_max_lots == 2**53
    assert market.funding_cap == market.price_limit_x == 0


def test_a_page_beyond_the_last_leads_nowhere() -> None:
    assert linear(cursor="first%3D9").cursor == ""
    assert instruments_info(Category.LINEAR, 200, answer({"list": None})).markets == {}


@pytest.mark.parametrize("tick", ["0", "", None, "-1", "x"])
def test_a_market_without_a_grid_is_damaged(tick: str | None) -> None:
    with pytest.raises(DataError, match="BTCUSDT tickSize"):
        linear({**LINEAR_ROW, "priceFilter": {"tickSize": tick}})


def test_a_market_that_cannot_be_read_closes_no_other() -> None:
    damaged = {**LINEAR_ROW, "symbol": "NEWUSDT", "priceFilter": {}}
    page = answer({"list": [damaged, LINEAR_ROW]})
    told = instruments_info(Category.LINEAR, 200, page)
    assert list(told.markets) == ["BTCUSDT"]
    assert list(told.damaged) == ["NEWUSDT"]
    assert "tickSize" in told.damaged["NEWUSDT"]
    assert told.joined(told).damaged == told.damaged


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, answer(None), DataError),
        (200, answer({"list": [{"symbol": "X"}]}), DataError),
        (200, b"<html>", OutcomeUnknown),
        (502, b"<html>", OutcomeUnknown),
        (200, answer({}, 10010, "Unmatched IP"), AccountStopped),
    ],
)
def test_what_is_no_listing(status: int, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        instruments_info(Category.LINEAR, status, body)


@pytest.mark.parametrize(
    ("initial", "maintenance"), [("1", "0.5"), ("0.01", "0.005"), ("", "0.005")]
)
def test_margins_in_percent_and_in_fractions(initial: str, maintenance: str) -> None:
    rows = [
        {
            "id": 1, "symbol": "BTCUSDT", "riskLimitValue": "2000000",
            "maintenanceMargin": maintenance, "initialMargin": initial, "isLowestRisk": 1,
            "maxLeverage": "100.00", "mmDeduction": "",
        },
        {
            "id": 2, "symbol": "BTCUSDT", "riskLimitValue": "4000000",
            "maintenanceMargin": "1", "initialMargin": "2", "isLowestRisk": 0,
            "maxLeverage": "50.00", "mmDeduction": "10000",
        },
    ]  # fmt: skip
    margins = maintenance_margins(200, answer({"category": "linear", "list": rows}))
    assert margins == {PERP: Decimal("0.005")}
    assert with_margin(BTC, margins).maintenance_margin == Decimal("0.005")
    assert with_margin(BTC, {Symbol("X"): Decimal(1)}) is BTC


def test_the_accounts_fees_replace_the_base_table() -> None:
    fees = Fees(Decimal("-0.0001"), Decimal("0.0003"))
    told = with_fees(BTC, fees)
    assert (told.maker_fee, told.taker_fee) == (Decimal("-0.0001"), Decimal("0.0003"))
    assert all(not fees.is_told for fees in BASE_FEES.values())


def test_unknown_fields_change_nothing() -> None:
    row = json.loads(json.dumps(LINEAR_ROW))
    row["new"] = [1]
    row["lotSizeFilter"]["new"] = {"x": 1}
    row["symbolType"] = "newtype"
    assert linear(row) == linear(LINEAR_ROW)
