"""A book that is silent, has holes or is crossed is never traded on (FAULTS.md)."""

from __future__ import annotations

import asyncio

import msgspec

from obiterm.core.effects import Send
from obiterm.core.events import DepthChanged
from tests.faults.conftest import RESTING_ENTRY, SYMBOL, Probe, Start

SILENCE_LIMIT_NS = 2_000_000_000


async def test_t9_t38_entries_are_withdrawn_within_two_seconds_of_silence(probe: Start) -> None:
    async with probe(RESTING_ENTRY) as one:
        await one.until_open(1)
        await one.fault(kind="silence", match="*depth*")
        last_ns = one.kernel.markets[SYMBOL].last_received_ns
        await one.until_open(0)
        silent_ns = one.engine.now_ns() - max(last_ns, one.kernel.markets[SYMBOL].last_received_ns)
        assert silent_ns < SILENCE_LIMIT_NS
        await one.mend()
        await one.until_open(1, 20.0)


async def test_t48_a_gap_resyncs_and_the_book_is_the_exchanges(probe: Start) -> None:
    async with probe() as one:
        market = one.kernel.markets[SYMBOL]
        await one.fault(kind="gap", match="*depth*", count=2)
        await one.until(lambda: market.gaps == 1)
        await one.until(lambda: market.book.synced)
        await equal_books(one)


async def equal_books(one: Probe) -> None:
    """Compare both books at a moment at which they have the same update id."""
    market = one.kernel.markets[SYMBOL]
    async with asyncio.timeout(10):
        while True:
            last_id, bids, asks = one.server.venue.depth(SYMBOL, 20)
            if last_id == market.book.last_id:
                ours = market.book.top(20)
                assert [list(map(tuple, side)) for side in ours] == [bids, asks]
                return
            await asyncio.sleep(0.001)


async def test_a_crossed_book_sends_no_entry(probe: Start) -> None:
    async with probe(RESTING_ENTRY) as one:
        await one.until_open(1)
        kernel = one.kernel
        market = kernel.markets[SYMBOL]
        bid = market.book.best_bid_ticks
        crossing = DepthChanged(
            symbol=SYMBOL,
            first_id=market.book.last_id + 1,
            last_id=market.book.last_id + 1,
            bids=[],
            asks=[(bid - 100, 5_000)],
            event_ns=one.engine.now_ns(),
            received_ns=one.engine.now_ns(),
        )
        effects = kernel.step(crossing, one.engine.now_ns())
        assert market.book.crossed
        assert not [effect for effect in effects if isinstance(effect, Send)]
        later = msgspec.structs.replace(
            crossing, first_id=crossing.last_id + 1, last_id=crossing.last_id + 1, asks=[]
        )
        assert not [
            effect for effect in kernel.step(later, one.engine.now_ns()) if isinstance(effect, Send)
        ]
