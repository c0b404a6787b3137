"""A simulated Backpack on loopback for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.backpack_support import backpack_options
from tests.engine_backpack.support import Exchange


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with (
        ExchangeServer(backpack_options(seed=11)) as server,
        aiohttp.ClientSession() as http,
    ):
        yield Exchange(server, http)
