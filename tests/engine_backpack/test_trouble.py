"""Keys, clocks and bans: a clear word each, and no flood (T44 T47)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web
from nacl.signing import SigningKey

from obiterm.config.keys import ApiKeys
from obiterm.core.errors import AccountStopped, ConfigError, ObitermError, RetryLater, UsageError
from obiterm.core.events import OrderRefused
from obiterm.core.values import Environment, OrderKind, OrderRole, OrderState, Side, Symbol
from obiterm.engine.venues import open_hub
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from obiterm.net.clock import SteadyClock
from tests.engine_backpack.support import FAR, PERP, Exchange, line, until

LIMIT = OrderKind.LIMIT


def other_keys(seed: int) -> ApiKeys:
    key = SigningKey(bytes([seed]) * 32)
    return ApiKeys(
        base64.b64encode(bytes(key.verify_key)).decode(), base64.b64encode(bytes(key)).decode()
    )


@contextlib.asynccontextmanager
async def served(**account: object) -> AsyncIterator[Exchange]:
    options = ServeOptions(venue="backpack", accounts=[AccountOptions(**account)])  # type: ignore[arg-type]
    async with ExchangeServer(options) as server, aiohttp.ClientSession() as http:
        yield Exchange(server, http)


async def refused(exchange: Exchange, keys: ApiKeys | None = None) -> ObitermError:
    hub = exchange.hub()
    try:
        with pytest.raises(ObitermError) as caught:
            await hub.gateway(keys or exchange.keys).prepare([PERP])
    finally:
        await hub.close()
    return caught.value


async def test_a_key_that_the_venue_does_not_know(exchange: Exchange) -> None:
    error = await refused(exchange, other_keys(9))
    assert isinstance(error, AccountStopped)
    assert "the key is unknown to the venue" in str(error)
    assert sum(exchange.requests.values()) <= 6


def test_a_secret_of_another_key_is_noticed_before_anything_is_sent(exchange: Exchange) -> None:
    keys = ApiKeys(other_keys(8).api_key, other_keys(9).api_secret)
    with pytest.raises(ConfigError, match="api_secret") as caught:
        exchange.hub().gateway(keys)
    assert keys.api_secret not in str(caught.value)


async def test_a_key_without_the_right_to_trade() -> None:
    async with served(may_trade=False) as exchange:
        error = await refused(exchange)
        assert isinstance(error, AccountStopped)
        assert "give the key the permission to trade" in str(error)
        assert exchange.requests["POST /api/v1/order"] == 0


async def test_a_key_that_is_revoked_while_it_trades(exchange: Exchange) -> None:
    hub = exchange.hub()
    gateway = hub.gateway(exchange.keys)
    await gateway.prepare([PERP])
    task = asyncio.create_task(gateway.run(lambda _: None))
    await until(lambda: exchange.private_streams() == 2)
    await exchange.control("revoke_key", api_key=exchange.keys.api_key)
    before = sum(exchange.requests.values())
    with pytest.raises(AccountStopped, match="UNAUTHORIZED"):
        await gateway.balances()
    results = await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 5)
    assert isinstance(results[0], BaseExceptionGroup)
    assert results[0].subgroup(AccountStopped) is not None
    assert sum(exchange.requests.values()) <= before + 2
    await hub.close()


async def test_an_account_without_money_is_prepared_and_says_so() -> None:
    async with served(balances={"USDC": Decimal(0)}) as exchange, line(exchange) as one:
        assert one.prepared.balances["USDC"] == (Decimal(0), Decimal(0))
        client_id = one.rest_a_buy()
        [told] = await until(lambda: one.told(OrderRefused, client_id))
        assert told.code == "INSUFFICIENT_MARGIN"


async def test_an_unknown_market(exchange: Exchange) -> None:
    hub = exchange.hub()
    with pytest.raises(UsageError, match="no market DOGE_USDC"):
        await hub.gateway(exchange.keys).prepare([Symbol("DOGE_USDC")])
    await hub.close()


@pytest.mark.parametrize("off_ms", [30_000, -30_000])
async def test_a_clock_that_is_off_from_the_start_is_measured(
    exchange: Exchange, off_ms: int
) -> None:
    """T47."""
    await exchange.fault("clock_offset_ms", ms=off_ms)
    async with line(exchange) as one:
        assert abs(one.prepared.clock_offset_ns / 1e6 - off_ms) < 500
        await one.reach(one.rest_a_buy(), OrderState.OPEN)


async def test_a_clock_that_steps_is_measured_again(exchange: Exchange) -> None:
    """T47: the order is refused in words, the clock measured, the next one is taken."""
    hub = exchange.hub()
    await hub.feed.source.listing([PERP])
    with hub.feed.joined([PERP], lambda _: None):
        gateway = hub.gateway(exchange.keys)
        await gateway.prepare([PERP])
        await exchange.fault("clock_offset_ms", ms=30_000)
        with pytest.raises(RetryLater, match="Request has expired"):
            await gateway.balances()
        assert gateway.account.suspects() is None
        await until(lambda: abs(hub.feed.offset_ns / 1e9 - 30) < 0.5)
        assert await gateway.balances()
    await hub.close()


async def test_too_many_requests_keep_the_account_away_but_not_its_cancels(
    exchange: Exchange,
) -> None:
    """T44."""
    async with line(exchange) as one:
        client_id = one.rest_a_buy()
        report = await one.reach(client_id, OrderState.OPEN)
        await exchange.fault("status", match="orderQueryAll", status=429, ms=30_000)
        with pytest.raises(RetryLater, match="TOO_MANY_REQUESTS"):
            await one.gateway.open_orders()
        before = sum(exchange.requests.values())
        for _ in range(50):
            with pytest.raises(RetryLater, match="allow no more for"):
                await one.gateway.open_orders()
        refused_id = one.rest_a_buy()
        [told] = one.told(OrderRefused, refused_id)
        assert "rate limit of the venue" in told.text
        assert sum(exchange.requests.values()) <= before + 2  # the balances of the moment before
        one.gateway.cancel(PERP, client_id, report.venue_id)
        await one.reach(client_id, OrderState.CANCELLED)
        ticks = exchange.best()[0] - FAR
        exit_order = one.order(LIMIT, Side.BUY, ticks=ticks, role=OrderRole.EXIT)
        await one.reach(one.send(exit_order), OrderState.OPEN)


async def test_a_fifth_of_the_limit_is_kept_for_cancels(exchange: Exchange) -> None:
    async with line(exchange) as one:
        calls = one.gateway.account.calls
        request = one.gateway.account.requests.fills(PERP, one.gateway.account.venue_ms())
        while not calls.wait_ns(is_history=True):
            calls.sent(request)
        assert calls.used_share() >= 0.7
        before = sum(exchange.requests.values())
        with pytest.raises(RetryLater, match="allow no more for"):
            await one.gateway.fills_since(PERP, -1)
        assert sum(exchange.requests.values()) == before
        await one.gateway.cancel_all(PERP)  # a kill is under way: its questions go out
        assert await one.gateway.fills_since(PERP, -1) == []


async def test_the_venue_is_in_maintenance(exchange: Exchange) -> None:
    await exchange.fault("status", match="status", status=503)
    error = await refused(exchange)
    assert "MAINTENANCE" in str(error)


async def test_the_firewall_keeps_every_account_of_the_address_away() -> None:
    """A 403 that is no JSON comes from the edge: nothing reached the venue (§4)."""
    hits = 0

    async def banned(request: web.Request) -> web.StreamResponse:
        nonlocal hits
        hits += 1
        return web.Response(status=403, text="<html>Attention Required!</html>")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", banned)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    urls = {"rest": f"http://127.0.0.1:{port}", "stream": f"ws://127.0.0.1:{port}"}
    hub = open_hub("backpack", Environment.SIM, urls, SteadyClock())
    with pytest.raises(RetryLater, match="HTTP 403"):
        await hub.gateway(other_keys(1)).prepare([PERP])
    for seed in range(2, 30):
        with pytest.raises(RetryLater):
            await hub.gateway(other_keys(seed)).prepare([PERP])
    assert hits <= 4
    await hub.close()
    await runner.cleanup()
