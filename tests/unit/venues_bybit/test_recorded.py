"""Payloads recorded from the venue decode without loss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from obiterm.core.events import (
    CandleClosed,
    DepthSnapshotted,
    Filled,
    FundingChanged,
    OrderReported,
    PositionReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, OrderKind, OrderState, Symbol
from obiterm.venues.bybit import (
    Ask,
    Asked,
    Category,
    MarketSession,
    RestCodec,
    TradeSession,
    UserSession,
    account_info,
    fee_rate,
    funding_history,
    instruments_info,
)
from obiterm.venues.bybit.listing import BASE_FEES
from obiterm.venues.bybit.messages import (
    CoinRow,
    ExecutionRow,
    OrderRow,
    PositionRow,
    WalletRow,
    lenient,
)
from obiterm.venues.bybit.reference_messages import MarketRow, TickerRow
from obiterm.venues.bybit.symbols import symbol_of
from tests.unit.venues_bybit.payloads import AT, KEY, NOW_MS, NOW_NS, recorded

pytestmark = pytest.mark.captures


@pytest.fixture
def samples(shared_data: Path) -> dict[str, Any]:
    return recorded(shared_data)


def instrument(
    name: str, category: Category, tick: str = "0.0001", lot: str = "0.001"
) -> Instrument:
    return Instrument(
        venue="bybit",
        symbol=symbol_of(category, name),
        kind=category.kind,
        base=name.removesuffix("USDT"),
        quote="USDT",
        tick_size=Decimal(tick),
        lot_size=Decimal(lot),
        settle="USDT" if category is Category.LINEAR else "",
    )


NAMES = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "LTCUSDT", "APEXUSDT", "ICPUSDT")
ALL = {
    each.symbol: each
    for each in (instrument(name, category) for name in NAMES for category in Category)
}

ROWS: dict[str, type[msgspec.Struct]] = {
    "http_get_order_": OrderRow,
    "http_get_orders_": OrderRow,
    "http_get_executions": ExecutionRow,
    "http_get_positions": PositionRow,
    "http_get_instruments_linear": MarketRow,
    "http_get_instruments_spot": MarketRow,
    "http_get_wallet": WalletRow,
    "ws_account_order": OrderRow,
    "ws_account_execution": ExecutionRow,
    "ws_account_position": PositionRow,
    "ws_account_wallet": WalletRow,
    "ws_ticker": TickerRow,
}


def rows_of(samples: dict[str, Any]) -> Iterator[tuple[str, type[msgspec.Struct], dict[str, Any]]]:
    for name, message in samples.items():
        kind = next((kind for start, kind in ROWS.items() if name.startswith(start)), None)
        if kind is None:
            continue
        rows = message.get("result", {}).get("list") or message.get("data") or [message]
        for row in rows if isinstance(rows, list) else [rows]:
            if row.get("topic") is None:
                yield name, kind, row


def assert_kept(row: dict[str, Any], told: msgspec.Struct) -> int:
    """Every field that we read stands in the message as it was written."""
    kept = 0
    for field in msgspec.structs.fields(told):
        if field.encode_name not in row:
            continue
        wanted, value = row[field.encode_name], getattr(told, field.name)
        if isinstance(value, msgspec.Struct):
            kept += assert_kept(wanted, value)
        elif isinstance(value, list) and value and isinstance(value[0], msgspec.Struct):
            kept += sum(assert_kept(*pair) for pair in zip(wanted, value, strict=True))
        else:
            assert value == wanted, field.encode_name
            kept += 1
    return kept


def test_every_row_keeps_what_was_written(samples: dict[str, Any]) -> None:
    seen: dict[type, int] = {}
    for name, kind, row in rows_of(samples):
        told = lenient(kind).decode(json.dumps(row))
        assert assert_kept(row, told) > 5, name
        seen[kind] = seen.get(kind, 0) + 1
    assert seen[OrderRow] >= 16
    assert seen[ExecutionRow] == 5
    assert seen[PositionRow] >= 6
    assert seen[WalletRow] == 6
    assert seen[MarketRow] == 6
    assert seen[TickerRow] == 2


def test_unknown_fields_and_values_never_break_decoding(samples: dict[str, Any]) -> None:
    """Every text of a row may become any other text, every field may be joined by a new one."""
    for name, kind, row in rows_of(samples):
        if kind in (MarketRow, TickerRow, CoinRow):
            continue
        for field, value in row.items():
            if isinstance(value, str) and not value.replace(".", "").isdigit():
                changed = {**row, field: "NewIn2027", "newField": [{"x": None}]}
                assert lenient(kind).decode(json.dumps(changed)) is not None, (name, field)


def test_recorded_orders_and_executions(samples: dict[str, Any]) -> None:
    session = UserSession(KEY, ALL)
    told: dict[str, list[Any]] = {}
    for name, message in samples.items():
        if name.startswith("ws_account_") and "topic" in message:
            told[name] = session.receive(json.dumps(message), AT)
    stops = [name for name in told if "stop" in name or "touched" in name or "profit" in name]
    for name in stops:
        [event] = told[name]
        assert isinstance(event, OrderReported)
        assert event.trigger_ticks > 0, name
        is_limit = name.endswith(("stop_limit.json", "limit_if_touched.json"))
        assert event.kind is (OrderKind.LIMIT if is_limit else OrderKind.STOP_MARKET), name
    [part] = told["ws_account_order_partially_filled_rejected.json"]
    assert part.state is OrderState.CANCELLED, "the filled part stays"
    assert part.filled_lots == 50_000
    [fill] = told["ws_account_execution.json"]
    [adl] = told["ws_account_execution_adl.json"]
    assert isinstance(fill, Filled)
    assert isinstance(adl, Filled)
    assert (fill.fee, adl.fee) == (Decimal("26.3725275"), Decimal(0))
    assert told["ws_account_execution_fast.json"] == []
    [short] = told["ws_account_position_short.json"] or told["ws_account_position.json"]
    assert isinstance(short, PositionReported)
    assert short.lots == -10
    assert told["ws_account_wallet_locked_exceeds_total.json"][0].free == 0


def test_recorded_rest_replies(samples: dict[str, Any]) -> None:
    codec = RestCodec(ALL)
    body = {name: json.dumps(message).encode() for name, message in samples.items()}
    open_orders = Asked(Ask.OPEN_ORDERS, category=Category.LINEAR)
    told = codec.outcome(open_orders, 200, body["http_get_orders_realtime_tp_sl.json"], AT)
    assert [order.kind for order in told.open_orders] == [OrderKind.STOP_MARKET, OrderKind.LIMIT]
    executions = Asked(Ask.EXECUTIONS, category=Category.LINEAR)
    fills = codec.outcome(executions, 200, body["http_get_executions.json"], AT).events
    assert [type(each) for each in fills] == [Filled, Filled]
    positions = codec.positions(200, body["http_get_positions.json"], AT)
    assert [each.lots for each in positions.positions] == [500, -5000, 0]
    assert positions.hedged == frozenset()
    for name in body:
        if name.startswith("http_get_wallet"):
            assert codec.wallet(200, body[name], AT).balances
    assert codec.depth(Symbol("BTCUSDT"), 200, body["http_get_orderbook.json"], AT).bids
    [candle] = codec.candles(
        Symbol("BTCUSDT"), 60, 200, body["http_get_klines_linear.json"], AT * 2
    )
    assert isinstance(candle, CandleClosed)
    assert codec.recent_trades(Symbol("BTCUSDT"), 200, body["http_get_trades_recent.json"], AT)
    assert len(funding_history(200, body["http_get_funding_history.json"])) == 2
    assert account_info(200, body["http_get_account_info.json"]).is_unified
    fees = fee_rate(
        200, body["http_get_fee_rate.json"], Symbol("BTCUSDT"), BASE_FEES[Category.LINEAR]
    )
    assert fees.taker == Decimal("0.0006")


def test_recorded_markets(samples: dict[str, Any]) -> None:
    for name, message in samples.items():
        if not name.startswith(("http_get_instruments_linear", "http_get_instruments_spot")):
            continue
        category = Category.LINEAR if "linear" in name else Category.SPOT
        listing = instruments_info(category, 200, json.dumps(message).encode())
        assert len(listing.markets) == len(message["result"]["list"])
        for symbol, market in listing.markets.items():
            told = market.instrument
            assert told.symbol == symbol
            assert told.min_lots <= told.market_max_lots <= told.max_lots
            assert told.min_notional > 0
            if category is Category.LINEAR:
                assert told.kind is MarketKind.PERP
                assert told.funding_interval_s == 28_800


def test_recorded_streams(samples: dict[str, Any]) -> None:
    btc = instrument("BTCUSDT", Category.LINEAR, "0.01")
    session = MarketSession(Category.LINEAR, {btc.symbol: btc}, candles_s=(300,))
    [told] = session.receive(json.dumps(samples["ws_ticker_linear.json"]), AT)
    assert isinstance(told, FundingChanged)
    assert (told.mark_ticks, told.rate) == (1_721_733, Decimal("-0.000212"))
    assert session.receive(json.dumps(samples["ws_kline.json"]), AT) == []
    book = json.loads(
        json.dumps(samples["ws_orderbook_snapshot.json"]).replace("book.1.", "book.50.")
    )
    [snapshot] = session.receive(json.dumps(book), AT)
    assert isinstance(snapshot, DepthSnapshotted)
    assert len(snapshot.bids) == len(snapshot.asks) == 2
    for name in ("ws_ticker_option.json", "ws_public_trade.json", "ws_orderbook_delta.json"):
        assert session.receive(json.dumps(samples[name]), AT) == []
    assert session.ignored == 3


def test_recorded_answers(samples: dict[str, Any]) -> None:
    session = UserSession(KEY, ALL)
    session.logon_frames(NOW_MS, NOW_NS)
    session.receive(json.dumps(samples["ws_auth_success.json"]), AT)
    assert session.to_send(NOW_NS)
    session.receive(json.dumps(samples["ws_auth_failure.json"]), AT)
    assert session.stopped is not None
    trade = TradeSession(KEY, ALL)
    assert trade.receive(json.dumps(samples["ws_order_response.json"]), AT) == []
    market = MarketSession(Category.LINEAR, {})
    for name in ("ws_subscription_ack.json", "ws_subscription_failure.json"):
        assert market.receive(json.dumps(samples[name]), AT) == []
