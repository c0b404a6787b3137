"""Orders of a Bybit account, from the wish to the last fill, over the socket and by REST."""

from __future__ import annotations

import msgspec
import pytest

from obiterm.core.events import (
    BalanceChanged,
    CancelRefused,
    Filled,
    OrderRefused,
    PositionReported,
)
from obiterm.core.values import (
    ClientOrderId,
    OrderKind,
    OrderRole,
    OrderState,
    RefusalKind,
    Side,
    Symbol,
)
from obiterm.exchange.bybit.limits import BybitLimits
from obiterm.exchange.serve import ServeOptions
from obiterm.exchange.words import Stp
from tests.engine_bybit.conftest import (
    AT_EXCHANGE,
    LOTS,
    PERP,
    SPOT,
    CountedExchange,
    Trader,
    trader_of,
)


@pytest.mark.parametrize("symbol", [PERP, SPOT])
async def test_an_order_rests_and_is_cancelled(either: Trader, symbol: Symbol) -> None:
    resting = await either.rest_away(symbol)
    [listed] = await either.gateway.open_orders()
    assert (listed.client_id, listed.symbol) == (resting.client_id, symbol)
    assert (listed.lots, listed.post_only) == (LOTS[symbol], True)
    either.gateway.cancel(symbol, resting.client_id, resting.venue_id)
    await either.reach(resting.client_id, OrderState.CANCELLED)
    assert await either.gateway.open_orders() == []
    either.gateway.cancel(symbol, resting.client_id, resting.venue_id)
    refused = await either.event(CancelRefused, client_id=resting.client_id)
    assert refused.code in ("110001", "170213")


@pytest.mark.parametrize("symbol", [PERP, SPOT])
async def test_a_market_order_fills_once_per_trade(either: Trader, symbol: Symbol) -> None:
    mine = await either.trade(symbol=symbol)
    await either.until(
        lambda: sum(f.lots for f in either.of(Filled, client_id=mine)) == LOTS[symbol]
    )
    told = either.of(Filled, client_id=mine)
    await either.event(BalanceChanged, asset="USDT")
    read = await either.gateway.fills_since(symbol, -1)
    assert [f.trade_id for f in read] == [f.trade_id for f in told]
    assert msgspec.structs.replace(read[0], received_ns=0) == msgspec.structs.replace(
        told[0], received_ns=0
    )
    assert either.gateway.fill_mark(read[0]) == read[0].event_ns


async def test_a_perpetual_moves_its_position(either: Trader) -> None:
    await either.trade()
    await either.event(PositionReported, symbol=PERP, lots=10)
    [held] = await either.gateway.positions()
    assert (held.symbol, held.lots, held.leg) == (PERP, 10, "")
    exit_order = either.order(
        Side.SELL, OrderKind.MARKET, lots=50, reduce_only=True, role=OrderRole.EXIT
    )
    either.send(exit_order)
    await either.event(PositionReported, symbol=PERP, lots=0)
    assert await either.gateway.positions() == []


@pytest.mark.parametrize("symbol", [PERP, SPOT])
async def test_t40_a_stop_rests_at_the_venue_and_is_cancelled(
    either: Trader, symbol: Symbol
) -> None:
    await either.trade(symbol=symbol)
    stop = either.send(either.stop_order(symbol))
    report = await either.reach(stop, OrderState.OPEN)
    [listed] = await either.gateway.open_orders(symbol)
    assert (listed.kind, listed.trigger_ticks) == (OrderKind.STOP_MARKET, report.trigger_ticks)
    assert listed.reduce_only is (symbol == PERP)
    either.gateway.cancel(symbol, stop, None)
    await either.reach(stop, OrderState.CANCELLED)


@pytest.mark.parametrize("side", Side)
async def test_t40_a_stop_fires_and_closes_the_position(trader: Trader, side: Side) -> None:
    """Long and short: a fall fires the sell, a rise the buy."""
    await trader.trade(side, lots=5)
    stop = trader.send(trader.stop_order(side=side.opposite, below=300))
    await trader.reach(stop, OrderState.OPEN)
    await trader.back.push(
        side.opposite, lambda: sum(f.lots for f in trader.of(Filled, client_id=stop)) == 5
    )
    await trader.reach(stop, OrderState.FILLED)
    await trader.event(PositionReported, symbol=PERP, lots=0)


async def test_a_post_only_order_that_would_take_is_refused(either: Trader) -> None:
    mine = either.send(either.order(ticks=either.back.ask() + 100, post_only=True))
    report = await either.reach(mine, OrderState.REJECTED)
    assert report.refusal is RefusalKind.WOULD_TAKE
    assert report.code == "EC_PostOnlyWillTakeLiquidity"


async def test_r13_a_refusal_has_the_venues_words(either: Trader) -> None:
    order = either.order(Side.SELL, OrderKind.MARKET, reduce_only=True, role=OrderRole.EXIT)
    refused = await either.event(OrderRefused, client_id=either.send(order))
    assert refused.code == "110017"
    assert "position is zero" in refused.text


