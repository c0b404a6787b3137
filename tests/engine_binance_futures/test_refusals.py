"""Accounts that cannot trade: a clear word with what to do, and few requests (T31 T44 T47)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from obiterm.config.keys import ApiKeys
from obiterm.core.errors import AccountStopped, RetryLater, UsageError
from obiterm.core.events import OrderRefused, OrderReported
from obiterm.core.values import NS_PER_S, OrderKind, OrderState, RefusalKind, Symbol
from obiterm.exchange.binance.gateway import Asked, Gateway
from obiterm.exchange.binance.limits import LimitOptions
from obiterm.exchange.binance_futures.server import FUTURES_LIMITS
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from tests.clients.futures_support import VENUE, futures_rest
from tests.engine_binance_futures.conftest import BTC, Trader, hub_of, options, trader_of


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the requests that come to the exchange, by operation."""
    counted: Counter[str] = Counter()
    perform = Gateway.perform

    async def counting(self: Gateway[Any], one: Asked[Any]) -> Any:
        counted[one.operation.name] += 1
        return await perform(self, one)

    monkeypatch.setattr(Gateway, "perform", counting)
    return counted


def one_account(**more: Any) -> ServeOptions:
    return ServeOptions(venue=VENUE, seed=11, accounts=[AccountOptions(**more)])


async def stopped(server: ExchangeServer, keys: ApiKeys | None = None) -> AccountStopped:
    with pytest.raises(AccountStopped) as caught:
        async with trader_of(server, keys):
            pass
    return caught.value


async def test_t31_an_account_in_hedge_mode_says_where_to_change_it(asked: Counter[str]) -> None:
    async with ExchangeServer(one_account(hedge_mode=True)) as server:
        error = await stopped(server)
    assert error.code == "dualSidePosition"
    assert "Position Mode to One-way" in str(error)
    assert asked.total() <= 7


async def test_a_key_that_may_not_trade(asked: Counter[str]) -> None:
    async with ExchangeServer(one_account(may_trade=False)) as server:
        error = await stopped(server)
    assert error.code == "canTrade"
    assert "futures enabled" in str(error)
    assert asked.total() <= 7


@pytest.mark.parametrize(
    ("api_key", "secret", "code", "hint"),
    [
        ("k" * 64, "s" * 64, "-2015", "must be of this environment"),
        ("not a key", "s" * 64, "-2014", "copied whole"),
        ("", "s" * 64, "-1022", "secret does not belong"),
    ],
)
async def test_a_wrong_key_is_told_by_the_venue_and_what_to_do(
    server: ExchangeServer, asked: Counter[str], api_key: str, secret: str, code: str, hint: str
) -> None:
    error = await stopped(server, ApiKeys(api_key or server.api_key, secret))
    assert error.code == code
    assert hint in str(error)
    assert secret not in str(error)
    assert asked.total() <= 7


async def test_an_empty_wallet_is_a_clear_state(asked: Counter[str]) -> None:
    async with ExchangeServer(one_account(balances={"USDT": Decimal(0)})) as server:
        error = await stopped(server)
    assert error.code == "balance"
    assert "transfer USDT" in str(error)
    assert asked.total() <= 12


async def test_a_market_that_is_not_there(server: ExchangeServer) -> None:
    with pytest.raises(UsageError, match="BTCUSDT"):
        await hub_of(server).gateway(ApiKeys("k", "s")).prepare([Symbol("BTCUSDT")])


@pytest.mark.parametrize("ahead_ms", [30_000, -30_000])
async def test_t47_a_clock_that_is_30_s_off_is_measured_and_applied(
    server: ExchangeServer, ahead_ms: int
) -> None:
    async with futures_rest(server) as rest:
        await rest.fault("clock_offset_ms", ms=ahead_ms)
    async with trader_of(server) as one:
        assert one.prepared is not None
        assert abs(one.prepared.clock_offset_ns / 1e6 - ahead_ms) < 500
        mine = one.send(one.order(ticks=one.bid_ticks() - 5_000))
        await one.event(OrderReported, client_id=mine, state=OrderState.OPEN)


async def test_t47_a_clock_that_steps_while_it_runs_is_measured_anew(
    server: ExchangeServer, asked: Counter[str]
) -> None:
    hub = hub_of(server)
    async with trader_of(server, hub=hub) as one:
        with hub.feed.joined([BTC], lambda event: None):
            await one.until(lambda: hub.feed.source.sockets()["market"] == "up")
            await one.rest.fault("clock_offset_ms", ms=30_000)
            asked.clear()
            refused = one.send(one.order(ticks=one.bid_ticks() - 5_000))
            event = await one.event(OrderRefused, client_id=refused)
            assert (event.code, event.refusal) == ("-1021", RefusalKind.LATER)
            await one.until(lambda: hub.feed.offset_ns > 29 * NS_PER_S)
            mine = one.send(one.order(ticks=one.bid_ticks() - 5_000))
            await one.event(OrderReported, client_id=mine, state=OrderState.OPEN)
            assert asked["time"] <= 6  # at the start of the feed, and after the refusal
            assert asked["order.place"] == 2
    await hub.close()


