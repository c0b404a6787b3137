"""The private stream of a futures account: cut, expired, silent; lost replies; restarts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from obiterm.core.errors import Refused
from obiterm.core.events import (
    FeedChanged,
    Filled,
    FundingPaid,
    OrderNotFound,
    OrderOutcomeLost,
    OrderReported,
    PositionReported,
)
from obiterm.core.orders import ApprovedOrder
from obiterm.core.values import OrderKind, OrderRole, OrderState, Side
from obiterm.engine.binance_futures import rest as rest_module
from obiterm.engine.gateway import NO_TRADE
from obiterm.exchange.serve import ExchangeServer
from tests.clients.support import until
from tests.engine_binance_futures.conftest import BTC, Trader, options, trader_of


def connects(trader: Trader) -> int:
    return len(trader.of(FeedChanged, stream="account", up=True))


async def test_t10_a_cut_stream_comes_back_and_no_fill_is_missed(trader: Trader) -> None:
    mine = trader.send(trader.order(kind=OrderKind.MARKET, lots=20))
    await trader.until(lambda: trader.of(Filled, client_id=mine))
    await trader.rest.fault("cut", match="user")
    await trader.until(lambda: trader.of(FeedChanged, stream="account", up=False))
    unseen = trader.send(trader.order(Side.SELL, OrderKind.MARKET, lots=20))
    await trader.until(lambda: connects(trader) == 2)
    fills = await trader.gateway.fills_since(BTC, trader.of(Filled, client_id=mine)[-1].trade_id)
    assert {fill.client_id for fill in fills} == {unseen}
    assert sum(fill.lots for fill in fills) == 20


async def test_t10_an_expired_key_is_made_anew(trader: Trader) -> None:
    before = trader.gateway._ready().user._key.connect_path()
    assert (await trader.rest.control("expire_session", account="main")).body == {"expired": 1}
    await trader.until(lambda: trader.of(FeedChanged, stream="account", up=False))
    unseen = trader.send(trader.order(kind=OrderKind.MARKET, lots=20))
    await trader.until(lambda: connects(trader) == 2)
    assert trader.gateway._ready().user._key.connect_path() != before
    fills = await trader.gateway.fills_since(BTC, NO_TRADE)
    assert {fill.client_id for fill in fills} == {unseen}
    seen = trader.send(trader.order(Side.SELL, OrderKind.MARKET, lots=20))
    await trader.until(lambda: trader.of(Filled, client_id=seen))


async def test_t10_what_rest_shows_and_the_stream_does_not_opens_it_anew(trader: Trader) -> None:
    user = trader.gateway._ready().user
    user._connected_ns -= 60 * 10**9  # as if it had been up for a minute
    await trader.rest.fault("silence", match="user")
    mine = trader.send(trader.order(kind=OrderKind.MARKET, lots=20))
    await trader.event(OrderReported, client_id=mine, state=OrderState.FILLED)
    [fill, *_] = await trader.gateway.fills_since(BTC, NO_TRADE)
    assert connects(trader) == 1
    user.compare([replace(fill, event_ns=fill.event_ns - 10 * 10**9)])
    await trader.rest.http.delete(f"{trader.server.rest_url}/_exchange/faults")
    await trader.until(lambda: connects(trader) == 2)
    seen = trader.send(trader.order(Side.SELL, OrderKind.MARKET, lots=20))
    await trader.until(lambda: trader.of(Filled, client_id=seen))


async def test_the_key_is_given_back_at_the_end(server: ExchangeServer) -> None:
    async with trader_of(server) as one:
        state = await one.rest.public("/_exchange/state")
        assert state.body["user_streams"] == 1
    async with trader_of(server, run=False) as one:
        state = await one.rest.public("/_exchange/state")
        assert state.body["user_streams"] == 0


async def test_t6_a_lost_reply_is_asked_about_and_never_sent_again(trader: Trader) -> None:
    await trader.rest.fault("drop_reply", match="order.place")
    await trader.rest.fault("silence", match="user")
    trader.gateway._ready().line._session._pending.deadline_ns = 200_000_000
    mine = trader.send(trader.order(ticks=trader.bid_ticks() - 5_000))
    await trader.event(OrderOutcomeLost, client_id=mine)
    trader.gateway.query(BTC, mine)
    await trader.event(OrderReported, client_id=mine, state=OrderState.OPEN)
    assert await trader.open_at_exchange() == 1


async def test_an_order_that_nobody_knows_is_not_found_in_either_book(trader: Trader) -> None:
    never = trader.order(ticks=1).intent.client_id
    trader.gateway.query(BTC, never)
    await trader.event(OrderNotFound, client_id=never)
    assert await trader.gateway.find_order(BTC, never) is None


async def test_a_restart_finds_orders_of_both_books_the_position_and_past_fills(
    server: ExchangeServer,
) -> None:
    async with trader_of(server) as one:
        entry = one.send(one.order(kind=OrderKind.MARKET, lots=20))
        await one.event(PositionReported, symbol=BTC, lots=20)
        resting = one.send(one.order(ticks=one.bid_ticks() - 5_000))
        await one.event(OrderReported, client_id=resting, state=OrderState.OPEN)
        fired = one.send(stop(one, one.bid_ticks() - 300, lots=5))
        await one.event(OrderReported, client_id=fired, state=OrderState.OPEN)
        waiting = one.send(stop(one, one.bid_ticks() - 50_000, lots=15))
        await one.event(OrderReported, client_id=waiting, state=OrderState.OPEN)
        mark = max(fill.trade_id for fill in one.of(Filled, client_id=entry))
        number = one._number
    async with trader_of(server, run=False) as asking:
        while await asking.open_at_exchange() > 2:
            await asking.rest.control("market_order", side="SELL", qty="2")
    async with trader_of(server) as two:
        two._number = number
        assert two.prepared is not None
        assert [(p.symbol, p.lots) for p in two.prepared.positions] == [(BTC, 15)]
        orders = {order.client_id: order for order in await two.gateway.open_orders()}
        assert orders.keys() == {resting, waiting}
        assert orders[waiting].kind is OrderKind.STOP_MARKET
        assert orders[waiting].lots == 15
        fills = await two.gateway.fills_since(BTC, mark)
        assert {fill.client_id for fill in fills} == {fired}
        assert sum(fill.lots for fill in fills) == 5
        assert two.prepared.fill_marks == {BTC: fills[-1].trade_id}
        two.gateway.cancel(BTC, waiting, orders[waiting].venue_id)
        await two.event(OrderReported, client_id=waiting, state=OrderState.CANCELLED)


async def test_cancel_all_empties_both_books_and_a_close_ends_flat(trader: Trader) -> None:
    trader.send(trader.order(Side.SELL, OrderKind.MARKET, lots=20))
    await trader.event(PositionReported, symbol=BTC, lots=-20)
    trader.send(trader.order(ticks=trader.bid_ticks() - 5_000))
    trader.send(stop(trader, trader.bid_ticks() + 50_000, lots=20, side=Side.BUY))
    await until(lambda: both_books(trader))
    await trader.gateway.cancel_all(BTC)
    assert await trader.open_at_exchange() == 0
    close = trader.order(ticks=1).intent.client_id
    assert await trader.gateway.close_market(BTC, Side.BUY, 20, close) == 20
    assert sum(fill.lots for fill in trader.of(Filled, client_id=close)) >= 20
    assert await trader.gateway.positions() == []
    found = await trader.gateway.find_order(BTC, close)
    assert found is not None
    assert found.state is OrderState.FILLED


async def test_t11_a_position_that_is_gone_is_told_as_flat(trader: Trader) -> None:
    close = trader.order(ticks=1).intent.client_id
    assert await trader.gateway.close_market(BTC, Side.BUY, 20, close) == 0
    assert trader.of(PositionReported, symbol=BTC)[-1].lots == 0
    trader.send(trader.order(kind=OrderKind.MARKET, lots=20))
    await trader.event(PositionReported, symbol=BTC, lots=20)
    with pytest.raises(Refused, match="ReduceOnly"):
        await trader.gateway.close_market(BTC, Side.BUY, 20, trader.order(ticks=1).intent.client_id)


@pytest.mark.parametrize("side", Side)
async def test_a_close_that_a_thin_book_refuses_goes_to_the_price_band(
    trader: Trader, side: Side
) -> None:
    trader.send(trader.order(side, OrderKind.MARKET, lots=20))
    await trader.event(PositionReported, symbol=BTC, lots=20 * side.sign)
    await trader.rest.fault("status", match="order.place", status=400, code=-4131, msg="thin")
    close = trader.order(ticks=1).intent.client_id
    assert await trader.gateway.close_market(BTC, side.opposite, 20, close) == 20
    assert trader.of(OrderReported, client_id=close)[-1].kind is OrderKind.LIMIT
    assert await trader.gateway.positions() == []


async def test_a_liquidation_is_told_and_the_position_is_the_venues(trader: Trader) -> None:
    mine = trader.send(trader.order(kind=OrderKind.MARKET, lots=5_000))
    await trader.until(lambda: sum(f.lots for f in trader.of(Filled, client_id=mine)) == 5_000)
    await trader.rest.control("mark_price", symbol="BTCUSDT", price="30000")
    await trader.event(PositionReported, symbol=BTC, lots=0)
    await trader.until(
        lambda: any("closes by itself" in e.text for e in trader.of(FeedChanged, up=True))
    )
    assert all(fill.client_id != mine for fill in trader.of(Filled, side=Side.SELL))


async def test_a_market_that_was_not_traded_for_weeks_is_searched_back(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = trader.gateway.rest
    assert await rest.last_trade_id(BTC) is None
    mine = trader.send(trader.order(kind=OrderKind.MARKET, lots=20))
    await trader.until(lambda: sum(f.lots for f in trader.of(Filled, client_id=mine)) == 20)
    newest = max(fill.trade_id for fill in trader.of(Filled, client_id=mine))
    monkeypatch.setattr(rest_module, "_SPAN_MS", 100)  # a week of 0.1 s
    monkeypatch.setattr(rest_module, "KEPT_MS", 60_000)
    traded_ms = rest.venue_ms()
    await trader.until(lambda: rest.venue_ms() > traded_ms + 300)
    assert await rest.last_trade_id(BTC) == newest


async def test_an_exchange_that_comes_back_without_memory_is_traded_on_again() -> None:
    first = options()
    async with ExchangeServer(first) as server:
        port = server._port
        async with trader_of(server) as one:
            await server.stop()
            await one.until(lambda: one.gateway.health().sockets["account"] == "down")
            async with ExchangeServer(replace(first, port=port)) as again:
                one.server = again
                await one.until(lambda: connects(one) == 3, 10.0)  # the old key, then its own
                await one.until_up()
                mine = one.send(one.order(kind=OrderKind.MARKET, lots=20))
                await one.until(lambda: one.of(Filled, client_id=mine))


async def test_the_first_cancels_leave_before_anything_is_waited_for(trader: Trader) -> None:
    trader.send(trader.order(ticks=trader.bid_ticks() - 5_000))
    trader.send(stop(trader, trader.bid_ticks() - 50_000, lots=20))
    await until(lambda: both_books(trader))
    trader.gateway.cancel_all_now(BTC)
    await until(lambda: nothing_open(trader))


async def test_funding_comes_as_a_payment_once() -> None:
    async with ExchangeServer(options(funding_interval_s=1)) as server, trader_of(server) as one:
        mine = one.send(one.order(kind=OrderKind.MARKET, lots=2000))
        await one.event(Filled, client_id=mine)
        paid = await one.event(FundingPaid, symbol=BTC)
        assert paid.asset == "USDT"
        [listed, *_] = await one.gateway.rest.funding_since(0)
        assert (listed.payment_id, listed.amount) == (paid.payment_id, paid.amount)


def stop(trader: Trader, ticks: int, *, lots: int, side: Side = Side.SELL) -> ApprovedOrder:
    return trader.order(
        side, OrderKind.STOP_MARKET, lots=lots, ticks=ticks, reduce_only=True, role=OrderRole.STOP
    )


async def both_books(trader: Trader) -> bool:
    return await trader.open_at_exchange() == 2


async def nothing_open(trader: Trader) -> bool:
    return await trader.open_at_exchange() == 0