@pytest.mark.parametrize("symbol", [PERP, SPOT])
async def test_r15_self_trade_prevention_is_always_set(either: Trader, symbol: Symbol) -> None:
    """Entries give way to a resting order; what must trade makes the resting order give way."""
    resting = await either.rest_away(symbol)
    entry = await either.trade(symbol=symbol)
    stop = either.send(either.stop_order(symbol))
    await either.reach(stop, OrderState.OPEN)
    close = ClientOrderId("ob-t-1p-panic-x")
    await either.gateway.close_market(symbol, Side.SELL, LOTS[symbol] // 2, close)
    orders = either.back.server.venue.all_orders("main", AT_EXCHANGE[symbol])
    assert {order.client_id: order.stp for order in orders} == {
        resting.client_id: Stp.EXPIRE_TAKER,
        entry: Stp.EXPIRE_TAKER,
        stop: Stp.EXPIRE_MAKER,
        close: Stp.EXPIRE_MAKER,
    }


async def test_the_trade_socket_takes_over_again_after_a_cut(trader: Trader) -> None:
    """While it is away orders go by REST; none is lost and none is sent twice."""
    await trader.back.fault("cut", match="ws_api")
    await trader.until(lambda: trader.gateway.health().sockets["orders"] != "up")
    await trader.rest_away()
    await trader.until(trader.is_up)
    trips = len(trader.gateway.health().round_trips_ms)
    await trader.rest_away()
    assert len(trader.gateway.health().round_trips_ms) == trips + 1
    assert len(await trader.gateway.open_orders()) == 2


async def test_a_draining_socket_is_replaced_and_no_order_is_lost(trader: Trader) -> None:
    """``10019``: what it refuses did not happen, the next order goes another way."""
    await trader.back.house(do="shutdown_notice")
    mine = trader.send(trader.away())
    refused = await trader.event(OrderRefused, client_id=mine)
    assert (refused.code, refused.refusal) == ("10019", RefusalKind.LATER)
    await trader.rest_away()
    await trader.until(trader.is_up)
    await trader.rest_away()
    assert len(await trader.gateway.open_orders()) == 2


async def test_t44_entries_stop_at_the_limit_and_exits_use_the_reserve(trader: Trader) -> None:
    """Ten a second: eight for entries, the rest for what must pass; cancels have their own."""
    sent = [trader.send(trader.away(below=10_000 + 10 * n)) for n in range(14)]
    kept_back = [e.client_id for e in trader.of(OrderRefused)]
    assert kept_back == sent[8:]
    assert {e.refusal for e in trader.of(OrderRefused)} == {RefusalKind.LATER}
    assert trader.gateway.health().weight_share >= 0.8
    exits = [
        trader.send(
            trader.order(Side.SELL, OrderKind.MARKET, reduce_only=True, role=OrderRole.EXIT)
        )
        for _ in range(4)
    ]
    for client_id in sent[:8]:
        await trader.reach(client_id, OrderState.OPEN)
        trader.gateway.cancel(PERP, client_id, None)
    for client_id in sent[:8]:
        await trader.reach(client_id, OrderState.CANCELLED)
    for client_id in exits:  # two at once, two when their turn comes; the venue heard all
        refused = await trader.event(OrderRefused, client_id=client_id)
        assert refused.code == "110017"


async def test_t4_an_exit_that_waits_for_its_turn_is_given_up_by_a_kill(trader: Trader) -> None:
    orders = [
        trader.order(Side.SELL, OrderKind.MARKET, reduce_only=True, role=OrderRole.EXIT)
        for _ in range(12)
    ]
    for order in orders:
        trader.send(order)
    trader.gateway.drop_unsent()
    last = orders[-1].intent.client_id
    refused = await trader.event(OrderRefused, client_id=last)
    assert (refused.code, refused.refusal) == ("", RefusalKind.LATER)
    assert len(trader.back.server.venue.all_orders("main", AT_EXCHANGE[PERP])) == 0


async def test_t44_the_venues_own_word_on_a_limit_is_obeyed() -> None:
    """A smaller quota than the documented one: ``10006`` once, then the venue's figures hold."""
    options = ServeOptions(venue="bybit", limits=BybitLimits(orders_scale=0.5), seed=11)
    async with CountedExchange(options) as server, trader_of(server) as trader:
        for n in range(7):
            trader.send(trader.away(below=10_000 + 10 * n))
        await trader.until(lambda: len(trader.of(OrderRefused)) == 2)
        assert {e.code for e in trader.of(OrderRefused)} == {"10006"}
        mine = trader.send(trader.away())
        refused = await trader.event(OrderRefused, client_id=mine)
        assert refused.code == ""
        assert "rate limit" in refused.text
