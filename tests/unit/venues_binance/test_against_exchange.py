"""Sessions and shells against the simulated exchange, over real sockets."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from obiterm.core.events import (
    BalanceChanged,
    CancelRefused,
    DepthChanged,
    FeedChanged,
    Filled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
    TopChanged,
    Traded,
)
from obiterm.core.values import ClientOrderId, OrderKind, OrderRole, OrderState, Side
from obiterm.exchange.serve import ExchangeServer
from obiterm.venues.binance import Ask, Asked, Credentials, account, commission
from tests.clients.support import ED25519_KEY, SEED, default_options
from tests.unit.venues_binance.live_client import BTC, LiveClient, fault

LIMIT, MARKET, STOP = OrderKind.LIMIT, OrderKind.MARKET, OrderKind.STOP_MARKET


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(default_options()) as running:
        yield running


@pytest.fixture(params=["hmac", "ed25519"])
async def client(
    server: ExchangeServer, request: pytest.FixtureRequest
) -> AsyncIterator[LiveClient]:
    """A joined client: with a key that signs everything, and with one that logs on."""
    if request.param == "hmac":
        key = Credentials(server.api_key, server.api_secret)
    else:
        key = Credentials(ED25519_KEY, SEED.hex(), "ed25519")
    client = LiveClient(server.rest_url, server.stream_url, server.ws_api_url, key)
    async with client.running():
        yield client


async def test_a_post_only_order_rests_and_is_cancelled(client: LiveClient) -> None:
    book = await client.book()
    order = client.order(LIMIT, Side.BUY, ticks=book.bids[0][0] - 1000, post_only=True)
    client_id = client.place(order)
    await client.reach(client_id, OrderState.OPEN)
    answer = await client.answer(client.user.open_orders(BTC, client.now_ms(), 0))
    [live] = answer.open_orders
    assert (live.client_id, live.price_ticks, live.lots) == (
        client_id,
        order.intent.price_ticks,
        order.intent.lots,
    )
    client.cancel(client_id)
    await client.reach(client_id, OrderState.CANCELLED)
    client.cancel(client_id)
    await client.until(lambda: client.of(CancelRefused, client_id))
    assert client.of(CancelRefused, client_id)[0].code == "-2011"


async def test_a_market_order_fills_once_per_trade(client: LiveClient) -> None:
    """The reply and the user stream tell the same trades; ids join them."""
    client_id = client.place(client.order(MARKET, Side.BUY, lots=50_000))
    await client.reach(client_id, OrderState.FILLED)
    await client.until(lambda: client.of(BalanceChanged))
    trades = {fill.trade_id: fill for fill in client.of(Filled, client_id)}
    await client.until(
        lambda: (
            len(client.of(Filled, client_id)) == 2 * len(trades)
            or len({fill.trade_id for fill in client.of(Filled, client_id)}) > len(trades)
        )
    )
    trades = {fill.trade_id: fill for fill in client.of(Filled, client_id)}
    assert sum(fill.lots for fill in trades.values()) == 50_000
    assert all(fill.fee > 0 and fill.fee_asset == "BTC" for fill in trades.values())
    asked = Asked(Ask.TRADES, BTC)
    reply = await client.rest(client.requests.my_trades(BTC, client.now_ms()))
    told = client.codec.outcome(asked, reply.status, reply.body, 0).events
    assert {event.trade_id for event in told if isinstance(event, Filled)} == set(trades)


async def test_a_stop_rests_at_the_venue(client: LiveClient) -> None:
    bought = client.place(client.order(MARKET, Side.BUY, lots=5000))
    await client.reach(bought, OrderState.FILLED)
    book = await client.book()
    trigger = book.bids[0][0] - 50_000
    stop = client.place(
        client.order(STOP, Side.SELL, lots=4000, ticks=trigger, role=OrderRole.STOP)
    )
    await client.reach(stop, OrderState.OPEN)
    told = client.of(OrderReported, stop)[0]
    assert (told.kind, told.trigger_ticks) == (STOP, trigger)
    answer = await client.answer(client.user.cancel_all(BTC, client.now_ms(), 0))
    assert answer.failure is None
    await client.reach(stop, OrderState.CANCELLED)


async def test_a_post_only_order_that_would_take_is_refused(client: LiveClient) -> None:
    book = await client.book()
    order = client.order(LIMIT, Side.BUY, ticks=book.asks[0][0] + 100, post_only=True)
    client_id = client.place(order)
    await client.until(lambda: client.of(OrderRefused, client_id))
    refused = client.of(OrderRefused, client_id)[0]
    assert refused.code == "-2010"
    assert "immediately match" in refused.text


async def test_an_order_moves_by_cancel_replace(client: LiveClient) -> None:
    book = await client.book()
    far = book.bids[0][0] - 2000
    old = client.place(client.order(LIMIT, Side.BUY, ticks=far, post_only=True))
    await client.reach(old, OrderState.OPEN)
    order = client.order(LIMIT, Side.BUY, ticks=far - 100, post_only=True)
    client.send(client.user.replace(old, order, client.now_ms(), client.clock.monotonic_ns()))
    await client.reach(old, OrderState.CANCELLED)
    await client.reach(order.intent.client_id, OrderState.OPEN)
    again = client.order(LIMIT, Side.BUY, ticks=far - 200, post_only=True)
    client.send(client.user.replace(old, again, client.now_ms(), client.clock.monotonic_ns()))
    await client.until(lambda: client.of(OrderRefused, again.intent.client_id))
    assert client.of(CancelRefused, old)[0].code == "-2011"


async def test_questions_about_orders(client: LiveClient) -> None:
    book = await client.book()
    ticks = book.bids[0][0] - 1000
    client_id = client.place(client.order(LIMIT, Side.BUY, ticks=ticks, post_only=True))
    await client.reach(client_id, OrderState.OPEN)
    before = len(client.of(OrderReported, client_id))
    client.query(client_id)
    await client.until(lambda: len(client.of(OrderReported, client_id)) > before)
    nobody = ClientOrderId("nobody")
    client.query(nobody)
    await client.until(lambda: client.of(OrderNotFound, nobody))


async def test_t6_an_order_whose_reply_was_dropped_is_found(client: LiveClient) -> None:
    await fault(client, kind="drop_reply", match="order.place")
    await fault(client, kind="silence", match="user")
    book = await client.book()
    ticks = book.bids[0][0] - 1000
    client_id = client.place(client.order(LIMIT, Side.BUY, ticks=ticks, post_only=True))
    answer = await client.answer(client.user.account(client.now_ms(), 0))
    assert answer.failure is None, "the connection works; only that reply is missing"
    client.expire()
    assert len(client.of(OrderOutcomeLost, client_id)) == 1
    client.query(client_id)
    await client.reach(client_id, OrderState.OPEN)


async def test_t37_a_status_that_says_nothing_is_unknown(client: LiveClient) -> None:
    await fault(
        client, kind="status", match="order.place", status=504, code=-1007, msg="Timeout waiting",
        executed=True,
    )  # fmt: skip
    book = await client.book()
    ticks = book.bids[0][0] - 1000
    client_id = client.place(client.order(LIMIT, Side.BUY, ticks=ticks, post_only=True))
    await client.until(lambda: client.of(OrderOutcomeLost, client_id))
    await client.reach(client_id, OrderState.OPEN)
    assert not client.of(OrderRefused, client_id)


async def test_t16_a_cut_account_socket_joins_again(client: LiveClient) -> None:
    await fault(client, kind="cut", match="ws_api")
    await client.until(lambda: len(client.of(FeedChanged)) == 3)
    assert [feed.up for feed in client.of(FeedChanged)] == [True, False, True]
    client_id = client.place(client.order(MARKET, Side.BUY))
    await client.reach(client_id, OrderState.FILLED)


async def test_market_streams_become_events_that_fit_the_snapshot(client: LiveClient) -> None:
    await client.until(
        lambda: client.of(DepthChanged) and client.of(TopChanged) and client.of(Traded)
    )
    book = await client.book()
    await client.until(lambda: client.of(DepthChanged)[-1].last_id > book.last_id)
    changes = client.of(DepthChanged)
    assert all(
        after.first_id == before.last_id + 1 for before, after in itertools.pairwise(changes)
    )
    assert any(each.first_id <= book.last_id + 1 <= each.last_id for each in changes)
    trades = client.of(Traded)
    assert [trade.trade_id for trade in trades] == sorted({trade.trade_id for trade in trades})


async def test_account_and_fees_by_rest(client: LiveClient) -> None:
    reply = await client.rest(client.requests.account(client.now_ms()))
    state = account(reply.body)
    assert state.can_trade
    assert {asset for asset, _, _ in state.balances} == {"BTC", "USDT"}
    answer = await client.answer(client.user.account(client.now_ms(), 0))
    assert answer.failure is None
    told = {event.asset: event.free for event in client.of(BalanceChanged)}
    assert told == {asset: free for asset, free, _ in state.balances}
    fees = commission((await client.rest(client.requests.commission(BTC, client.now_ms()))).body)
    assert fees.taker > 0
    assert client.budget.used_share("REQUEST_WEIGHT", client.clock.wall_ns()) > 0


async def test_the_same_orders_by_rest(client: LiveClient) -> None:
    book = await client.book()
    order = client.order(LIMIT, Side.BUY, ticks=book.bids[0][0] - 1000, post_only=True)
    instrument = client.instruments[BTC]
    client_id = order.intent.client_id
    reply = await client.rest(client.requests.new_order(order, instrument, client.now_ms()))
    [placed] = client.codec.outcome(Asked(Ask.PLACE, BTC, client_id), 200, reply.body, 0).events
    assert isinstance(placed, OrderReported)
    assert placed.state is OrderState.OPEN
    await client.reach(client_id, OrderState.OPEN)
    reply = await client.rest(client.requests.query_order(BTC, client_id, client.now_ms()))
    [told] = client.codec.outcome(Asked(Ask.QUERY, BTC, client_id), 200, reply.body, 0).events
    assert isinstance(told, OrderReported)
    reply = await client.rest(client.requests.open_orders(BTC, client.now_ms()))
    assert [live.client_id for live in client.codec.open_orders(reply.body)] == [client_id]
    request = client.requests.cancel_order(BTC, client_id, client.now_ms(), placed.venue_id)
    reply = await client.rest(request)
    [gone] = client.codec.outcome(Asked(Ask.CANCEL, BTC, client_id), 200, reply.body, 0).events
    assert isinstance(gone, OrderReported)
    assert (gone.client_id, gone.state) == (client_id, OrderState.CANCELLED)


async def test_a_wrong_secret_stops_the_account(server: ExchangeServer) -> None:
    key = Credentials(server.api_key, "not the secret")
    client = LiveClient(server.rest_url, server.stream_url, server.ws_api_url, key)
    async with client.running():
        assert not client.user.ready
        assert client.user.stopped is not None
        assert client.user.stopped.code == "-1022"
