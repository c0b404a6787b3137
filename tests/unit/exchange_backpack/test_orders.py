"""Orders: fields, refusals, batch, cancels, history (backpack.md §7)."""

from __future__ import annotations

import pytest

from tests.clients.backpack_support import PERP, SPOT, Backpack

BASE: dict[str, object] = {"symbol": SPOT, "side": "Bid", "orderType": "Limit"}
BAD = "INVALID_CLIENT_REQUEST"


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"quantity": "1"}, BAD, "Price is required"),
        ({"price": "100"}, BAD, "Quantity is required"),
        ({"price": "100.001", "quantity": "1"}, BAD, "Price decimal too long"),
        ({"price": "100", "quantity": "1.001"}, BAD, "Quantity decimal too long"),
        ({"price": 100, "quantity": "1"}, BAD, "parse request payload error"),
        ({"price": "100", "quantity": "1", "side": "Buy"}, BAD, "parse request payload error"),
        ({"price": "100", "quantity": "1", "clientId": "7"}, BAD, "parse request payload error"),
        ({"price": "100", "quantity": "1", "clientId": 2**32}, BAD, "parse request payload error"),
        (
            {"price": "100", "quantity": "1", "orderType": "StopMarket"},
            BAD,
            "parse request payload error",
        ),
        ({"price": "100", "quantity": "1", "triggerPrice": "90"}, BAD, "Must specify both"),
        ({"orderType": "Market"}, BAD, "Must specify either"),
        (
            {"orderType": "Market", "quantity": "1", "quoteQuantity": "5"},
            BAD,
            "Must specify either",
        ),
        ({"price": "100", "quantity": "1", "symbol": "SOL_EUR"}, "INVALID_MARKET", "Invalid"),
        ({"price": "10", "quantity": "1"}, "INVALID_PRICE", "Price is too far from the last"),
        ({"price": "140", "quantity": "5000"}, "INSUFFICIENT_FUNDS", "Insufficient funds"),
        (
            {"price": "170", "quantity": "1", "postOnly": True},
            "INVALID_ORDER",
            "Order would immediately match and take",
        ),
        ({"price": "140", "quantity": "1", "reduceOnly": True}, "INVALID_ORDER", "Reduce only"),
        (
            {"price": "140", "quantity": "1", "symbol": PERP, "reduceOnly": True},
            "INVALID_ORDER",
            "Reduce only",
        ),
        (
            {"price": "140", "quantity": "9000", "symbol": PERP},
            "INSUFFICIENT_MARGIN",
            "Insufficient margin",
        ),
    ],
)
async def test_refusals(rest: Backpack, fields: dict[str, object], code: str, words: str) -> None:
    reply = await rest.call("POST", "/api/v1/order", **(BASE | fields))
    assert (reply.status, reply.body["code"]) == (400, code)
    assert reply.body["message"].startswith(words)
    assert (await rest.ledger())["open_orders"] == []


async def test_an_array_belongs_to_the_other_path(rest: Backpack) -> None:
    rows = [BASE | {"price": "140", "quantity": "1"}]
    headers = rest.signer.headers("orderExecute", rows)
    reply = await rest.send("POST", "/api/v1/order", rows, headers)
    assert reply.body["message"].startswith("parse request payload error")


async def test_client_ids_are_unique_while_open(rest: Backpack) -> None:
    price = await rest.away(SPOT, -0.05)
    first = await rest.limit(SPOT, "Bid", "1", price, clientId=4_294_967_295)
    assert first.body["clientId"] == 4_294_967_295
    twice = await rest.limit(SPOT, "Bid", "1", price, clientId=4_294_967_295)
    assert twice.body["code"] == "INVALID_ORDER"
    for _ in range(2):
        # Orders without an id do not count as alike.
        assert (await rest.limit(SPOT, "Bid", "1", price)).body["clientId"] is None
    gone = await rest.call("DELETE", "/api/v1/order", symbol=SPOT, clientId=4_294_967_295)
    assert gone.body["status"] == "Cancelled"
    again = await rest.limit(SPOT, "Bid", "1", price, clientId=4_294_967_295)
    assert again.body["status"] == "New"


async def test_an_order_is_named_by_exactly_one_id(rest: Backpack) -> None:
    placed = await rest.limit(SPOT, "Bid", "1", await rest.away(SPOT, -0.05), clientId=5)
    order_id = placed.body["id"]
    for ids in ({}, {"orderId": order_id, "clientId": 5}):
        reply = await rest.call("GET", "/api/v1/order", symbol=SPOT, **ids)
        assert (reply.status, reply.body["code"]) == (400, BAD)
    for ids in ({"orderId": order_id}, {"clientId": 5}):
        reply = await rest.call("GET", "/api/v1/order", symbol=SPOT, **ids)
        assert reply.body["id"] == order_id
    await rest.call("DELETE", "/api/v1/order", symbol=SPOT, orderId=order_id)
    gone = await rest.call("GET", "/api/v1/order", symbol=SPOT, orderId=order_id)
    assert (gone.status, gone.body["code"]) == (404, "RESOURCE_NOT_FOUND")
    (row,) = (await rest.get("/wapi/v1/history/orders", orderId=order_id)).body
    assert (row["status"], row["expiryReason"]) == ("Cancelled", None)
    assert "T" in row["createdAt"]


