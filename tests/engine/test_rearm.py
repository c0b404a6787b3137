"""An account that the venue stopped in mid-run trades again once a human has mended it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from obiterm.core.errors import AccountStopped
from obiterm.core.values import Side, Symbol
from obiterm.host.supervision import innermost
from tests.trading_support.crowd import DEADLINE_S, crowd

_MARKETS = [
    ("binance", "BTCUSDT", 3_000),
    ("binance-futures", "BTCUSDT-PERP", 3_000),
    ("bybit", "BTCUSDT", 3_000),
    ("backpack", "SOL_USDC_PERP", 300),
]
"""Venue, market, and ticks from the touch where an order rests while a test runs."""

_JUDGED_S = 0.6
"""An engine looks several times a second whether the venue wants it to stop."""


@pytest.mark.parametrize(("venue", "symbol", "deep"), _MARKETS)
async def test_a_key_that_was_refused_and_is_mended_trades_again(
    tmp_path: Path, venue: str, symbol: str, deep: int
) -> None:
    async with crowd(tmp_path, ["main"], venue=venue, symbol=Symbol(symbol)) as one:
        engine, key = one.engines["main"], one.server.accounts[0].api_key
        keys = one.server.exchange.keys
        credential = keys.get(key)
        assert credential is not None
        keys.revoke(key)
        one.place("main", Side.BUY, one.best("main")[0] - deep, 10)
        await asyncio.wait({one.tasks["main"]}, timeout=DEADLINE_S)
        reason = one.tasks["main"].exception()
        assert reason is not None
        assert isinstance(innermost(reason), AccountStopped)
        keys.add(credential)

        def is_up() -> bool:
            return set(engine.gateway.health().sockets.values()) == {"up"}

        one.tasks["main"] = again = asyncio.create_task(engine.run())
        await one.until(lambda: again.done() or (one.is_ready() and is_up()))
        done, _ = await asyncio.wait({again}, timeout=_JUDGED_S)
        assert not done, again.exception()
        await one.settled()
        bid, _ = one.best("main")
        assert one.place("main", Side.BUY, bid - deep, 10)[0]
        await one.settled()
        assert [side for side, ticks, _ in one.live("main") if ticks == bid - deep] == [Side.BUY]
