"""Orders that leave in the same turn of the loop, on connections that are kept ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from obiterm.core.errors import OutcomeUnknown, RetryLater
from obiterm.net import HttpPool

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Venue:
    """Answers every request after ``may_answer``, or cuts the connection."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.cuts = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                raw = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(raw)
                if self.cuts:
                    break
                await self.may_answer.wait()
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[Venue]:
    yield Venue()


@pytest_asyncio.fixture
async def pool(venue: Venue) -> AsyncIterator[HttpPool]:
    server = await asyncio.start_server(venue.handle, "127.0.0.1", 0)
    pool = HttpPool(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", size=1, idle_s=0.5)
    yield pool
    venue.may_answer.set()
    pool.close()
    server.close()


async def test_it_leaves_at_once_and_passes_requests_that_wait(
    venue: Venue, pool: HttpPool
) -> None:
    await pool.keep_warm(2)
    venue.may_answer.clear()
    slow = asyncio.create_task(pool.request("GET", b"/slow"))
    queued = asyncio.create_task(pool.request("GET", b"/queued"))
    async with asyncio.timeout(5):
        while not venue.requests:  # noqa: ASYNC110 - the other end of a socket
            await asyncio.sleep(0.001)
    written = pool.write_now("POST", b"/order")
    assert written is not None
    venue.may_answer.set()
    assert (await written.reply()).body == b"ok"
    assert [raw.split(b" ")[1] for raw in venue.requests[:2]] == [b"/slow", b"/order"]
    await asyncio.gather(slow, queued)
    assert venue.connections == 2


async def test_without_a_connection_nothing_is_written(venue: Venue, pool: HttpPool) -> None:
    assert pool.write_now("POST", b"/order") is None
    assert venue.requests == []


@pytest.mark.parametrize(("method", "kind"), [("POST", OutcomeUnknown), ("GET", RetryLater)])
async def test_no_answer_is_told_and_never_sent_again(
    venue: Venue, pool: HttpPool, method: str, kind: type[Exception]
) -> None:
    await pool.keep_warm(1)
    venue.may_answer.clear()
    written = pool.write_now(method, b"/order")
    assert written is not None
    with pytest.raises(kind, match=r"no answer within 0\.05 s"):
        await written.reply(0.05)
    assert len(venue.requests) == 1


async def test_a_cut_connection_leaves_the_outcome_open(venue: Venue, pool: HttpPool) -> None:
    await pool.keep_warm(1)
    venue.cuts = True
    written = pool.write_now("POST", b"/order")
    assert written is not None
    with pytest.raises(OutcomeUnknown):
        await written.reply()
    assert len(venue.requests) == 1
    assert pool.write_now("POST", b"/order") is None


async def test_a_connection_is_replaced_before_it_is_too_old(venue: Venue, pool: HttpPool) -> None:
    await pool.keep_warm(1)
    await pool.keep_warm(1)
    assert venue.connections == 1
    async with asyncio.timeout(5):
        while venue.connections == 1:
            await asyncio.sleep(0.02)
            await pool.keep_warm(1)
    written = pool.write_now("GET", b"/")
    assert written is not None
    assert (await written.reply()).status == 200
