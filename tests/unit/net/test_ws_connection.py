"""Frames of every kind on one connection, and peers that break the rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection

from obiterm.core.errors import ConfigError, RetryLater
from obiterm.net import Socket
from obiterm.net.ws_connection import open_connection
from tests.unit.net.loopback import (
    CLOCK,
    QUICK,
    Log,
    Venue,
    handshake_answer,
    running,
)


async def test_frames_of_every_size_arrive_whole_and_stamped(venue: Venue) -> None:
    sizes = [0, 1, 125, 126, 127, 65535, 65536, 1_000_000, 5]

    async def push(connection: ServerConnection, number: int) -> None:
        for size in sizes:
            await connection.send("x" * size)
        await connection.wait_closed()

    venue.handler = push
    log = Log()
    before_ns = CLOCK.wall_ns()
    async with running(Socket(venue.url, CLOCK, QUICK), log):
        await log.until(lambda: len(log.texts) == len(sizes))
    assert [len(text) for text in log.texts] == sizes
    assert venue.paths == ["/stream?streams=btcusdt@trade"]
    assert all(before_ns <= told <= CLOCK.wall_ns() for told in log.times)
    assert log.times == sorted(log.times)


async def test_fragments_are_joined_around_a_ping(venue: Venue) -> None:
    async def push(connection: ServerConnection, number: int) -> None:
        async def parts() -> AsyncIterator[str]:
            yield '{"a":'
            await connection.ping(b"payload")
            yield "1}"

        await connection.send(parts())
        await connection.send("whole")
        await connection.wait_closed()

    venue.handler = push
    log = Log()
    async with running(Socket(venue.url, CLOCK, QUICK), log):
        await log.until(lambda: len(log.texts) == 2)
    assert log.texts == [b'{"a":1}', b"whole"]


async def test_a_ping_is_answered_with_its_payload(venue: Venue) -> None:
    answered = asyncio.Event()

    async def ask(connection: ServerConnection, number: int) -> None:
        waiter = await connection.ping(b"20 seconds")
        await waiter
        answered.set()
        await connection.wait_closed()

    venue.handler = ask
    log = Log()
    async with running(Socket(venue.url, CLOCK, QUICK), log):
        await asyncio.wait_for(answered.wait(), 5)


async def test_nobody_answers_the_handshake() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    with pytest.raises(TimeoutError):
        await open_connection(url, lambda text, at: None, CLOCK, timeout_s=0.1)
    server.close()


async def test_a_peer_that_takes_no_data_is_dead() -> None:
    stop = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(handshake_answer(head))
        await writer.drain()
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await stop.wait()
        writer.close()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    log = Log()
    socket = Socket(url, CLOCK, QUICK)
    async with running(socket, log):
        await log.until(lambda: log.story == ["up"])

        async def flood() -> None:
            for _ in range(1000):
                socket.send(b"x" * 100_000)
                await asyncio.sleep(0)

        with pytest.raises(RetryLater):
            await flood()
        await log.until(lambda: "down" in log.story)
        assert log.reasons[0] == "the peer takes no more data"
        stop.set()
    server.close()


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\x85abcdhello",
        b"\x83\x00",
        b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x80\x01a",
        b"\xc1\x01a",
    ],
    ids=["masked", "reserved opcode", "huge", "stray continuation", "reserved bit"],
)
async def test_a_peer_that_breaks_the_protocol_is_left(frame: bytes) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(handshake_answer(head) + b"\x81\x02ok" + frame)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(broken, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    log = Log()
    connection = await open_connection(url, log.on_text, CLOCK)
    reason = await asyncio.wait_for(connection.closed, 5)
    assert reason
    assert log.texts == [b"ok"]
    server.close()


async def test_an_address_that_is_none() -> None:
    with pytest.raises(ConfigError):
        await open_connection("http://127.0.0.1:1", lambda text, at: None, CLOCK)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"x" * 70_000, "too long"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
            "handshake failed",
        ),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP 403"),
    ],
    ids=["endless", "wrong key", "forbidden"],
)
async def test_a_handshake_that_is_none(answer: bytes, why: str) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(broken, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    with pytest.raises(ConnectionError, match=why):
        await open_connection(url, lambda text, at: None, CLOCK)
    server.close()


async def test_bytes_in_any_pieces_give_the_same_frames() -> None:
    texts = [b"a", b"b" * 130, b"", b"c" * 70_000, b"d"]

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = handshake_answer(await reader.readuntil(b"\r\n\r\n"))
        for text in texts:
            length = len(text)
            if length < 126:
                raw += bytes([0x81, length])
            elif length < 65536:
                raw += bytes([0x81, 126]) + length.to_bytes(2, "big")
            else:
                raw += bytes([0x81, 127]) + length.to_bytes(8, "big")
            raw += text
        for start in range(600):
            writer.write(raw[start : start + 1])
            await writer.drain()
        writer.write(raw[600:])
        await reader.read()
        writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    log = Log()
    connection = await open_connection(url, log.on_text, CLOCK)
    await log.until(lambda: len(log.texts) == len(texts))
    assert log.texts == texts
    connection.cut("done")
    server.close()
