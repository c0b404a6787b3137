"""Kill and exit reach every market of an account, not only those of its profile (R102)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from obiterm.config.keys import ApiKeys
from obiterm.core.commands import EmergencyExit, Kill
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import ClientOrderId, OrderKind, OrderRole, Side, Symbol
from obiterm.engine.gateway import Gateway
from obiterm.exchange.serve import ServeOptions
from tests.trading_support.crowd import Crowd, crowd

TWO = "BTCUSDT,ETHUSDT"
SOLS = "SOL_USDC,SOL_USDC_PERP"
CASES = [
    ("binance", TWO, "BTCUSDT", "ETHUSDT", "ETHUSDT"),
    ("binance-futures", TWO, "BTCUSDT-PERP", "ETHUSDT-PERP", "ETHUSDT"),
    ("bybit", "BTCUSDT", "BTCUSDT.SPOT", "BTCUSDT", "BTCUSDT.P"),
    ("bybit", "BTCUSDT", "BTCUSDT", "BTCUSDT.SPOT", "BTCUSDT"),
    ("backpack", SOLS, "SOL_USDC", "SOL_USDC_PERP", "SOL_USDC_PERP"),
    ("backpack", SOLS, "SOL_USDC_PERP", "SOL_USDC", "SOL_USDC"),
]
"""Dialect, its markets, what the profile trades, another market, and the exchange's name of it."""


class OtherProgram:
    """Somebody else who trades on the account, on a market of their own."""

    def __init__(self, gateway: Gateway, market: Instrument, top: tuple[int, int]) -> None:
        self._gateway = gateway
        self._market = market
        self._bid, ask = top
        self._lots = max(market.min_lots, int(500 / market.notional(ask, 1)))
        self._sent = 0

    def _send(self, side: Side, kind: OrderKind, ticks: int, *, is_exit: bool = False) -> None:
        self._sent += 1
        is_stop = kind is OrderKind.STOP_MARKET
        intent = OrderIntent(
            client_id=ClientOrderId(f"ob-other-{self._sent}{'s' if is_exit else 'e'}-hand-x"),
            symbol=self._market.symbol,
            side=side,
            kind=kind,
            lots=self._lots // 2 if is_exit else self._lots,
            role=OrderRole.STOP if is_exit else OrderRole.ENTRY,
            owner="other",
            price_ticks=0 if is_stop else ticks,
            trigger_ticks=ticks if is_stop else 0,
            reduce_only=is_exit and self._market.is_perpetual,
        )
        self._gateway.send(ApprovedOrder(intent, 1))

    def rest(self) -> None:
        self._send(Side.BUY, OrderKind.LIMIT, self._bid * 9 // 10)

    def buy(self) -> None:
        self._send(Side.BUY, OrderKind.MARKET, 0)

    def protect(self) -> None:
        self._send(Side.SELL, OrderKind.STOP_MARKET, self._bid * 8 // 10, is_exit=True)


async def at_venue(one: Crowd) -> dict[str, Any]:
    found: dict[str, Any] = (await one.ledger())["accounts"]["main"]
    return found


async def until_there(one: Crowd, orders: int, positions: int) -> None:
    """Wait until the venue has this many orders and positions, and the first trade."""
    async with asyncio.timeout(15):
        while True:
            told = await at_venue(one)
            found = len(told["open_orders"]), len(told.get("positions", []))
            if found == (orders, positions) and told["fills"]:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", [Kill, EmergencyExit])
@pytest.mark.parametrize(("venue", "markets", "own", "other", "named"), CASES)
async def test_r102_orders_stops_and_positions_of_markets_that_are_not_on_screen(
    tmp_path: Path,
    venue: str,
    markets: str,
    own: str,
    other: str,
    named: str,
    how: type[Kill | EmergencyExit],
) -> None:
    options = ServeOptions(venue=venue, symbol=markets, seed=5)
    async with crowd(tmp_path, ["main"], venue=venue, symbol=Symbol(own), options=options) as one:
        keys = one.server.accounts[0]
        gateway = one.hub.gateway(ApiKeys(keys.api_key, keys.api_secret))
        market = (await gateway.prepare([Symbol(other)])).instruments[Symbol(other)]
        top = one.server.venue.top(named)
        somebody = OtherProgram(gateway, market, (top.bid_ticks, top.ask_ticks))
        somebody.buy()
        held = int(market.is_perpetual)
        await until_there(one, 0, held)
        somebody.rest()
        await until_there(one, 1, held)
        somebody.protect()
        await until_there(one, 2, held)
        before = (await at_venue(one))["balances"]

        engine = one.engines["main"]
        engine.command(how(account="main"), "test")
        progress = engine.panic.progress
        assert progress is not None
        await one.until(lambda: progress.done)
        assert (progress.left_orders, progress.cancelled) == (0, 2)
        told = await at_venue(one)
        assert told["open_orders"] == []
        is_left = held and how is Kill
        assert len(told.get("positions", [])) == is_left
        if not market.is_perpetual:  # coins are somebody's property (decision 0007)
            assert before[market.base]["free"] <= told["balances"][market.base]["free"]
        await gateway.close()


async def test_what_cannot_be_closed_elsewhere_is_named_with_the_reason(tmp_path: Path) -> None:
    options = ServeOptions(venue="binance-futures", symbol=TWO, seed=5)
    own, other = Symbol("BTCUSDT-PERP"), Symbol("ETHUSDT-PERP")
    async with crowd(
        tmp_path, ["main"], venue="binance-futures", symbol=own, options=options
    ) as one:
        keys = one.server.accounts[0]
        gateway = one.hub.gateway(ApiKeys(keys.api_key, keys.api_secret))
        market = (await gateway.prepare([other])).instruments[other]
        top = one.server.venue.top("ETHUSDT")
        OtherProgram(gateway, market, (top.bid_ticks, top.ask_ticks)).buy()
        await until_there(one, 0, 1)
        await one.fault(kind="status", match="order.place", status=400, code=-1013, count=1_000)
        engine = one.engines["main"]
        engine.command(EmergencyExit(account="main"), "test")
        progress = engine.panic.progress
        assert progress is not None
        await one.until(lambda: progress.done)
        assert progress.left_positions == 1
        assert progress.text.startswith("left: ")
        assert "ETHUSDT-PERP: -1013" in progress.text
        await gateway.close()
