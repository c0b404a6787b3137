"""A whole host in this process against a simulated exchange on loopback sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.core.commands import AnyCommand, PlaceOrder
from obiterm.core.values import Side, Symbol
from obiterm.engine.account import AccountEngine
from obiterm.exchange.serve import ExchangeServer, ServeOptions
from obiterm.host.run import RunningHost, run_host
from obiterm.trading.kernel import Kernel

SYMBOL = Symbol("BTCUSDT")
ACCOUNT = "probe"
DEADLINE_S = 10.0

PROFILE = """
schema = 1
title = "fault test"
sizes = ["0.001"]

[[accounts]]
name = "probe"
venue = "binance"
environment = "testnet"
symbols = ["BTCUSDT"]
keys = "env:PROBE"
urls = {{ rest = "{rest}", stream = "{stream}", ws_api = "{ws_api}" }}

[accounts.limits]
max_open_orders = 100
max_orders_per_10s = 100
price_collar_bps = 500
{strategy}
"""

RESTING_ENTRY = """
[[strategies]]
name = "rester"
kind = "surf"
account = "probe"
symbol = "BTCUSDT"

[strategies.parameters]
quantity = 0.001
enter_obi = 0.01
hold_obi = 0.0
offset_ticks = -9000
reprice_ticks = 100000
entry_timeout_ms = 0
cooldown_ms = 0
"""


class Probe:
    """The host, its one account and the exchange's own truth."""

    def __init__(
        self, server: ExchangeServer, running: RunningHost, session: aiohttp.ClientSession
    ) -> None:
        self.server = server
        self.running = running
        self._session = session

    @property
    def engine(self) -> AccountEngine:
        return self.running.engines[0]

    @property
    def kernel(self) -> Kernel:
        return self.engine.kernel

    def command(self, command: AnyCommand) -> tuple[bool, str]:
        return self.running.service.command_all(command, "test")

    def buy_below(self, ticks_below: int = 30_000, lots: int = 100) -> tuple[bool, str]:
        """Rest a post-only buy below the market."""
        bid = self.kernel.markets[SYMBOL].best()[0]
        return self.command(
            PlaceOrder(
                account=ACCOUNT,
                symbol=SYMBOL,
                side=Side.BUY,
                lots=lots,
                price_ticks=bid - ticks_below,
            )
        )

    def buy_now(self, lots: int = 1_000) -> tuple[bool, str]:
        """Buy at market."""
        return self.command(
            PlaceOrder(account=ACCOUNT, symbol=SYMBOL, side=Side.BUY, lots=lots, post_only=False)
        )

    async def ledger(self) -> dict[str, Any]:
        async with self._session.get(f"{self.server.rest_url}/_exchange/ledger") as reply:
            body = await reply.json()
        account: dict[str, Any] = body["accounts"]["main"]
        return account

    async def open_at_exchange(self) -> int:
        return len((await self.ledger())["open_orders"])

    async def fault(self, **words: object) -> None:
        async with self._session.post(
            f"{self.server.rest_url}/_exchange/faults", json=words
        ) as reply:
            assert reply.status == 200, await reply.text()

    async def mend(self) -> None:
        async with self._session.delete(f"{self.server.rest_url}/_exchange/faults") as reply:
            assert reply.status == 200

    async def until(self, condition: Callable[[], bool], limit_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110 - any state of the program may be waited for
                await asyncio.sleep(0.005)

    async def until_open(self, count: int, limit_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(limit_s):
            while await self.open_at_exchange() != count:  # noqa: ASYNC110 - the exchange's word
                await asyncio.sleep(0.005)


Start = Callable[..., Any]


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a context manager that starts exchange and host; it ends both."""

    @asynccontextmanager
    async def start(strategy: str = "") -> AsyncIterator[Probe]:
        options = ServeOptions(seed=11)
        async with ExchangeServer(options) as server, aiohttp.ClientSession() as session:
            monkeypatch.setenv("PROBE_KEY", server.api_key)
            monkeypatch.setenv("PROBE_SECRET", server.api_secret)
            path = tmp_path / "probe.toml"
            path.write_text(
                PROFILE.format(
                    rest=server.rest_url,
                    stream=server.stream_url,
                    ws_api=server.ws_api_url,
                    strategy=strategy,
                )
            )
            paths = Paths.from_environment()
            profile = load_profile(path, user_dir=paths.profiles)
            ready: asyncio.Future[RunningHost] = asyncio.get_running_loop().create_future()
            host = asyncio.create_task(
                run_host(profile, paths, on_ready=ready.set_result, handle_signals=False)
            )
            host.add_done_callback(lambda task: ready.done() or ready.cancel())
            try:
                running = await asyncio.wait_for(ready, DEADLINE_S)
                one = Probe(server, running, session)
                await one.until(lambda: one.kernel.gate.tradable(SYMBOL, one.engine.now_ns()))
                await one.until(lambda: one.kernel.feeds.get("account", False))
                yield one
            finally:
                if ready.done() and not ready.cancelled():
                    ready.result().service.ask_stop("test over")
                await asyncio.wait_for(host, DEADLINE_S)

    return start
