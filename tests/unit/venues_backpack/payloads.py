"""Messages of the venue and what they should become, shared by the tests of this room."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    MarketKind,
    OrderKind,
    OrderRole,
    Side,
    Symbol,
    TimeInForce,
)
from obiterm.venues.backpack import ClientIds, Credentials, RestCodec, UserSession

SEED_BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
API_KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
NOW_MS = 1_750_793_021_519
AT = NOW_MS * NS_PER_MS

SOL = Symbol("SOL_USDC")
SOL_PERP = Symbol("SOL_USDC_PERP")
ETH = Symbol("ETH_USDC")
MINE = ClientOrderId("ob-swsf9tk3-7e-surf-entry")

SPOT = Instrument(
    venue="backpack",
    symbol=SOL,
    kind=MarketKind.SPOT,
    base="SOL",
    quote="USDC",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.01"),
)
PERP = Instrument(
    venue="backpack",
    symbol=SOL_PERP,
    kind=MarketKind.PERP,
    base="SOL",
    quote="USDC",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.01"),
    settle="USDC",
    max_leverage=Decimal(50),
    maintenance_margin=Decimal("0.0125"),
    funding_interval_s=3600,
)
ETH_SPOT = Instrument(
    venue="backpack",
    symbol=ETH,
    kind=MarketKind.SPOT,
    base="ETH",
    quote="USDC",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.0001"),
)
ETH_PERP = Instrument(
    venue="backpack",
    symbol=Symbol("ETH_USDC_PERP"),
    kind=MarketKind.PERP,
    base="ETH",
    quote="USDC",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.0001"),
    settle="USDC",
)
INSTRUMENTS = {each.symbol: each for each in (SPOT, PERP, ETH_SPOT, ETH_PERP)}


def credentials() -> Credentials:
    return Credentials(API_KEY, SEED_BASE64)


def approved(
    *,
    client_id: str = MINE,
    symbol: Symbol = SOL_PERP,
    side: Side = Side.BUY,
    kind: OrderKind = OrderKind.LIMIT,
    lots: int = 50,
    role: OrderRole = OrderRole.ENTRY,
    price_ticks: int = 0,
    trigger_ticks: int = 0,
    post_only: bool = False,
    reduce_only: bool = False,
    time_in_force: TimeInForce = TimeInForce.GTC,
) -> ApprovedOrder:
    intent = OrderIntent(
        client_id=ClientOrderId(client_id),
        symbol=symbol,
        side=side,
        kind=kind,
        lots=lots,
        role=role,
        owner="surf",
        price_ticks=price_ticks,
        trigger_ticks=trigger_ticks,
        post_only=post_only,
        reduce_only=reduce_only,
        time_in_force=time_in_force,
    )
    return ApprovedOrder(intent, 1)


def codec(ids: ClientIds | None = None) -> RestCodec:
    return RestCodec(INSTRUMENTS, ids or ClientIds())


def session(ids: ClientIds | None = None) -> UserSession:
    return UserSession(credentials(), INSTRUMENTS, ids or ClientIds())


def frame(stream: str, data: dict[str, Any]) -> bytes:
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()


def body(told: object) -> bytes:
    return json.dumps(told).encode()


def refusal(code: str, message: str) -> bytes:
    return body({"code": code, "message": message})


def order_row(**changes: Any) -> dict[str, Any]:
    """A resting limit order as REST tells it (§7.5), with changes."""
    told: dict[str, Any] = {
        "id": "4228978331", "clientId": None, "orderType": "Limit", "symbol": SOL_PERP,
        "side": "Bid", "status": "New", "timeInForce": "GTC", "price": "141.25",
        "quantity": "0.5", "executedQuantity": "0", "executedQuoteQuantity": "0",
        "postOnly": True, "reduceOnly": None, "selfTradePrevention": "RejectTaker",
        "createdAt": 1753626206762, "triggerPrice": None, "triggerQuantity": None,
        "triggeredAt": None,
    }  # fmt: skip
    return told | changes


def order_update(**changes: Any) -> bytes:
    """An accepted limit order as the stream tells it (§8.4), with changes."""
    told: dict[str, Any] = {
        "e": "orderAccepted", "E": 1754939110175843, "T": 1754939110174703, "s": SOL_PERP,
        "i": "5406825793", "S": "Bid", "o": "LIMIT", "f": "GTC", "X": "New", "q": "0.5",
        "p": "141.25", "z": "0", "Z": "0", "V": "RejectTaker", "r": False, "O": "USER", "t": None,
    }  # fmt: skip
    return frame("account.orderUpdate", told | changes)