async def test_a_clock_that_stepped_before_another_account_starts(server: ExchangeServer) -> None:
    hub = hub_of(server)
    async with trader_of(server, hub=hub):
        pass
    async with futures_rest(server) as rest:
        await rest.fault("clock_offset_ms", ms=-30_000)
    async with trader_of(server, hub=hub) as two:
        assert two.prepared is not None
        assert two.prepared.clock_offset_ns < -29 * NS_PER_S
    await hub.close()


@asynccontextmanager
async def banned(asked: Counter[str]) -> AsyncIterator[tuple[ExchangeServer, Trader]]:
    """An account that trades, and an exchange that has banned its address since."""
    async with ExchangeServer(options()) as server, trader_of(server) as one:
        mine = one.send(one.order(ticks=one.bid_ticks() - 5_000))
        await one.event(OrderReported, client_id=mine, state=OrderState.OPEN)
        address = server.exchange.office.limits.address("127.0.0.1")  # type: ignore[attr-defined]
        address._banned_until_ns = time.time_ns() + 120 * NS_PER_S
        asked.clear()
        yield server, one


async def test_t44_a_ban_stops_every_account_of_the_address_but_not_cancels(
    asked: Counter[str],
) -> None:
    async with banned(asked) as (server, one):
        with pytest.raises(RetryLater, match="banned until") as first:
            await one.gateway.positions()
        assert first.value.retry_after_ms > 100_000
        for _ in range(50):
            with pytest.raises(RetryLater, match="limits allow no more"):
                await one.gateway.open_orders()
            one.gateway.query(BTC, one.order(ticks=1).intent.client_id)
        refused = one.send(one.order(ticks=one.bid_ticks() - 5_000))
        event = await one.event(OrderRefused, client_id=refused)
        assert event.refusal is RefusalKind.LATER
        other = one.hub.gateway(ApiKeys(server.api_key, server.api_secret))
        with pytest.raises(RetryLater, match="limits allow no more"):
            await other.prepare([BTC])
        assert asked.total() == 1
        with pytest.raises(RetryLater):
            await one.gateway.cancel_all(BTC)
        assert asked["orders.cancelAll"] == asked["algoOrders.cancelAll"] == 1


async def test_t44_a_ban_keeps_every_handshake_back_until_it_ends(asked: Counter[str]) -> None:
    async with banned(asked) as (_, one):
        with pytest.raises(RetryLater, match="banned until"):
            await one.gateway.positions()
        line, user = one.gateway._ready().line, one.gateway._ready().user
        connects = line._socket.connects, user._socket.connects
        await one.rest.fault("cut", match="all")
        await one.until(lambda: "keeps this address away" in line._socket.last_reason)
        await one.until(lambda: "keeps this address away" in user._socket.last_reason)
        assert (line._socket.connects, user._socket.connects) == connects
        address = one.server.exchange.office.limits.address("127.0.0.1")  # type: ignore[attr-defined]
        address._banned_until_ns = 0
        one.gateway.rest.budget.ban.until_ns = 0
        await one.until_up()


async def test_t44_questions_of_a_kill_use_the_reserve(trader: Trader) -> None:
    budget, now_ns = trader.gateway.rest.budget, trader.gateway.rest.venue_ns()
    budget.take_headers({"x-mbx-used-weight-1m": "2000"}, now_ns)
    with pytest.raises(RetryLater, match="limits allow no more"):
        await trader.gateway.open_orders()
    budget.take_headers({"x-mbx-used-weight-1m": "2000"}, now_ns)
    await trader.gateway.cancel_all(BTC)
    budget.take_headers({"x-mbx-used-weight-1m": "2000"}, now_ns)
    assert await trader.gateway.open_orders() == []


async def test_too_many_orders_hold_back_this_account_alone(asked: Counter[str]) -> None:
    tight = LimitOptions(
        **{
            name: getattr(FUTURES_LIMITS, name)
            for name in FUTURES_LIMITS.__struct_fields__
            if name != "orders_per_10s"
        },
        orders_per_10s=3,
    )
    two = [AccountOptions(), AccountOptions(name="other")]
    chosen = ServeOptions(venue=VENUE, seed=11, accounts=two, limits=tight)
    async with ExchangeServer(chosen) as server:
        hub, keys = hub_of(server), [ApiKeys(a.api_key, a.api_secret) for a in server.accounts]
        async with trader_of(server, keys[0], hub=hub) as one:
            for _ in range(6):
                one.send(one.order(ticks=one.bid_ticks() - 5_000))
            await one.until(lambda: len(one.of(OrderRefused)) >= 3)
            assert all(e.refusal is RefusalKind.LATER for e in one.of(OrderRefused))
            other = hub.gateway(keys[1])
            assert (await other.prepare([BTC])).positions == []
            await other.rest.close()
        await hub.close()


async def test_a_key_that_is_revoked_while_it_trades_ends_the_account(
    server: ExchangeServer, asked: Counter[str]
) -> None:
    async with trader_of(server) as one:
        await one.rest.control("revoke_key", api_key=server.api_key)
        asked.clear()
        one.send(one.order(kind=OrderKind.MARKET))
        error = await one.ended()
        assert isinstance(error, ExceptionGroup)
        [reason] = error.exceptions
        assert isinstance(reason, AccountStopped)
        assert reason.code == "-2015"
        assert asked.total() <= 4
