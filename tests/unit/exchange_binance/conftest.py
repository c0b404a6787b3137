"""A running exchange for each test, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.support import (
    Rest,
    WsApi,
    default_options,
    ed25519_signer,
    hmac_signer,
)


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with ExchangeServer(default_options()) as running:
        yield running


@pytest.fixture
async def rest(server: ExchangeServer) -> AsyncIterator[Rest]:
    async with Rest(server.rest_url, hmac_signer(server)) as client:
        yield client


@pytest.fixture
async def api(server: ExchangeServer, rest: Rest) -> AsyncIterator[WsApi]:
    """A WebSocket API connection with the HMAC key."""
    async with WsApi(rest.http, server.ws_api_url, hmac_signer(server)) as client:
        yield client


@pytest.fixture
async def ed_api(server: ExchangeServer, rest: Rest) -> AsyncIterator[WsApi]:
    """A WebSocket API connection with the Ed25519 key."""
    async with WsApi(rest.http, server.ws_api_url, ed25519_signer()) as client:
        yield client
