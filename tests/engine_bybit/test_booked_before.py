"""Fills of earlier runs count once, although the venue's marks are times (T34)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from obiterm.core.values import Side
from tests.engine_bybit.conftest import CountedExchange
from tests.engine_bybit.hosts import BybitRuns
from tests.faults.conftest import SYMBOL

LOTS = 10


@pytest.fixture
async def runs(
    server: CountedExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BybitRuns]:
    async with aiohttp.ClientSession() as session:
        yield BybitRuns(server, session, tmp_path, monkeypatch)


async def test_t34_a_restart_right_after_a_round_trip_has_the_same_result(runs: BybitRuns) -> None:
    """The list of executions is read from a little before the newest that is known."""
    async with runs.host() as one:
        await one.held(Side.BUY, LOTS)
        one.place(Side.SELL, LOTS)
        await one.until(lambda: one.kernel.gate.net_lots(SYMBOL) == 0)
        result = one.kernel.gate.day_result_quote
        assert result < 0  # twice the spread and the fee
    async with runs.host() as two:
        reconciled = two.kernel.gate.venue.reconciled_ns
        two.engine._reconciler.ask()
        await two.until(lambda: two.kernel.gate.venue.reconciled_ns > reconciled)
        assert two.kernel.gate.day_result_quote == result
        assert two.kernel.gate.net_lots(SYMBOL) == 0
