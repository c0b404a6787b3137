"""Messages of the venue and what they should become, shared by the tests of this room."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from obiterm.core.events import (
    OrderReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    MarketKind,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
    VenueOrderId,
)

NOW_MS = 1_765_324_800_000
NOW_NS = 1_000_000
AT = NOW_MS * NS_PER_MS
ETH = Symbol("ETHBTC")
MINE = ClientOrderId("mUvoqJxFIILMdfAW5iGSOW")
INSTRUMENT = Instrument(
    venue="binance",
    symbol=ETH,
    kind=MarketKind.SPOT,
    base="ETH",
    quote="BTC",
    tick_size=Decimal("0.00001"),
    lot_size=Decimal("0.0001"),
)

ORDER = ApprovedOrder(
    OrderIntent(
        client_id=MINE,
        symbol=ETH,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        lots=10_000,
        role=OrderRole.ENTRY,
        owner="surf",
        price_ticks=10_264,
    ),
    1,
)


def ok(request_id: int, result: object) -> bytes:
    return json.dumps({"id": request_id, "status": 200, "result": result}).encode()


def error(request_id: int | None, status: int, code: int, msg: str, data: object = None) -> bytes:
    told: dict[str, Any] = {"code": code, "msg": msg}
    if data is not None:
        told["data"] = data
    return json.dumps({"id": request_id, "status": status, "error": told}).encode()


def event(payload: dict[str, Any]) -> bytes:
    return json.dumps({"subscriptionId": 0, "event": payload}).encode()


def report(**changes: object) -> bytes:
    """The documentation's executionReport (binance.md §7) with changes."""
    told = {
        "e": "executionReport", "E": 1499405658658, "s": "ETHBTC", "c": MINE, "S": "BUY",
        "o": "LIMIT", "f": "GTC", "q": "1.00000000", "p": "0.10264000", "P": "0.00000000",
        "F": "0.00000000", "g": -1, "C": "", "x": "NEW", "X": "NEW", "r": "NONE", "i": 4293153,
        "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0", "N": None,
        "T": 1499405658657, "t": -1, "I": 8641984, "w": True, "m": False, "M": False,
        "O": 1499405658657, "Z": "0.00000000", "Y": "0.00000000", "Q": "0.00000000",
        "W": 1499405658657, "V": "NONE",
    }  # fmt: skip
    return event({**told, **changes})


def order_reply(**changes: object) -> dict[str, object]:
    told = {
        "symbol": "ETHBTC", "orderId": 28, "orderListId": -1, "clientOrderId": MINE,
        "transactTime": 1507725176595, "price": "0.10264", "origQty": "1.0", "executedQty": "0.0",
        "cummulativeQuoteQty": "0.0", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT",
        "side": "BUY", "workingTime": 1507725176595, "selfTradePreventionMode": "EXPIRE_TAKER",
    }  # fmt: skip
    return {**told, **changes}


def reported(state: OrderState, **changes: Any) -> OrderReported:
    told: dict[str, Any] = {
        "symbol": ETH,
        "client_id": MINE,
        "venue_id": VenueOrderId("28"),
        "state": state,
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "lots": 10_000,
        "filled_lots": 0,
        "price_ticks": 10_264,
        "trigger_ticks": 0,
        "event_ns": 1507725176595 * NS_PER_MS,
        "received_ns": AT,
    }
    return OrderReported(**{**told, **changes})
