"""A running Bybit dialect for each test, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.bybit_support import BybitRest, bybit_options


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(bybit_options()) as running:
        yield running


@pytest.fixture
async def rest(server: ExchangeServer) -> AsyncIterator[BybitRest]:
    async with BybitRest(server) as client:
        yield client
