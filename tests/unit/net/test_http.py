"""The order path over real sockets that cut, stall and close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from obiterm.core.errors import ConfigError, OutcomeUnknown, RetryLater
from obiterm.net import HttpPool

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[bytes, asyncio.StreamWriter, int], Awaitable[bool]]
"""Answers one request (raw bytes, writer, number of the connection); False ends it."""


class Venue:
    """A loopback server whose behaviour is one function."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.serve: Serve = answer_ok
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while True:
                raw = await reader.readuntil(b"\r\n\r\n")
                for line in raw.split(b"\r\n"):
                    if line.startswith(b"content-length: "):
                        raw += await reader.readexactly(int(line[16:]))
                self.requests.append(raw)
                if not await self.serve(raw, writer, number):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def answer_ok(raw: bytes, writer: asyncio.StreamWriter, number: int) -> bool:
    writer.write(OK)
    return True


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[Venue]:
    venue = Venue()
    server = await asyncio.start_server(venue.handle, "127.0.0.1", 0)
    venue.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield venue
    server.close()


@pytest_asyncio.fixture
async def pool(venue: Venue) -> AsyncIterator[HttpPool]:
    pool = HttpPool(venue.url)
    yield pool
    pool.close()


async def test_what_is_given_is_what_goes_out(venue: Venue, pool: HttpPool) -> None:
    reply = await pool.request(
        "POST", b"/api/v3/order?a=%5B", [(b"X-MBX-APIKEY", b"key")], b"q=1&signature=%2B"
    )
    assert (reply.status, reply.body) == (200, b"ok")
    head, _, body = venue.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v3/order?a=%5B HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"X-MBX-APIKEY: key" in head
    assert body == b"q=1&signature=%2B"


async def test_requests_in_a_row_share_a_connection(venue: Venue, pool: HttpPool) -> None:
    await pool.warm()
    for _ in range(5):
        await pool.request("GET", b"/")
    assert venue.connections == 1


async def test_requests_at_once_use_at_most_the_size(venue: Venue) -> None:
    pool = HttpPool(venue.url, size=2)
    replies = await asyncio.gather(*(pool.request("GET", b"/%d" % n) for n in range(20)))
    pool.close()
    assert all(reply.body == b"ok" for reply in replies)
    assert len(venue.requests) == 20
    assert venue.connections == 2


async def test_a_connection_closed_while_idle_is_not_used_for_an_order(
    venue: Venue, pool: HttpPool
) -> None:
    closed = asyncio.Event()

    async def once(raw: bytes, writer: asyncio.StreamWriter, number: int) -> bool:
        writer.write(OK)
        if number == 1:
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            closed.set()
        return number != 1

    venue.serve = once
    await pool.request("GET", b"/")
    await closed.wait()
    for _ in range(3):
        await asyncio.sleep(0)
    assert (await pool.request("POST", b"/order")).status == 200


async def test_an_old_idle_connection_is_not_used_again(venue: Venue) -> None:
    pool = HttpPool(venue.url, idle_s=-1.0)
    await pool.request("POST", b"/order")
    await pool.request("POST", b"/order")
    pool.close()
    assert venue.connections == 2


async def cut_first(raw: bytes, writer: asyncio.StreamWriter, number: int) -> bool:
    if number == 1:
        return False
    writer.write(OK)
    return True


async def test_t6_a_post_cut_after_it_was_written_has_an_unknown_outcome(
    venue: Venue, pool: HttpPool
) -> None:
    venue.serve = cut_first
    with pytest.raises(OutcomeUnknown):
        await pool.request("POST", b"/order", body=b"x=1")
    assert len(venue.requests) == 1, "an order must never be sent twice"


async def test_a_get_that_was_cut_is_asked_again(venue: Venue, pool: HttpPool) -> None:
    venue.serve = cut_first
    assert (await pool.request("GET", b"/openOrders")).body == b"ok"
    assert len(venue.requests) == 2


@pytest.mark.parametrize(
    ("method", "error"), [("POST", OutcomeUnknown), ("DELETE", OutcomeUnknown), ("GET", RetryLater)]
)
async def test_a_venue_that_stalls(
    venue: Venue, pool: HttpPool, method: str, error: type[Exception]
) -> None:
    async def stall(raw: bytes, writer: asyncio.StreamWriter, number: int) -> bool:
        writer.write(OK[:20])
        await writer.drain()
        await asyncio.sleep(3600)
        return False

    venue.serve = stall
    with pytest.raises(error):
        await pool.request(method, b"/order", timeout_s=0.1)
    venue.serve = answer_ok
    assert (await pool.request("GET", b"/")).body == b"ok", "the pool recovers"


async def test_nobody_listens_so_nothing_happened() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(RetryLater):
        await HttpPool(f"http://127.0.0.1:{port}").request("POST", b"/order")


async def test_garbage_instead_of_a_reply_is_unknown(venue: Venue, pool: HttpPool) -> None:
    async def garbage(raw: bytes, writer: asyncio.StreamWriter, number: int) -> bool:
        writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
        return True

    venue.serve = garbage
    with pytest.raises(OutcomeUnknown):
        await pool.request("POST", b"/order")


async def test_a_cancelled_request_does_not_leave_its_reply_to_the_next(
    venue: Venue, pool: HttpPool
) -> None:
    arrived = asyncio.Event()
    go_on = asyncio.Event()

    async def slow_first(raw: bytes, writer: asyncio.StreamWriter, number: int) -> bool:
        if number == 1:
            arrived.set()
            await go_on.wait()
            writer.write(OK.replace(b"ok", b"no"))
        else:
            writer.write(OK)
        return True

    venue.serve = slow_first
    task = asyncio.create_task(pool.request("POST", b"/first"))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert (await pool.request("GET", b"/second")).body == b"ok"


async def test_a_reply_nobody_waits_for_ends_the_connection(venue: Venue, pool: HttpPool) -> None:
    async def twice(raw: bytes, writer: asyncio.StreamWriter, number: int) -> bool:
        writer.write(OK if number > 1 else OK + OK)
        return True

    venue.serve = twice
    await pool.request("GET", b"/")
    assert (await pool.request("GET", b"/")).body == b"ok"
    assert venue.connections == 2


async def test_a_word_on_an_idle_connection_ends_it(venue: Venue, pool: HttpPool) -> None:
    """Some servers say 408 before they close an idle connection."""
    told = asyncio.Event()

    async def late_word(raw: bytes, writer: asyncio.StreamWriter, number: int) -> bool:
        writer.write(OK)
        if number == 1:
            asyncio.get_running_loop().call_later(0.02, writer.write, OK.replace(b"ok", b"no"))
            asyncio.get_running_loop().call_later(0.04, told.set)
        return True

    venue.serve = late_word
    await pool.request("GET", b"/")
    await told.wait()
    assert (await pool.request("POST", b"/order")).body == b"ok"
    assert venue.connections == 2


async def test_warming_up_where_nobody_listens_is_no_order() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(ConnectionError, match=r"no connection to 127\.0\.0\.1"):
        await HttpPool(f"http://127.0.0.1:{port}").warm()


@pytest.mark.parametrize("url", ["ftp://example.com", "example.com", "", "https://"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigError):
        HttpPool(url)
