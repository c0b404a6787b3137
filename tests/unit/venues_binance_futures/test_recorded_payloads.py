"""Recorded and published payloads of the venue decode without loss, and so do later ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from obiterm.core.events import (
    DepthChanged,
    Event,
    Filled,
    FundingChanged,
    MarketEvent,
    OrderReported,
    PositionReported,
    TopChanged,
    Traded,
)
from obiterm.core.instruments import Instrument
from obiterm.core.values import OrderKind, OrderState, Side, Symbol
from obiterm.venues.binance.futures import (
    Ask,
    Asked,
    ConditionalOrders,
    Listing,
    MarketSession,
    RestCodec,
    Route,
    UserSession,
    Wallet,
    exchange_info,
    funding_rates,
    funding_terms,
    server_time,
)
from tests.unit.venues_binance_futures.perp import AT, BNB, BTC, body, perpetual

pytestmark = pytest.mark.captures

FINE = {
    each.symbol: each
    for each in (perpetual("BTCUSDT", "0.00001", "0.001"), perpetual("BNBUSDT", "0.00001", "0.01"))
}
"""Markets with a grid fine enough for the documentation's invented prices."""


@pytest.fixture
def samples(shared_data: Path) -> dict[str, Any]:
    with gzip.open(shared_data / "payloads" / "binance_samples.json.gz", "rt") as file:
        told: dict[str, Any] = json.load(file)
    futures = {name.removeprefix("futures/"): value for name, value in told.items()}
    return {name: value for name, value in futures.items() if not name.startswith("spot/")}


@pytest.fixture
def recorded(shared_data: Path) -> list[dict[str, Any]]:
    with gzip.open(shared_data / "payloads" / "binance_http_recorded.json.gz", "rt") as file:
        told: list[dict[str, Any]] = json.load(file)
    return [each for each in told if each["path"].startswith("/fapi/")]


def answers(recorded: list[dict[str, Any]], path: str) -> Iterator[Any]:
    found = [each["response"] for each in recorded if each["path"] == path]
    assert found, path
    yield from found


def grown(value: Any) -> Any:
    """Return a payload as a later version of the venue may send it: more fields everywhere."""
    if isinstance(value, list):
        return [grown(each) for each in value]
    if isinstance(value, dict):
        return {"added": {"deep": [None, 1.5]}, **{key: grown(part) for key, part in value.items()}}
    return value


# ── REST ────────────────────────────────────────────────────────────────────


def read_listing(recorded: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Listing]:
    [told] = answers(recorded, "/fapi/v1/exchangeInfo")
    listing = exchange_info(body(told))
    assert exchange_info(body(grown(told))) == listing
    return told["symbols"], listing


def assert_filters_kept(told: dict[str, Any], instrument: Instrument) -> None:
    filters = {each["filterType"]: each for each in told["filters"]}
    price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    assert instrument.tick_size == Decimal(price["tickSize"])
    assert instrument.lot_size == Decimal(lot["stepSize"])
    assert instrument.price(instrument.min_price_ticks) == Decimal(price["minPrice"])
    highest = Decimal(price["maxPrice"])
    assert highest - instrument.tick_size < instrument.price(instrument.max_price_ticks) <= highest
    assert instrument.quantity(instrument.min_lots) == Decimal(lot["minQty"])
    assert instrument.quantity(instrument.max_lots) == Decimal(lot["maxQty"])
    market_lot = filters["MARKET_LOT_SIZE"]
    assert instrument.quantity(instrument.market_max_lots) == Decimal(market_lot["maxQty"])
    assert instrument.min_notional == Decimal(filters["MIN_NOTIONAL"]["notional"])
    assert instrument.max_open_orders == filters["MAX_NUM_ORDERS"]["limit"]
    assert (instrument.base, instrument.quote) == (told["baseAsset"], told["quoteAsset"])
    assert instrument.settle == told["marginAsset"]


