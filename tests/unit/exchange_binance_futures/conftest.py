"""A running futures exchange for each test, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from obiterm.exchange.serve import ExchangeServer
from tests.clients.futures_support import FuturesRest, futures_rest, futures_server
from tests.clients.support import Socket, WsApi, ed25519_signer


@pytest.fixture
async def server() -> AsyncIterator[ExchangeServer]:
    async with futures_server() as running:
        yield running


@pytest.fixture
async def rest(server: ExchangeServer) -> AsyncIterator[FuturesRest]:
    async with futures_rest(server) as client:
        yield client


@pytest.fixture
async def hedger(server: ExchangeServer) -> AsyncIterator[FuturesRest]:
    """The account that keeps a long and a short leg."""
    async with futures_rest(server, 2) as client:
        yield client


@pytest.fixture
async def private(server: ExchangeServer, rest: FuturesRest) -> AsyncIterator[Socket]:
    """The private stream of the first account."""
    key = await rest.listen_key()
    url = f"{server.stream_url}/private/ws?listenKey={key}"
    async with Socket(rest.http, url) as stream:
        yield stream


@pytest.fixture
async def ed_api(server: ExchangeServer, rest: FuturesRest) -> AsyncIterator[WsApi]:
    """A WebSocket API connection with the Ed25519 key."""
    async with WsApi(rest.http, server.ws_api_url, ed25519_signer()) as client:
        yield client
