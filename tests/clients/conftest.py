"""A running exchange for other people's clients."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.support import Rest, default_options, hmac_signer


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(default_options()) as running:
        yield running


@pytest.fixture
async def rest(server: ExchangeServer) -> AsyncIterator[Rest]:
    """Our own plain client, to move the market and to read the ledger."""
    async with Rest(server.rest_url, hmac_signer(server)) as client:
        yield client