def test_a_recorded_listing(recorded: list[dict[str, Any]]) -> None:
    symbols, listing = read_listing(recorded)
    assert len(symbols) == len(listing.markets) == 25
    assert listing.skipped == {}
    for told in symbols:
        market = listing.markets[Symbol(f"{told['symbol']}-PERP")]
        assert_filters_kept(told, market.instrument)
        percent = next(f for f in told["filters"] if f["filterType"] == "PERCENT_PRICE")
        assert (market.price_up, market.price_down) == (
            Decimal(percent["multiplierUp"]),
            Decimal(percent["multiplierDown"]),
        )
        assert market.order_types == set(told["orderTypes"])
        assert market.time_in_force == set(told["timeInForce"])
    assert [limit.limit for limit in listing.rate_limits] == [2400, 1200, 300]


def test_recorded_books(recorded: list[dict[str, Any]]) -> None:
    btc = perpetual("BTCUSDT", "0.01", "0.001")
    codec = RestCodec({BTC: btc}, ConditionalOrders())
    for told in answers(recorded, "/fapi/v1/depth"):
        book = codec.depth(BTC, body(grown(told)), AT)
        assert book.last_id == told["lastUpdateId"]
        assert book.event_ns == told["E"] * 1_000_000
        for ours, theirs in ((book.bids, told["bids"]), (book.asks, told["asks"])):
            exact = [(btc.price(ticks), btc.quantity(lots)) for ticks, lots in ours]
            assert exact == [(Decimal(price), Decimal(size)) for price, size in theirs]


def test_recorded_funding(recorded: list[dict[str, Any]]) -> None:
    for told in answers(recorded, "/fapi/v1/fundingRate"):
        assert funding_rates(body(grown(told))) == [
            (row["fundingTime"] * 1_000_000, Decimal(row["fundingRate"])) for row in told
        ]
    [told] = answers(recorded, "/fapi/v1/fundingInfo")
    terms = funding_terms(body(grown(told)))
    assert len(terms) == len(told)
    for row in told:
        ours = terms[Symbol(f"{row['symbol']}-PERP")]
        assert ours.interval_s == row["fundingIntervalHours"] * 3600
        assert ours.cap == Decimal(row["adjustedFundingRateCap"])
        assert ours.floor == Decimal(row["adjustedFundingRateFloor"])


def test_recorded_mark_prices_and_time(recorded: list[dict[str, Any]]) -> None:
    codec = RestCodec(FINE, ConditionalOrders())
    told, rows = answers(recorded, "/fapi/v1/premiumIndex")
    assert isinstance(rows, list)
    mark = codec.premium(body(grown(told)), AT)
    exact = Decimal(told["markPrice"]) / FINE[BTC].tick_size
    assert abs(mark.mark_ticks - exact) <= Decimal("0.5")
    assert mark.rate == Decimal(told["lastFundingRate"])
    [clock] = answers(recorded, "/fapi/v1/time")
    assert server_time(body(clock)) == clock["serverTime"]


def test_published_rest_samples(samples: dict[str, Any]) -> None:
    codec = RestCodec(FINE, ConditionalOrders(), Wallet())
    btc = FINE[BTC]
    [usdt] = codec.balances(body(grown(samples["http_json/balance.json"])), AT)
    assert (usdt.free, usdt.locked) == (Decimal("122.12345678"), Decimal(0))
    [usdt] = codec.account(body(grown(samples["http_json/account_info_v2.json"])), AT)
    assert usdt.free == Decimal("23.72469206")
    [position] = codec.positions(body(grown(samples["http_json/position_risk.json"])), AT)
    assert (btc.quantity(position.lots), position.entry_price) == (Decimal("0.001"), Decimal(50000))
    assert (position.mark_price, position.liquidation_price) == (Decimal(51000), Decimal(45000))
    assert position.unrealised_quote == 1
    placed = Asked(Ask.PLACE, BTC)
    reply = body(grown(samples["http_json/order_response.json"]))
    [order] = codec.outcome(placed, 200, reply, AT).events
    assert isinstance(order, OrderReported)
    assert (order.client_id, order.venue_id) == ("testOrder123", "12345678")
    assert (btc.price(order.price_ticks), btc.quantity(order.lots)) == (
        Decimal(50000),
        Decimal("0.001"),
    )
    algos = body(grown(samples["http_json/open_algo_orders.json"]))
    [stop] = codec.open_orders(b"[]", algos, AT)
    assert (stop.client_id, stop.venue_id) == ("test-algo-order-1", "algo-123456789")
    assert (stop.kind, stop.side) == (OrderKind.STOP_MARKET, Side.BUY)
    assert btc.price(stop.trigger_ticks) == 45000


