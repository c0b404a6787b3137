"""Exchanges of several venues, each a process of its own, tell one price."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.clients.support import DEADLINE_S

WITHIN = 0.0015
"""15 basis points: spread, noise of each book, the perpetuals' basis and 180 ms of lag."""


class Process:
    """One `obiterm exchange`."""

    def __init__(self, told: dict[str, Any], http: aiohttp.ClientSession) -> None:
        self._base = told["rest"]
        self._http = http

    async def get(self, path: str, **params: str) -> Any:
        async with self._http.get(self._base + path, params=params) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def binance(self, path: str) -> float:
        """Return the middle of BTC on spot (``/api/v3``) or futures (``/fapi/v1``)."""
        told = await self.get(f"{path}/ticker/bookTicker", symbol="BTCUSDT")
        return (float(told["bidPrice"]) + float(told["askPrice"])) / 2

    async def bybit(self, category: str) -> float:
        told = await self.get("/v5/market/tickers", category=category, symbol="BTCUSDT")
        [row] = told["result"]["list"]
        return (float(row["bid1Price"]) + float(row["ask1Price"])) / 2

    async def backpack(self, symbol: str) -> float:
        book = await self.get("/api/v1/depth", symbol=symbol, limit="5")
        return (float(book["bids"][-1][0]) + float(book["asks"][0][0])) / 2


@contextlib.asynccontextmanager
async def exchange(venue: str, seed: int = 7) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "obiterm", "exchange", "--venue", venue, "--seed", str(seed),
        "--json", stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)
        async with aiohttp.ClientSession() as http:
            yield Process(json.loads(line), http)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), DEADLINE_S)


async def test_four_processes_with_one_seed_stand_at_one_price() -> None:
    """Each serves its spot and perpetual markets together where the venue does."""
    async with (
        exchange("binance") as binance,
        exchange("binance-futures") as futures,
        exchange("bybit") as bybit,
        exchange("backpack") as backpack,
    ):
        for _ in range(3):
            mids = await asyncio.gather(
                binance.binance("/api/v3"),
                futures.binance("/fapi/v1"),
                bybit.bybit("spot"),
                bybit.bybit("linear"),
                backpack.backpack("BTC_USDC"),
                backpack.backpack("BTC_USDC_PERP"),
            )
            assert max(mids) / min(mids) - 1 < WITHIN, mids
        sol = await asyncio.gather(
            backpack.backpack("SOL_USDC"), backpack.backpack("SOL_USDC_PERP")
        )
        assert max(sol) / min(sol) - 1 < WITHIN


async def test_another_seed_is_another_market() -> None:
    async with exchange("bybit", seed=7) as one, exchange("bybit", seed=8) as other:
        mids = await asyncio.gather(one.bybit("linear"), other.bybit("linear"))
        assert mids[0] != pytest.approx(mids[1], rel=1e-5)
