"""Reading the account from the exchange: pages, limits, refusals."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.commands import EmergencyExit
from obiterm.core.errors import RetryLater
from obiterm.engine.binance import rest as binance_rest
from obiterm.engine.binance.gateway import BinanceGateway
from obiterm.engine.shared.known_ids import KnownIds
from tests.faults.conftest import SYMBOL, Probe, Start


def gateway_of(one: Probe) -> BinanceGateway:
    gateway = one.engine.gateway
    assert isinstance(gateway, BinanceGateway)
    return gateway


async def test_all_pages_of_trades_are_read(probe: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binance_rest, "_TRADES_A_PAGE", 2)
    async with probe() as one:
        for _ in range(5):
            assert one.buy_now(100)[0]
            await one.until(lambda: one.kernel.desk.live_count == 0)
        fills = await gateway_of(one).fills_since(SYMBOL, -1)
        told = (await one.ledger())["fills"]
        assert [fill.trade_id for fill in fills] == [fill["trade_id"] for fill in told]
        assert [fill.client_id for fill in fills] == [fill["client_id"] for fill in told]
        rest = await gateway_of(one).fills_since(SYMBOL, fills[2].trade_id)
        assert [fill.trade_id for fill in rest] == [fill["trade_id"] for fill in told[3:]]


async def test_trades_of_orders_that_are_not_known_are_asked_for_by_name(probe: Start) -> None:
    async with probe() as one:
        assert one.buy_now(100)[0]
        await one.until(lambda: one.kernel.desk.live_count == 0)
        rest = gateway_of(one)._rest
        rest.client_ids = KnownIds()
        fills = await gateway_of(one).fills_since(SYMBOL, -1)
        assert all(fill.client_id.startswith("ob-") for fill in fills)


async def test_what_the_limits_forbid_is_not_sent(probe: Start) -> None:
    """T44: a read that would go beyond the limits waits; a cancel goes."""
    async with probe() as one:
        assert one.buy_below()[0]
        await one.until_open(1)
        rest = gateway_of(one)._rest
        rest.budget.block(rest.venue_ns() + 10**10)
        with pytest.raises(RetryLater, match="the venue's limits allow no more"):
            await gateway_of(one).balances()
        await gateway_of(one).cancel_all(SYMBOL)
        await one.until_open(0)


async def test_a_close_that_is_refused_is_named_and_given_up(probe: Start) -> None:
    """T46: an exit that cannot be is told, not tried for ever."""
    async with probe() as one:
        assert one.buy_now(1_000)[0]
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == 1_000)
        await one.fault(
            kind="status", match="order.place", status=400, code=-2010, msg="Not now.", count=3
        )
        one.command(EmergencyExit(account="*"))
        assert not await one.running.service.panic_done(10.0)
        progress = one.engine.panic.progress
        assert progress is not None
        assert progress.left_positions == 1
        assert progress.text == "left: 0.00999 BTCUSDT: -2010 Not now."
        one.command(EmergencyExit(account="*"))  # a new press tries again
        assert not await one.running.service.panic_done(10.0)
        assert abs(await one.bought()) <= Decimal("0.00005")
