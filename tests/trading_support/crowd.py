"""Several accounts on one simulated exchange, without a host around them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from obiterm.config.keys import ApiKeys
from obiterm.core.clock import Clock
from obiterm.core.commands import ClosePosition, PlaceOrder
from obiterm.core.effects import Note
from obiterm.core.events import ClockMeasured, Event
from obiterm.core.limits import RiskLimits
from obiterm.core.values import AccountId, Environment, RunId, Side, Symbol, TradingState
from obiterm.engine.account import AccountEngine
from obiterm.engine.guard import SelfTradeGuard
from obiterm.engine.hub import Hub
from obiterm.engine.latches import LatchStore
from obiterm.engine.venues import open_hub
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from obiterm.journal.log import Journal
from obiterm.net.clock import SteadyClock
from obiterm.trading.record import StartRecord, StrategyRecord, encode_limits

DEADLINE_S = 20.0
BTC = Symbol("BTCUSDT")
ROOMY = RiskLimits(
    max_order_notional=Decimal(100_000),
    max_position_notional=Decimal(1_000_000),
    max_exposure_notional=Decimal(1_000_000),
    max_open_orders=100,
    max_orders_per_10s=300,
    max_spread_bps=Decimal(1_000),
    max_daily_loss=Decimal(100_000),
)


class Crowd:
    """Engines by account name, the exchange's own truth, and what was told."""

    def __init__(
        self,
        server: ExchangeServer,
        hub: Hub,
        guard: SelfTradeGuard,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self.server = server
        self.hub = hub
        self.guard = guard
        self.journal = journal
        self.clock = clock
        self.engines: dict[str, AccountEngine] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.notes: list[tuple[str, str]] = []
        self.heard: list[tuple[str, Event]] = []

    def note(self, account: str, note: Note) -> None:
        self.notes.append((account, note.text))

    def hear(self, account: str, event: Event) -> None:
        self.heard.append((account, event))

    def texts(self, account: str) -> list[str]:
        return [text for name, text in self.notes if name == account]

    # -- asking -------------------------------------------------------------------------------

    def place(
        self, account: str, side: Side, ticks: int, lots: int = 100, *, post_only: bool = True
    ) -> tuple[bool, str]:
        """Place by hand; ``ticks`` 0 is a market order."""
        engine = self.engines[account]
        [symbol] = engine.kernel.markets
        command = PlaceOrder(
            account=account,
            symbol=symbol,
            side=side,
            lots=lots,
            price_ticks=ticks,
            post_only=post_only and ticks > 0,
        )
        return engine.command(command, "test")

    def close(self, account: str) -> tuple[bool, str]:
        engine = self.engines[account]
        [symbol] = engine.kernel.markets
        return engine.command(ClosePosition(account=account, symbol=symbol), "test")

    def best(self, account: str) -> tuple[int, int]:
        [market] = self.engines[account].kernel.markets.values()
        bid, _, ask, _ = market.best()
        return bid, ask

    def live(self, account: str) -> list[tuple[Side, int, str]]:
        return [
            (order.intent.side, order.intent.price_ticks, order.state.value)
            for order in self.engines[account].kernel.desk.live()
        ]

    # -- the exchange's truth ------------------------------------------------------------------

    async def control(self, **words: object) -> None:
        await self._post("control", words)

    async def fault(self, **words: object) -> None:
        await self._post("faults", words)

    async def _post(self, where: str, words: dict[str, object]) -> None:
        url = f"{self.server.rest_url}/_exchange/{where}"
        async with aiohttp.ClientSession() as session, session.post(url, json=words) as reply:
            assert reply.status == 200, await reply.text()

    async def ledger(self) -> dict[str, Any]:
        url = f"{self.server.rest_url}/_exchange/ledger"
        async with aiohttp.ClientSession() as session, session.get(url) as reply:
            body: dict[str, Any] = await reply.json()
        return body

    async def met(self) -> list[tuple[str, int]]:
        """Return trades of which both sides were ours, by the exchange's own books."""
        accounts = (await self.ledger())["accounts"]
        sides = Counter(
            (fill["symbol"], fill["trade_id"])
            for account in accounts.values()
            for fill in account["fills"]
        )
        return [trade for trade, count in sides.items() if count > 1]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - another program is waited for
                await asyncio.sleep(0.002)

    async def settled(self) -> None:
        """Wait until no order is on its way."""
        await self.until(
            lambda: (
                not any(
                    order.state.value in ("SENT", "CANCELLING", "UNKNOWN")
                    for engine in self.engines.values()
                    for order in engine.kernel.desk.live()
                )
            )
        )

    # -- running -------------------------------------------------------------------------------

    async def add(
        self,
        name: str,
        keys: ApiKeys,
        symbol: Symbol,
        *,
        limits: RiskLimits = ROOMY,
        strategies: Sequence[StrategyRecord] = (),
        folder: Path,
    ) -> AccountEngine:
        gateway = self.hub.gateway(keys, is_fresh=True)
        prepared = await gateway.prepare([symbol])
        record = StartRecord(
            program="test",
            account=AccountId(name),
            environment=Environment.SIM,
            run=RunId("runx"),
            profile="test",
            instruments=list(prepared.instruments.values()),
            limits=encode_limits(limits),
            strategies=list(strategies),
            start_state=TradingState.ACTIVE,
            armed=True,
            balances=prepared.balances,
            market_events=False,
            fill_marks=prepared.fill_marks,
        )
        engine = AccountEngine(
            record,
            gateway,
            self.hub.feed,
            self.journal,
            LatchStore(folder / "latches"),
            self.clock,
            self.note,
            self.hear,
            self.guard,
        )
        told = ClockMeasured(prepared.clock_offset_ns, 0, engine.now_ns())
        engine.inherit([told], prepared.fill_marks, {})
        self.engines[name] = engine
        return engine

    def is_ready(self) -> bool:
        return all(
            engine.kernel.in_sight
            and all(
                engine.kernel.gate.tradable(symbol, engine.now_ns())
                for symbol in engine.kernel.markets
            )
            for engine in self.engines.values()
        )


def addresses(server: ExchangeServer) -> dict[str, str]:
    """Return the exchange's addresses by the names of the venue's room."""
    told = server.announcement()
    match told.venue:
        case "bybit":
            found = {
                "public": told.stream,
                "private": told.private_stream or "",
                "trade": told.ws_api or "",
            }
        case "backpack":
            found = {"stream": told.stream}
        case _:
            found = {"stream": told.stream, "ws_api": told.ws_api or ""}
    return {"rest": told.rest, **found}


@asynccontextmanager
async def crowd(
    folder: Path,
    names: Sequence[str],
    *,
    venue: str = "binance",
    symbol: Symbol = BTC,
    limits: RiskLimits = ROOMY,
    strategies: Sequence[StrategyRecord] = (),
    options: ServeOptions | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Crowd]:
    """Run one engine per name on one market of one exchange."""
    if options is None:
        market = {"BTCUSDT-PERP": "BTCUSDT", "BTCUSDT.SPOT": "BTCUSDT"}.get(symbol, symbol)
        options = ServeOptions(venue=venue, symbol=market, seed=5)
    options = msgspec.structs.replace(
        options, accounts=[AccountOptions(name=name) for name in names]
    )
    async with ExchangeServer(options) as server:
        clock = clock or SteadyClock()
        hub = open_hub(venue, Environment.SIM, addresses(server), clock)
        journal = Journal.open(folder / "crowd.journal")
        made = Crowd(server, hub, SelfTradeGuard(), journal, clock)
        try:
            for keys in server.accounts:
                await made.add(
                    keys.name,
                    ApiKeys(keys.api_key, keys.api_secret),
                    symbol,
                    limits=limits,
                    strategies=strategies,
                    folder=folder,
                )
            for name, engine in made.engines.items():
                made.tasks[name] = asyncio.create_task(engine.run())
            try:
                await made.until(made.is_ready)
                yield made
            finally:
                for task in made.tasks.values():
                    task.cancel()
                await asyncio.gather(*made.tasks.values(), return_exceptions=True)
        finally:
            await hub.close()
            journal.close()
