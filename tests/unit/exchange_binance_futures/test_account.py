"""Positions, wallets, settings, hedge mode, funding and liquidation over the wire (§9.3)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.exchange.serve import AccountOptions, ServeOptions
from tests.clients.futures_support import (
    SYMBOL,
    VENUE,
    FuturesRest,
    futures_rest,
    futures_server,
)
from tests.clients.support import Socket, until

D = Decimal


async def test_wallet_margin_and_position_agree(rest: FuturesRest) -> None:
    await rest.futures_order("BUY", "MARKET", quantity="0.1")
    [risk] = (await rest.signed("GET", "/fapi/v3/positionRisk")).body
    assert "leverage" not in risk
    assert (risk["positionSide"], risk["positionAmt"]) == ("BOTH", "0.100")
    account = (await rest.signed("GET", "/fapi/v3/account")).body
    [asset] = account["assets"]
    assert D(asset["marginBalance"]) == D(asset["walletBalance"]) + D(asset["unrealizedProfit"])
    assert abs(D(risk["initialMargin"]) * 20 - D(risk["notional"])) < D("0.01")
    [balance] = (await rest.signed("GET", "/fapi/v3/balance")).body
    assert D(balance["availableBalance"]) < D(balance["balance"])
    rows = (await rest.signed("GET", "/fapi/v2/positionRisk")).body
    assert {row["symbol"] for row in rows} == {"BTCUSDT", "ETHUSDT"}
    assert rows[0]["leverage"] == "20"
    older = (await rest.signed("GET", "/fapi/v2/account")).body
    assert older["canTrade"] is True
    assert len(older["positions"]) == 2


async def test_leverage_is_told_and_bounded(rest: FuturesRest, private: Socket) -> None:
    done = await rest.signed("POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=50)
    assert done.body["leverage"] == 50
    told = await private.first(lambda one: one["e"] == "ACCOUNT_CONFIG_UPDATE")
    assert told["ac"] == {"s": SYMBOL, "l": 50}
    refused = await rest.signed("POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=500)
    assert refused.code == -4028
    [config] = (await rest.signed("GET", "/fapi/v1/symbolConfig", symbol=SYMBOL)).body
    assert (config["leverage"], config["marginType"]) == (50, "CROSSED")


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("marginType", {"symbol": SYMBOL, "marginType": "CROSSED"}, -4046),
        ("marginType", {"symbol": SYMBOL, "marginType": "ISOLATED"}, -1020),
        ("positionSide/dual", {"dualSidePosition": "false"}, -4059),
        ("multiAssetsMargin", {"multiAssetsMargin": "false"}, -4171),
    ],
)
async def test_settings_that_need_no_change(
    rest: FuturesRest, path: str, fields: dict[str, str], code: int
) -> None:
    assert (await rest.signed("POST", f"/fapi/v1/{path}", **fields)).code == code


async def test_a_hedge_account_wants_the_leg_and_no_reduce_only(hedger: FuturesRest) -> None:
    config = (await hedger.signed("GET", "/fapi/v1/accountConfig")).body
    assert config["dualSidePosition"] is True
    assert (await hedger.futures_order("BUY", "MARKET", quantity="0.01")).code == -4061
    refused = await hedger.futures_order(
        "SELL", "MARKET", quantity="0.01", positionSide="LONG", reduceOnly="true"
    )
    assert refused.code == -1106
    await hedger.futures_order("BUY", "MARKET", quantity="0.02", positionSide="LONG")
    await hedger.futures_order("SELL", "MARKET", quantity="0.01", positionSide="SHORT")
    rows = (await hedger.signed("GET", "/fapi/v3/positionRisk")).body
    assert {row["positionSide"]: row["positionAmt"] for row in rows} == {
        "LONG": "0.020",
        "SHORT": "-0.010",
    }
    change = await hedger.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false")
    assert change.code == -4068
    await hedger.futures_order("SELL", "MARKET", quantity="0.02", positionSide="LONG")
    await hedger.futures_order("BUY", "MARKET", quantity="0.01", positionSide="SHORT")
    changed = await hedger.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false")
    assert changed.body == {"code": 200, "msg": "success"}


async def test_funding_is_paid_told_and_listed() -> None:
    options = ServeOptions(venue=VENUE, funding_interval_s=1)
    async with futures_server(options) as server, futures_rest(server) as rest:
        key = await rest.listen_key()
        async with Socket(rest.http, f"{server.stream_url}/private/ws/{key}") as private:
            await rest.futures_order("BUY", "MARKET", quantity="1")
            update = await private.first(
                lambda one: one["e"] == "ACCOUNT_UPDATE" and one["a"]["m"] == "FUNDING_FEE"
            )
        assert update["a"]["S"] == SYMBOL
        assert update["a"]["B"][0]["a"] == "USDT"
        rows = await rest.signed("GET", "/fapi/v1/income", incomeType="FUNDING_FEE")
        assert rows.body[0]["symbol"] == SYMBOL
        [first, *_] = (await rest.ledger())["funding"]
        assert D(rows.body[0]["income"]) == round(D(first["amount"]), 8)
        assert D(update["a"]["B"][0]["bc"]) == round(D(first["amount"]), 8)


async def test_a_liquidation_is_told_as_one() -> None:
    options = ServeOptions(venue=VENUE, accounts=[AccountOptions(balances={"USDT": D(5_000)})])
    async with futures_server(options) as server, futures_rest(server) as rest:
        key = await rest.listen_key()
        market = f"{server.stream_url}/market/ws/!forceOrder@arr"
        async with (
            Socket(rest.http, f"{server.stream_url}/private/ws/{key}") as private,
            Socket(rest.http, market) as forced,
        ):
            await rest.futures_order("BUY", "MARKET", quantity="1")
            bid, _ = await rest.touch()
            [risk] = (await rest.signed("GET", "/fapi/v3/positionRisk")).body
            assert 0 < float(risk["liquidationPrice"]) < bid
            await rest.control("mark_price", price=f"{bid * 0.9:.1f}")
            told = await private.first(
                lambda one: one["e"] == "ORDER_TRADE_UPDATE" and one["o"]["x"] == "CALCULATED"
            )
            assert told["o"]["c"].startswith("autoclose-")
            public = await forced.first(lambda one: one["e"] == "forceOrder")
            assert public["o"]["S"] == "SELL"

        async def flat() -> bool:
            return not (await rest.signed("GET", "/fapi/v3/positionRisk")).body

        await until(flat)
        own = (await rest.signed("GET", "/fapi/v1/forceOrders")).body
        assert len(own) == 1


async def test_open_orders_margin_is_not_available(rest: FuturesRest) -> None:
    before = (await rest.signed("GET", "/fapi/v3/balance")).body[0]["availableBalance"]
    price = await rest.away(-0.02)
    await rest.futures_order("BUY", "LIMIT", timeInForce="GTC", quantity="1", price=price)
    account = (await rest.signed("GET", "/fapi/v3/account")).body
    assert abs(D(account["totalOpenOrderInitialMargin"]) - D(price) / 20) < D("0.01")
    after = (await rest.signed("GET", "/fapi/v3/balance")).body[0]["availableBalance"]
    assert abs(D(before) - D(after) - D(price) / 20) < D("0.01")
