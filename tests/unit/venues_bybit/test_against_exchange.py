"""Bybit sessions and shells against the simulated exchange, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from obiterm.core.events import (
    BalanceChanged,
    CancelRefused,
    FeedChanged,
    Filled,
    FundingChanged,
    FundingPaid,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
    PositionReported,
    Traded,
)
from obiterm.core.values import ClientOrderId, OrderKind, OrderRole, OrderState, Side, Symbol
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from obiterm.venues.bybit import (
    BASE_FEES,
    Ask,
    Asked,
    Category,
    Credentials,
    OrderPolicy,
    fee_rate,
    key_rights,
    reconciled,
    server_time_ns,
)
from tests.unit.venues_bybit.live_client import PERP, SPOT, LiveClient, fault

LIMIT, MARKET, STOP = OrderKind.LIMIT, OrderKind.MARKET, OrderKind.STOP_MARKET
LOTS = {PERP: 10, SPOT: 1000}


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    accounts = [AccountOptions(), AccountOptions(name="hedger", hedge_mode=True)]
    async with ExchangeServer(ServeOptions(venue="bybit", accounts=accounts)) as running:
        yield running


@pytest.fixture(params=["socket", "rest"])
async def client(
    server: ExchangeServer, request: pytest.FixtureRequest
) -> AsyncIterator[LiveClient]:
    """A joined client: with orders over the trade socket, and by REST as in demo (R91)."""
    client = LiveClient(server, by_socket=request.param == "socket")
    async with client.running():
        yield client


@pytest.fixture
async def trader(server: ExchangeServer) -> AsyncIterator[LiveClient]:
    """A joined client on the trade socket."""
    client = LiveClient(server, by_socket=True)
    async with client.running():
        yield client


async def rest_away(client: LiveClient, symbol: Symbol = PERP) -> ClientOrderId:
    """Place an order that rests far below the market."""
    ticks = client.books[symbol].best_bid_ticks - 1000
    order = client.order(
        LIMIT, Side.BUY, symbol=symbol, lots=LOTS[symbol], ticks=ticks, post_only=True
    )
    client_id = await client.place(order)
    await client.reach(client_id, OrderState.OPEN)
    return client_id


async def buy(client: LiveClient, symbol: Symbol = PERP) -> ClientOrderId:
    order = client.order(MARKET, Side.BUY, symbol=symbol, lots=LOTS[symbol])
    client_id = await client.place(order)
    await client.reach(client_id, OrderState.FILLED)
    await client.until(lambda: sum(f.lots for f in client.of(Filled, client_id)) == LOTS[symbol])
    return client_id


@pytest.mark.parametrize("symbol", [PERP, SPOT])
async def test_a_post_only_order_rests_and_is_cancelled(client: LiveClient, symbol: Symbol) -> None:
    client_id = await rest_away(client, symbol)
    asked = Asked(Ask.OPEN_ORDERS, symbol)
    category = Category.SPOT if symbol == SPOT else Category.LINEAR
    told = await client.outcome(asked, client.orders.open_orders(category, client.now_ms()))
    [live] = told.open_orders
    assert (live.client_id, live.symbol, live.lots) == (client_id, symbol, LOTS[symbol])
    assert live.post_only
    await client.cancel(symbol, client_id)
    await client.reach(client_id, OrderState.CANCELLED)
    await client.cancel(symbol, client_id)
    await client.until(lambda: client.of(CancelRefused, client_id))
    assert client.of(CancelRefused, client_id)[0].code in ("110001", "170213")


@pytest.mark.parametrize("symbol", [PERP, SPOT])
async def test_a_market_order_fills_once_per_trade(client: LiveClient, symbol: Symbol) -> None:
    client_id = await buy(client, symbol)
    await client.until(lambda: client.of(BalanceChanged))
    trades = {fill.trade_id for fill in client.of(Filled, client_id)}
    assert len(trades) == len(client.of(Filled, client_id))
    asset = "BTC" if symbol == SPOT else "USDT"
    assert all(f.fee > 0 and f.fee_asset == asset for f in client.of(Filled, client_id))
    category = Category.SPOT if symbol == SPOT else Category.LINEAR
    request = client.account.executions(category, client.now_ms(), client_id=client_id)
    told = await client.outcome(Asked(Ask.EXECUTIONS, category=category), request)
    assert {e.trade_id for e in told.events if isinstance(e, Filled)} == trades


async def test_a_perpetual_opens_and_closes_a_position(client: LiveClient) -> None:
    await buy(client)
    await client.until(lambda: any(p.lots == 10 for p in client.of(PositionReported)))
    reply = await client.rest(client.account.positions(client.now_ms()))
    [held] = client.codec.positions(reply.status, reply.body, 0).positions
    assert (held.symbol, held.lots, held.leg) == (PERP, 10, "")
    exit_order = client.order(MARKET, Side.SELL, lots=50, reduce_only=True, role=OrderRole.EXIT)
    await client.place(exit_order)
    await client.until(lambda: client.of(PositionReported)[-1].lots == 0)


async def test_a_whole_position_is_closed_without_its_size(client: LiveClient) -> None:
    await buy(client)
    request = client.orders.close_position(PERP, Side.SELL, ClientOrderId("x-1"), client.now_ms())
    await client.outcome(Asked(Ask.PLACE, PERP, ClientOrderId("x-1")), request)
    await client.until(lambda: client.of(PositionReported)[-1].lots == 0)


@pytest.mark.parametrize("symbol", [PERP, SPOT])
async def test_t40_a_stop_rests_at_the_venue(client: LiveClient, symbol: Symbol) -> None:
    await buy(client, symbol)
    trigger = client.books[symbol].best_bid_ticks - 20_000
    order = client.order(
        STOP,
        Side.SELL,
        symbol=symbol,
        lots=LOTS[symbol] // 2,
        ticks=trigger,
        reduce_only=symbol == PERP,
        role=OrderRole.STOP,
    )
    stop = await client.place(order)
    await client.reach(stop, OrderState.OPEN)
    told = client.of(OrderReported, stop)[0]
    assert (told.kind, told.trigger_ticks) == (STOP, trigger)
    await client.cancel(symbol, stop)
    await client.reach(stop, OrderState.CANCELLED)


async def test_a_post_only_order_that_would_take_is_refused(client: LiveClient) -> None:
    ticks = client.books[PERP].best_ask_ticks + 100
    client_id = await client.place(client.order(LIMIT, Side.BUY, ticks=ticks, post_only=True))
    await client.until(lambda: client.of(OrderReported, client_id))
    told = client.of(OrderReported, client_id)[-1]
    assert (told.state, told.code) == (OrderState.REJECTED, "EC_PostOnlyWillTakeLiquidity")


async def test_r13_refusals_are_in_the_venues_words(client: LiveClient) -> None:
    reduce = client.order(MARKET, Side.SELL, reduce_only=True, role=OrderRole.EXIT)
    client_id = await client.place(reduce)
    await client.until(lambda: client.of(OrderRefused, client_id))
    refused = client.of(OrderRefused, client_id)[0]
    assert refused.code == "110017"
    assert refused.text
    dear = client.order(MARKET, Side.BUY, symbol=SPOT, lots=41_000_000)
    client_id = await client.place(dear)
    await client.until(lambda: client.of(OrderRefused, client_id))
    assert client.of(OrderRefused, client_id)[0].code.startswith("170")


async def test_questions_about_orders(client: LiveClient) -> None:
    client_id = await rest_away(client)
    asked = Asked(Ask.QUERY, PERP, client_id)
    told = await client.outcome(asked, client.orders.query(PERP, client_id, client.now_ms()))
    assert told.found
    nobody = ClientOrderId("nobody")
    asked = Asked(Ask.QUERY, PERP, nobody)
    told = await client.outcome(asked, client.orders.query(PERP, nobody, client.now_ms()))
    assert not told.found
    request = client.orders.query(PERP, nobody, client.now_ms(), history=True)
    told = await client.outcome(Asked(Ask.HISTORY, PERP, nobody), request)
    assert [type(event) for event in told.events] == [OrderNotFound]


async def test_an_order_is_amended_in_place(trader: LiveClient) -> None:
    client_id = await rest_away(trader)
    ticks = trader.books[PERP].best_bid_ticks - 2000
    trader.trade_socket.send(
        trader.trade.amend(
            PERP, client_id, trader.now_ms(), trader.clock.monotonic_ns(), price_ticks=ticks, lots=7
        )
    )
    await trader.until(lambda: trader.of(OrderReported, client_id)[-1].price_ticks == ticks)
    assert trader.of(OrderReported, client_id)[-1].lots == 7


async def test_batches_and_cancel_all(trader: LiveClient) -> None:
    ticks = trader.books[PERP].best_bid_ticks - 1000
    orders = [trader.order(LIMIT, Side.BUY, ticks=ticks - n, post_only=True) for n in range(3)]
    instrument = trader.instruments[PERP]
    request = trader.orders.place_batch([(o, instrument) for o in orders], trader.now_ms())
    asked = [Asked(Ask.PLACE, PERP, o.intent.client_id) for o in orders]
    reply = await trader.ask(request)
    outcomes = trader.codec.batch(asked, reply.status, reply.body, 0)
    assert all(each.venue_id and not each.events for each in outcomes)
    for order in orders:
        await trader.reach(order.intent.client_id, OrderState.OPEN)
    spot = await rest_away(trader, SPOT)
    taken = 0
    for symbol in (PERP, SPOT):
        for request in trader.orders.cancel_all(symbol, trader.now_ms()):
            told = await trader.outcome(Asked(Ask.CANCEL_ALL, symbol), request)
            taken += told.cancelled
    for client_id in [*(o.intent.client_id for o in orders), spot]:
        await trader.reach(client_id, OrderState.CANCELLED)
    assert taken == 4


async def test_the_venues_whole_word_on_an_account(trader: LiveClient) -> None:
    await buy(trader)
    client_id = await rest_away(trader, SPOT)
    wallet_reply = await trader.rest(trader.account.wallet(trader.now_ms()))
    wallet = trader.codec.wallet(wallet_reply.status, wallet_reply.body, 0)
    reply = await trader.rest(trader.account.positions(trader.now_ms()))
    positions = trader.codec.positions(reply.status, reply.body, 0)
    asked = Asked(Ask.OPEN_ORDERS, category=Category.SPOT)
    request = trader.orders.open_orders(Category.SPOT, trader.now_ms())
    orders = (await trader.outcome(asked, request)).open_orders
    told = reconciled(wallet, orders, positions.positions, 0)
    assert {asset for asset, _, _ in told.balances} == {"BTC", "USDT"}
    assert [order.client_id for order in told.open_orders] == [client_id]
    assert [held.lots for held in told.positions] == [10]


async def test_rights_fees_and_time(trader: LiveClient) -> None:
    reply = await trader.rest(trader.account.key_info(trader.now_ms()))
    assert key_rights(reply.status, reply.body).faults(Category) == []
    reply = await trader.ask(trader.account.fee_rate(PERP, trader.now_ms()))
    assert fee_rate(reply.status, reply.body, PERP, BASE_FEES[Category.LINEAR]).taker > 0
    reply = await trader.rest(trader.public.server_time())
    assert abs(server_time_ns(reply.status, reply.body) - trader.clock.wall_ns()) < 10**9
    assert trader.budget.used_share(trader.clock.wall_ns()) > 0


async def test_market_streams_keep_both_books_in_step(trader: LiveClient) -> None:
    await trader.until(
        lambda: (
            all(book.diffs_applied >= 10 for book in trader.books.values())
            and {event.symbol for event in trader.of(Traded)} == {PERP, SPOT}
            and trader.of(FundingChanged)
        )
    )
    for book in trader.books.values():
        assert (book.synced, book.gaps, book.crossed_seen) == (True, 0, 0)
    trades = [event for event in trader.of(Traded) if event.symbol == PERP]
    assert len({trade.trade_id for trade in trades}) == len(trades)
    funding = trader.of(FundingChanged)[-1]
    assert funding.next_funding_ns > trader.clock.wall_ns()


# ── bad days ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["gap", "reorder", "duplicate"])
async def test_t48_a_damaged_book_stream_is_mended(trader: LiveClient, kind: str) -> None:
    before = {symbol: book.diffs_applied for symbol, book in trader.books.items()}
    await fault(trader, kind=kind, match="*orderbook*", count=2)
    await trader.until(
        lambda: all(
            book.synced and book.diffs_applied > before[symbol] + 20
            for symbol, book in trader.books.items()
        )
    )
    gaps = sum(book.gaps for book in trader.books.values())
    assert gaps == 0 if kind == "duplicate" else gaps >= 1


async def test_t6_an_order_whose_reply_was_dropped_is_found(trader: LiveClient) -> None:
    await fault(trader, kind="drop_reply", match="order.create")
    await fault(trader, kind="silence", match="user")
    ticks = trader.books[PERP].best_bid_ticks - 1000
    client_id = await trader.place(trader.order(LIMIT, Side.BUY, ticks=ticks, post_only=True))
    await trader.until(lambda: trader.of(OrderOutcomeLost, client_id))
    asked = Asked(Ask.QUERY, PERP, client_id)
    told = await trader.outcome(asked, trader.orders.query(PERP, client_id, trader.now_ms()))
    assert told.found
    assert OrderState.OPEN in trader.states(client_id)


async def test_t5_a_second_order_with_the_same_id_is_no_second_order(trader: LiveClient) -> None:
    ticks = trader.books[PERP].best_bid_ticks - 1000
    order = trader.order(LIMIT, Side.BUY, ticks=ticks, post_only=True)
    client_id = await trader.place(order)
    await trader.reach(client_id, OrderState.OPEN)
    await trader.place(order)
    await trader.until(lambda: trader.of(OrderOutcomeLost, client_id))
    asked = Asked(Ask.OPEN_ORDERS, category=Category.LINEAR)
    request = trader.orders.open_orders(Category.LINEAR, trader.now_ms())
    assert len((await trader.outcome(asked, request)).open_orders) == 1


@pytest.mark.parametrize("which", ["user", "ws_api", "market"])
async def test_t16_cut_sockets_join_again(trader: LiveClient, which: str) -> None:
    sockets = {
        "user": [trader.user_socket],
        "ws_api": [trader.trade_socket],
        "market": list(trader.market_sockets.values()),
    }[which]
    before = [socket.connects for socket in sockets]
    await fault(trader, kind="cut", match=which)
    await trader.until(
        lambda: all(s.connects > n for s, n in zip(sockets, before, strict=True)) and trader.is_up
    )
    if which == "user":
        assert [feed.up for feed in trader.of(FeedChanged)] == [True, False, True]
    await buy(trader)


async def test_t47_a_clock_that_is_off_is_suspected(server: ExchangeServer) -> None:
    client = LiveClient(server, by_socket=True)
    async with client.running():
        await fault(client, kind="clock_offset_ms", ms=30_000)
        ticks = client.books[PERP].best_bid_ticks - 1000
        order = client.order(LIMIT, Side.BUY, ticks=ticks, post_only=True)
        client_id = await client.place(order)
        await client.until(lambda: client.of(OrderRefused, client_id))
        assert client.of(OrderRefused, client_id)[0].code == "10002"
        assert client.trade.clock_suspect


async def test_a_wrong_secret_stops_the_account(server: ExchangeServer) -> None:
    client = LiveClient(server, by_socket=True)
    client.key = Credentials(client.key.api_key, "not the secret")
    async with client.running():
        assert not client.user.ready
        assert client.user.stopped is not None
        assert client.user.stopped.code == "10004"
        assert client.user.stopped.hint


async def test_t31_a_hedge_account_is_noticed_and_can_be_traded(server: ExchangeServer) -> None:
    client = LiveClient(server, by_socket=True, account=1)
    async with client.running():
        reply = await client.rest(client.account.positions(client.now_ms(), PERP))
        hedged = client.codec.positions(reply.status, reply.body, 0).hedged
        assert hedged == {PERP}
        refused = await client.place(client.order(MARKET, Side.BUY))
        await client.until(lambda: client.of(OrderRefused, refused))
        assert "position idx" in client.of(OrderRefused, refused)[0].text
        client.trade.policy = OrderPolicy(hedged=hedged)
        await buy(client)
        await client.until(lambda: any(p.leg == "LONG" for p in client.of(PositionReported)))


async def test_t35_funding_is_paid_and_is_no_fill() -> None:
    options = ServeOptions(venue="bybit", funding_interval_s=2)
    async with ExchangeServer(options) as server:
        client = LiveClient(server, by_socket=True)
        async with client.running():
            client_id = await buy(client)
            await client.until(lambda: client.of(FundingPaid))
            paid = client.of(FundingPaid)[0]
            assert (paid.symbol, paid.asset) == (PERP, "USDT")
            assert paid.amount != 0
            assert len(client.of(Filled)) == len(client.of(Filled, client_id))
            request = client.account.executions(Category.LINEAR, client.now_ms(), symbol=PERP)
            told = await client.outcome(Asked(Ask.EXECUTIONS, PERP), request)
            payments = [event for event in told.events if isinstance(event, FundingPaid)]
            assert payments[0].payment_id == paid.payment_id
