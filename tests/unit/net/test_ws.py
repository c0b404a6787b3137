"""Sockets that are cut, silent, half-open, refused or renewed."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode

from obiterm.core.errors import DataError, RetryLater
from obiterm.net import Socket, SocketOptions
from tests.unit.net.loopback import (
    CLOCK,
    QUICK,
    Log,
    Venue,
    handshake_answer,
    running,
)


async def test_what_is_sent_comes_back(venue: Venue) -> None:
    log = Log()
    socket = Socket(venue.url, CLOCK, QUICK)
    with pytest.raises(RetryLater):
        socket.send(b"too early")
    async with running(socket, log):
        await log.until(lambda: log.story == ["up"])
        socket.send(b'{"id":1}')
        await log.until(lambda: log.texts == [b'{"id":1}'])
        assert socket.is_up
        assert socket.silent_ns >= 0
    assert socket.silent_ns == -1
    with pytest.raises(RetryLater):
        socket.send(b"too late")


async def test_t16_a_cut_socket_comes_back_by_itself(venue: Venue) -> None:
    async def cut_twice(connection: ServerConnection, number: int) -> None:
        await connection.send(f"hello {number}")
        if number <= 2:
            connection.transport.abort()
            return
        await connection.wait_closed()

    venue.handler = cut_twice
    log = Log()
    socket = Socket(venue.url, CLOCK, QUICK)
    async with running(socket, log):
        await log.until(lambda: b"hello 3" in log.texts)
        assert log.story == ["up", "down", "up", "down", "up"]
    assert log.story[-1] == "down", "every start has its end"
    assert socket.connects == 3


async def test_the_peer_says_why_it_closes(venue: Venue) -> None:
    async def goodbye(connection: ServerConnection, number: int) -> None:
        await connection.close(CloseCode.GOING_AWAY, "24 hours")

    venue.handler = goodbye
    log = Log()
    async with running(Socket(venue.url, CLOCK, QUICK), log):
        await log.until(lambda: len(log.reasons) > 0)
    assert log.reasons[0] == "closed by the peer (1001 24 hours)"


async def test_t16_half_open_socket_is_replaced() -> None:
    """The peer's machine is gone: bytes are taken, nothing ever comes back."""
    venue = Venue()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        venue.count += 1
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(handshake_answer(head))
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    options = SocketOptions(silence_s=0.2, ping_s=0.1, first_backoff_s=0.01)
    log = Log()
    async with running(Socket(url, CLOCK, options), log):
        await log.until(lambda: log.story.count("up") >= 2)
    assert log.reasons[0].startswith("nothing came for")
    server.close()


async def test_a_quiet_stream_that_answers_pings_stays_up(venue: Venue) -> None:
    options = SocketOptions(silence_s=0.3, ping_s=0.05)
    log = Log()
    socket = Socket(venue.url, CLOCK, options)
    async with running(socket, log):
        await log.until(lambda: log.story == ["up"])
        with pytest.raises(TimeoutError):
            await log.until(lambda: "down" in log.story, within_s=1.0)


async def test_t38_a_stream_without_data_is_replaced_although_it_answers_pings(
    venue: Venue,
) -> None:
    options = SocketOptions(ping_s=0.05, data_silence_s=0.2, first_backoff_s=0.01)
    log = Log()
    async with running(Socket(venue.url, CLOCK, options), log):
        await log.until(lambda: log.story.count("up") >= 2)
    assert log.reasons[0] == "no data for 0.2 s"


async def test_the_venue_refuses_the_handshake() -> None:
    tries = 0
    enough = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            enough.set()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    log = Log()
    socket = Socket(url, CLOCK, QUICK)
    async with running(socket, log):
        await asyncio.wait_for(enough.wait(), 10)
    assert log.story == []
    assert socket.last_reason == "handshake refused: HTTP 429"
    server.close()


