"""The exchange's own truth as JSON."""

from __future__ import annotations

import json

from obiterm.core.values import Side
from obiterm.exchange.api import Kind
from obiterm.exchange.ledger import build_ledger

from .conftest import Floor


def test_the_ledger_is_json_and_tells_orders_balances_and_fills(market_floor: Floor) -> None:
    market_floor.place(Side.BUY, lots=1_000, price_ticks=6_000_010)
    stop = market_floor.place(Side.SELL, Kind.STOP_MARKET, lots=900, trigger_ticks=5_990_000)
    ledger = json.loads(json.dumps(build_ledger(market_floor.venue)))
    assert set(ledger) == {"accounts", "self_trades"}
    account = ledger["accounts"]["a"]
    assert account["positions"] == []
    assert account["balances"]["BTC"] == {"free": "10.00099000", "locked": "0.00900"}
    assert [(o["order_id"], o["kind"], o["trigger_price"]) for o in account["open_orders"]] == [
        (stop.order_id, "STOP_MARKET", "59900.00")
    ]
    assert [(f["price"], f["quantity"], f["fee_asset"]) for f in account["fills"]] == [
        ("60000.10", "0.01000", "BTC")
    ]
    assert ledger["accounts"]["b"]["open_orders"] == []
    assert ledger["self_trades"] == []
