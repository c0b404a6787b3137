"""Recorded payloads of Backpack, each with the decoder it belongs to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from obiterm.core.values import MarketKind, Symbol
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
from tests.unit.venues_backpack.payloads import credentials
from tests.unit.venues_common.later_payloads import AT, Case, instruments_of

ENUMS = frozenset(
    {
        "marketType", "rwaMarketType", "orderBookState", "orderType", "status", "timeInForce",
        "selfTradePrevention", "expiryReason", "systemOrderType", "triggerBy", "e", "o", "f",
        "X", "V", "O", "R", "B", "type",
    }
)  # fmt: skip
"""``side`` is not among them: an order whose side is neither has no meaning."""
SOL = Symbol("SOL_USDC")


def cases(shared_data: Path) -> Iterator[Case]:
    """Yield every recorded payload."""
    told = json.loads((shared_data / "payloads" / "backpack_samples.json").read_text())
    payloads = [each["payload"] for each in told]
    found = instruments_of("backpack", payloads, ("symbol", "s"), _market)
    for number, payload in enumerate(payloads):
        name, wrapped, read = _kind(payload, found)
        # A new key in the answer about balances is a new asset.
        maps: frozenset[tuple[Any, ...]] = frozenset({()} if name == "balances" else ())
        enums = ENUMS if name in ("update", "order", "market", "rfq", "fill") else frozenset({"e"})
        yield Case(f"{number} {name}", wrapped, read, enums, maps)


def _market(name: str) -> tuple[Symbol, MarketKind]:
    return Symbol(name), MarketKind.PERP if name.endswith("_PERP") else MarketKind.SPOT


def _kind(told: Any, found: Any) -> tuple[str, Any, Callable[[bytes], object]]:
    codec = RestCodec(found, ClientIds())

    def user(frame: bytes) -> object:
        return UserSession(credentials(), found, ClientIds()).receive(frame, AT)

    def market(frame: bytes) -> object:
        return MarketSession(found, intervals=("1m",)).receive(frame, AT)

    if isinstance(told, list):
        return "marks", told, lambda body: codec.marks(body, AT)
    if "stream" in told:
        is_market = told["stream"].startswith("depth")
        return ("depth frame", told, market) if is_market else ("update", told, user)
    event = told.get("e", "")
    if event == "markPrice":
        return "mark", {"stream": f"markPrice.{told['s']}", "data": told}, market
    if event == "kline":
        closed = told | {"X": True}
        return "candle", {"stream": f"kline.1m.{told['s']}", "data": closed}, market
    if event == "rfqActive":
        return "rfq", {"stream": "account.rfqUpdate", "data": told}, user
    if event:
        return "update", {"stream": "account.orderUpdate", "data": told}, user
    if "lastUpdateId" in told:
        return "depth", told, lambda body: codec.depth(SOL, body, AT)
    if "marketType" in told:
        return "market", [told], markets
    if "orderType" in told:
        asked = Asked(Ask.QUERY, Symbol(told["symbol"]))
        return "order", told, lambda body: codec.outcome(asked, 200, body, AT)
    if "feeSymbol" in told:
        return "fill", [told], lambda body: codec.outcome(Asked(Ask.FILLS), 200, body, AT)
    if "quoteVolume" in told:
        return "candles", [told], lambda body: codec.candles(SOL, 60, body, AT)
    return "balances", told, capital