@pytest.mark.parametrize("overlap", [False, True])
async def test_planned_renewal(venue: Venue, overlap: bool) -> None:
    live = 0
    least_live_after_first = 99

    async def feed(connection: ServerConnection, number: int) -> None:
        nonlocal live, least_live_after_first
        live += 1
        try:
            while True:
                await connection.send(f"{number}")
                await asyncio.sleep(0.005)
        finally:
            live -= 1
            if number == 1:
                least_live_after_first = live

    venue.handler = feed
    options = SocketOptions(renew_s=0.2, overlap=overlap, first_backoff_s=0.01)
    log = Log()
    socket = Socket(venue.url, CLOCK, options, seed=1)
    async with running(socket, log):
        await log.until(lambda: log.texts[-1:] == [b"2"])
        if overlap:
            assert log.story == ["up"], "the reader sees no gap"
        else:
            assert log.story == ["up", "down", "up"]
            assert log.reasons == ["planned renewal"]
    if overlap:
        assert least_live_after_first >= 1, "the new one was open before the old one closed"


async def test_reconnect_replaces_the_connection_at_once(venue: Venue) -> None:
    log = Log()
    socket = Socket(venue.url, CLOCK, SocketOptions(first_backoff_s=5.0, steady_s=0.0))
    async with running(socket, log):
        await log.until(lambda: log.story == ["up"])
        socket.reconnect("the book is silent")
        await log.until(lambda: log.story == ["up", "down", "up"], within_s=2)
    assert log.reasons[0] == "the book is silent"


async def test_replacing_young_connections_is_no_storm(venue: Venue) -> None:
    """Binance bans an address after 300 connects in five minutes."""
    log = Log()
    options = SocketOptions(first_backoff_s=0.05, backoff_ceiling_s=60.0)
    socket = Socket(venue.url, CLOCK, options)

    def refuse() -> None:
        log.on_up()
        raise RetryLater("-1021", "the logon was refused")

    task = asyncio.create_task(socket.run(log.on_text, refuse, log.on_down))
    with pytest.raises(TimeoutError):
        await log.until(lambda: len(log.reasons) > 6, within_s=1.5)
    assert 3 <= socket.connects <= 6
    assert set(log.reasons) == {"-1021 the logon was refused"}
    await socket.close()
    await asyncio.wait_for(task, 5)


async def test_damaged_data_replaces_the_connection(venue: Venue) -> None:
    async def push(connection: ServerConnection, number: int) -> None:
        await connection.send("bad" if number == 1 else "good")
        await connection.wait_closed()

    venue.handler = push
    log = Log()

    def on_text(text: bytes, received_ns: int) -> None:
        if text == b"bad":
            raise DataError("price = 'NaN'")
        log.on_text(text, received_ns)

    socket = Socket(venue.url, CLOCK, QUICK)
    task = asyncio.create_task(socket.run(on_text, log.on_up, log.on_down))
    await log.until(lambda: log.texts == [b"good"])
    assert log.reasons == ["price = 'NaN'"]
    await socket.close()
    await task


async def test_a_defect_of_the_reader_is_not_hidden(venue: Venue) -> None:
    async def push(connection: ServerConnection, number: int) -> None:
        await connection.send("{}")
        await connection.wait_closed()

    venue.handler = push
    log = Log()

    def on_text(text: bytes, received_ns: int) -> None:
        raise KeyError("defect")

    with pytest.raises(KeyError, match="defect"):
        await asyncio.wait_for(
            Socket(venue.url, CLOCK, QUICK).run(on_text, log.on_up, log.on_down), 5
        )
    assert log.story == ["up", "down"]


async def test_cancelling_run_closes_the_socket(venue: Venue) -> None:
    gone = asyncio.Event()

    async def watch(connection: ServerConnection, number: int) -> None:
        try:
            await connection.wait_closed()
        finally:
            gone.set()

    venue.handler = watch
    log = Log()
    task = asyncio.create_task(Socket(venue.url, CLOCK, QUICK).run(log.on_text, log.on_up))
    await log.until(lambda: log.story == ["up"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(gone.wait(), 5)
