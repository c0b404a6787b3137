"""The panic path of a Bybit account: cancel everything, close positions, with plain requests."""

from __future__ import annotations

import pytest

from obiterm.core.errors import Refused
from obiterm.core.events import Filled, OrderReported, PositionReported
from obiterm.core.values import ClientOrderId, OrderState, Side, Symbol
from tests.engine_bybit.conftest import LOTS, PERP, SPOT, CountedExchange, Trader, trader_of

CLOSE = ClientOrderId("ob-t-1p-panic-x")


@pytest.mark.parametrize("symbol", [PERP, SPOT])
async def test_r102_cancel_all_takes_stops_too(either: Trader, symbol: Symbol) -> None:
    other = SPOT if symbol == PERP else PERP
    await either.trade(symbol=symbol)
    for _ in range(3):
        await either.rest_away(symbol)
    await either.reach(either.send(either.stop_order(symbol)), OrderState.OPEN)
    bystander = await either.rest_away(other)
    assert len(await either.gateway.open_orders(symbol)) == 4
    await either.gateway.cancel_all(symbol)
    [left] = await either.gateway.open_orders()
    assert left.client_id == bystander.client_id
    assert len((await either.back.ledger())["open_orders"]) == 1


async def test_cancel_all_leaves_in_the_turn_that_asks_for_it(
    server: CountedExchange, trader: Trader
) -> None:
    await trader.rest_away()
    await trader.rest_away(SPOT)
    trader.gateway.cancel_all_now(PERP)
    trader.gateway.cancel_all_now(SPOT)
    await trader.until(lambda: len(trader.of(OrderReported, state=OrderState.CANCELLED)) == 2)
    assert server.count("/v5/order/cancel-all") == 1 + 5
    assert (await trader.back.ledger())["open_orders"] == []


@pytest.mark.parametrize("side", Side)
async def test_a_close_reduces_and_tells_its_fills(either: Trader, side: Side) -> None:
    """From long and from short; what is asked beyond the position is not turned around."""
    await either.trade(side)
    filled = await either.gateway.close_market(PERP, side.opposite, 50, CLOSE)
    assert filled == 10
    fills = {fill.trade_id: fill for fill in either.of(Filled, client_id=CLOSE)}
    assert sum(fill.lots for fill in fills.values()) == 10
    assert {fill.side for fill in fills.values()} == {side.opposite}
    assert await either.gateway.positions() == []
    found = await either.gateway.find_order(PERP, CLOSE)
    assert found is not None
    assert found.state.is_final
    assert found.filled_lots == 10


async def test_a_spot_close_sells_coins(either: Trader) -> None:
    await either.trade(symbol=SPOT)
    assert await either.gateway.close_market(SPOT, Side.SELL, LOTS[SPOT], CLOSE) == LOTS[SPOT]
    assert sum(f.lots for f in either.of(Filled, client_id=CLOSE, side=Side.SELL)) >= LOTS[SPOT]


async def test_t12_a_position_that_is_gone_is_done_and_told_as_flat(trader: Trader) -> None:
    """``110017`` is no failure when the venue itself shows no position (T11)."""
    assert await trader.gateway.close_market(PERP, Side.SELL, 10, CLOSE) == 0
    assert [p.lots for p in trader.of(PositionReported, symbol=PERP)] == [0]
    await trader.trade(Side.SELL)
    assert await trader.gateway.close_market(PERP, Side.SELL, 10, ClientOrderId("ob-t-2p-p-x")) == 0
    assert trader.of(PositionReported, symbol=PERP)[-1].lots == -10


async def test_a_refused_close_is_told_in_the_venues_words(trader: Trader) -> None:
    with pytest.raises(Refused, match="Insufficient"):
        await trader.gateway.close_market(SPOT, Side.SELL, 5_000_000, CLOSE)


async def test_a_cancel_all_is_never_kept_back_by_entries(
    server: CountedExchange, trader: Trader
) -> None:
    for n in range(12):
        trader.send(trader.away(below=10_000 + 10 * n))
    trader.gateway.cancel_all_now(PERP)
    await trader.until(lambda: len(trader.of(OrderReported, state=OrderState.CANCELLED)) >= 1)
    await trader.gateway.cancel_all(PERP)
    assert await trader.gateway.open_orders() == []
    assert server.count("/v5/order/cancel-all") == 2


async def test_the_panic_path_works_on_an_account_that_does_not_run(
    server: CountedExchange,
) -> None:
    """Whatever ended the account's streams: its orders can still be cancelled and closed."""
    async with trader_of(server) as trader:
        await trader.trade()
        await trader.rest_away()
        await trader.stop()
        await trader.gateway.cancel_all(PERP)
        assert await trader.gateway.close_market(PERP, Side.SELL, 10, CLOSE) == 10
        ledger = await trader.back.ledger()
        assert (ledger["open_orders"], ledger["positions"]) == ([], [])
