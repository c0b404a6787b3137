"""Streams that stay connected and tell nothing, sockets that are cut, clocks that step."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.commands import CancelSymbol, Kill
from obiterm.core.values import NS_PER_S, OrderState
from obiterm.exchange.api import Status
from obiterm.trading import kernel as kernel_module
from tests.faults.conftest import ACCOUNT, EAGER, RESTING_ENTRY, SYMBOL, Probe, Start


def orders_at_exchange(one: Probe) -> int:
    """Return how many orders the exchange has ever taken from us."""
    return len(one.server.venue.all_orders("main", SYMBOL))


async def test_t10_a_silent_account_stream_is_found_out_by_asking(
    probe: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fill that nobody tells of is found by the regular look, and protected."""
    monkeypatch.setattr(kernel_module, "_RECONCILE_EVERY_NS", NS_PER_S // 2)
    async with probe(EAGER) as one:
        await one.until_open(1)
        await one.until(lambda: [o.state for o in one.kernel.desk.live()] == [OrderState.OPEN])
        await one.fault(kind="silence", match="user")
        await one.hit_our_bids()
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == 1_000)
        await one.until_open(1)  # the stop
        await one.until(lambda: one.kernel.runners[0].unprotected_since_ns == 0)
        assert await one.bought() == Decimal("0.01")


async def test_t6_neither_reply_nor_stream_and_still_one_order(probe: Start) -> None:
    async with probe() as one:
        await one.fault(kind="silence", match="user")
        await one.fault(kind="drop_reply", match="order.place", count=1)
        assert one.buy_below()[0]
        await one.until_open(1)
        (order,) = one.kernel.desk.live()
        await one.until(lambda: order.state is OrderState.OPEN)
        assert one.engine.orders_sent == 1
        assert orders_at_exchange(one) == 1


async def test_t6_an_old_no_such_order_is_no_answer(probe: Start) -> None:
    """The venue looked before the order came; its answer comes after the request's window."""
    async with probe() as one:
        await one.fault(kind="silence", match="user")
        await one.fault(kind="delay", match="order.place", ms=4_000, count=1)
        await one.fault(kind="drop_reply", match="order.place", count=1)
        await one.fault(kind="delay", match="order.status", ms=3_300, when="reply", count=1)
        assert one.buy_below()[0]
        (order,) = one.kernel.desk.live()
        due = order.sent_ns + 7 * NS_PER_S
        await one.until(lambda: one.engine.now_ns() > due)
        await one.until(lambda: order.state is not OrderState.UNKNOWN)
        assert order.state is OrderState.OPEN
        assert await one.open_at_exchange() == 1


async def test_t34_fills_that_are_told_twice_count_once(probe: Start) -> None:
    async with probe() as one:
        await one.fault(kind="duplicate", match="executionReport", count=20)
        one.buy_now(1_000)
        await one.until(lambda: one.kernel.desk.live_count == 0)
        assert one.kernel.gate.net_lots(SYMBOL) == int(await one.bought() * 100_000) == 1_000


async def test_t24_a_stop_whose_reply_is_lost_protects_and_is_not_doubled(probe: Start) -> None:
    """T51: the venue is overloaded when the position is young."""
    async with probe(EAGER) as one:
        await one.until_open(1)
        await one.fault(kind="status", match="order.place", status=504, executed=True, count=1)
        await one.hit_our_bids()
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == 1_000)
        await one.until(lambda: one.kernel.runners[0].unprotected_since_ns == 0)
        stops = [o for o in (await one.ledger())["open_orders"] if o["kind"] == "STOP_MARKET"]
        assert len(stops) == 1
        assert one.kernel.runners[0].unprotected_longest_ns < 3 * NS_PER_S


async def test_entries_go_with_the_account_socket_and_come_back_with_it(probe: Start) -> None:
    """A fill in between would have no stop; the cancel goes by REST."""
    async with probe(RESTING_ENTRY) as one:
        await one.until_open(1)
        first = orders_at_exchange(one)
        await one.fault(kind="cut", match="ws_api")
        await one.until(lambda: not one.kernel.in_sight)
        await one.until(lambda: one.kernel.in_sight)
        await one.until_open(1)
        await one.until(lambda: [o.state for o in one.kernel.desk.live()] == [OrderState.OPEN])
        ended = one.server.venue.all_orders("main", SYMBOL)[:first]
        assert {order.status for order in ended} == {Status.CANCELED}


