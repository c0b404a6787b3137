"""Instruments, orders and messages shared by the tests of this room."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
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
from obiterm.venues.bybit import Credentials

NOW_MS = 1_700_000_000_000
NOW_NS = 1_000_000
AT = NOW_MS * NS_PER_MS
SECRET = "obitermTestSecret0123456789abcdef"
KEY = Credentials("obitermTestKey01", SECRET)
MINE = ClientOrderId("ob-r7-000001e-surf-buy")

PERP = Symbol("BTCUSDT")
SPOT = Symbol("BTCUSDT.SPOT")
BTC = Instrument(
    venue="bybit",
    symbol=PERP,
    kind=MarketKind.PERP,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.10"),
    lot_size=Decimal("0.001"),
    settle="USDT",
    max_leverage=Decimal(100),
    funding_interval_s=28_800,
)
BTC_SPOT = Instrument(
    venue="bybit",
    symbol=SPOT,
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.000001"),
)
BOTH = {PERP: BTC, SPOT: BTC_SPOT}


def approved(
    kind: OrderKind = OrderKind.LIMIT,
    *,
    symbol: Symbol = PERP,
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
        client_id=MINE,
        symbol=symbol,
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


def answer(result: object, code: int = 0, msg: str = "OK", extra: object = None) -> bytes:
    told = {"retCode": code, "retMsg": msg, "result": result, "retExtInfo": extra or {}}
    return json.dumps({**told, "time": NOW_MS}).encode()


def order_row(**changes: object) -> dict[str, Any]:
    """The order of bybit.md §9.1 with changes."""
    told = {
        "category": "linear", "symbol": "BTCUSDT", "orderId": "5cf98598-39a7-459e-97bf",
        "orderLinkId": MINE, "parentOrderLinkId": "", "blockTradeId": "", "side": "Buy",
        "positionIdx": 0, "orderStatus": "New", "createType": "CreateByUser",
        "cancelType": "UNKNOWN", "rejectReason": "EC_NoError", "timeInForce": "GTC",
        "isLeverage": "", "orderType": "Limit", "price": "30000.50", "qty": "0.100",
        "avgPrice": "", "leavesQty": "0.100", "leavesValue": "3000.05", "cumExecQty": "0.000",
        "cumExecValue": "0", "cumExecFee": "0", "cumFeeDetail": {}, "closedPnl": "0",
        "triggerPrice": "", "triggerBy": "", "triggerDirection": 0, "stopOrderType": "",
        "marketUnit": "", "reduceOnly": False, "closeOnTrigger": False, "smpType": "None",
        "createdTime": "1672364262444", "updatedTime": "1672364262457",
    }  # fmt: skip
    return {**told, **changes}


def execution_row(**changes: object) -> dict[str, Any]:
    """The execution of bybit.md §9.2 with changes."""
    told = {
        "category": "linear", "symbol": "BTCUSDT", "closedSize": "0.5", "execFee": "26.3725275",
        "execId": "0ab1bdf7-4219-438b-b30a-32ec863018f7", "execPrice": "95900.1",
        "execQty": "0.5", "execType": "Trade", "execValue": "47950.05", "feeRate": "0.00055",
        "tradeIv": "", "markIv": "", "blockTradeId": "", "markPrice": "95901.48",
        "indexPrice": "", "underlyingPrice": "", "leavesQty": "0",
        "orderId": "9aac161b-8ed6-450d-9cab", "orderLinkId": MINE, "orderPrice": "94942.5",
        "orderQty": "0.5", "orderType": "Market", "stopOrderType": "UNKNOWN", "side": "Sell",
        "execTime": "1746270400353", "isLeverage": "0", "isMaker": False,
        "seq": 140612148849382, "marketUnit": "", "execPnl": "0.05",
        "createType": "CreateByUser", "extraFees": "", "feeCurrency": "USDT",
    }  # fmt: skip
    return {**told, **changes}


def position_row(**changes: object) -> dict[str, Any]:
    """The position of bybit.md §6.2 with changes."""
    told = {
        "positionIdx": 0, "riskId": 1, "riskLimitValue": "2000000", "symbol": "BTCUSDT",
        "side": "Buy", "size": "0.5", "avgPrice": "50000.00", "positionValue": "25000",
        "tradeMode": 0, "positionStatus": "Normal", "autoAddMargin": 0, "adlRankIndicator": 2,
        "leverage": "10", "breakEvenPrice": "50055.03", "positionBalance": "2500.00",
        "markPrice": "50500.00", "liqPrice": "45000.00", "bustPrice": "", "tpslMode": "Full",
        "takeProfit": "55000.00", "stopLoss": "48000.00", "trailingStop": "0.00",
        "unrealisedPnl": "250.00", "curRealisedPnl": "-13.75", "seq": 5723621632,
        "createdTime": "1676538056258", "updatedTime": "1697673600012",
        "openTime": 1697670000000,
    }  # fmt: skip
    return {**told, **changes}


def coin_row(**changes: object) -> dict[str, Any]:
    """A coin of bybit.md §6.4 with changes."""
    told = {
        "coin": "USDT", "equity": "9684.46", "usdValue": "9684.46", "walletBalance": "9684.46",
        "locked": "120.5", "availableToWithdraw": "", "borrowAmount": "0", "spotBorrow": "0",
        "totalOrderIM": "0", "totalPositionIM": "0", "totalPositionMM": "0",
        "unrealisedPnl": "0", "bonus": "0", "marginCollateral": True,
    }  # fmt: skip
    return {**told, **changes}


def wallet_row(*coins: dict[str, Any], **changes: object) -> dict[str, Any]:
    """The wallet of bybit.md §6.4 with changes."""
    told = {
        "accountType": "UNIFIED", "totalEquity": "10262.91", "totalWalletBalance": "9684.46",
        "totalMarginBalance": "9684.46", "totalAvailableBalance": "9556.60",
        "totalInitialMargin": "0", "totalMaintenanceMargin": "0",
        "coin": list(coins) or [coin_row()],
    }  # fmt: skip
    return {**told, **changes}


def private(topic: str, *rows: dict[str, Any]) -> bytes:
    frame = {"id": "x", "topic": topic, "creationTime": NOW_MS, "data": list(rows)}
    return json.dumps(frame).encode()


def recorded(shared_data: Path) -> dict[str, Any]:
    with gzip.open(shared_data / "payloads" / "bybit_samples.json.gz") as file:
        told: dict[str, Any] = json.load(file)
    return told
