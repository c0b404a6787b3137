"""Recorded and published payloads of Binance spot decode without loss."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from obiterm.core.events import BalanceChanged, Filled, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder
from obiterm.core.values import NS_PER_MS, OrderKind, OrderState, Side
from obiterm.venues.binance import AccountState, Ask, Outcome
from tests.unit.venues_binance.later_cases import (
    HTTP,
    REST,
    markets,
    reader,
    recorded_answers,
    spot_samples,
    user_reader,
)
from tests.unit.venues_common.later_payloads import written

pytestmark = pytest.mark.captures

STATES = {
    "NEW": OrderState.OPEN,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "EXPIRED": OrderState.EXPIRED,
}
UNREAD = {
    "avg_price_response", "book_ticker_response", "klines_response", "ping_response",
    "ticker_24hr_response", "ticker_price_response", "trades_response",
}  # fmt: skip
"""Samples of calls that obiterm does not make."""


@pytest.fixture
def samples(shared_data: Path) -> dict[str, Any]:
    return spot_samples(shared_data)


def assert_order_kept(told: dict[str, Any], order: OrderReported | LiveOrder) -> None:
    """Every number of an order stands in what was read; only the kinds of orders are fewer."""
    [market] = markets([told]).values()
    assert order.symbol == told["symbol"]
    assert order.venue_id == str(told["orderId"])
    assert order.client_id == told.get("origClientOrderId", told["clientOrderId"])
    assert order.side is Side(told["side"])
    assert market.price(order.price_ticks) == Decimal(told["price"])
    assert market.price(order.trigger_ticks) == Decimal(told.get("stopPrice", "0"))
    assert market.quantity(order.lots) == Decimal(told["origQty"])
    assert market.quantity(order.filled_lots) == Decimal(told["executedQty"])
    if isinstance(order, OrderReported):
        assert order.state is STATES[told["status"]]
        at_ms = told.get("transactTime") or told["updateTime"]
        assert order.event_ns == at_ms * NS_PER_MS
    else:
        assert order.created_ns == told["time"] * NS_PER_MS


def assert_answer_kept(kind: Ask | str, payload: Any) -> None:
    if kind in ("depth", "listing", "time"):
        return  # test_rest_codec.py
    read = reader(kind, markets([payload]))(written(payload))
    if kind == "account":
        assert isinstance(read, AccountState)
        assert read.balances == [
            (row["asset"], Decimal(row["free"]), Decimal(row["locked"]))
            for row in payload["balances"]
        ]
        return
    assert isinstance(read, Outcome)
    if kind is Ask.TRADES:
        assert_trades_kept(payload, read)
    elif kind is Ask.OPEN_ORDERS:
        for told, order in zip(payload, read.open_orders, strict=True):
            assert_order_kept(told, order)
    else:
        rows = payload if isinstance(payload, list) else [payload]
        legs = [leg for row in rows for leg in row.get("orderReports", [row])]
        reports = [event for event in read.events if isinstance(event, OrderReported)]
        for told, report in zip(legs, reports, strict=True):
            assert_order_kept(told, report)
        if kind is Ask.PLACE:
            assert_fills_kept(payload, read)


def assert_trades_kept(payload: list[dict[str, Any]], read: Outcome) -> None:
    [market] = markets(payload).values()
    for told, fill in zip(payload, read.events, strict=True):
        assert isinstance(fill, Filled)
        assert (fill.trade_id, fill.venue_id) == (told["id"], str(told["orderId"]))
        assert market.price(fill.price_ticks) == Decimal(told["price"])
        assert market.quantity(fill.lots) == Decimal(told["qty"])
        assert (fill.fee, fill.fee_asset) == (Decimal(told["commission"]), told["commissionAsset"])
        assert fill.side is (Side.BUY if told["isBuyer"] else Side.SELL)
        assert fill.is_maker is told["isMaker"]
        assert fill.event_ns == told["time"] * NS_PER_MS


def assert_fills_kept(payload: dict[str, Any], read: Outcome) -> None:
    [market] = markets([payload]).values()
    fills = [event for event in read.events if isinstance(event, Filled)]
    for told, fill in zip(payload["fills"], fills, strict=True):
        assert fill.trade_id == told["tradeId"]
        assert market.price(fill.price_ticks) == Decimal(told["price"])
        assert market.quantity(fill.lots) == Decimal(told["qty"])
        assert (fill.fee, fill.fee_asset) == (Decimal(told["commission"]), told["commissionAsset"])


def test_published_answers(samples: dict[str, Any]) -> None:
    names = {name.removeprefix("http_json/") for name in samples if name.startswith("http_json/")}
    assert names == REST.keys() | UNREAD
    for name, kind in REST.items():
        assert_answer_kept(kind, samples[f"http_json/{name}"])


def test_recorded_answers(shared_data: Path) -> None:
    answers = recorded_answers(shared_data)
    assert {kind for _, kind, _ in answers} == set(HTTP.values())
    for _, kind, payload in answers:
        assert_answer_kept(kind, payload)


def test_published_user_events(samples: dict[str, Any]) -> None:
    told = {name: each for name, each in samples.items() if name.startswith("user_data_json/")}
    assert len(told) == 11
    for payload in told.values():
        event = payload.get("event", payload)
        found = markets([event])
        read = user_reader(found)(written({"subscriptionId": 0, "event": event}))
        assert isinstance(read, list)
        if event["e"] == "executionReport":
            [market] = found.values()
            assert_report_kept(event, read, market)
        elif event["e"] == "outboundAccountPosition":
            assert read == [
                BalanceChanged(
                    row["a"], Decimal(row["f"]), Decimal(row["l"]),
                    event["u"] * NS_PER_MS, read[0].received_ns,
                )
                for row in event["B"]
            ]  # fmt: skip
        else:
            assert read == [], "balances come by outboundAccountPosition, lists by their orders"


def assert_report_kept(told: dict[str, Any], read: list[Any], market: Instrument) -> None:
    *fills, report = read
    assert isinstance(report, OrderReported)
    assert (report.client_id, report.venue_id) == (told["C"] or told["c"], str(told["i"]))
    assert (report.side, report.state) == (Side(told["S"]), STATES[told["X"]])
    assert report.kind is OrderKind.LIMIT
    assert market.price(report.price_ticks) == Decimal(told["p"])
    assert market.price(report.trigger_ticks) == Decimal(told["P"])
    assert market.quantity(report.lots) == Decimal(told["q"])
    assert market.quantity(report.filled_lots) == Decimal(told["z"])
    assert report.code == told.get("eR", "")
    assert report.event_ns == told["T"] * NS_PER_MS
    assert len(fills) == (told["x"] == "TRADE")
    for fill in fills:
        assert isinstance(fill, Filled)
        assert (fill.trade_id, fill.is_maker) == (told["t"], told["m"])
        assert market.price(fill.price_ticks) == Decimal(told["L"])
        assert market.quantity(fill.lots) == Decimal(told["l"])
        assert (fill.fee, fill.fee_asset) == (Decimal(told["n"]), told["N"])
