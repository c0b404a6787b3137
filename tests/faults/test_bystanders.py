"""What stands beside trading may break: journal, listeners, screens (T1 T20)."""

from __future__ import annotations

import os
from typing import NoReturn

from obiterm.core.commands import CancelOrder, EmergencyExit, Kill, Rearm
from obiterm.core.effects import Note
from obiterm.core.events import Event
from obiterm.core.values import OrderState, TradingState
from obiterm.journal.log import verify
from tests.faults.conftest import ACCOUNT, EAGER, RESTING_ENTRY, SYMBOL, Probe, Start


class BadDisk:
    """Makes the journal's file unwritable, and well again."""

    def __init__(self, one: Probe) -> None:
        self._journal = one.running.journal
        self._good = self._journal._descriptor
        self._bad = os.open(self._journal.path, os.O_RDONLY)

    def break_it(self) -> None:
        self._journal._descriptor = self._bad

    def mend(self) -> None:
        self._journal._descriptor = self._good
        os.close(self._bad)


async def test_t20_a_journal_that_cannot_write_stops_entries_only(probe: Start) -> None:
    """No order that is not on disk; but the way out is never barred by a disk."""
    async with probe() as one:
        one.buy_now(1_000)
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == 1_000)
        one.buy_below()
        await one.until_open(1)
        (resting,) = one.kernel.desk.live()
        disk = BadDisk(one)
        disk.break_it()
        sent = one.engine.orders_sent
        one.buy_below(31_000)
        await one.until(lambda: one.kernel.state is TradingState.REDUCING)
        assert one.engine.orders_sent == sent
        assert "cannot write the journal" in one.engine.trouble
        assert not one.buy_below(32_000)[0]
        cancel = CancelOrder(account=ACCOUNT, symbol=SYMBOL, client_id=resting.client_id)
        assert one.command(cancel)[0]
        await one.until_open(0)
        one.command(EmergencyExit(account="*"))
        assert not await one.running.service.panic_done(10.0)
        assert one.kernel.gate.net_lots(SYMBOL) == 0
        disk.mend()
        await one.until(lambda: one.engine.trouble == "")
        path = one.running.journal.path
    outcome = verify(path)
    assert outcome.ok


async def test_t20_entries_that_rest_are_withdrawn_and_come_back_when_armed(probe: Start) -> None:
    async with probe(RESTING_ENTRY) as one:
        await one.until_open(1)
        disk = BadDisk(one)
        disk.break_it()
        await one.until(lambda: one.kernel.state is TradingState.REDUCING)
        await one.until_open(0)
        disk.mend()
        await one.until(lambda: one.engine.trouble == "")
        assert one.kernel.state is TradingState.REDUCING  # a disk that is back arms nothing
        assert one.command(Rearm(account=ACCOUNT, typed=ACCOUNT))[0]
        await one.until_open(1)


async def test_t20_a_stop_leaves_without_the_journal(probe: Start) -> None:
    """A position must not stay naked since a disk is full."""
    async with probe(EAGER) as one:
        await one.until_open(1)
        disk = BadDisk(one)
        disk.break_it()
        await one.hit_our_bids()
        if one.kernel.gate.net_lots(SYMBOL):
            await one.until(lambda: one.kernel.runners[0].unprotected_since_ns == 0)
            await one.until_open(1)
        disk.mend()


async def test_t1_listeners_that_raise_stop_nothing(probe: Start) -> None:
    """hummingbot#2534: an exception in reporting broke the kill switch."""

    def boom(account: str, told: Note | Event) -> None:
        raise KeyError(f"no pane for {account}")

    async with probe(EAGER) as one:
        await one.until_open(1)
        listeners = one.engine.listeners
        listeners._on_note = boom
        listeners._on_event = boom
        await one.hit_our_bids()
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) > 0)
        await one.until(lambda: one.kernel.runners[0].unprotected_since_ns == 0)
        applied = one.kernel.markets[SYMBOL].diffs_applied
        await one.until(lambda: one.kernel.markets[SYMBOL].diffs_applied > applied + 3)
        assert listeners.faults > 10
        assert one.engine.faults == 0
        assert "KeyError" in one.engine.trouble
        one.command(Kill(account="*"))
        await one.until_open(0, 0.5)
        assert not await one.running.service.panic_done(10.0)
        assert one.kernel.state is TradingState.HALTED


async def test_t1_events_that_the_kernel_cannot_take_halt_it_and_leave_stops(probe: Start) -> None:
    """Three faults and nobody knows what it would do next; entries go, stops stay."""
    async with probe(EAGER + RESTING_ENTRY) as one:
        await one.until_open(2)
        await one.house(do="market_order", side="SELL", qty="2")
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == 1_000)
        await one.until(lambda: _live_roles(one) == ["entry", "stop"])

        def broken(event: object, now_ns: int) -> NoReturn:
            raise IndexError("no such level")

        one.kernel._on_depth = broken  # type: ignore[method-assign]
        await one.until(lambda: one.kernel.state is TradingState.HALTED)
        assert one.engine.faults >= 3
        assert "IndexError: no such level" in one.engine.trouble
        await one.until_open(1)
        await one.until(lambda: _live_roles(one) == ["stop"])


def _live_roles(one: Probe) -> list[str]:
    return sorted(
        order.intent.role.value
        for order in one.kernel.desk.live()
        if order.state is OrderState.OPEN
    )


async def test_an_engine_that_is_restarted_goes_on_with_what_it_has(probe: Start) -> None:
    """R126: one account fails and is run again; orders and positions are as before."""
    async with probe() as one:
        one.buy_now(500)
        one.buy_below()
        await one.until_open(1)
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == 500)
        socket = one.engine.gateway._user_socket  # type: ignore[attr-defined]

        def broken(data: bytes, received_ns: int) -> None:
            raise ZeroDivisionError("a defect of the reader")

        socket._connection._on_text = broken
        one.buy_below(31_000)  # its report is what the reader fails on
        await one.until(lambda: "ZeroDivisionError" in one.running.slots[0].trouble)
        await one.until(lambda: one.kernel.in_sight and one.running.slots[0].trouble == "", 20.0)
        await one.until(lambda: one.kernel.gate.tradable(SYMBOL, one.engine.now_ns()))
        assert one.kernel.gate.net_lots(SYMBOL) == 500
        assert await one.open_at_exchange() == 2
        one.command(Kill(account="*"))
        await one.until_open(0)
