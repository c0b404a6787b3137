"""Accounts that cannot trade: each is a clear state with what to do, no loop, no flood."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.config.keys import ApiKeys
from obiterm.core.errors import AccountStopped, ConfigError, RetryLater, UsageError
from obiterm.core.events import ClockMeasured, OrderRefused, OrderReported
from obiterm.core.values import NS_PER_MS, Environment, OrderState, RefusalKind, Symbol
from obiterm.engine.venues import open_hub
from obiterm.exchange.bybit.limits import BybitLimits
from obiterm.exchange.serve import AccountOptions, ServeOptions
from obiterm.net.clock import SteadyClock
from obiterm.venues.bybit import urls
from tests.engine_bybit.conftest import (
    PERP,
    SPOT,
    CountedExchange,
    hub_of,
    keys_of,
    trader_of,
)


async def refused(server: CountedExchange, keys: ApiKeys, symbol: Symbol = PERP) -> AccountStopped:
    """Prepare an account and return why the venue stops it."""
    hub = hub_of(server)
    try:
        with pytest.raises(AccountStopped) as stopped:
            await hub.gateway(keys).prepare([symbol])
    finally:
        await hub.close()
    return stopped.value


def serve(account: AccountOptions, **more: object) -> CountedExchange:
    return CountedExchange(ServeOptions(venue="bybit", accounts=[account], **more))  # type: ignore[arg-type]


async def test_t31_a_hedge_mode_account_is_told_to_switch(server: CountedExchange) -> None:
    error = await refused(server, keys_of(server, 1))
    assert str(error).startswith("hedge mode BTCUSDT is in hedge mode")
    assert "one-way" in error.hint
    assert len(server.asked) < 12


async def test_a_hedge_mode_account_may_trade_spot(server: CountedExchange) -> None:
    async with trader_of(server, account=1, symbols=[SPOT]) as trader:
        await trader.trade(symbol=SPOT)


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (AccountOptions(may_trade=False), "read-only"),
        (AccountOptions(may_withdraw=True), "can withdraw"),
    ],
)
async def test_a_key_without_the_right_rights_is_refused(
    account: AccountOptions, words: str
) -> None:
    async with serve(account) as server:
        error = await refused(server, keys_of(server))
        assert words in str(error)
        assert "make another key" in error.hint
        assert len(server.asked) < 12


async def test_a_key_of_another_environment_is_named_as_such(server: CountedExchange) -> None:
    error = await refused(server, ApiKeys("a-demo-key", "its-secret"))
    assert error.code == "10003"
    assert "never interchangeable" in error.hint
    assert "secret" not in str(error)
    assert len(server.asked) < 12


async def test_a_wrong_secret_is_told_and_not_shown(server: CountedExchange) -> None:
    error = await refused(server, ApiKeys(server.api_key, "not-the-secret"))
    assert error.code == "10004"
    assert "not-the-secret" not in str(error)


async def test_a_key_that_is_revoked_while_it_trades_stops_the_account(
    server: CountedExchange,
) -> None:
    """One refusal is enough; nothing is asked again."""
    async with trader_of(server) as trader:
        await trader.back.house(do="revoke_key", api_key=server.api_key)
        trader.send(trader.away())
        error = await trader.ended()
        assert isinstance(error, AccountStopped)
        assert error.code == "10003"
        asked = len(server.asked)
        await trader.back.fault("cut", match="all")
        assert len(server.asked) <= asked + 1


@pytest.mark.parametrize("ahead_ms", [30_000, -30_000])
async def test_t47_a_clock_that_is_off_is_measured_and_no_order_is_lost(
    server: CountedExchange, ahead_ms: int
) -> None:
    server.exchange.faults.clock_offset_ns = ahead_ms * NS_PER_MS
    server.exchange.office.clock_offset_ns = ahead_ms * NS_PER_MS
    async with trader_of(server) as trader:
        assert trader.prepared is not None
        assert abs(trader.prepared.clock_offset_ns - ahead_ms * NS_PER_MS) < 500 * NS_PER_MS
        await trader.rest_away()
        assert trader.gateway.health().weight_share < 1


@pytest.mark.parametrize("has_trade", [True, False])
async def test_t47_a_clock_that_steps_is_measured_again_after_one_refusal(
    server: CountedExchange, has_trade: bool
) -> None:
    async with trader_of(server, has_trade=has_trade) as trader:
        await trader.back.fault("clock_offset_ms", ms=30_000)
        told = await trader.event(OrderRefused, client_id=trader.send(trader.away()))
        assert (told.code, told.refusal) == ("10002", RefusalKind.LATER)
        await trader.until(
            lambda: any(e.offset_ns > 29_000 * NS_PER_MS for e in trader.of(ClockMeasured))
        )
        mine = trader.send(trader.away())
        await trader.event(OrderReported, client_id=mine, state=OrderState.OPEN)


async def test_t47_a_clock_that_steps_before_the_start_is_measured_again(
    server: CountedExchange,
) -> None:
    hub = hub_of(server)
    await hub.feed.listing([PERP])
    server.exchange.office.clock_offset_ns = 30_000 * NS_PER_MS
    await hub.gateway(keys_of(server)).prepare([PERP])
    assert hub.feed.offset_ns > 29_000 * NS_PER_MS
    await hub.close()


async def test_t44_a_banned_address_waits_and_floods_nothing() -> None:
    """403 means ten minutes: every account of the address is told so without being asked."""
    limits = BybitLimits(requests_per_5s=6)
    async with CountedExchange(ServeOptions(venue="bybit", limits=limits)) as server:
        hub = hub_of(server)
        for _ in range(5):
            with pytest.raises(RetryLater) as wait:
                await hub.gateway(keys_of(server)).prepare([PERP])
        assert "allow no more for" in str(wait.value)
        assert wait.value.retry_after_ms > 590_000
        assert len(server.asked) == 7
        await hub.close()


async def test_t44_a_ban_while_trading_stops_rest_and_leaves_the_sockets() -> None:
    """Orders and cancels go on over the trade socket; by REST nothing is even tried."""
    limits = BybitLimits(requests_per_5s=60)
    options = ServeOptions(venue="bybit", limits=limits, seed=11)
    async with CountedExchange(options) as server, trader_of(server) as trader:
        while True:
            try:
                await trader.gateway.balances()
            except RetryLater:
                break
        asked = len(server.asked)
        mine = await trader.rest_away()
        trader.gateway.cancel(PERP, mine.client_id, mine.venue_id)
        await trader.reach(mine.client_id, OrderState.CANCELLED)
        for _ in range(20):
            with pytest.raises(RetryLater):
                await trader.gateway.open_orders()
        assert len(server.asked) == asked
        assert trader.gateway.health().weight_share == 1


async def test_an_account_without_funds_is_a_state_and_no_failure() -> None:
    account = AccountOptions(balances={"USDT": Decimal(0)})
    async with serve(account, seed=11) as server, trader_of(server) as trader:
        assert trader.prepared is not None
        assert trader.prepared.balances == {"USDT": (Decimal(0), Decimal(0))}
        assert any("no funds" in told for told in trader.gateway.warnings)
        refusal = await trader.event(OrderRefused, client_id=trader.send(trader.away()))
        assert refusal.code == "110007"
        assert trader.is_up()


async def test_what_an_account_begins_with(server: CountedExchange) -> None:
    async with trader_of(server) as trader:
        await trader.trade()
        mine = await trader.rest_away()
    async with trader_of(server, run=False) as again:
        prepared = again.prepared
        assert prepared is not None
        [held] = prepared.positions
        assert (held.symbol, held.lots) == (PERP, 10)
        fills = await again.gateway.fills_since(PERP, -1)
        assert prepared.fill_marks == {PERP: fills[-1].event_ns, SPOT: -1}
        assert prepared.instruments[PERP].taker_fee == Decimal("0.00055")
        assert prepared.instruments[PERP].maintenance_margin > 0
        assert prepared.balances["USDT"][0] > 0
        [order] = await again.gateway.open_orders()
        assert order.client_id == mine.client_id


async def test_fees_that_are_not_told_are_those_of_the_base_table(server: CountedExchange) -> None:
    """Demo answers ``10001`` (§15): the account trades all the same, and says so."""
    async with trader_of(server, run=False, symbols=[PERP]) as trader:
        await trader.back.fault("status", match="account/fee-rate", status=200, code=10001)
        prepared = await trader.gateway.prepare([PERP])
        assert prepared.instruments[PERP].maker_fee == Decimal("0.0002")
        assert any("tells no fees" in told for told in trader.gateway.warnings)
        await trader.back.fault("status", match="account/fee-rate", status=200, code=10005)
        with pytest.raises(AccountStopped, match="10005"):
            await trader.gateway.prepare([PERP])


async def test_an_unknown_market_is_named(server: CountedExchange) -> None:
    hub = hub_of(server)
    with pytest.raises(UsageError, match=r"no market NOPEUSDT, NOPEUSDT\.SPOT.*BTCUSDT\.SPOT"):
        await hub.gateway(keys_of(server)).prepare(
            [PERP, Symbol("NOPEUSDT"), Symbol("NOPEUSDT.SPOT")]
        )
    await hub.close()


def test_hubs_are_opened_by_name_and_environment() -> None:
    """Demo trades by REST and reads the real market's streams (R91); paper has no account."""
    clock = SteadyClock()
    demo = open_hub("bybit", Environment.DEMO, {}, clock)
    assert demo.venue == "bybit"
    assert demo.rest_url == "https://api-demo.bybit.com"
    assert urls(Environment.DEMO).public == urls(Environment.LIVE).public
    assert urls(Environment.DEMO).trade == ""
    gateway = demo.gateway(ApiKeys("key", "secret"))
    assert gateway.health().sockets == {"account": "down"}
    assert gateway.venue == "bybit"
    with pytest.raises(ConfigError, match="environment"):
        open_hub("bybit", Environment.PAPER, {}, clock).gateway(ApiKeys("key", "secret"))
    with pytest.raises(ConfigError, match="HMAC"):
        demo.gateway(ApiKeys("key", "-----BEGIN PRIVATE KEY-----"))
