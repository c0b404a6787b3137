"""What became of an order when its answer did not come (FAULTS.md)."""

from __future__ import annotations

from obiterm.core.commands import CancelSymbol, Kill
from obiterm.core.values import OrderState
from tests.faults.conftest import ACCOUNT, SYMBOL, Start


async def test_t6_t7_a_dropped_reply_leaves_one_order_found_by_its_id(probe: Start) -> None:
    async with probe() as one:
        await one.fault(kind="drop_reply", match="order.place", count=1)
        taken, text = one.buy_below()
        assert taken, text
        await one.until_open(1)
        order = next(iter(one.kernel.desk.live()))
        await one.until(lambda: order.state is OrderState.OPEN)
        await one.until(lambda: not list(one.kernel.desk.overdue(one.engine.now_ns())))
        ledger = await one.ledger()
        assert [o["client_id"] for o in ledger["open_orders"]] == [order.client_id]
        assert one.engine.orders_sent == 1


async def test_t37_a_server_error_after_the_order_was_taken_doubles_nothing(probe: Start) -> None:
    async with probe() as one:
        await one.fault(kind="status", match="order.place", status=503, executed=True, count=1)
        one.buy_below()
        await one.until_open(1)
        order = next(iter(one.kernel.desk.live()))
        await one.until(lambda: order.state is OrderState.OPEN)
        assert one.engine.orders_sent == 1
        assert await one.open_at_exchange() == 1


async def test_t44_too_many_requests_stops_entries_but_not_cancels(probe: Start) -> None:
    async with probe() as one:
        one.buy_below()
        await one.until_open(1)
        await one.fault(kind="status", match="order.place", status=429, count=1)
        one.buy_below(31_000)
        await one.until(lambda: one.kernel.desk.live_count == 1)
        taken, _ = one.command(CancelSymbol(account=ACCOUNT, symbol=SYMBOL))
        assert taken
        await one.until_open(0)


async def test_t41_a_cut_account_socket_loses_no_order(probe: Start) -> None:
    async with probe() as one:
        one.buy_below()
        await one.until_open(1)
        order = next(iter(one.kernel.desk.live()))
        await one.until(lambda: order.state is OrderState.OPEN)
        await one.fault(kind="cut", match="ws_api")
        await one.until(lambda: not one.kernel.feeds["account"])
        await one.until(lambda: one.kernel.feeds["account"])
        assert not order.state.is_final
        one.command(CancelSymbol(account=ACCOUNT, symbol=SYMBOL))
        await one.until(lambda: order.state is OrderState.CANCELLED)
        assert await one.open_at_exchange() == 0


async def test_t4_an_order_on_a_slow_wire_does_not_outlive_a_kill(probe: Start) -> None:
    async with probe() as one:
        await one.fault(kind="delay", match="order.place", ms=1_000, count=1)
        one.buy_below()
        one.command(Kill(account="*"))
        await one.running.service.panic_done(10.0)
        assert await one.open_at_exchange() == 0
        await one.until(lambda: one.kernel.desk.live_count == 0)
        assert await one.open_at_exchange() == 0
        refused, _ = one.buy_below()
        assert not refused
