"""How fast a kill is, and that it leaves nothing (R102 R127)."""

from __future__ import annotations

import time
from decimal import Decimal

from obiterm.core.commands import EmergencyExit, Kill
from obiterm.core.values import TradingState
from tests.faults.conftest import Start

KILL_LIMIT_S = 0.5


async def test_forty_orders_are_gone_within_half_a_second(probe: Start) -> None:
    async with probe() as one:
        for number in range(40):
            taken, text = one.buy_below(20_000 + 100 * number)
            assert taken, text
        await one.until_open(40)
        began = time.perf_counter()
        one.command(Kill(account="*"))
        await one.until_open(0, KILL_LIMIT_S)
        assert time.perf_counter() - began < KILL_LIMIT_S
        assert not await one.running.service.panic_done(5.0)
        assert one.kernel.state is TradingState.HALTED
        progress = one.engine.panic.progress
        assert progress is not None
        assert progress.cancelled == 40


async def test_an_exit_is_flat_and_a_second_press_changes_nothing(probe: Start) -> None:
    async with probe() as one:
        before = Decimal((await one.ledger())["balances"]["BTC"]["free"])
        taken, text = one.buy_now(2_000)
        assert taken, text
        await one.until(lambda: one.kernel.gate.net_lots(next(iter(one.kernel.markets))) > 0)
        one.command(EmergencyExit(account="*"))
        one.command(EmergencyExit(account="*"))
        assert not await one.running.service.panic_done(10.0)
        ledger = await one.ledger()
        left = Decimal(ledger["balances"]["BTC"]["free"]) - before
        assert abs(left) < Decimal("0.00005")
        assert len(ledger["fills"]) >= 2
        sold = sum(Decimal(f["quantity"]) for f in ledger["fills"] if f["side"] == "SELL")
        bought = sum(Decimal(f["quantity"]) for f in ledger["fills"] if f["side"] == "BUY")
        assert sold <= bought