async def test_batch_tells_every_orders_own_fate(rest: Backpack) -> None:
    price = await rest.away(PERP, -0.05)
    good = {"symbol": PERP, "side": "Bid", "orderType": "Limit", "price": price, "quantity": "1"}
    reply = await rest.batch([good, good | {"quantity": "9000"}, good | {"clientId": 3}])
    assert [row["operation"] for row in reply.body] == ["Ok", "Err", "Ok"]
    assert reply.body[1]["code"] == "INSUFFICIENT_MARGIN"
    assert reply.body[2]["clientId"] == 3


async def test_cancel_all_keeps_to_its_market_and_sort(rest: Backpack) -> None:
    low = await rest.away(PERP, -0.05)
    await rest.limit(SPOT, "Bid", "1", low)
    await rest.limit(PERP, "Bid", "1", low)
    await rest.order(PERP, "Bid", "Limit", price=low, triggerPrice=low, triggerQuantity="1")
    path = "/api/v1/orders"
    waiting = await rest.call("DELETE", path, symbol=PERP, orderType="ConditionalOrder")
    assert [row["triggerPrice"] for row in waiting.body] == [low]
    assert len((await rest.call("DELETE", path, symbol=PERP)).body) == 1
    assert (await rest.call("DELETE", path, symbol=PERP)).body == []
    assert [row["symbol"] for row in (await rest.get(path)).body] == [SPOT]
    assert (await rest.call("DELETE", path)).status == 400


async def test_time_in_force(rest: Backpack) -> None:
    low = await rest.away(SPOT, -0.05)
    for tif, reason in (("IOC", "ImmediateOrCancel"), ("FOK", "FillOrKill")):
        reply = await rest.limit(SPOT, "Bid", "1", low, timeInForce=tif)
        assert (reply.body["status"], reply.body["executedQuantity"]) == ("Expired", "0")
        (row,) = (await rest.get("/wapi/v1/history/orders", orderId=reply.body["id"])).body
        assert row["expiryReason"] == reason


async def test_market_order_by_quote_and_with_a_slippage_tolerance(rest: Backpack) -> None:
    reply = await rest.order(SPOT, "Bid", "Market", quoteQuantity="1000")
    assert reply.body["status"] == "Filled"
    assert 950 < float(reply.body["executedQuoteQuantity"]) <= 1000
    bound = await rest.order(
        PERP,
        "Bid",
        "Market",
        quantity="5000",
        slippageTolerance="1",
        slippageToleranceType="TickSize",
    )
    assert (bound.body["orderType"], bound.body["timeInForce"]) == ("Market", "GTC")
    assert bound.body["status"] == "Expired"
    assert 0 < float(bound.body["executedQuantity"]) < 5000
    (row,) = (await rest.get("/wapi/v1/history/orders", orderId=bound.body["id"])).body
    assert row["expiryReason"] == "SlippageToleranceExceeded"


TRIES = 5


@pytest.mark.parametrize(
    ("stp", "taker", "maker"),
    [
        (None, "Expired", "New"),
        ("RejectTaker", "Expired", "New"),
        ("RejectMaker", "PartiallyFilled", "Expired"),
        ("RejectBoth", "Expired", "Expired"),
    ],
)
async def test_own_orders_never_meet(
    rest: Backpack, stp: str | None, taker: str, maker: str
) -> None:
    more = {} if stp is None else {"selfTradePrevention": stp}
    for _ in range(TRIES):  # the market moves on its own: it may take the resting order first
        _, ask = await rest.touch(PERP)
        meeting = f"{ask + 0.1:.2f}"
        resting = (await rest.limit(PERP, "Ask", "1", meeting)).body
        assert resting["selfTradePrevention"] == "RejectTaker"
        taking = (await rest.limit(PERP, "Bid", "4000", meeting, **more)).body
        rows = {row["id"]: row for row in (await rest.get("/wapi/v1/history/orders")).body}
        if (rows[taking["id"]]["status"], rows[resting["id"]]["status"]) == (taker, maker):
            break
        await rest.call("DELETE", "/api/v1/orders", symbol=PERP)
    else:
        raise AssertionError(f"{stp}: {rows[taking['id']]} met {rows[resting['id']]}")
    ended = [row for row in rows.values() if row["status"] == "Expired"]
    assert {row["expiryReason"] for row in ended} == {"SelfTradePrevention"}
    assert (await rest.send("GET", "/_exchange/ledger")).body["self_trades"] == []


async def test_history_pages_and_filters(rest: Backpack) -> None:
    for _ in range(3):
        await rest.order(SPOT, "Bid", "Market", quantity="0.1")
    await rest.order(PERP, "Bid", "Market", quantity="1")
    path = "/wapi/v1/history/orders"
    newest = (await rest.get(path, limit=2)).body
    oldest = (await rest.get(path, sortDirection="Asc")).body
    assert [row["id"] for row in newest] == [row["id"] for row in oldest[:-3:-1]]
    assert [row["symbol"] for row in (await rest.get(path, marketType="PERP")).body] == [PERP]
    fills = (await rest.get("/wapi/v1/history/fills", symbol=SPOT, fillType="User")).body
    assert {row["feeSymbol"] for row in fills} == {"SOL"}
    assert (await rest.get("/wapi/v1/history/fills", fillType="Adl")).body == []
    assert (await rest.get(path, limit=1001)).status == 400
    settled = (await rest.get("/wapi/v1/history/settlement")).body
    assert {row["source"] for row in settled} == {"TradingFees"}
