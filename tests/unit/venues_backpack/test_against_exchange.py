"""Sessions and shells against the simulated exchange, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from obiterm.core.errors import VenueError
from obiterm.core.events import (
    CancelRefused,
    DepthChanged,
    Filled,
    FundingChanged,
    OrderNotFound,
    OrderRefused,
    OrderReported,
    PositionReported,
    TopChanged,
    Traded,
)
from obiterm.core.values import ClientOrderId, MarketKind, OrderKind, OrderRole, OrderState, Side
from obiterm.exchange.serve import ExchangeServer
from obiterm.market.book import Applied, Book
from obiterm.venues.backpack import (
    Ask,
    Asked,
    Credentials,
    account,
    capital,
    collateral,
    maintenance,
    server_time,
    spendable,
    with_account,
    would_take,
)
from tests.clients.backpack_support import backpack_options
from tests.unit.venues_backpack.live_client import LiveClient
from tests.unit.venues_backpack.payloads import SOL, SOL_PERP

LIMIT, MARKET, STOP = OrderKind.LIMIT, OrderKind.MARKET, OrderKind.STOP_MARKET
FAR = 500
"""Ticks away from the market."""


@pytest.fixture
async def client() -> AsyncIterator[LiveClient]:
    async with ExchangeServer(backpack_options()) as server:
        key = Credentials(server.api_key, server.api_secret)
        client = LiveClient(server.rest_url, server.stream_url, key)
        async with client.running():
            yield client


async def test_markets_account_and_clock(client: LiveClient) -> None:
    assert client.instruments[SOL].kind is MarketKind.SPOT
    assert client.instruments[SOL_PERP].kind is MarketKind.PERP
    assert client.instruments[SOL_PERP].funding_interval_s > 0
    state = account((await client.rest(client.account.account(client.now_ms()))).body)
    assert with_account(client.instruments[SOL_PERP], state).taker_fee > 0
    told_ms = server_time((await client.rest(client.public.server_time())).body)
    assert abs(told_ms - client.now_ms()) < 5000
    assert maintenance((await client.rest(client.public.status())).body) == ""
    balances = capital((await client.rest(client.account.balances(client.now_ms()))).body)
    margin = collateral((await client.rest(client.account.collateral(client.now_ms()))).body)
    assert spendable(balances, margin, [MarketKind.PERP])["USDC"][0] == margin.available > 0


async def test_a_post_only_order_rests_and_is_cancelled(client: LiveClient) -> None:
    book = await client.book()
    order = client.order(LIMIT, Side.BUY, ticks=book.bids[0][0] - FAR, post_only=True)
    client_id = order.intent.client_id
    await client.place(order)
    assert OrderState.OPEN in client.states(client_id)
    reply = await client.rest(client.requests.open_orders(SOL_PERP, client.now_ms()))
    [live] = client.codec.open_orders(reply.body)
    assert (live.client_id, live.price_ticks, live.post_only) == (
        client_id, order.intent.price_ticks, True,
    )  # fmt: skip
    await client.cancel(SOL_PERP, client_id)
    await client.until(lambda: client.states(client_id)[-1] is OrderState.CANCELLED)
    ended = await client.query(SOL_PERP, client_id)
    [report] = ended.events
    assert isinstance(report, OrderReported)
    assert (report.client_id, report.state) == (client_id, OrderState.CANCELLED)


async def test_a_post_only_order_that_would_take_is_refused_in_words(client: LiveClient) -> None:
    book = await client.book()
    order = client.order(LIMIT, Side.BUY, ticks=book.asks[0][0] + FAR, post_only=True)
    [refused] = (await client.place(order)).events
    assert isinstance(refused, OrderRefused)
    assert would_take(refused.code, refused.text)


async def test_a_position_is_opened_protected_and_closed(client: LiveClient) -> None:
    book = await client.book()
    entry = client.order(MARKET, Side.BUY)
    await client.place(entry)
    fill = await client.event(Filled)
    assert (fill.client_id, fill.side) == (entry.intent.client_id, Side.BUY)
    assert fill.fee_asset == "USDC"
    assert client.user.balances_due
    opened = await client.event(PositionReported, lambda event: event.lots == 100)
    assert opened.entry_price > 0

    stop = client.order(
        STOP, Side.SELL, ticks=book.bids[0][0] - FAR, reduce_only=True, role=OrderRole.STOP
    )
    await client.place(stop)
    reply = await client.rest(client.requests.open_orders(SOL_PERP, client.now_ms()))
    [live] = client.codec.open_orders(reply.body)
    assert (live.kind, live.lots, live.client_id) == (STOP, 100, stop.intent.client_id)

    request = client.requests.cancel_all(SOL_PERP, client.now_ms())
    await client.outcome(Asked(Ask.CANCEL_ALL, SOL_PERP), request)
    reply = await client.rest(client.requests.open_orders(None, client.now_ms()))
    assert client.codec.open_orders(reply.body) == []

    leave = client.order(MARKET, Side.SELL, reduce_only=True, role=OrderRole.EXIT)
    await client.place(leave)
    await client.event(
        PositionReported, lambda event: event.lots == 0 and event.event_ns > opened.event_ns
    )
    answer = await client.ask(client.account.positions(client.now_ms()))
    held = client.codec.positions(answer.status, answer.body, client.clock.wall_ns())
    assert all(position.lots == 0 for position in held)
    request = client.account.fills(SOL_PERP, client.now_ms(), newest_first=False)
    fills = await client.outcome(Asked(Ask.FILLS, SOL_PERP), request)
    told = {event.trade_id for event in client.events if isinstance(event, Filled)}
    assert {event.trade_id for event in fills.events if isinstance(event, Filled)} == told
    assert {event.client_id for event in fills.events if isinstance(event, Filled)} == {
        entry.intent.client_id, leave.intent.client_id,
    }  # fmt: skip


async def test_a_batch_is_answered_order_by_order(client: LiveClient) -> None:
    book = await client.book()
    good = client.order(LIMIT, Side.BUY, ticks=book.bids[0][0] - FAR, post_only=True)
    bad = client.order(LIMIT, Side.BUY, ticks=book.asks[0][0] + FAR, post_only=True)
    asked = Asked(
        Ask.PLACE_BATCH,
        batch=tuple((each.intent.symbol, each.intent.client_id) for each in (good, bad)),
    )
    request = client.requests.place_batch([good, bad], client.instruments, client.now_ms())
    first, second = (await client.outcome(asked, request)).events
    assert isinstance(first, OrderReported)
    assert isinstance(second, OrderRefused)
    assert (first.client_id, second.client_id) == (good.intent.client_id, bad.intent.client_id)


async def test_an_order_that_never_was(client: LiveClient) -> None:
    nobody = ClientOrderId("ob-test-999e-surf-a")
    [event] = (await client.query(SOL_PERP, nobody)).events
    assert isinstance(event, OrderNotFound)
    [refused] = (await client.cancel(SOL_PERP, nobody)).events
    assert isinstance(refused, CancelRefused)
    assert refused.code == "RESOURCE_NOT_FOUND"


async def test_a_clock_that_is_off_is_told_as_such(client: LiveClient) -> None:
    """T47."""
    with pytest.raises(VenueError, match=r"expired|timestamp"):
        await client.rest(client.account.balances(client.now_ms() - 30_000))


@pytest.mark.parametrize("symbol", [SOL, SOL_PERP])
async def test_books_follow_their_stream(client: LiveClient, symbol: str) -> None:
    instrument = next(each for each in client.instruments.values() if each.symbol == symbol)
    await client.event(DepthChanged, lambda event: event.symbol == symbol)
    await client.event(TopChanged, lambda event: event.symbol == symbol)
    book = Book()
    taken = 0
    while not book.synced:
        snapshot = await client.book(instrument.symbol)
        for event in client.events[taken:]:
            if isinstance(event, DepthChanged) and event.symbol == symbol:
                book.change(event)
        taken = len(client.events)
        book.snapshot(snapshot)
    applied = book.diffs_applied
    await client.until(lambda: len(client.events) > taken + 50)
    for event in client.events[taken:]:
        if isinstance(event, DepthChanged) and event.symbol == symbol:
            assert book.change(event) in (Applied.APPLIED, Applied.IGNORED)
    assert book.diffs_applied > applied
    assert (book.gaps, book.crossed_seen) == (0, 0)


async def test_trades_and_mark_prices_arrive(client: LiveClient) -> None:
    await client.event(Traded)
    mark = await client.event(FundingChanged)
    assert mark.mark_ticks > 0
    assert mark.next_funding_ns > 0
