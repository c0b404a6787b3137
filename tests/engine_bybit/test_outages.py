"""A venue that goes away, keeps us away or comes back: accounts recover by themselves (T16 T44)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from obiterm.core.errors import RetryLater
from obiterm.core.events import FeedChanged, Filled, OrderOutcomeLost, OrderRefused
from obiterm.core.values import NS_PER_MS, Environment, OrderKind, RefusalKind
from obiterm.engine.bybit import gateway, order_entry
from obiterm.engine.bybit.hub import BybitHub
from obiterm.exchange.bybit.limits import BybitLimits
from obiterm.exchange.serve import AccountOptions, ServeOptions
from obiterm.net.clock import SteadyClock
from obiterm.venues.bybit import urls
from tests.engine_bybit.conftest import PERP, CountedExchange, hub_of, keys_of, trader_of

OUTAGE_S = 4.0


async def test_t16_a_venue_that_was_away_is_found_within_ten_seconds(
    server: CountedExchange,
) -> None:
    async with trader_of(server, symbols=[PERP]) as trader:
        await trader.trade()
        server.options = msgspec.structs.replace(server.options, port=server._port)
        await server.stop()
        asked = len(server.asked)
        await trader.event(FeedChanged, stream="account", up=False)
        await trader.until(lambda: set(trader.gateway.health().sockets.values()) == {"down"})
        mine = trader.send(trader.away())
        await trader.until(lambda: trader.of(OrderRefused) or trader.of(OrderOutcomeLost))
        await asyncio.sleep(OUTAGE_S)  # as long as the venue is away
        await server.start()
        began = time.monotonic()
        await trader.until(trader.is_up, 10)
        await trader.until(lambda: "up" in trader.hub.feed.source.sockets().values(), 10)
        assert time.monotonic() - began < 10
        assert len(server.asked) - asked < 20
        assert await trader.gateway.find_order(PERP, mine) is None
        await trader.rest_away()


class Valve:
    """A way to the exchange that can be shut: connections stay open and carry nothing."""

    def __init__(self, port: int) -> None:
        self.url = ""
        self._port = port
        self._open: list[bool] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def shut(self) -> None:
        """Carry nothing more on the connections that there are; new ones work."""
        self._open[:] = [False] * len(self._open)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self._open)
        self._open.append(True)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(number, source, sink))
            self._tasks.add(task)

    async def _pump(
        self, number: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                if self._open[number]:
                    sink.write(data)
        sink.close()


async def test_t16_half_open_sockets_are_found_by_their_missing_answers(
    server: CountedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is closed and nothing comes: quiet private sockets are replaced all the same."""
    for module in (gateway, order_entry):
        monkeypatch.setattr(module, "PING_EVERY_NS", 400 * NS_PER_MS)
    valve = Valve(server._port)
    async with valve.running():
        given = {
            "rest": server.rest_url,
            "public": server.stream_url,
            "private": f"{valve.url}/v5/private",
            "trade": f"{valve.url}/v5/trade",
        }
        hub = BybitHub(urls(Environment.SIM, given), SteadyClock())
        async with trader_of(server, hub=hub, symbols=[PERP]) as trader:
            valve.shut()
            down = await trader.event(FeedChanged, stream="account", up=False)
            assert down.text == "no answer to a ping"
            await trader.until(trader.is_up)
            assert len(trader.of(FeedChanged, stream="account", up=True)) == 2
            await trader.rest_away()
        await hub.close()


async def test_t41_a_trade_socket_that_swallows_orders_is_left(server: CountedExchange) -> None:
    """One order without an answer is asked about; the next goes over another connection."""
    valve = Valve(server._port)
    async with valve.running():
        given = {
            "rest": server.rest_url,
            "public": server.stream_url,
            "private": server.addresses.private_stream or "",
            "trade": f"{valve.url}/v5/trade",
        }
        hub = BybitHub(urls(Environment.SIM, given), SteadyClock())
        async with trader_of(server, hub=hub, symbols=[PERP]) as trader:
            valve.shut()
            mine = trader.send(trader.away())
            await trader.event(OrderOutcomeLost, client_id=mine)
            assert await trader.gateway.find_order(PERP, mine) is None
            await trader.until(trader.is_up)
            await trader.rest_away()
        await hub.close()


async def test_t44_no_handshake_is_tried_while_the_address_is_kept_away() -> None:
    limits = BybitLimits(requests_per_5s=60)
    options = ServeOptions(venue="bybit", limits=limits, seed=11)
    async with CountedExchange(options) as server, trader_of(server) as trader:
        while True:
            try:
                await trader.gateway.balances()
            except RetryLater:
                break
        asked = len(server.asked)
        await trader.back.fault("cut", match="all")
        await trader.event(FeedChanged, stream="market", up=False)
        refused = await trader.event(OrderRefused, client_id=trader.send(trader.away()))
        assert "rate limit of the venue: wait" in refused.text
        assert refused.refusal is RefusalKind.LATER
        await asyncio.sleep(1.5)  # several tries, had there been any
        assert len(server.asked) == asked
        assert "keeps this address away" in trader.gateway._user_socket.last_reason


async def test_r126_accounts_share_the_feed_and_nothing_else() -> None:
    """One account's key is revoked; the other trades on, on the same market streams."""
    accounts = [AccountOptions(), AccountOptions(name="other")]
    options = ServeOptions(venue="bybit", accounts=accounts, seed=11)
    async with CountedExchange(options) as server:
        hub = hub_of(server)
        async with trader_of(server, hub=hub) as one, trader_of(server, hub=hub, account=1) as two:
            await one.trade()
            await two.trade(lots=3)
            await one.until(lambda: len(one.of(Filled)) == 1)
            assert [fill.lots for fill in two.of(Filled)] == [3]
            assert server.count("/v5/public/") == 2
            assert server.count("instruments-info") == 2
            await one.back.house(do="revoke_key", api_key=server.accounts[0].api_key)
            one.send(one.away())
            await one.ended()
            await two.rest_away()
            mine = two.send(two.order(kind=OrderKind.MARKET, lots=2))
            await two.until(lambda: two.of(Filled, client_id=mine))
            assert server.count("/v5/public/") == 2
        await hub.close()


async def test_t44_accounts_of_one_address_share_its_budget(server: CountedExchange) -> None:
    """What one account asks, the others know of: the address is never overdrawn."""
    hub = hub_of(server)
    hub._source.address.limit = 100
    gateways = [hub.gateway(keys_of(server)) for _ in range(8)]
    done = await asyncio.gather(
        *(gateway.prepare([PERP]) for gateway in gateways), return_exceptions=True
    )
    assert all(isinstance(each, RetryLater) or not isinstance(each, Exception) for each in done)
    assert 0.5 < hub._source.address.used_share(hub._source._wire.venue_ns()) <= 0.8
    assert len(server.asked) <= 80
    await hub.close()
