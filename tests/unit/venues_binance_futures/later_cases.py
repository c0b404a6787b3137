"""Recorded payloads of Binance futures, each with the decoder it belongs to."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.binance.futures import (
    Ask,
    Asked,
    ConditionalOrders,
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
from tests.unit.venues_common.later_payloads import AT, Case, instruments_of

ENUMS = frozenset(
    {
        "status", "type", "origType", "timeInForce", "selfTradePreventionMode", "workingType",
        "priceMatch", "algoStatus", "algoType", "orderType", "marginType", "contractType",
        "contractStatus", "underlyingType", "rateLimitType", "interval", "filterType", "e", "o",
        "ot", "f", "x", "X", "wt", "V", "pm", "er", "at", "m", "mt", "rm",
    }
)  # fmt: skip
"""``side`` and ``positionSide`` are not among them: a position of neither has no meaning."""

STREAMS: dict[str, tuple[Route, str]] = {
    "agg_trade_stream": (Route.MARKET, "aggTrade"),
    "mark_price_stream": (Route.MARKET, "markPrice@1s"),
    "book_ticker_stream": (Route.PUBLIC, "bookTicker"),
    "depth_update_stream": (Route.PUBLIC, "depth@100ms"),
    "trade_stream": (Route.PUBLIC, "trade"),
}
"""Samples of streams that we open; those of others (klines, liquidations) are not asked for."""


def cases(shared_data: Path) -> Iterator[Case]:
    """Yield every recorded payload that we read."""
    with gzip.open(shared_data / "payloads" / "binance_samples.json.gz", "rt") as file:
        samples: dict[str, Any] = json.load(file)
    with gzip.open(shared_data / "payloads" / "binance_http_recorded.json.gz", "rt") as file:
        answers: list[dict[str, Any]] = json.load(file)
    told = {
        name.removeprefix("futures/").removesuffix(".json"): payload
        for name, payload in samples.items()
        if name.startswith("futures/")
    }
    recorded = [each for each in answers if each["path"].startswith("/fapi/")]
    markets = instruments_of(
        "binance-futures",
        [*told.values(), *(each["response"] for each in recorded)],
        ("symbol", "s"),
        lambda name: (Symbol(f"{name}-PERP"), MarketKind.PERP),
    )
    btc = Symbol("BTCUSDT-PERP")

    def codec() -> RestCodec:
        return RestCodec(markets, ConditionalOrders(), Wallet())

    readers: dict[str, Callable[[bytes], object]] = {
        "http_json/account_info_v2": lambda body: codec().account(body, AT),
        "http_json/balance": lambda body: codec().balances(body, AT),
        "http_json/position_risk": lambda body: codec().positions(body, AT),
        "http_json/open_algo_orders": lambda body: codec().open_orders(b"[]", body, AT),
        "http_json/order_response": lambda body: codec().outcome(
            Asked(Ask.PLACE, btc), 200, body, AT
        ),
        "/fapi/v1/exchangeInfo": exchange_info,
        "/fapi/v1/depth": lambda body: codec().depth(btc, body, AT),
        "/fapi/v1/fundingRate": funding_rates,
        "/fapi/v1/fundingInfo": funding_terms,
        "/fapi/v1/premiumIndex": lambda body: codec().premium(body, AT),
        "/fapi/v1/time": server_time,
    }
    for name, payload in told.items():
        kind, _, short = name.partition("/")
        if kind == "user_data_json":
            yield Case(name, payload, _user_reader(markets), ENUMS)
        elif short in STREAMS:
            route, stream = STREAMS[short]
            wrapped = {"stream": f"{payload['s'].lower()}@{stream}", "data": payload}
            yield Case(name, wrapped, _market_reader(markets, route), ENUMS)
        elif name in readers:
            yield Case(name, payload, readers[name], ENUMS)
    for each in recorded:
        if each["path"] in readers:
            payload = _shortened(each["response"])
            read = readers[each["path"]]
            if each["path"] == "/fapi/v1/premiumIndex" and isinstance(payload, list):
                continue  # of all markets at once: not asked for
            yield Case(each["path"], payload, read, ENUMS)


def _user_reader(markets: Any) -> Callable[[bytes], object]:
    return lambda frame: UserSession(markets, ConditionalOrders()).receive(frame, AT)


def _market_reader(markets: Any, route: Route) -> Callable[[bytes], object]:
    return lambda frame: MarketSession(markets, route).receive(frame, AT)


def _shortened(payload: Any) -> Any:
    """Return a payload with the first three elements of each list, to look at them often."""
    if isinstance(payload, dict):
        return {
            name: value[:3] if name in ("symbols", "bids", "asks") else value
            for name, value in payload.items()
        }
    return payload[:3]