# ── streams ─────────────────────────────────────────────────────────────────

STREAMS: dict[str, tuple[Route, str, type[MarketEvent]]] = {
    "agg_trade_stream": (Route.MARKET, "aggTrade", Traded),
    "mark_price_stream": (Route.MARKET, "markPrice@1s", FundingChanged),
    "book_ticker_stream": (Route.PUBLIC, "bookTicker", TopChanged),
    "depth_update_stream": (Route.PUBLIC, "depth@100ms", DepthChanged),
    "trade_stream": (Route.PUBLIC, "trade", Traded),
}


def test_published_market_samples(samples: dict[str, Any]) -> None:
    markets = {
        each.symbol: each
        for each in (
            perpetual("BTCUSDT", "0.0001", "0.001"),
            perpetual("BNBUSDT", "0.0001", "0.01"),
        )
    }
    for name, (route, stream, kind) in STREAMS.items():
        told = samples[f"market_data_json/{name}.json"]
        session = MarketSession(markets, route)
        path = f"{told['s'].lower()}@{stream}"
        for payload in (told, grown(told)):
            [event] = session.receive(body({"stream": path, "data": payload}), AT)
            assert isinstance(event, kind)
            assert event.symbol == f"{told['s']}-PERP"


def test_published_user_samples(samples: dict[str, Any]) -> None:
    """Every event decodes, alone and grown, and says what it said."""
    told = {
        name.split("/")[1].removesuffix(".json"): value
        for name, value in samples.items()
        if name.startswith("user_data_json/")
    }
    assert len(told) == 14
    events: dict[str, list[Event]] = {}
    for name, payload in told.items():
        plain = UserSession(FINE, ConditionalOrders()).receive(body(payload), AT)
        assert UserSession(FINE, ConditionalOrders()).receive(body(grown(payload)), AT) == plain
        events[name] = plain
        for event in plain:
            if isinstance(event, Filled):
                assert_fill_kept(payload["o"], event)
    states = {
        name: [event.state for event in found if isinstance(event, OrderReported)]
        for name, found in events.items()
    }
    assert states["order_update_new"] == [OrderState.OPEN]
    assert states["order_update_trade"] == [OrderState.PARTIAL]
    assert states["order_update_calculated_pending"] == [OrderState.OPEN]
    for closed in ("adl", "calculated", "insurance", "settlement"):
        assert states[f"order_update_{closed}"] == [OrderState.FILLED]
    assert events["order_update_delivery"] == events["trade_lite"] == []
    assert states["algo_update_new"] == [OrderState.OPEN]
    assert states["algo_update_canceled"] == [OrderState.CANCELLED]
    assert events["account_update_bnfcr"] == []
    legs = [e.leg for e in events["account_update"] if isinstance(e, PositionReported)]
    assert legs == ["", "LONG", "SHORT"]


def assert_fill_kept(told: dict[str, Any], fill: Filled) -> None:
    market = FINE[fill.symbol]
    assert market.price(fill.price_ticks) == Decimal(told["L"])
    assert market.quantity(fill.lots) == Decimal(told["l"])
    assert fill.fee == Decimal(told.get("n", "0"))
    assert (fill.trade_id, fill.client_id) == (told["t"], told["c"])
    assert fill.is_maker is told["m"]


def test_a_published_algo_event_keeps_its_numbers(samples: dict[str, Any]) -> None:
    told = samples["user_data_json/algo_update_new.json"]
    user = UserSession({BNB.symbol: BNB}, ConditionalOrders())
    [event] = user.receive(body(told), AT)
    assert isinstance(event, OrderReported)
    assert (event.client_id, event.venue_id) == ("Q5xaq5EGKgXXa0fD7fs0Ip", "algo-2148719")
    assert (BNB.price(event.trigger_ticks), BNB.price(event.price_ticks)) == (
        Decimal(750),
        Decimal(750),
    )
    assert (event.kind, event.side) == (OrderKind.LIMIT, Side.SELL)
    assert BNB.quantity(event.lots) == Decimal("0.01")
    assert event.text == ""
