"""The order path of each venue beside ccxt's, on one server in one run (ARCHITECTURE §8).

From the call that sends an order to its arrival at the exchange: build, sign, send.
Ours and theirs in turn, each on an account of its own, with pauses between, so that both
pay for the same server. Before an order of ours its path is rehearsed, as a host does all the
time (docs/decisions/0014), and not before one of ccxt's, whose users' programs do not. ccxt
uses its WebSocket order entry where it has one for the venue, REST elsewhere. Ratios count,
not microseconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import uvloop

from obiterm.config.keys import ApiKeys
from obiterm.config.venues import VENUES
from obiterm.core.events import Event, OrderRefused, OrderReported
from obiterm.core.orders import ApprovedOrder, OrderIntent, RehearsedOrder
from obiterm.core.values import (
    ClientOrderId,
    Environment,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
)
from obiterm.engine.gateway import Gateway
from obiterm.engine.hub import Hub
from obiterm.engine.venues import open_hub
from obiterm.host.rehearsal import EVERY_S
from obiterm.net.clock import SteadyClock
from tests.benchmarks.peers_ccxt import MARKETS, peer

HERE = Path(__file__).parent
ORDERS = int(os.environ.get("OBITERM_BENCH_ORDERS", "60"))
WARM = 5
PAUSE_S = 0.12
REHEARSES = os.environ.get("OBITERM_BENCH_REHEARSAL", "1") != "0"
TARGET = 0.6
OURS = {
    "binance": "BTCUSDT",
    "binance-futures": "BTCUSDT-PERP",
    "bybit": "BTCUSDT",
    "backpack": "SOL_USDC_PERP",
}
ADDRESSES = {
    "binance": {"rest": "rest", "stream": "stream", "ws_api": "ws_api"},
    "binance-futures": {"rest": "rest", "stream": "stream", "ws_api": "ws_api"},
    "bybit": {
        "rest": "rest",
        "public": "stream",
        "private": "private_stream",
        "trade": "ws_api",
    },
    "backpack": {"rest": "rest", "stream": "stream"},
}
QUANTITY = {"binance": 0.01, "binance-futures": 0.01, "bybit": 0.01, "backpack": 1.0}


Server = subprocess.Popen[str]


@contextmanager
def exchange(venue: str) -> Iterator[tuple[dict[str, Any], Server]]:
    process = subprocess.Popen(
        [sys.executable, "-P", str(HERE / "order_server.py"), venue],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline()), process
    finally:
        process.stdin.close()
        process.wait(10)


def stamps_of(server: Server) -> list[int]:
    """Return when each order arrived, ns, in turn."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write("\n")
    server.stdin.flush()
    return list(json.loads(server.stdout.readline()))


class Trader:
    """One account's gateway, and what it has told so far."""

    def __init__(self, hub: Hub, gateway: Gateway, symbol: Symbol) -> None:
        self.hub = hub
        self.gateway = gateway
        self.symbol = symbol
        self.number = 0
        self.price_ticks = 0
        self.lots = 0
        self._waiting: dict[ClientOrderId, asyncio.Future[None]] = {}

    def heard(self, event: Event) -> None:
        if isinstance(event, OrderRefused):
            pytest.fail(f"refused: {event.code} {event.text}")
        if not isinstance(event, OrderReported):
            return
        future = self._waiting.get(event.client_id)
        if future is not None and not future.done() and event.state is OrderState.OPEN:
            future.set_result(None)

    async def pause(self) -> None:
        """Wait as a host waits that trades: rehearsing."""
        end = time.monotonic() + PAUSE_S
        while time.monotonic() < end:
            self.gateway.rehearse(RehearsedOrder(self.intent("ob-bench-0e-x-dry"), time.time_ns()))
            await asyncio.sleep(EVERY_S)

    def intent(self, client_id: str) -> OrderIntent:
        return OrderIntent(
            client_id=ClientOrderId(client_id),
            symbol=self.symbol,
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            lots=self.lots,
            role=OrderRole.ENTRY,
            owner="x",
            tag="entry",
            price_ticks=self.price_ticks,
        )

    async def place(self) -> int:
        """Send an order far below the market; return when it was asked for, ns."""
        self.number += 1
        intent = self.intent(f"ob-bench-{self.number}e-x-entry")
        accepted = self._waiting[intent.client_id] = asyncio.get_running_loop().create_future()
        began_ns = time.perf_counter_ns()
        self.gateway.send(ApprovedOrder(intent, time.time_ns()))
        await asyncio.wait_for(accepted, 10)
        return began_ns


async def trade(address: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Place orders by turns; return when ours and ccxt's were asked for, ns."""
    venue = address["venue"]
    urls = {ours: address[theirs] for ours, theirs in ADDRESSES[venue].items()}
    symbol = Symbol(OURS[venue])
    hub = open_hub(venue, Environment.SIM, urls, SteadyClock())
    keys = address["accounts"][0]
    gateway = hub.gateway(ApiKeys(keys["api_key"], keys["api_secret"]), is_fresh=True)
    trader = Trader(hub, gateway, symbol)
    prepared = await gateway.prepare([symbol])
    instrument = prepared.instruments[symbol]
    client = peer(address, 1)
    await client.load_markets()
    market = MARKETS[venue]
    price = float((await client.fetch_order_book(market))["bids"][0][0]) * 0.98
    price = float(client.price_to_precision(market, price))
    trader.price_ticks = round(price / float(instrument.tick_size))
    trader.lots = round(QUANTITY[venue] / float(instrument.lot_size))
    has_socket = bool(client.has.get("createOrderWs"))
    create = client.create_order_ws if has_socket else client.create_order
    ours: list[int] = []
    theirs: list[int] = []
    running = asyncio.ensure_future(gateway.run(trader.heard))
    try:
        async with asyncio.timeout(20):
            while "down" in gateway.health().sockets.values():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        for _ in range(ORDERS + WARM):
            ours.append(await trader.place())
            await asyncio.sleep(PAUSE_S)
            began_ns = time.perf_counter_ns()
            await create(market, "limit", "buy", QUANTITY[venue], price)
            theirs.append(began_ns)
            await (trader.pause() if REHEARSES else asyncio.sleep(PAUSE_S))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.close()
        await hub.close()
    return ours, theirs


@pytest.mark.benchmark
@pytest.mark.parametrize("venue", VENUES)
def test_order_path_beside_ccxt(venue: str) -> None:
    with exchange(venue) as (address, server):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            asked = runner.run(trade(address))
        stamps = stamps_of(server)
    assert len(stamps) == len(asked[0]) + len(asked[1])
    ours, theirs = (
        [(there - began) / 1e3 for began, there in zip(one, stamps[turn::2], strict=True)][WARM:]
        for turn, one in enumerate(asked)
    )
    ratio = median(ours) / median(theirs)
    sys.stdout.write(
        f"\n{venue}: order until the exchange has it, p50 {median(ours):.0f} us "
        f"beside {median(theirs):.0f} us of ccxt = {ratio:.2f} (n={len(ours)})\n"
    )
    assert ratio <= TARGET
