"""The venue's truth wins: lost replies, silent and cut streams, fills read again, funding."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal

import msgspec
import pytest

from obiterm.core.events import (
    FeedChanged,
    Filled,
    FundingPaid,
    OrderNotFound,
    OrderOutcomeLost,
    OrderReported,
)
from obiterm.core.values import NS_PER_MS, NS_PER_S, ClientOrderId, OrderKind, OrderState, Side
from obiterm.exchange.api import Kind, NewOrder
from obiterm.exchange.serve import ServeOptions
from obiterm.exchange.venue import SimVenue
from tests.engine_bybit.conftest import (
    AT_EXCHANGE,
    PERP,
    SPOT,
    CountedExchange,
    Trader,
    trader_of,
)


@pytest.mark.parametrize("label", ["order.create"])
async def test_t6_t7_a_lost_reply_is_unknown_and_asked_for_never_sent_again(
    server: CountedExchange, label: str
) -> None:
    """By REST: the connection hangs and breaks; the order is at the venue all the same."""
    async with trader_of(server, has_trade=False) as trader:
        await trader.back.fault("silence", match="user")
        await trader.back.fault("status", match=label, status=502, executed=True, count=1)
        mine = trader.send(trader.away())
        await trader.event(OrderOutcomeLost, client_id=mine)
        trader.gateway.query(PERP, mine)
        await trader.reach(mine, OrderState.OPEN)
        assert server.count("/v5/order/create") == 1
        assert len(server.venue.all_orders("main", AT_EXCHANGE[PERP])) == 1


async def test_t6_a_cut_trade_socket_leaves_an_order_unknown_until_it_is_found(
    trader: Trader,
) -> None:
    await trader.back.fault("silence", match="user")
    await trader.back.fault("drop_reply", match="order.create", count=1)
    mine = trader.send(trader.away())
    await trader.until(lambda: trader.back.server.venue.open_orders("main"))
    await trader.back.fault("cut", match="ws_api")
    await trader.event(OrderOutcomeLost, client_id=mine)
    found = await trader.gateway.find_order(PERP, mine)
    assert found is not None
    assert found.state is OrderState.OPEN
    assert len(trader.back.server.venue.all_orders("main", AT_EXCHANGE[PERP])) == 1


async def test_an_accepted_order_whose_result_is_late_is_asked_for(either: Trader) -> None:
    """The stream says nothing (T38): the result comes by REST without anybody's question."""
    await either.back.fault("silence", match="user")
    mine = either.send(either.away())
    await either.reach(mine, OrderState.OPEN)
    either.gateway.cancel(PERP, mine, None)
    await either.reach(mine, OrderState.CANCELLED)
    taker = either.send(either.order(kind=OrderKind.MARKET))
    await either.reach(taker, OrderState.FILLED)


async def test_a_result_that_the_stream_told_is_not_asked_for(
    server: CountedExchange, trader: Trader
) -> None:
    mine = (await trader.rest_away()).client_id
    trader.gateway.cancel(PERP, mine, None)
    await trader.reach(mine, OrderState.CANCELLED)
    trader.gateway._entry._awaited.take_late(2**62)
    assert trader.gateway._entry._awaited.take_late(2**62) == []
    assert server.count("/v5/order/realtime") == 0


async def test_t8_an_order_that_is_nowhere_is_told_so_after_the_history(
    server: CountedExchange, trader: Trader
) -> None:
    nobody = ClientOrderId("ob-t-77e-test-x")
    trader.gateway.query(PERP, nobody)
    await trader.event(OrderNotFound, client_id=nobody)
    assert (server.count("/v5/order/realtime"), server.count("/v5/order/history")) == (1, 1)
    assert await trader.gateway.find_order(PERP, nobody) is None


async def test_t6_an_old_no_such_order_says_nothing(trader: Trader) -> None:
    nobody = ClientOrderId("ob-t-78e-test-x")
    await trader.back.fault("delay", match="order/history", ms=1300, when="reply", count=1)
    trader.gateway.query(PERP, nobody)
    trader.gateway.query(SPOT, nobody)
    await trader.event(OrderNotFound, client_id=nobody, symbol=SPOT)
    assert trader.of(OrderNotFound, symbol=PERP) == []


