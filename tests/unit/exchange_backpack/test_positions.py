"""Positions, stops, brackets, leverage, funding, liquidation (backpack.md §6, §7.3, §11)."""

from __future__ import annotations

import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.backpack_support import (
    PERP,
    SPOT,
    Backpack,
    BackpackSocket,
    Json,
    backpack_options,
)
from tests.clients.support import until


async def _position(rest: Backpack) -> Json | None:
    rows = (await rest.get("/api/v1/position")).body
    return rows[0] if rows else None


async def test_exposure_includes_open_orders_and_quantity_does_not(rest: Backpack) -> None:
    assert (await rest.get("/api/v1/position", symbol=PERP)).status == 404
    await rest.order(PERP, "Ask", "Market", quantity="2")
    await rest.limit(PERP, "Ask", "3", await rest.away(PERP, 0.05))
    (row,) = (await rest.get("/api/v1/position", symbol=PERP)).body
    assert (row["netQuantity"], row["netExposureQuantity"]) == ("-2.00", "-5.00")
    entry = float(row["entryPrice"])
    assert float(row["netCost"]) == pytest.approx(-2 * entry)
    # A short breaks even below its entry, by the fee; funding of a full hour counts too.
    funding = float(row["cumulativeFundingPayment"])
    assert float(row["breakEvenPrice"]) == pytest.approx(entry * (1 - 0.0005) + funding / 2)
    assert float(row["estLiquidationPrice"]) > entry
    interest = (await rest.get("/api/v1/openInterest", symbol=PERP)).body[0]
    assert interest["openInterest"] == "2.00"


async def test_a_position_opened_again_starts_without_the_old_ones_costs(rest: Backpack) -> None:
    for side, quantity in (("Bid", "5"), ("Ask", "5"), ("Bid", "1")):
        await rest.order(PERP, side, "Market", quantity=quantity)
    row = await _position(rest)
    assert row is not None
    assert float(row["breakEvenPrice"]) == pytest.approx(float(row["entryPrice"]) * 1.0005)
    # A turn through zero is a new position too.
    await rest.order(PERP, "Ask", "Market", quantity="3")
    (row,) = (await rest.get("/wapi/v1/history/position", state="Open")).body
    assert row["netQuantity"] == "-2.00"
    assert row["fees"] == row["fees"].strip("-") != "0"


async def test_a_stop_of_the_whole_position_follows_it(rest: Backpack) -> None:
    await rest.order(PERP, "Bid", "Market", quantity="2")
    stop = await rest.order(
        PERP,
        "Ask",
        "Market",
        triggerPrice=await rest.away(PERP, -0.04),
        triggerQuantity="100%",
        triggerBy="MarkPrice",
        reduceOnly=True,
        clientId=77,
    )
    assert (stop.body["status"], stop.body["quantity"]) == ("TriggerPending", None)
    await rest.order(PERP, "Bid", "Market", quantity="1")
    await rest.control("mark_price", symbol=PERP, price=await rest.away(PERP, -0.041))

    async def closed() -> bool:
        return await _position(rest) is None

    await until(closed)
    (row,) = (await rest.get("/wapi/v1/history/orders", orderId=stop.body["id"])).body
    assert (row["status"], row["executedQuantity"]) == ("Filled", "3.00")
    assert row["triggeredAt"] is not None


async def test_a_stop_without_a_position_expires(rest: Backpack) -> None:
    reply = await rest.order(
        PERP,
        "Ask",
        "Market",
        triggerPrice=await rest.away(PERP, -0.04),
        triggerQuantity="100%",
        reduceOnly=True,
    )
    assert reply.body["status"] == "Expired"
    (row,) = (await rest.get("/wapi/v1/history/orders")).body
    assert row["expiryReason"] == "StopWithoutPosition"


@pytest.mark.parametrize("share", ["0%", "101%", "x%"])
async def test_shares_that_make_no_sense(rest: Backpack, share: str) -> None:
    reply = await rest.order(
        PERP, "Ask", "Market", triggerPrice="140", triggerQuantity=share, reduceOnly=True
    )
    assert (reply.status, reply.body["message"]) == (400, "Invalid trigger quantity")


