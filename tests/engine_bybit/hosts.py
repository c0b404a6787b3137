"""Whole hosts with one Bybit account, against the simulated exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.core.commands import PlaceOrder
from obiterm.core.events import Event
from obiterm.core.values import Side
from obiterm.host.run import RunningHost, run_host
from tests.engine_bybit.conftest import CountedExchange
from tests.faults.conftest import ACCOUNT, SYMBOL, Probe

DEADLINE_S = 30.0

_PROFILE = """
schema = 1
watchdog_s = 0
title = "Bybit test"
sizes = ["0.001"]

[[accounts]]
name = "probe"
venue = "bybit"
environment = "{environment}"
symbols = ["BTCUSDT", "BTCUSDT.SPOT"]
keys = "env:PROBE"

[accounts.urls]
rest = "{rest}"
public = "{public}"
private = "{private}"
{trade}

[accounts.limits]
max_open_orders = 100
max_orders_per_10s = 100
price_collar_bps = 500
max_leverage = 5
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
"""Enters once, whichever way, as near as it may, and then only holds with its stop."""

SURF = """
[[strategies]]
name = "surf"
kind = "surf"
account = "probe"
symbol = "BTCUSDT"

[strategies.parameters]
quantity = 0.002
enter_obi = 0.05
hold_obi = 0.02
exit_obi = 0.05
confirm_updates = 2
confirm_ms = 0
offset_ticks = 5
reprice_ticks = 3
cooldown_ms = 0
"""
"""Trades as often as it may."""


class BybitProbe(Probe):
    """The host, its account, and the exchange's own truth about its perpetual."""

    def place(self, side: Side, lots: int, away: int = 0) -> None:
        """Trade at market, or rest ``away`` ticks from the market."""
        bid, _, ask, _ = self.kernel.markets[SYMBOL].best()
        price = 0
        if away:
            price = bid - away if side is Side.BUY else ask + away
        taken, text = self.command(
            PlaceOrder(
                account=ACCOUNT,
                symbol=SYMBOL,
                side=side,
                lots=lots,
                price_ticks=price,
                post_only=bool(away),
            )
        )
        assert taken, text

    async def held(self, side: Side, lots: int) -> None:
        """Open a position by hand and wait until everybody knows."""
        self.place(side, lots)
        await self.until(lambda: self.kernel.gate.net_lots(SYMBOL) == lots * side.sign)

    async def push(self, side: Side) -> None:
        """Let the house trade in one direction on the perpetual, with whoever is there."""
        url = f"{self.server.rest_url}/_exchange/control"
        deed = {"do": "market_order", "symbol": "BTCUSDT.P", "side": side.value, "qty": "3"}
        async with self._session.post(url, json=deed) as reply:
            said = await reply.json()
            assert reply.status == 200 or said == {"error": "no liquidity"}, said

    async def positions(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = (await self.ledger())["positions"]
        return found


def _unheard(event: Event) -> None:
    """Hear nothing, as a process that is gone."""


class BybitRuns:
    """Starts hosts of one profile, one after the other, on one exchange."""

    def __init__(
        self,
        server: CountedExchange,
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
        self, strategy: str = "", *, demo: bool = False, crash: bool = False
    ) -> AsyncIterator[BybitProbe]:
        """Run a host; at the end it is asked to stop or, with ``crash``, dies where it stands."""
        server = self.server
        path = self._folder / "probe.toml"
        path.write_text(
            _PROFILE.format(
                environment="demo" if demo else "testnet",
                rest=server.rest_url,
                public=server.stream_url,
                private=server.addresses.private_stream,
                trade="" if demo else f'trade = "{server.ws_api_url}"',
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
            one = BybitProbe(server, running, self._session)
            await one.until(lambda: bool(running.engines))
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
