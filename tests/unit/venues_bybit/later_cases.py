"""Recorded payloads of Bybit, each with the decoder it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from obiterm.core.values import Symbol
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
from obiterm.venues.bybit.symbols import symbol_of
from tests.unit.venues_bybit.payloads import KEY, recorded
from tests.unit.venues_common.later_payloads import AT, Case, instruments_of

ENUMS = frozenset(
    {
        "accountType", "cancelType", "contractType", "createType", "execType", "marginMode",
        "marginTrading", "ocoTriggerBy", "orderStatus", "orderType", "placeType",
        "positionStatus", "rejectReason", "slTriggerBy", "smpType", "status", "stopOrderType",
        "symbolType", "timeInForce", "tpTriggerBy", "tpslMode", "triggerBy", "copyTrading",
        "dcpStatus", "tickDirection", "L",
    }
)  # fmt: skip
"""``side`` is not among them: an order whose side is neither has no meaning."""
LINEAR = Category.LINEAR
BTC = Symbol("BTCUSDT")


def cases(shared_data: Path) -> Iterator[Case]:
    """Yield every recorded payload of spot and linear perpetuals that we read."""
    samples = recorded(shared_data)
    names = [*samples.values()]
    markets: dict[Symbol, Any] = {}
    for category in Category:
        markets |= instruments_of(
            "bybit",
            names,
            ("symbol",),
            lambda name, category=category: (  # type: ignore[misc]
                symbol_of(category, name),
                category.kind,
            ),
        )
    readers = _rest_readers(markets)
    for file, payload in samples.items():
        name = file.removesuffix(".json")
        if name.startswith("ws_account_") or name in ("ws_auth_success", "ws_auth_failure"):
            yield Case(name, payload, _user_reader(markets), ENUMS)
        elif name == "ws_order_response":
            yield Case(name, payload, lambda frame: TradeSession(KEY, markets).receive(frame, AT))
        elif name.startswith("ws_"):
            yield Case(name, payload, _market_reader(markets), ENUMS)
        else:
            found = next((read for start, read in readers if name.startswith(start)), None)
            if found is not None:
                yield Case(name, payload, found, ENUMS)


def _rest_readers(markets: Any) -> list[tuple[str, Callable[[bytes], object]]]:
    def codec() -> RestCodec:
        return RestCodec(markets)

    def ask(what: Ask) -> Callable[[bytes], object]:
        return lambda body: codec().outcome(Asked(what, BTC, category=LINEAR), 200, body, AT)

    return [
        ("http_get_account_info", lambda body: account_info(200, body)),
        ("http_get_executions", ask(Ask.EXECUTIONS)),
        ("http_get_fee_rate", lambda body: fee_rate(200, body, BTC, BASE_FEES[LINEAR])),
        ("http_get_funding_history", lambda body: funding_history(200, body)),
        ("http_get_instruments_linear", lambda body: instruments_info(LINEAR, 200, body)),
        ("http_get_instruments_spot", lambda body: instruments_info(Category.SPOT, 200, body)),
        ("http_get_klines", lambda body: codec().candles(BTC, 60, 200, body, AT)),
        ("http_get_order_", ask(Ask.QUERY)),
        ("http_get_orderbook", lambda body: codec().depth(BTC, 200, body, AT)),
        ("http_get_orders", ask(Ask.OPEN_ORDERS)),
        ("http_get_positions", lambda body: codec().positions(200, body, AT)),
        ("http_get_trades", lambda body: codec().recent_trades(BTC, 200, body, AT)),
        ("http_get_wallet", lambda body: codec().wallet(200, body, AT)),
    ]


def _user_reader(markets: Any) -> Callable[[bytes], object]:
    return lambda frame: UserSession(KEY, markets).receive(frame, AT)


def _market_reader(markets: Any) -> Callable[[bytes], object]:
    linear = {name: each for name, each in markets.items() if not name.endswith(".SPOT")}
    return lambda frame: MarketSession(LINEAR, linear, candles_s=(300,)).receive(frame, AT)