async def test_t10_no_fill_is_missed_over_a_cut_account_stream(trader: Trader) -> None:
    """What trades while the stream is away is read by REST, each fill known by the same id."""
    before = await trader.trade()
    await trader.until(lambda: trader.of(Filled, client_id=before))
    await trader.back.fault("silence", match="user")
    mine = trader.send(trader.order(kind=OrderKind.MARKET, lots=20))
    await trader.until(lambda: len(trader.back.server.venue.fills("main")) >= 2)
    await trader.back.fault("cut", match="user")
    await trader.event(FeedChanged, stream="account", up=False)
    await trader.back.mend()
    await trader.until(lambda: len(trader.of(FeedChanged, stream="account", up=True)) == 2)
    mark = trader.gateway.fill_mark(trader.of(Filled, client_id=before)[-1])
    fills = await trader.gateway.fills_since(PERP, mark)
    assert sum(fill.lots for fill in fills if fill.client_id == mine) == 20
    ids = [fill.trade_id for fill in fills]
    assert len(set(ids)) == len(ids) == len(trader.back.server.venue.fills("main"))
    assert [f.event_ns for f in fills] == sorted(f.event_ns for f in fills)


async def test_fills_are_read_over_all_pages_and_weeks(trader: Trader) -> None:
    """A page holds a hundred and a window seven days; the mark may be older than both."""
    venue = trader.back.server.venue
    for number in range(130):
        request = NewOrder(
            symbol=AT_EXCHANGE[PERP],
            side=Side.BUY,
            kind=Kind.MARKET,
            client_id=f"ob-t-{number}m-manual-x",
            lots=1,
        )
        venue.place("main", request, time.time_ns())
    await trader.until(lambda: len(trader.of(Filled)) >= 130)
    month_ago = time.time_ns() - 30 * 86_400 * NS_PER_S
    fills = await trader.gateway.fills_since(PERP, month_ago)
    assert Counter(f.trade_id for f in fills) == Counter(f.trade_id for f in trader.of(Filled))
    assert [f.event_ns for f in fills] == sorted(f.event_ns for f in fills)
    newest = trader.gateway.fill_mark(fills[-1])
    assert await trader.gateway.fills_since(PERP, newest + 120 * NS_PER_S) == []


async def test_t35_funding_is_a_payment_told_once_and_never_a_fill() -> None:
    options = ServeOptions(venue="bybit", seed=11, funding_interval_s=3)
    async with CountedExchange(options) as server, trader_of(server) as trader:
        await trader.trade()
        paid = await trader.event(FundingPaid, symbol=PERP)
        assert paid.asset == "USDT"
        assert len(trader.of(Filled)) == len(server.venue.fills("main"))
        before = trader.of(Filled)[0].event_ns
        fills = await trader.gateway.fills_since(PERP, before)
        assert len(fills) == len(trader.of(Filled))
        await trader.back.fault("silence", match="user")
        count = len(server.venue.funding_payments("main"))
        await trader.until(lambda: len(server.venue.funding_payments("main")) > count)
        await trader.gateway.fills_since(PERP, before)
        await trader.gateway.fills_since(PERP, before)
        told = [payment.payment_id for payment in trader.of(FundingPaid)]
        assert len(set(told)) == len(told) == len(server.venue.funding_payments("main"))
        total = sum((payment.amount for payment in trader.of(FundingPaid)), Decimal(0))
        assert total == sum(
            (payment.amount for payment in server.venue.funding_payments("main")), Decimal(0)
        )


async def test_reports_of_a_fill_race_come_in_any_order_and_fill_once(either: Trader) -> None:
    """A stream that tells twice tells once (§9.1)."""
    await either.back.fault("duplicate", match="execution", count=0)
    await either.back.fault("duplicate", match="order", count=0)
    mine = await either.trade(Side.SELL)
    await either.until(lambda: sum(f.lots for f in either.of(Filled, client_id=mine)) >= 10)
    assert sum(f.lots for f in either.of(Filled, client_id=mine)) == 10
    finals = either.of(OrderReported, client_id=mine, state=OrderState.FILLED)
    assert len(finals) == 1


async def test_the_newest_fill_is_found_weeks_later(server: CountedExchange) -> None:
    """A spot position that is older than a week is still this account's (§6.1)."""
    async with trader_of(server, symbols=[SPOT]) as trader:
        client_id = await trader.trade(symbol=SPOT)
        filled = await trader.event(Filled, client_id=client_id)
    assert isinstance(server.venue, SimVenue)
    fills = server.venue._fills["main"]
    fills[:] = [
        msgspec.structs.replace(one, time_ns=one.time_ns - 20 * 86_400 * NS_PER_S) for one in fills
    ]
    async with trader_of(server, symbols=[SPOT], run=False) as again:
        assert again.prepared is not None
        mark = again.prepared.fill_marks[SPOT]
        assert mark // NS_PER_MS == filled.event_ns // NS_PER_MS - 20 * 86_400_000
        assert again.prepared.marks_from_ns < mark
