"""A whole host with one futures account on the simulated exchange: surf, panic, restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.core.commands import EmergencyExit, Kill, PlaceOrder
from obiterm.core.values import OrderRole, Side, TradingState
from obiterm.exchange.serve import ExchangeServer
from obiterm.host.run import RunningHost, run_host
from tests.engine_binance_futures.conftest import BTC, DEADLINE_S, options
from tests.faults.conftest import Probe

PROFILE = """
schema = 1
watchdog_s = 0
title = "futures test"
sizes = ["0.001"]

[[accounts]]
name = "probe"
venue = "binance-futures"
environment = "testnet"
symbols = ["BTCUSDT-PERP"]
keys = "env:PROBE"
urls = {{ rest = "{rest}", stream = "{stream}", ws_api = "{ws_api}" }}

[accounts.limits]
max_open_orders = 100
max_orders_per_10s = 100
price_collar_bps = 500
{strategy}
"""

SURF = """
[[strategies]]
name = "surf"
kind = "surf"
account = "probe"
symbol = "BTCUSDT-PERP"

[strategies.parameters]
quantity = 0.01
enter_obi = 0.05
hold_obi = 0.0
exit_obi = 1.0
confirm_updates = 10000
stop_bps = 200
trail_start_bps = 500
offset_ticks = 20
cooldown_ms = 0
max_hold_s = {max_hold_s}
"""
"""Enters as soon as it may, and then holds its position behind a resting stop."""


class FuturesProbe(Probe):
    """The host, its one futures account and the exchange's own truth."""

    def order(
        self, side: Side, lots: int, price_ticks: int = 0, *, post_only: bool = False
    ) -> tuple[bool, str]:
        return self.command(
            PlaceOrder(
                account="probe",
                symbol=BTC,
                side=side,
                lots=lots,
                price_ticks=price_ticks,
                post_only=post_only,
            )
        )

    async def position(self) -> int:
        """Return the exchange's signed lots."""
        return sum(one.lots for one in self.server.venue.positions("main"))

    async def until_position(self, lots: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while await self.position() != lots:  # noqa: ASYNC110 - the exchange's word
                await asyncio.sleep(0.005)
        await self.until(lambda: self.kernel.gate.net_lots(BTC) == lots)

    async def until_protected(self) -> None:
        """Let the house trade until a position of ours rests behind its stop."""
        async with asyncio.timeout(DEADLINE_S):
            while not self.resting(OrderRole.STOP):
                await self.house(do="market_order", side="SELL", qty="0.5")
                await self.house(do="market_order", side="BUY", qty="0.5")
                await asyncio.sleep(0.02)

    def resting(self, role: OrderRole) -> list[str]:
        """Return our open orders of a role, as we know them."""
        return [
            order.intent.client_id for order in self.kernel.desk.live() if order.intent.role is role
        ]


class Hosts:
    """Starts hosts, one after the other, on one exchange."""

    def __init__(self, server: ExchangeServer, http: aiohttp.ClientSession, folder: Path) -> None:
        self.server = server
        self._http = http
        self._path = folder / "probe.toml"

    @asynccontextmanager
    async def start(self, strategy: str = "", *, crash: bool = False) -> AsyncIterator[RunningHost]:
        """Run a host; at the end it is asked to stop or, with ``crash``, dies where it stands."""
        server, paths = self.server, Paths.from_environment()
        self._path.write_text(
            PROFILE.format(
                rest=server.rest_url,
                stream=server.stream_url,
                ws_api=server.ws_api_url,
                strategy=strategy,
            )
        )
        profile = load_profile(self._path, user_dir=paths.profiles)
        ready: asyncio.Future[RunningHost] = asyncio.get_running_loop().create_future()
        host = asyncio.create_task(
            run_host(profile, paths, on_ready=ready.set_result, handle_signals=False)
        )
        host.add_done_callback(lambda task: ready.done() or ready.cancel())
        try:
            yield await asyncio.wait_for(ready, DEADLINE_S)
        finally:
            if crash:
                host.cancel()
                await asyncio.gather(host, return_exceptions=True)
            elif ready.done() and not ready.cancelled():
                ready.result().service.ask_stop("test over")
                await asyncio.wait_for(host, DEADLINE_S)

    @asynccontextmanager
    async def run(self, strategy: str = "", *, crash: bool = False) -> AsyncIterator[FuturesProbe]:
        """Run a host whose account trades."""
        async with self.start(strategy, crash=crash) as running:
            one = FuturesProbe(self.server, running, self._http)
            await one.until(lambda: bool(one.running.engines))
            await one.until(lambda: one.kernel.gate.tradable(BTC, one.engine.now_ns()))
            await one.until(lambda: one.kernel.in_sight)
            yield one


@pytest.fixture
async def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hosts]:
    async with ExchangeServer(options()) as server, aiohttp.ClientSession() as http:
        monkeypatch.setenv("PROBE_KEY", server.api_key)
        monkeypatch.setenv("PROBE_SECRET", server.api_secret)
        yield Hosts(server, http, tmp_path)


