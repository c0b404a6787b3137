"""Every recorded payload goes through the decoder it belongs to, and nothing of it is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from obiterm.core.events import CandleClosed, DepthChanged, FundingChanged, OrderReported
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, OrderKind, OrderState, Side, Symbol
from obiterm.venues.backpack import (
    Ask,
    Asked,
    ClientIds,
    MarketSession,
    RestCodec,
    UserSession,
    capital,
    markets,
)
from tests.unit.venues_backpack.payloads import AT, body, credentials, frame

SYMBOLS = ("SOL_USDC", "SOL_USD", "SOL_USDC_PERP", "USDT_USDC", "WIF_USDC", "AAVE_USDC_PERP")


def made(symbol: str) -> Instrument:
    base, quote = symbol.split("_")[:2]
    fine = symbol in ("USDT_USDC", "WIF_USDC")
    return Instrument(
        venue="backpack",
        symbol=Symbol(symbol),
        kind=MarketKind.PERP if symbol.endswith("_PERP") else MarketKind.SPOT,
        base=base,
        quote=quote,
        tick_size=Decimal("0.0001" if fine else "0.01"),
        lot_size=Decimal("0.1" if fine else "0.001"),
    )


INSTRUMENTS = {Symbol(symbol): made(symbol) for symbol in SYMBOLS}


def codec() -> RestCodec:
    return RestCodec(INSTRUMENTS, ClientIds())


def streamed(name: str, data: dict[str, Any]) -> Any:
    session = MarketSession(INSTRUMENTS, intervals=("1m",))
    (event,) = session.receive(frame(name, data), AT)
    return event


def levels(told: list[list[str]], unit: str = "0.01") -> list[tuple[int, int]]:
    pairs = [(int(Decimal(p) / Decimal(unit)), int(Decimal(q) * 1000)) for p, q in told]
    return sorted(pair for pair in pairs if pair[1])


def check_mark(told: dict[str, Any]) -> None:
    event = streamed(f"markPrice.{told['s']}", told)
    assert isinstance(event, FundingChanged)
    assert abs(event.mark_ticks - Decimal(told["p"]) * 100) <= Decimal("0.5")
    assert event.rate == Decimal(told["f"])
    assert event.next_funding_ns == told["n"] * 10**6
    assert event.event_ns == told["T"] * 1000


def check_candle(told: dict[str, Any]) -> None:
    event = streamed(f"kline.1m.{told['s']}", told | {"X": True})
    assert isinstance(event, CandleClosed)
    assert (event.open_ticks, event.close_ticks) == (1875, 1925)
    assert (event.high_ticks, event.low_ticks, event.lots) == (1980, 1850, 32_123_000)


def check_depth(told: dict[str, Any]) -> None:
    book = codec().depth(Symbol("SOL_USDC"), body(told), AT)
    assert book.last_id == int(told["lastUpdateId"])
    assert book.asks == levels(told["asks"])
    assert book.bids == levels(told["bids"])[::-1]
    assert book.event_ns == told["timestamp"] * 1000


def check_market(told: dict[str, Any]) -> None:
    market = markets(body([told])).markets[Symbol(told["symbol"])]
    filters = told["filters"]
    assert market.instrument.tick_size == Decimal(filters["price"]["tickSize"])
    assert market.instrument.lot_size == Decimal(filters["quantity"]["stepSize"])
    assert (market.status, market.visible) == (told["orderBookState"], told["visible"])
    assert market.is_trading == (told["orderBookState"] == "Open" and told["visible"])
    assert market.instrument.base == told["baseSymbol"]


def check_update(told: dict[str, Any]) -> None:
    data = told.get("data", told)
    user = UserSession(credentials(), INSTRUMENTS, ClientIds())
    _, report = user.receive(frame("account.orderUpdate", data), AT)
    assert isinstance(report, OrderReported)
    instrument = INSTRUMENTS[Symbol(data["s"])]
    states = {"TriggerPending": OrderState.OPEN, "New": OrderState.OPEN}
    assert report.state is states.get(data["X"], OrderState.CANCELLED)
    assert report.side is (Side.BUY if data["S"] == "Bid" else Side.SELL)
    assert report.venue_id == data["i"]
    assert instrument.price(report.price_ticks) == Decimal(data.get("p", "0"))
    assert instrument.price(report.trigger_ticks) == Decimal(data.get("P", "0"))
    size = data.get("Y", data["q"])
    assert instrument.quantity(report.lots) == Decimal("0" if "%" in size else size)
    is_stop = "P" in data and data["o"] == "MARKET"
    assert report.kind is (OrderKind.STOP_MARKET if is_stop else OrderKind.LIMIT)
    assert report.event_ns == data["T"] * 1000


def check_order(told: dict[str, Any]) -> None:
    asked = Asked(Ask.QUERY, Symbol(told["symbol"]))
    (report,) = codec().outcome(asked, 200, body(told), AT).events
    assert isinstance(report, OrderReported)
    assert (report.price_ticks, report.lots, report.filled_lots) == (10_077, 200, 0)
    assert report.venue_id == told["id"]
    assert report.event_ns % 10**6 == 0
    assert report.event_ns > 1_788_000_000 * 10**9


def check_fill(told: dict[str, Any]) -> None:
    (fill,) = codec().outcome(Asked(Ask.FILLS), 200, body([told]), AT).events
    assert fill.trade_id == told["tradeId"]  # type: ignore[union-attr]
    assert fill.event_ns == 1_788_285_244_094 * 10**6  # type: ignore[union-attr]


def check_balances(told: dict[str, Any]) -> None:
    assert capital(body(told)) == {
        asset: (Decimal(row["available"]), Decimal(row["locked"])) for asset, row in told.items()
    }


def check_klines(told: dict[str, Any]) -> None:
    (candle,) = codec().candles(Symbol("SOL_USDC"), 60, body([told]), 2**62)
    assert (candle.open_ticks, candle.low_ticks, candle.lots) == (10_113, 10_110, 440)
    assert candle.open_ns == 1_788_283_380 * 10**9


def check_depth_frame(told: dict[str, Any]) -> None:
    event = streamed(told["stream"], told["data"])
    assert isinstance(event, DepthChanged)
    data = told["data"]
    assert (event.first_id, event.last_id) == (data["U"], data["u"])
    assert event.bids == [(9890, 1000), (9895, 2000)]
    assert event.asks == [(9897, 22_390), (9899, 0)]


def check_marks(told: list[dict[str, Any]]) -> None:
    (mark,) = codec().marks(body(told), AT)
    assert (mark.symbol, mark.mark_ticks) == ("AAVE_USDC_PERP", 28_578)
    assert mark.rate == Decimal("0.0000125")


def check_rfq(told: dict[str, Any]) -> None:
    user = UserSession(credentials(), INSTRUMENTS, ClientIds())
    assert user.receive(frame("account.rfqUpdate", told), AT) == []
    assert user.ignored == 1


def kind_of(told: Any) -> str:
    if isinstance(told, list):
        return "marks"
    if "stream" in told:
        return "depth frame" if told["stream"].startswith("depth") else "update"
    event = told.get("e", "")
    if event:
        return {"markPrice": "mark", "kline": "candle", "rfqActive": "rfq"}.get(event, "update")
    for field, kind in (
        ("lastUpdateId", "depth"), ("marketType", "market"), ("orderType", "order"),
        ("feeSymbol", "fill"), ("quoteVolume", "klines"),
    ):  # fmt: skip
        if field in told:
            return kind
    return "balances"


CHECKS: dict[str, Callable[[Any], None]] = {
    "marks": check_marks,
    "depth frame": check_depth_frame,
    "update": check_update,
    "mark": check_mark,
    "candle": check_candle,
    "rfq": check_rfq,
    "depth": check_depth,
    "market": check_market,
    "order": check_order,
    "fill": check_fill,
    "klines": check_klines,
    "balances": check_balances,
}


@pytest.fixture
def recorded(shared_data: Path) -> list[Any]:
    told = json.loads((shared_data / "payloads" / "backpack_samples.json").read_text())
    return [each["payload"] for each in told]


def test_recorded_payloads_decode_without_loss(recorded: list[Any]) -> None:
    assert len(recorded) == 22
    assert {kind_of(told) for told in recorded} == set(CHECKS)
    for told in recorded:
        CHECKS[kind_of(told)](told)


def strange(told: Any) -> Any:
    """Return a payload with unknown fields at every depth."""
    if isinstance(told, dict):
        return {**{name: strange(value) for name, value in told.items()}, "newField": [{"x": 1}]}
    if isinstance(told, list) and told and isinstance(told[0], dict):
        return [strange(each) for each in told]
    return told


def test_fields_of_next_year_change_nothing(recorded: list[Any]) -> None:
    for told in recorded:
        kind = kind_of(told)
        if kind != "balances":  # an unknown field there is an unknown asset
            CHECKS[kind](strange(told))
