"""Own orders never meet on a real exchange, whatever account they are on (R15 Q13)."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from obiterm.core.commands import EmergencyExit
from obiterm.core.orders import LiveOrder
from obiterm.core.values import NS_PER_S, Environment, MarketKind, OrderState, Side, Symbol
from obiterm.engine.door import Door
from obiterm.engine.guard import HOLD_S
from obiterm.market.state import MarketState
from obiterm.trading.order_states import TrackedOrder
from tests.trading_support.crowd import BTC, Crowd, crowd

A, B = "main", "account-2"
NAMES = [A, B, "account-3"]
DEEP = 3_000
"""Ticks away from the touch: out of the market's reach while a test runs."""


async def rests(one: Crowd, account: str, side: Side, ticks: int, lots: int = 100) -> None:
    ok, text = one.place(account, side, ticks, lots)
    assert ok, text
    await one.until(lambda: (side, ticks, OrderState.OPEN.value) in one.live(account))


async def test_an_entry_that_would_meet_another_accounts_order_does_not_leave(
    tmp_path: Path,
) -> None:
    async with crowd(tmp_path, [A, B]) as one:
        bid, ask = one.best(A)
        below = bid - DEEP
        await rests(one, A, Side.BUY, below)
        sent = one.engines[B].orders_sent
        price = one.engines[A].kernel.setup.instruments[BTC].price(below)
        words = f"would meet our own BUY at {price:f} of account {A} (R15)"
        told = one.place(B, Side.SELL, below, post_only=False)
        assert told == (False, f"self_trade: {words}")
        one.place(B, Side.SELL, below - 5)  # post-only as well
        one.place(B, Side.SELL, 0)  # at market
        assert one.live(B) == []
        assert one.engines[B].orders_sent == sent
        assert one.engines[B].door.prevented == 3
        assert sum(words in text for text in one.texts(B)) >= 3
        assert await one.met() == []
        # Beside it is fine.
        await rests(one, B, Side.SELL, ask + DEEP)


async def test_the_second_of_two_that_decide_in_the_same_turn_sees_the_first(
    tmp_path: Path,
) -> None:
    async with crowd(tmp_path, [A, B]) as one:
        bid, _ = one.best(A)
        one.place(A, Side.BUY, bid - DEEP)
        one.place(B, Side.SELL, bid - DEEP, post_only=False)
        assert [state for _, _, state in one.live(A)] == [OrderState.SENT.value]
        assert one.live(B) == []
        await one.settled()
        assert await one.met() == []


async def test_a_close_makes_others_give_way_and_leaves(tmp_path: Path) -> None:
    async with crowd(tmp_path, [A, B]) as one:
        ok, text = one.place(A, Side.BUY, 0, 500)
        assert ok, text
        await one.until(lambda: one.engines[A].kernel.gate.net_lots(BTC) > 0)
        await one.settled()
        bid, _ = one.best(B)
        await rests(one, B, Side.BUY, bid - DEEP, 200)
        began = time.monotonic()
        assert one.close(A)[0]
        assert one.engines[A].door.held == 1
        await one.until(lambda: not one.engines[A].kernel.gate.net_lots(BTC))
        took_s = time.monotonic() - began
        assert one.engines[A].door.hold_longest_ns < HOLD_S * NS_PER_S
        assert took_s < 5
        assert one.engines[B].door.prevented == 1
        assert any("withdrawn: for a close of account main" in text for text in one.texts(B))
        assert await one.met() == []


async def test_a_close_leaves_after_a_bounded_time_when_the_other_does_not_give_way(
    tmp_path: Path,
) -> None:
    """The cancel of the other account gets no answer: the way out is not barred for ever."""
    async with crowd(tmp_path, [A, B]) as one:
        one.place(A, Side.BUY, 0, 500)
        await one.until(lambda: one.engines[A].kernel.gate.net_lots(BTC) > 0)
        await one.settled()
        bid, _ = one.best(B)
        await rests(one, B, Side.BUY, bid - DEEP, 200)
        await one.fault(kind="delay", match="order.cancel", ms=1_500, count=1)
        began = time.monotonic()
        assert one.close(A)[0]
        await one.until(lambda: one.engines[A].orders_sent == 2)
        assert 0.9 * HOLD_S < time.monotonic() - began < 5
        assert one.engines[A].door.hold_longest_ns >= 0.9 * HOLD_S * NS_PER_S
        await one.until(lambda: not one.engines[A].kernel.gate.net_lots(BTC))


