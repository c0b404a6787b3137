"""What the tests of this room share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from websockets.asyncio.server import serve

from tests.unit.net.loopback import (
    Venue,
    port_of,
)


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[Venue]:
    venue = Venue()
    async with serve(venue.handle, "127.0.0.1", 0, ping_interval=None) as server:
        venue.url = f"ws://127.0.0.1:{port_of(server)}/stream?streams=btcusdt@trade"
        yield venue
