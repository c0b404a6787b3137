"""A whole host with one Backpack account, in this process, on the exchange of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.core.commands import AnyCommand, ClosePosition, EmergencyExit, Kill, PlaceOrder
from obiterm.core.events import Event
from obiterm.core.orders import OrderIntent
from obiterm.core.values import OrderKind, OrderRole, OrderState, Side, Symbol
from obiterm.engine.account import AccountEngine
from obiterm.host.run import RunningHost, run_host
from obiterm.trading.kernel import Kernel
from obiterm.trading.order_states import TrackedOrder
from tests.engine_backpack.support import PERP, Exchange, until

ACCOUNT = "probe"
DEADLINE_S = 30.0

PROFILE = """
schema = 1
watchdog_s = 0
title = "backpack test"

[[accounts]]
name = "probe"
venue = "backpack"
environment = "sim"
symbols = ["SOL_USDC_PERP", "SOL_USDC"]
keys = "env:PROBE"
urls = {{ rest = "{rest}", stream = "{stream}" }}

[accounts.limits]
max_open_orders = 100
max_orders_per_10s = 100
price_collar_bps = 500
{strategy}
"""

SURF = """
[[strategies]]
name = "eager"
kind = "surf"
account = "probe"
symbol = "SOL_USDC_PERP"

[strategies.parameters]
direction = "{direction}"
quantity = 1
enter_obi = 0.01
hold_obi = 0.0
exit_obi = {exit_obi}
confirm_updates = 1
confirm_ms = 0
offset_ticks = 20
reprice_ticks = 100000
entry_timeout_ms = 0
stop_bps = 100
trail_bps = 0
cooldown_ms = {cooldown_ms}
"""
HOLDER = SURF.format(direction="long", exit_obi="1.0", cooldown_ms=600_000)
"""Buys once, as near as it may, and then only holds with its stop."""
SHORT_HOLDER = SURF.format(direction="short", exit_obi="1.0", cooldown_ms=600_000)
TURNER = SURF.format(direction="both", exit_obi="0.02", cooldown_ms=0)
"""Goes in and out with every turn of the book."""


class Hosted:
    """The host's one account and what the exchange says of it."""

    def __init__(self, exchange: Exchange, running: RunningHost) -> None:
        self.exchange = exchange
        self.running = running

    @property
    def engine(self) -> AccountEngine:
        return self.running.engines[0]

    @property
    def kernel(self) -> Kernel:
        return self.engine.kernel

    def command(self, command: AnyCommand) -> tuple[bool, str]:
        return self.running.service.command_all(command, "test")

    def place(
        self, side: Side, lots: int = 100, *, away: int = 0, symbol: Symbol = PERP
    ) -> tuple[bool, str]:
        """Place by hand: ``away`` ticks from the own best price, or at market with 0."""
        bid, _, ask, _ = self.kernel.markets[symbol].best()
        price = bid - away if side is Side.BUY else ask + away
        return self.command(
            PlaceOrder(
                account=ACCOUNT,
                symbol=symbol,
                side=side,
                lots=lots,
                price_ticks=price if away else 0,
                post_only=bool(away),
            )
        )

    def kill(self) -> None:
        assert self.command(Kill(account=ACCOUNT))[0]

    def exit(self) -> None:
        assert self.command(EmergencyExit(account=ACCOUNT))[0]

    def close(self, symbol: Symbol = PERP) -> None:
        taken, why = self.command(ClosePosition(account=ACCOUNT, symbol=symbol))
        assert taken, why

    def live(self, role: OrderRole | None = None) -> list[TrackedOrder]:
        return [o for o in self.kernel.desk.live() if role is None or o.intent.role is role]

    async def rests(self, role: OrderRole) -> OrderIntent:
        """Wait until an order of a role rests, and return it."""
        resting = (OrderState.OPEN, OrderState.PARTIAL)
        [order, *_] = await until(
            lambda: [o for o in self.live(role) if o.state in resting], DEADLINE_S
        )
        return order.intent

    async def panic_done(self) -> str:
        """Wait until the panic path has nothing left to do; return what it tells."""
        progress = self.engine.panic.progress
        assert progress is not None
        await until(lambda: progress.done, DEADLINE_S)
        return progress.text

    @property
    def net_lots(self) -> int:
        return self.kernel.gate.net_lots(PERP)

    def stop_on_hit(self) -> OrderIntent | None:
        stops = [o for o in self.live(OrderRole.STOP) if o.intent.kind is OrderKind.STOP_MARKET]
        return stops[0].intent if stops else None

    async def filled(self) -> int:
        """Let the house sell into our bids until something of us has filled."""
        async with asyncio.timeout(DEADLINE_S):
            while not self.net_lots:
                await self.exchange.control("market_order", symbol=PERP, side="SELL", qty="50")
                await asyncio.sleep(0.05)
        return self.net_lots


def _unheard(event: Event) -> None:
    """Hear nothing, as a process that is gone."""


class Hosts:
    """Starts hosts on one exchange, one after the other, with the same home."""

    def __init__(self, exchange: Exchange, folder: Path) -> None:
        self._exchange = exchange
        self._folder = folder

    @asynccontextmanager
    async def run(self, strategy: str = "", *, crash: bool = False) -> AsyncIterator[Hosted]:
        """Run a host; at the end it is asked to stop or, with ``crash``, dies where it stands."""
        path = self._folder / "probe.toml"
        server = self._exchange.server
        path.write_text(
            PROFILE.format(rest=server.rest_url, stream=server.stream_url, strategy=strategy)
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
            await until(lambda: running.engines, DEADLINE_S)
            one = Hosted(self._exchange, running)
            await until(lambda: one.kernel.gate.tradable(PERP, one.engine.now_ns()), DEADLINE_S)
            await until(lambda: one.kernel.in_sight, DEADLINE_S)
            yield one
        finally:
            if crash and ready.done() and not ready.cancelled():
                for engine in ready.result().engines:
                    gateway = engine.gateway
                    gateway._emit = gateway._orders.emit = _unheard  # type: ignore[attr-defined]
                host.cancel()
                await asyncio.gather(host, return_exceptions=True)
            elif ready.done() and not ready.cancelled():
                ready.result().service.ask_stop("test over")
            if not crash:
                await asyncio.wait_for(host, DEADLINE_S)
