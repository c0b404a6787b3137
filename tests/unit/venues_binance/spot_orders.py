"""Orders of one market and one key, shared by the tests of this room."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import parse_qsl

from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import (
    ClientOrderId,
    MarketKind,
    OrderKind,
    OrderRole,
    Side,
    Symbol,
    TimeInForce,
)
from obiterm.venues.binance import Credentials

NOW_MS = 1_765_324_800_000
KEY = Credentials("K" * 64, "S" * 64)
SYMBOL = Symbol("BTCUSDT")
BTC = Instrument(
    venue="binance",
    symbol=SYMBOL,
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.00001"),
)
TINY = Instrument(
    venue="binance",
    symbol=Symbol("PEPEUSDT"),
    kind=MarketKind.SPOT,
    base="PEPE",
    quote="USDT",
    tick_size=Decimal("1E-8"),
    lot_size=Decimal("1"),
)


def approved(
    kind: OrderKind = OrderKind.LIMIT,
    *,
    symbol: Symbol = SYMBOL,
    side: Side = Side.BUY,
    lots: int = 123,
    price_ticks: int = 6_000_050,
    trigger_ticks: int = 0,
    post_only: bool = False,
    role: OrderRole = OrderRole.ENTRY,
    time_in_force: TimeInForce = TimeInForce.GTC,
) -> ApprovedOrder:
    intent = OrderIntent(
        client_id=ClientOrderId("r7-000001"),
        symbol=symbol,
        side=side,
        kind=kind,
        lots=lots,
        role=role,
        owner="surf",
        price_ticks=price_ticks,
        trigger_ticks=trigger_ticks,
        post_only=post_only,
        time_in_force=time_in_force,
    )
    return ApprovedOrder(intent, 1)


def sent_fields(request_body: bytes) -> dict[str, str]:
    return dict(parse_qsl(request_body.decode(), keep_blank_values=True))