async def test_t4_no_order_leaves_after_a_halt_on_a_wire_of_two_seconds(probe: Start) -> None:
    """hummingbot#1508 #8075: orders created after the stop."""
    async with probe(RESTING_ENTRY) as one:
        await one.until_open(1)
        await one.fault(kind="delay", match="order.place", ms=2_000, count=0)
        for number in range(3):
            assert one.buy_below(20_000 + 100 * number)[0]
        sent = one.engine.orders_sent
        one.command(Kill(account="*"))
        refused = [one.buy_below(10_000)[0], one.buy_now(100)[0]]
        assert refused == [False, False]
        assert not await one.running.service.panic_done(20.0)
        assert one.engine.orders_sent == sent
        assert await one.open_at_exchange() == 0
        assert one.kernel.desk.live_count == 0
        arrived = orders_at_exchange(one)
        due = one.engine.now_ns() + 2 * NS_PER_S
        await one.until(lambda: one.engine.now_ns() > due)
        assert orders_at_exchange(one) == arrived
        assert await one.open_at_exchange() == 0


async def test_t4_an_order_that_waits_for_a_connection_is_dropped_by_a_kill(probe: Start) -> None:
    """The account socket is gone, the order goes by REST and hangs; then the kill comes."""
    async with probe() as one:
        await one.fault(kind="cut", match="ws_api")
        await one.until(lambda: not one.kernel.feeds["account"])
        await one.fault(kind="delay", match="order.place", ms=1_000, count=1)
        assert one.buy_below()[0]
        one.command(Kill(account="*"))
        assert not await one.running.service.panic_done(20.0)
        await one.until(lambda: one.kernel.desk.live_count == 0)
        due = one.engine.now_ns() + 2 * NS_PER_S
        await one.until(lambda: one.engine.now_ns() > due)
        assert await one.open_at_exchange() == 0


async def test_fifty_orders_of_everybody_are_gone_within_half_a_second(probe: Start) -> None:
    """R102: a kill is for every order of the account, whoever placed it."""
    async with probe() as one:
        for number in range(36):
            assert one.buy_below(20_000 + 100 * number)[0]
        await one.until_open(36)
        for number in range(14):
            one.place_as_somebody_else(50_000 + 100 * number)
        assert await one.open_at_exchange() == 50
        began = one.engine.now_ns()
        one.command(Kill(account="*"))
        await one.until(lambda: not one.server.venue.open_orders("main"))
        took_ms = (one.engine.now_ns() - began) / 1e6
        assert took_ms < 500
        progress = one.engine.panic.progress
        assert not await one.running.service.panic_done(5.0)
        assert progress is not None
        assert progress.left_orders == 0
        assert progress.elapsed_ms < 500


async def test_t16_all_sockets_cut_at_once_recover_within_ten_seconds(probe: Start) -> None:
    async with probe(RESTING_ENTRY) as one:
        await one.until_open(1)
        applied = one.kernel.markets[SYMBOL].diffs_applied
        await one.fault(kind="cut", match="all")
        await one.until(lambda: not one.kernel.in_sight)
        await one.until(lambda: one.kernel.in_sight, 10.0)
        await one.until(lambda: one.kernel.markets[SYMBOL].diffs_applied > applied, 10.0)
        await one.until_open(1)


@pytest.mark.parametrize("ms", [30_000, -30_000])
async def test_t47_a_clock_that_is_off_by_half_a_minute_is_measured_again(
    probe: Start, ms: int
) -> None:
    async with probe() as one:
        assert one.buy_below()[0]
        await one.until_open(1)
        await one.fault(kind="clock_offset_ms", ms=ms)
        one.buy_below(31_000)
        await one.until(lambda: one.kernel.desk.live_count == 1)
        await one.until(lambda: abs(one.kernel.gate.clock_offset_ns - ms * 1_000_000) < NS_PER_S)
        assert not one.buy_below(32_000)[0]  # beyond the limit nothing may enter (R14)
        assert one.command(CancelSymbol(account=ACCOUNT, symbol=SYMBOL))[0]
        await one.until_open(0)
        await one.mend()


async def test_t44_after_too_many_requests_reading_waits_and_cancels_pass(probe: Start) -> None:
    """T44: 429 stops everything but cancels; Retry-After is obeyed."""
    async with probe() as one:
        assert one.buy_below()[0]
        await one.until_open(1)
        await one.fault(kind="status", match="openOrders.status", status=429, count=1)
        one.engine._reconciler.ask()
        budget = one.engine.gateway._rest.budget  # type: ignore[attr-defined]
        await one.until(lambda: budget.blocked_until_ns > one.engine.now_ns())
        assert one.buy_below(31_000)[0]
        await one.until(lambda: one.kernel.desk.live_count == 1)
        assert orders_at_exchange(one) == 1
        one.command(Kill(account="*"))
        await one.until_open(0)