async def test_an_emergency_exit_of_one_account_does_not_wait_and_clears_its_way(
    tmp_path: Path,
) -> None:
    async with crowd(tmp_path, [A, B]) as one:
        one.place(A, Side.BUY, 0, 500)
        await one.until(lambda: one.engines[A].kernel.gate.net_lots(BTC) > 0)
        await one.settled()
        bid, _ = one.best(B)
        await rests(one, B, Side.BUY, bid - DEEP, 200)
        engine = one.engines[A]
        engine.command(EmergencyExit(account=A), "test")
        assert one.live(B)[0][2] == OrderState.CANCELLING.value
        one.place(B, Side.BUY, bid - DEEP, 200)  # nothing comes between while it leaves
        assert len(one.live(B)) == 1
        await engine.panic.wait()
        assert not engine.kernel.gate.net_lots(BTC)
        assert await one.met() == []


@pytest.mark.parametrize(
    ("venue", "symbol", "seed"),
    [
        ("binance", "BTCUSDT", 1),
        ("binance", "BTCUSDT", 2),
        ("binance-futures", "BTCUSDT-PERP", 3),
        ("bybit", "BTCUSDT", 4),
        ("backpack", "SOL_USDC_PERP", 5),
    ],
)
async def test_three_accounts_with_crossing_wishes_never_trade_with_each_other(
    tmp_path: Path, venue: str, symbol: str, seed: int
) -> None:
    """Any interleaving: what is sent, unanswered, cancelled and closed at the same time."""
    market = Symbol(symbol)
    chance = random.Random(seed)
    async with crowd(tmp_path, NAMES, venue=venue, symbol=market) as one:
        least = one.engines[A].kernel.setup.instruments[market].min_lots
        for _ in range(100):
            account = chance.choice(NAMES)
            bid, ask = one.best(account)
            deed = chance.random()
            if deed < 0.75:
                side = chance.choice([Side.BUY, Side.SELL])
                ticks = chance.choice([0, *range(bid - 9, ask + 10)])
                lots = least * chance.randint(10, 60)
                one.place(account, side, ticks, lots, post_only=deed < 0.4)
            elif deed < 0.9:
                orders = list(one.engines[account].kernel.desk.live())
                if orders:
                    one.engines[account].cancel_order(chance.choice(orders))
            else:
                one.close(account)
            if chance.random() < 0.5:
                await asyncio.sleep(chance.choice([0, 0.001, 0.01]))
        assert sum(engine.door.prevented for engine in one.engines.values()) > 5
        for name in NAMES:
            for order in list(one.engines[name].kernel.desk.live()):
                one.engines[name].cancel_order(order)
        await one.until(lambda: not any(one.live(name) for name in NAMES))
        for name in NAMES:  # the way out is never barred
            one.close(name)
        await one.until(lambda: all(_is_out(one, name, market) for name in NAMES))
        assert await one.met() == []


def _is_out(one: Crowd, name: str, symbol: Symbol) -> bool:
    """Spot: what was sold of coins held before is no position that could be closed."""
    engine = one.engines[name]
    lots = engine.exposure_lots(symbol)
    instrument = engine.kernel.setup.instruments[symbol]
    is_spot = instrument.kind is MarketKind.SPOT
    return lots < instrument.min_lots if is_spot else lots == 0


async def test_nobody_enters_where_an_account_that_is_not_connected_may_have_orders(
    tmp_path: Path,
) -> None:
    """What an earlier run of it left at the venue is not known before it has been asked for."""
    async with crowd(tmp_path, [A]) as one:
        bid, _ = one.best(A)
        assert one.place(A, Side.BUY, 0, 100)[0]
        await one.until(lambda: one.engines[A].exposure_lots(BTC))
        await one.settled()
        url = one.engines[A].gateway.rest_url
        one.guard.expect("late", "binance", Environment.SIM, url, [BTC])
        one.guard.expect("elsewhere", "binance", Environment.SIM, "http://127.0.0.1:1", [BTC])
        told = one.place(A, Side.BUY, bid - DEEP)
        words = "account late is not connected: its orders may rest here (R15)"
        assert told == (False, f"self_trade: {words}")
        assert one.close(A)[0]
        await one.until(lambda: not one.engines[A].exposure_lots(BTC))
        instruments = one.engines[A].kernel.setup.instruments
        late = Named(one.engines[A].door, "late")
        one.guard.join(late, Environment.SIM, url, instruments)
        await rests(one, A, Side.BUY, bid - DEEP)


class Named:
    """A party at the guard without orders of its own."""

    def __init__(self, like: Door, name: str) -> None:
        self.name = name
        self.collar_bps = like.collar_bps
        self._like = like

    def market(self, symbol: Symbol) -> MarketState:
        return self._like.market(symbol)

    def live(self, symbol: Symbol) -> list[TrackedOrder]:
        return []

    def foreign(self, symbol: Symbol) -> list[LiveOrder]:
        return []

    def leaving_lots(self, symbol: Symbol) -> int:
        return 0

    def give_way(self, order: TrackedOrder, reason: str) -> None:
        raise AssertionError("it has no orders")
