"""Recorded payloads of Binance spot, each with the decoder it belongs to."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.binance import (
    Ask,
    Asked,
    Credentials,
    RestCodec,
    UserSession,
    account,
    exchange_info,
    server_time,
)
from tests.unit.venues_common.later_payloads import AT, Case, instruments_of

ENUMS = frozenset(
    {
        "status", "type", "timeInForce", "selfTradePreventionMode", "contingencyType",
        "listStatusType", "listOrderStatus", "accountType", "e", "o", "f", "x", "X", "r", "V",
        "eR", "l", "rateLimitType", "filterType", "commissionAsset",
    }
)  # fmt: skip
"""``side`` is not among them: nobody could trade an order whose side is neither."""

REST: dict[str, Ask | str] = {
    "order_response": Ask.QUERY,
    "new_order_full_response": Ask.PLACE,
    "cancel_order_response": Ask.CANCEL,
    "cancel_open_orders_response": Ask.CANCEL_ALL,
    "open_orders_response": Ask.OPEN_ORDERS,
    "all_orders_response": Ask.OPEN_ORDERS,
    "account_trades_response": Ask.TRADES,
    "account_response": "account",
    "depth_response": "depth",
    "exchange_info_response": "listing",
    "server_time_response": "time",
}
HTTP: dict[tuple[str, str], Ask | str] = {
    ("GET", "openOrders"): Ask.OPEN_ORDERS,
    ("GET", "allOrders"): Ask.OPEN_ORDERS,
    ("DELETE", "order"): Ask.CANCEL,
    ("GET", "order"): Ask.QUERY,
    ("GET", "account"): "account",
    ("GET", "depth"): "depth",
    ("GET", "exchangeInfo"): "listing",
}


def spot_samples(shared_data: Path) -> dict[str, Any]:
    """Return the documentation's messages about spot by their names."""
    with gzip.open(shared_data / "payloads" / "binance_samples.json.gz", "rt") as file:
        told: dict[str, Any] = json.load(file)
    return {
        name.removeprefix("spot/").removesuffix(".json"): payload
        for name, payload in told.items()
        if name.startswith("spot/")
    }


def recorded_answers(shared_data: Path) -> list[tuple[str, Ask | str, Any]]:
    """Return the recorded REST answers of the calls that we make."""
    with gzip.open(shared_data / "payloads" / "binance_http_recorded.json.gz", "rt") as file:
        told: list[dict[str, Any]] = json.load(file)
    found = []
    for each in told:
        kind = HTTP.get((each["method"], each["path"].removeprefix("/api/v3/")))
        if kind is not None and each["path"].startswith("/api/v3/"):
            payload = each["response"]
            if kind == "listing":
                payload = {**payload, "symbols": payload["symbols"][:3]}
            if kind == "depth":
                payload = {**payload, "bids": payload["bids"][:3], "asks": payload["asks"][:3]}
            found.append((f"{each['method']} {each['path']}", kind, payload))
    return found


def markets(payloads: list[Any]) -> Mapping[Symbol, Instrument]:
    """Return a market for every symbol that the payloads name."""
    return instruments_of(
        "binance", payloads, ("symbol", "s"), lambda name: (Symbol(name), MarketKind.SPOT)
    )


def reader(kind: Ask | str, instruments: Mapping[Symbol, Instrument]) -> Callable[[bytes], object]:
    """Return what reads an answer of one kind."""
    codec = RestCodec(instruments)
    if isinstance(kind, Ask):
        asked = Asked(kind, Symbol("LTCBTC"))
        return lambda body: codec.outcome(asked, 200, body, AT)
    symbol = next(iter(instruments), Symbol("BTCUSDT"))
    named: dict[str, Callable[[bytes], object]] = {
        "account": account,
        "depth": lambda body: codec.depth(symbol, body, AT),
        "listing": exchange_info,
        "time": server_time,
    }
    return named[kind]


def user_reader(instruments: Mapping[Symbol, Instrument]) -> Callable[[bytes], object]:
    """Return what reads an event of the user stream."""

    def read(frame: bytes) -> object:
        return UserSession(Credentials("K" * 64, "S" * 64), instruments).receive(frame, AT)

    return read


def cases(shared_data: Path) -> Iterator[Case]:
    """Yield every recorded payload that we read."""
    samples = spot_samples(shared_data)
    answers = recorded_answers(shared_data)
    found = markets([*samples.values(), *(payload for _, _, payload in answers)])
    for name, kind in REST.items():
        payload = samples[f"http_json/{name}"]
        yield Case(name, payload, reader(kind, found), ENUMS)
    for name, kind, payload in answers:
        yield Case(name, payload, reader(kind, found), ENUMS)
    for name, payload in samples.items():
        if name.startswith("user_data_json/"):
            wrapped = payload if "event" in payload else {"subscriptionId": 0, "event": payload}
            yield Case(name, wrapped, user_reader(found), ENUMS)
