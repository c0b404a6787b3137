"""A simulated Backpack on loopback for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.backpack_support import backpack_options
from tests.engine_backpack.hosted import Hosts
from tests.engine_backpack.support import Exchange


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with (
        ExchangeServer(backpack_options(seed=11)) as server,
        aiohttp.ClientSession() as http,
    ):
        yield Exchange(server, http)


@pytest.fixture
def hosts(exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """Return a starter of hosts on the exchange."""
    monkeypatch.setenv("PROBE_KEY", exchange.server.api_key)
    monkeypatch.setenv("PROBE_SECRET", exchange.server.api_secret)
    return Hosts(exchange, tmp_path)
