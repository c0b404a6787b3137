"""A running Backpack exchange for each test, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.backpack_support import Backpack, BackpackSocket, backpack_options


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(backpack_options()) as running:
        yield running


@pytest.fixture
async def rest(server: ExchangeServer) -> AsyncIterator[Backpack]:
    async with Backpack(server) as client:
        yield client


@pytest.fixture
async def socket(rest: Backpack) -> AsyncIterator[BackpackSocket]:
    async with BackpackSocket(rest) as client:
        yield client
