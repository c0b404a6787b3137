"""A perpetual, orders on it and messages of the venue, shared by the tests of this room."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

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
from obiterm.venues.binance import Credentials
from obiterm.venues.binance.futures import (
    ConditionalOrders,
    FuturesRequest,
    OrderPolicy,
    OrderRequests,
    Signer,
)

NOW_MS = 1_765_324_800_000
NOW_NS = 1_000_000
AT = NOW_MS * NS_PER_MS
KEY = Credentials("K" * 64, "S" * 64)
BTC = Symbol("BTCUSDT-PERP")
MINE = ClientOrderId("ob-r7-1e-surf-entry")
STOP = ClientOrderId("ob-r7-2s-surf-stop")


def perpetual(name: str, tick: str, lot: str, base: str = "BTC") -> Instrument:
    return Instrument(
        venue="binance-futures",
        symbol=Symbol(f"{name}-PERP"),
        kind=MarketKind.PERP,
        base=base,
        quote="USDT",
        tick_size=Decimal(tick),
        lot_size=Decimal(lot),
        settle="USDT",
    )


PERP = perpetual("BTCUSDT", "0.1", "0.001")
BNB = perpetual("BNBUSDT", "0.01", "0.01", "BNB")


def approved(
    kind: OrderKind = OrderKind.LIMIT,
    *,
    client_id: ClientOrderId = MINE,
    side: Side = Side.BUY,
    lots: int = 123,
    price_ticks: int = 600_005,
    trigger_ticks: int = 0,
    post_only: bool = False,
    reduce_only: bool = False,
    role: OrderRole = OrderRole.ENTRY,
    time_in_force: TimeInForce = TimeInForce.GTC,
) -> ApprovedOrder:
    intent = OrderIntent(
        client_id=client_id,
        symbol=BTC,
        side=side,
        kind=kind,
        lots=lots,
        role=role,
        owner="surf",
        price_ticks=price_ticks if kind is OrderKind.LIMIT else 0,
        trigger_ticks=trigger_ticks,
        post_only=post_only,
        reduce_only=reduce_only,
        time_in_force=time_in_force,
    )
    return ApprovedOrder(intent, 1)


def stop_order(**changes: Any) -> ApprovedOrder:
    """A protective stop that sells 0.123 at 59,000."""
    told: dict[str, Any] = {
        "client_id": STOP,
        "side": Side.SELL,
        "trigger_ticks": 590_000,
        "reduce_only": True,
        "role": OrderRole.STOP,
    }
    return approved(OrderKind.STOP_MARKET, **{**told, **changes})


def body(value: object) -> bytes:
    return json.dumps(value).encode()


def order_reply(**changes: object) -> dict[str, Any]:
    """The documentation's order (binance.md §10.1) with changes."""
    told: dict[str, Any] = {
        "clientOrderId": MINE, "cumQty": "0", "executedQty": "0", "orderId": 22542179,
        "origQty": "0.123", "price": "60000.5", "reduceOnly": False, "side": "BUY",
        "positionSide": "BOTH", "status": "NEW", "stopPrice": "0", "closePosition": False,
        "symbol": "BTCUSDT", "timeInForce": "GTC", "type": "LIMIT", "origType": "LIMIT",
        "updateTime": 1566818724722, "workingType": "CONTRACT_PRICE", "priceProtect": False,
        "priceMatch": "NONE", "selfTradePreventionMode": "NONE", "goodTillDate": 0,
    }  # fmt: skip
    return {**told, **changes}


def algo_reply(**changes: object) -> dict[str, Any]:
    """The documentation's placed conditional order (binance.md §10.4) with changes."""
    told: dict[str, Any] = {
        "algoId": 2146760, "clientAlgoId": STOP, "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET", "symbol": "BTCUSDT", "side": "SELL", "positionSide": "BOTH",
        "timeInForce": "GTC", "quantity": "0.123", "algoStatus": "NEW",
        "triggerPrice": "59000.0", "price": "0", "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER", "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE", "closePosition": False, "priceProtect": False, "reduceOnly": True,
        "activatePrice": "", "callbackRate": "", "createTime": 1750485492076,
        "updateTime": 1750485492076, "triggerTime": 0, "goodTillDate": 0,
    }  # fmt: skip
    return {**told, **changes}


def order_event(**changes: object) -> bytes:
    """The documentation's ORDER_TRADE_UPDATE (binance.md §11.3) with changes."""
    told: dict[str, Any] = {
        "s": "BTCUSDT", "c": MINE, "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.123",
        "p": "60000.5", "ap": "0", "sp": "0", "x": "NEW", "X": "NEW", "i": 22542179, "l": "0",
        "z": "0", "L": "0", "N": "USDT", "n": "0", "T": 1568879465650, "t": 0, "b": "0",
        "a": "0", "m": False, "R": False, "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH",
        "cp": False, "pP": False, "si": 0, "ss": 0, "rp": "0", "V": "EXPIRE_MAKER",
        "pm": "NONE", "gtd": 0, "er": "0",
    }  # fmt: skip
    event = {"e": "ORDER_TRADE_UPDATE", "E": 1568879465651, "T": 1568879465650}
    return body({**event, "o": {**told, **changes}})


def algo_event(**changes: object) -> bytes:
    """The documentation's ALGO_UPDATE (binance.md §11.3) as our stop, with changes."""
    told: dict[str, Any] = {
        "caid": STOP, "aid": 2146760, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": "BTCUSDT",
        "S": "SELL", "ps": "BOTH", "f": "GTC", "q": "0.123", "X": "NEW", "ai": "", "ap": "0.0",
        "aq": "0.00000", "act": "0", "tp": "59000", "p": "0", "V": "EXPIRE_MAKER",
        "wt": "CONTRACT_PRICE", "pm": "NONE", "cp": False, "pP": False, "R": True, "tt": 0,
        "gtd": 0, "rm": "Reduce Only reject", "ia": False,
    }  # fmt: skip
    event = {"e": "ALGO_UPDATE", "T": 1750515742297, "E": 1750515742303}
    return body({**event, "o": {**told, **changes}})


def requests(policy: OrderPolicy | None = None) -> OrderRequests:
    return OrderRequests(Signer(KEY), ConditionalOrders(), policy)


def sent_fields(query: bytes) -> dict[str, str]:
    return dict(parse_qsl(query.decode(), keep_blank_values=True, strict_parsing=True))


def query_of(request: FuturesRequest) -> bytes:
    return request.body or request.target.partition(b"?")[2]