async def test_attached_orders_follow_the_fill_and_end_with_the_position(rest: Backpack) -> None:
    high, low = await rest.away(PERP, 0.05), await rest.away(PERP, -0.05)
    parent = await rest.order(
        PERP,
        "Bid",
        "Market",
        quantity="2",
        stopLossTriggerPrice=low,
        stopLossTriggerBy="MarkPrice",
        takeProfitTriggerPrice=high,
        takeProfitLimitPrice=high,
    )
    children = (await rest.get("/api/v1/orders", symbol=PERP)).body
    assert {row["relatedOrderId"] for row in children} == {parent.body["id"]}
    assert {(row["orderType"], row["triggerPrice"], row["triggerBy"]) for row in children} == {
        ("Market", low, "MarkPrice"),
        ("Limit", high, "LastPrice"),
    }
    assert {row["triggerQuantity"] for row in children} == {"2.00"}
    await rest.order(PERP, "Ask", "Market", quantity="2", reduceOnly=True)
    assert (await rest.get("/api/v1/orders", symbol=PERP)).body == []


async def test_attached_orders_wait_for_the_fill(rest: Backpack) -> None:
    price = await rest.away(PERP, -0.03)
    await rest.limit(PERP, "Bid", "1", price, stopLossTriggerPrice=await rest.away(PERP, -0.06))
    assert len((await rest.get("/api/v1/orders")).body) == 1
    refused = await rest.limit(SPOT, "Bid", "1", price, stopLossTriggerPrice="100")
    assert refused.body["code"] == "INVALID_ORDER"


async def test_leverage_is_the_accounts(rest: Backpack) -> None:
    path = "/api/v1/account"
    reply = await rest.call("PATCH", path, leverageLimit="2", autoLend=True)
    assert (reply.status, reply.body) == (200, "")
    row = (await rest.get(path)).body
    assert (row["leverageLimit"], row["autoLend"]) == ("2", True)
    assert (await rest.order(PERP, "Bid", "Market", quantity="2000")).status == 400
    refused = await rest.call("PATCH", path, leverageLimit="51")
    assert (refused.status, refused.body["code"]) == (400, "MAX_LEVERAGE_REACHED")
    assert (await rest.get(path)).body["leverageLimit"] == "2"


async def test_the_venues_own_largest_order_is_accepted(rest: Backpack) -> None:
    path = "/api/v1/account/limits/order"
    price = await rest.away(PERP, -0.02)
    most = (await rest.get(path, symbol=PERP, side="Bid", price=price)).body["maxOrderQuantity"]
    assert (await rest.limit(PERP, "Bid", most, price)).body["status"] == "New"
    left = (await rest.get("/api/v1/capital/collateral")).body
    # The fee of filling it is kept free.
    assert 400 < float(left["netEquityAvailable"]) < 600
    assert (await rest.get(path, symbol=PERP, side="Ask", reduceOnly=True)).body[
        "maxOrderQuantity"
    ] == "0.00"


async def test_funding_is_paid_and_told() -> None:
    options = backpack_options(funding_interval_s=1)
    async with ExchangeServer(options) as server, Backpack(server) as rest:
        await rest.order(PERP, "Bid", "Market", quantity="100")

        async def paid() -> bool:
            return bool((await rest.get("/wapi/v1/history/funding", symbol=PERP)).body)

        await until(paid)
        rows = (await rest.get("/wapi/v1/history/funding")).body
        ledger = await rest.ledger()
        assert float(rows[-1]["quantity"]) == pytest.approx(float(ledger["funding"][0]["amount"]))
        position = await _position(rest)
        assert position is not None
        assert len((await rest.get("/api/v1/fundingRates", symbol=PERP)).body) > 0


async def test_liquidation_is_told_as_the_houses_order(
    rest: Backpack, socket: BackpackSocket
) -> None:
    await rest.call("PATCH", "/api/v1/account", leverageLimit="50")
    await socket.subscribe("liquidation")
    await socket.subscribe_private("account.orderUpdate", "account.positionUpdate")
    await rest.order(PERP, "Bid", "Market", quantity="3000")
    await rest.control("mark_price", symbol=PERP, price=await rest.away(PERP, -0.4))
    event = await socket.data("account.orderUpdate", "orderFill", O="LIQUIDATION_AUTOCLOSE")
    assert event["S"] == "Ask"
    await socket.data("account.positionUpdate", "positionClosed")
    public = await socket.data("liquidation")
    assert (public["s"], public["S"]) == (PERP, "Ask")
    fills = (await rest.get("/wapi/v1/history/fills", fillType="BookLiquidation")).body
    assert {row["systemOrderType"] for row in fills} == {"LiquidatePositionOnBook"}
    mine = (await rest.get("/wapi/v1/history/fills", fillType="User")).body
    assert {row["systemOrderType"] for row in mine} == {None}