async def test_surf_fills_and_rests_its_stop_in_the_conditional_book(hosts: Hosts) -> None:
    async with hosts.run(SURF.format(max_hold_s=0)) as one:
        await one.until_protected()
        ledger = await one.ledger()
        assert ledger["fills"]
        [waiting] = one.server.exchange.office.waiting("main")  # type: ignore[attr-defined]
        assert waiting.client_id == one.resting(OrderRole.STOP)[0]
        await one.until(lambda: one.kernel.gate.net_lots(BTC) != 0)


async def test_r102_a_kill_leaves_no_order_in_either_book(hosts: Hosts) -> None:
    async with hosts.run(SURF.format(max_hold_s=0)) as one:
        await one.until_protected()
        bid = one.kernel.markets[BTC].best()[0]
        assert one.order(Side.BUY, 10, bid - 10_000, post_only=True)[0]
        await one.until(lambda: bool(one.resting(OrderRole.MANUAL)))
        one.command(Kill(account="*"))
        assert not await one.running.service.panic_done(10.0)
        assert await one.open_at_exchange() == 0
        assert one.kernel.state is TradingState.HALTED


@pytest.mark.parametrize("side", Side)
async def test_r102_an_exit_is_flat_from_long_and_from_short(hosts: Hosts, side: Side) -> None:
    async with hosts.run() as one:
        taken, text = one.order(side, 50)
        assert taken, text
        await one.until_position(50 * side.sign)
        one.command(EmergencyExit(account="*"))
        one.command(EmergencyExit(account="*"))
        assert not await one.running.service.panic_done(10.0)
        await one.until_position(0)
        fills = (await one.ledger())["fills"]
        closing = "SELL" if side is Side.BUY else "BUY"
        assert sum(float(f["quantity"]) for f in fills if f["side"] == closing) == pytest.approx(
            0.05
        )


async def test_t32_a_restart_finds_position_and_stop(hosts: Hosts) -> None:
    async with hosts.run(SURF.format(max_hold_s=0), crash=True) as one:
        await one.until_protected()
        await one.until(lambda: not one.resting(OrderRole.ENTRY))
        stops = one.resting(OrderRole.STOP)
        held = await one.position()
        assert held
    async with hosts.run(SURF.format(max_hold_s=0)) as two:
        await two.until_position(held)
        await two.until(lambda: two.resting(OrderRole.STOP) == stops)
        assert len(two.server.exchange.office.waiting("main")) == 1  # type: ignore[attr-defined]
        two.command(EmergencyExit(account="*"))
        assert not await two.running.service.panic_done(10.0)
        assert await two.position() == 0
        assert await two.open_at_exchange() == 0


async def test_t31_a_hedge_account_is_told_on_its_chip(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    hedger = hosts.server.accounts[1]
    monkeypatch.setenv("PROBE_KEY", hedger.api_key)
    monkeypatch.setenv("PROBE_SECRET", hedger.api_secret)
    async with hosts.start() as running:
        [slot] = running.slots
        async with asyncio.timeout(DEADLINE_S):
            while "One-way" not in slot.trouble:  # noqa: ASYNC110 - what the screen shows
                await asyncio.sleep(0.01)
        assert slot.is_stopped
        assert running.engines == []


async def test_a_key_that_is_revoked_stops_its_account_with_a_word(hosts: Hosts) -> None:
    async with hosts.run() as one:
        await one.house(do="revoke_key", api_key=hosts.server.api_key)
        one.order(Side.BUY, 10)
        [slot] = one.running.slots
        await one.until(lambda: slot.is_stopped)
        assert "-2015" in slot.trouble
        assert hosts.server.api_secret not in slot.trouble
