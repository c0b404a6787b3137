"""bpx-py, the venue's best-known Python client, runs unchanged but for the base address.

It asks for an older ``cryptography`` than the rest of the tests; it works with the newer
one and is installed beside it (``make``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.backpack_support import PERP, SPOT, backpack_options

bpx_account = pytest.importorskip(
    "bpx.account", reason="bpx-py is not installed: `pip install --no-deps bpx-py`"
)
bpx_public = pytest.importorskip("bpx.public", reason="bpx-py is not installed")


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(backpack_options()) as running:
        yield running


@pytest.fixture
def clients(server: ExchangeServer, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Return (account, public) with their one address changed."""
    account = bpx_account.Account(server.api_key, server.api_secret)
    public = bpx_public.Public()
    monkeypatch.setattr(account, "BPX_API_URL", f"{server.rest_url}/")
    monkeypatch.setattr(public, "BASE_URL", f"{server.rest_url}/")
    return account, public


def _read_market(public: Any) -> None:
    assert public.get_status()["status"] == "Ok"
    assert public.get_ping() == "pong"
    assert abs(int(public.get_time()) - time.time() * 1000) < 2000
    markets = {one["symbol"]: one for one in public.get_markets()}
    assert markets[PERP]["marketType"] == "PERP"
    assert markets[SPOT]["filters"]["price"]["tickSize"] == "0.01"
    book = public.get_depth(PERP)
    bids = [float(price) for price, _ in book["bids"]]
    assert bids == sorted(bids)
    assert isinstance(book["lastUpdateId"], str)
    assert bids[-1] < float(book["asks"][0][0])
    assert public.get_ticker(SPOT)["symbol"] == SPOT
    assert {one["symbol"] for one in public.get_tickers()} >= {SPOT, PERP}
    assert len(public.get_klines(PERP, "1m", int(time.time()) - 1800)) >= 29
    assert len(public.get_recent_trades(PERP, 10)) == 10
    assert {one["symbol"] for one in public.get_assets()} == {"USDC", "SOL", "BTC"}


async def test_public_data(clients: tuple[Any, Any]) -> None:
    await asyncio.to_thread(_read_market, clients[1])


def _trade_spot(account: Any, public: Any) -> None:
    price = f"{float(public.get_depth(SPOT)['bids'][-1][0]) * 0.97:.2f}"
    placed = account.execute_order(
        SPOT, "Bid", "Limit", "GTC", quantity="1", price=price, client_id=42, post_only=True
    )
    assert (placed["status"], placed["clientId"], placed["postOnly"]) == ("New", 42, True)
    assert placed["selfTradePrevention"] == "RejectTaker"
    assert account.get_open_order(SPOT, client_id=42)["id"] == placed["id"]
    assert [one["id"] for one in account.get_open_orders(symbol=SPOT)] == [placed["id"]]
    assert float(account.get_balances()["USDC"]["locked"]) == pytest.approx(float(price))
    assert account.cancel_order(SPOT, order_id=placed["id"])["status"] == "Cancelled"
    assert account.get_open_order(SPOT, order_id=placed["id"])["code"] == "RESOURCE_NOT_FOUND"
    history = account.get_order_history(symbol=SPOT)
    assert [(one["id"], one["status"]) for one in history] == [(placed["id"], "Cancelled")]
    crossing = f"{float(price) * 1.05:.2f}"
    refused = account.execute_order(
        SPOT, "Bid", "Limit", quantity="1", price=crossing, post_only=True
    )
    assert refused["message"] == "Order would immediately match and take"


async def test_spot_order_from_placing_to_cancel(clients: tuple[Any, Any]) -> None:
    await asyncio.to_thread(_trade_spot, *clients)


def _trade_perpetual(account: Any, public: Any) -> None:
    assert account.get_account()["futuresTakerFee"] == "5"
    bid = float(public.get_depth(PERP)["bids"][-1][0])
    filled = account.execute_order(
        PERP, "Bid", "Market", quantity="3", stop_loss_trigger_price=f"{bid * 0.95:.2f}"
    )
    assert filled["status"] == "Filled"
    (position,) = account.get_open_positions()
    assert (position["symbol"], float(position["netQuantity"])) == (PERP, 3.0)
    collateral = account.get_collateral()
    assert 0 < float(collateral["netEquityAvailable"]) < float(collateral["netEquity"])
    (stop,) = account.get_open_orders(symbol=PERP)
    assert (stop["status"], stop["relatedOrderId"]) == ("TriggerPending", filled["id"])
    assert len(account.cancel_all_orders(PERP)) == 1
    fills = account.get_fill_history(symbol=PERP)
    assert sum(float(one["quantity"]) for one in fills) == pytest.approx(3)
    closed = account.execute_order(PERP, "Ask", "Market", quantity="9", reduce_only=True)
    assert float(closed["executedQuantity"]) == 3.0
    assert account.get_open_positions() == []
    assert account.get_funding_payments(symbol=PERP) == []


async def test_perpetual_position_with_a_stop(clients: tuple[Any, Any]) -> None:
    await asyncio.to_thread(_trade_perpetual, *clients)


def _change_settings(account: Any) -> None:
    account.update_account(leverage_limit="5")
    assert account.get_account()["leverageLimit"] == "5"
    most = account.get_max_order_quantity(PERP, "Bid", price="150")
    assert 3000 < float(most["maxOrderQuantity"]) < 3400


async def test_leverage_and_the_largest_order(clients: tuple[Any, Any]) -> None:
    await asyncio.to_thread(_change_settings, clients[0])


async def test_its_asynchronous_half(server: ExchangeServer) -> None:
    account_module = pytest.importorskip("bpx.async_.account", reason="bpx-py is not installed")
    public_module = pytest.importorskip("bpx.async_.public", reason="bpx-py is not installed")
    account = account_module.Account(server.api_key, server.api_secret)
    public = public_module.Public()
    account.BPX_API_URL = public.BASE_URL = f"{server.rest_url}/"
    book = await public.get_depth(PERP)
    price = f"{float(book['bids'][-1][0]) * 0.97:.2f}"
    placed = await account.execute_order(PERP, "Bid", "Limit", "GTC", quantity="1", price=price)
    assert placed["status"] == "New"
    (opened,) = await account.get_open_orders(symbol=PERP)
    assert opened["id"] == placed["id"]
    assert [one["id"] for one in await account.cancel_all_orders(PERP)] == [placed["id"]]
    assert float((await account.get_balances())["USDC"]["available"]) > 0
