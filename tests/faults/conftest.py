"""A whole host in this process against a simulated exchange on loopback sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.core.commands import AnyCommand, PlaceOrder
from obiterm.core.events import Event
from obiterm.core.values import ClientOrderId, Side, Symbol
from obiterm.engine.account import AccountEngine
from obiterm.exchange.api import Kind, NewOrder
from obiterm.exchange.serve import ExchangeServer, ServeOptions
from obiterm.host.run import RunningHost, run_host
from obiterm.trading.kernel import Kernel

SYMBOL = Symbol("BTCUSDT")
ACCOUNT = "probe"
DEADLINE_S = 30.0
"""How long a test waits before it fails; what must be quick is measured by the test itself."""

PROFILE = """
schema = 1
watchdog_s = 0
title = "fault test"
sizes = ["0.001"]
{top}

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

EAGER = """
[[strategies]]
name = "eager"
kind = "surf"
account = "probe"
symbol = "BTCUSDT"

[strategies.parameters]
quantity = 0.01
enter_obi = 0.01
hold_obi = 0.0
exit_obi = 1.0
confirm_updates = 10000
confirm_ms = 0
offset_ticks = 20
reprice_ticks = 100000
entry_timeout_ms = 0
stop_bps = 100
trail_bps = 0
cooldown_ms = 600000
"""
"""Buys once, as near as it may, and then only holds with its stop."""

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

    async def house(self, **words: object) -> None:
        """Let the house trade, so that the market moves."""
        url = f"{self.server.rest_url}/_exchange/control"
        async with self._session.post(url, json=words) as reply:
            assert reply.status == 200, await reply.text()

    def place_as_somebody_else(self, ticks_below: int = 50_000) -> ClientOrderId:
        """Rest a buy of a person on the same account; return its id."""
        venue = self.server.venue
        client_id = ClientOrderId(f"web_{ticks_below}")
        venue.place(
            "main",
            NewOrder(
                symbol=SYMBOL,
                side=Side.BUY,
                kind=Kind.LIMIT,
                client_id=client_id,
                lots=200,
                price_ticks=venue.top(SYMBOL).bid_ticks - ticks_below,
            ),
            time.time_ns(),
        )
        return client_id

    async def hit_our_bids(self) -> None:
        """Let the house sell until our resting buys have filled."""
        async with asyncio.timeout(DEADLINE_S):
            while any(o["side"] == "BUY" for o in (await self.ledger())["open_orders"]):
                await self.house(do="market_order", side="SELL", qty="1")

    async def bought(self) -> Decimal:
        """Return what the exchange says that we bought less what we sold."""
        fills = (await self.ledger())["fills"]
        return sum(
            (Decimal(f["quantity"]) * (1 if f["side"] == "BUY" else -1) for f in fills),
            Decimal(0),
        )

    async def until(self, condition: Callable[[], bool], limit_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110 - any state of the program may be waited for
                await asyncio.sleep(0.005)

    async def until_open(self, count: int, limit_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(limit_s):
            while await self.open_at_exchange() != count:  # noqa: ASYNC110 - the exchange's word
                await asyncio.sleep(0.005)


Start = Callable[..., AbstractAsyncContextManager["Probe"]]


def _unheard(event: Event) -> None:
    """Hear nothing, as a process that is gone."""


class Runs:
    """Starts hosts of one profile, one after the other, on one exchange."""

    def __init__(
        self,
        server: ExchangeServer,
        session: aiohttp.ClientSession,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.server = server
        self._session = session
        self._folder = folder
        monkeypatch.setenv("PROBE_KEY", server.api_key)
        monkeypatch.setenv("PROBE_SECRET", server.api_secret)

    @asynccontextmanager
    async def host(
        self, strategy: str = "", *, top: str = "", crash: bool = False
    ) -> AsyncIterator[Probe]:
        """Run a host; at the end it is asked to stop or, with ``crash``, dies where it stands."""
        path = self._folder / "probe.toml"
        path.write_text(
            PROFILE.format(
                rest=self.server.rest_url,
                stream=self.server.stream_url,
                ws_api=self.server.ws_api_url,
                strategy=strategy,
                top=top,
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
            one = Probe(self.server, running, self._session)
            await one.until(lambda: bool(one.running.engines))
            await one.until(lambda: one.kernel.gate.tradable(SYMBOL, one.engine.now_ns()))
            await one.until(lambda: one.kernel.in_sight)
            yield one
        finally:
            if crash and ready.done() and not ready.cancelled():
                for engine in ready.result().engines:
                    engine.gateway._emit = _unheard  # type: ignore[attr-defined]  # as if dead
                host.cancel()
                await asyncio.gather(host, return_exceptions=True)
            elif ready.done() and not ready.cancelled():
                ready.result().service.ask_stop("test over")
            if not crash:
                await asyncio.wait_for(host, DEADLINE_S)


@pytest.fixture
async def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runs]:
    """Return a starter of hosts on one exchange."""
    options = ServeOptions(seed=11)
    async with ExchangeServer(options) as server, aiohttp.ClientSession() as session:
        yield Runs(server, session, tmp_path, monkeypatch)


@pytest.fixture
def probe(runs: Runs) -> Start:
    """Return a context manager that runs a host and ends it."""
    return runs.host
