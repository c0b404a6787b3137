"""Positions, exits, settings, funding and liquidation (bybit.md §6)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from tests.clients.bybit_support import LINEAR, SYMBOL, BybitRest
from tests.clients.support import until

STOP = {"category": LINEAR, "symbol": SYMBOL, "tpslMode": "Full", "positionIdx": 0}


async def test_leverage(rest: BybitRest) -> None:
    def leverage(value: str) -> dict[str, object]:
        return {
            "category": LINEAR,
            "symbol": SYMBOL,
            "buyLeverage": value,
            "sellLeverage": value,
        }

    assert (await rest.post("position/set-leverage", **leverage("7"))).code == 0
    assert (await rest.post("position/set-leverage", **leverage("7"))).code == 110043
    assert (await rest.post("position/set-leverage", **leverage("1000"))).code == 110013
    assert (await rest.position())["leverage"] == "7"


async def test_hedge_mode_keeps_two_legs(rest: BybitRest) -> None:
    switch = {"category": LINEAR, "symbol": SYMBOL}
    assert (await rest.post("position/switch-mode", **switch, mode=0)).code == 110025
    assert (await rest.post("position/switch-mode", **switch, mode=3)).code == 0
    plain = await rest.order(LINEAR, "Buy", "Market", qty="0.01")
    assert (plain.code, plain.msg) == (10001, "position idx not match position mode")
    assert (await rest.order(LINEAR, "Buy", "Market", qty="0.02", positionIdx=1)).code == 0
    assert (await rest.order(LINEAR, "Sell", "Market", qty="0.01", positionIdx=2)).code == 0
    rows = (await rest.get("position/list", category=LINEAR, symbol=SYMBOL)).rows
    assert [(one["positionIdx"], one["side"], one["size"]) for one in rows] == [
        (1, "Buy", "0.020"),
        (2, "Sell", "0.010"),
    ]
    assert (await rest.post("position/switch-mode", **switch, mode=0)).code == 110024
    wrong = await rest.order(LINEAR, "Buy", "Market", qty="0.01", positionIdx=1, reduceOnly=True)
    assert wrong.code == 110017
    closing = await rest.order(LINEAR, "Sell", "Market", qty="0.02", positionIdx=1, reduceOnly=True)
    assert closing.code == 0
    rows = (await rest.get("position/list", category=LINEAR, settleCoin="USDT")).rows
    assert [one["positionIdx"] for one in rows] == [2]


async def test_qty_zero_closes_the_whole_position(rest: BybitRest) -> None:
    await rest.order(LINEAR, "Buy", "Market", qty="0.05")
    closing = {"qty": "0", "reduceOnly": True, "closeOnTrigger": True}
    assert (await rest.order(LINEAR, "Sell", "Market", **closing)).code == 0
    assert (await rest.position())["side"] == ""
    assert (await rest.order(LINEAR, "Sell", "Market", **closing)).code == 110017


async def test_trading_stop_sets_changes_and_removes(rest: BybitRest) -> None:
    assert (await rest.post("position/trading-stop", **STOP, stopLoss="1000")).code == 10001
    await rest.order(LINEAR, "Buy", "Market", qty="0.05")
    set_both = {"stopLoss": "50000", "takeProfit": "70000", "slTriggerBy": "MarkPrice"}
    assert (await rest.post("position/trading-stop", **STOP, **set_both)).code == 0
    assert (await rest.post("position/trading-stop", **STOP, **set_both)).code == 34040
    held = await rest.position()
    assert (held["stopLoss"], held["takeProfit"]) == ("50000.00", "70000.00")
    rows = (await rest.get("order/realtime", category=LINEAR, symbol=SYMBOL)).rows
    assert {one["stopOrderType"] for one in rows} == {"StopLoss", "TakeProfit"}
    wrong = await rest.post("position/trading-stop", **STOP, stopLoss="90000")
    assert wrong.code == 10001
    assert "should be lower" in wrong.msg
    assert (await rest.position())["stopLoss"] == "50000.00"
    gone = await rest.post("position/trading-stop", **STOP, stopLoss="51000", takeProfit="0")
    assert gone.code == 0
    held = await rest.position()
    assert (held["stopLoss"], held["takeProfit"]) == ("51000.00", "")
    assert len((await rest.ledger())["open_orders"]) == 1


async def test_an_entry_brings_its_exits_along(rest: BybitRest) -> None:
    reply = await rest.order(
        LINEAR, "Buy", "Market", qty="0.05", stopLoss="50000", takeProfit="70000"
    )
    assert reply.code == 0
    held = await rest.position()
    assert (held["stopLoss"], held["takeProfit"]) == ("50000.00", "70000.00")
    await rest.order(LINEAR, "Sell", "Market", qty="0.05", reduceOnly=True)
    assert (await rest.ledger())["open_orders"] == [], "exits end with their position"


async def test_a_stop_loss_by_mark_closes_the_position(rest: BybitRest) -> None:
    await rest.order(LINEAR, "Buy", "Market", qty="0.05")
    below = await rest.away(LINEAR, -0.01)
    await rest.post("position/trading-stop", **STOP, stopLoss=below, slTriggerBy="MarkPrice")
    await rest.control("mark_price", symbol="BTCUSDT.P", price=f"{float(below) * 0.999:.1f}")

    async def flat() -> bool:
        return not (await rest.position())["side"]

    await until(flat)
    history = (await rest.get("order/history", category=LINEAR)).rows
    assert history[0]["createType"] == "CreateByStopLoss"
    assert history[0]["orderStatus"] == "Filled"


async def test_a_trailing_stop_follows_the_price_one_way(rest: BybitRest) -> None:
    await rest.order(LINEAR, "Buy", "Market", qty="0.05")
    assert (await rest.post("position/trading-stop", **STOP, trailingStop="500")).code == 0
    assert (await rest.position())["trailingStop"] == "500.00"

    async def trigger() -> Decimal:
        rows = (await rest.get("order/realtime", category=LINEAR, symbol=SYMBOL)).rows
        return Decimal(rows[0]["triggerPrice"])

    before = await trigger()
    await rest.control("market_order", symbol="BTCUSDT.P", side="BUY", qty="60")

    async def followed() -> bool:
        return await trigger() > before

    await until(followed)


async def test_funding_is_an_execution_that_is_no_trade() -> None:
    options = ServeOptions(venue="bybit", symbol="BTCUSDT.P", funding_interval_s=1)
    async with ExchangeServer(options) as server, BybitRest(server) as rest:
        async with rest.private_socket() as socket:
            await socket.log_on()
            await socket.ask("subscribe", "execution.linear", "wallet")
            await rest.order(LINEAR, "Buy", "Market", qty="0.1")
            row = await socket.row("execution.linear", execType="Funding")
        paid = (await rest.ledger())["funding"][0]
        assert Decimal(row["execFee"]) == -Decimal(paid["amount"])
        found = (await rest.get("execution/list", category=LINEAR, execType="Funding")).rows
        assert row["execId"] in [one["execId"] for one in found]
        rates = await rest.public("funding/history", category=LINEAR, symbol=SYMBOL)
        assert len(rates.rows) >= 2


async def test_liquidation_is_told_as_a_bust(rest: BybitRest) -> None:
    poor = AccountOptions(balances={"USDT": Decimal(700)})
    options = ServeOptions(venue="bybit", accounts=[poor])
    async with ExchangeServer(options) as server, BybitRest(server) as client:
        await client.order(LINEAR, "Buy", "Market", qty="0.1")
        held = await client.position()
        assert held["liqPrice"]
        async with (
            client.private_socket() as private,
            client.public_socket(LINEAR) as public,
        ):
            await private.log_on()
            await private.ask("subscribe", "execution", "order")
            await public.ask("subscribe", f"allLiquidation.{SYMBOL}")
            price = f"{float(held['liqPrice']) * 0.99:.1f}"
            await client.control("mark_price", symbol="BTCUSDT.P", price=price)
            bust = await private.row("execution", execType="BustTrade")
            assert (bust["orderLinkId"], bust["side"]) == ("", "Sell")
            told = await public.first(lambda one: one.get("topic") == f"allLiquidation.{SYMBOL}")
            assert told["data"][0]["S"] == "Buy", "a long was liquidated"
        assert (await client.position())["side"] == ""


@pytest.mark.parametrize("category", ["inverse", "option"])
@pytest.mark.parametrize(
    "path", ["position/list", "order/realtime", "order/history", "execution/list"]
)
async def test_products_that_do_not_trade_here_have_empty_lists(
    rest: BybitRest, category: str, path: str
) -> None:
    """Clients ask for the lists of every product at their start."""
    told = (await rest.get(path, category=category, settleCoin="BTC")).result
    assert (told["list"], told["category"]) == ([], category)
    assert (await rest.get(path, category="futures")).code == 10001
