"""Sockets that are cut, silent, half-open, refused or renewed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from obiterm.core.errors import ConfigError, DataError, RetryLater
from obiterm.net import Socket, SocketOptions, SystemClock
from obiterm.net.ws_connection import open_connection

CLOCK = SystemClock()
QUICK = SocketOptions(first_backoff_s=0.01, backoff_ceiling_s=0.05)


class Log:
    """Everything a socket told its reader; ``until`` waits for a condition."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.times: list[int] = []
        self.story: list[str] = []
        self.reasons: list[str] = []
        self._changed = asyncio.Event()

    def on_text(self, text: bytes, received_ns: int) -> None:
        self.texts.append(text)
        self.times.append(received_ns)
        self._changed.set()

    def on_up(self) -> None:
        self.story.append("up")
        self._changed.set()

    def on_down(self, reason: str) -> None:
        self.story.append("down")
        self.reasons.append(reason)
        self._changed.set()

    async def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


Handler = Callable[[ServerConnection, int], Awaitable[None]]


class Venue:
    """A loopback server; ``handler`` gets each connection and its number."""

    def __init__(self) -> None:
        self.handler: Handler = echo
        self.count = 0
        self.url = ""
        self.paths: list[str] = []

    async def handle(self, connection: ServerConnection) -> None:
        self.count += 1
        assert connection.request is not None
        self.paths.append(connection.request.path)
        with contextlib.suppress(ConnectionClosed):
            await self.handler(connection, self.count)


async def echo(connection: ServerConnection, number: int) -> None:
    async for text in connection:
        await connection.send(text)


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[Venue]:
    venue = Venue()
    async with serve(venue.handle, "127.0.0.1", 0, ping_interval=None) as server:
        venue.url = f"ws://127.0.0.1:{port_of(server)}/stream?streams=btcusdt@trade"
        yield venue


def port_of(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


@contextlib.asynccontextmanager
async def running(socket: Socket, log: Log) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(socket.run(log.on_text, log.on_up, log.on_down))
        try:
            yield
        finally:
            await socket.close()
            await asyncio.wait_for(task, 5)


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


def handshake_answer(request: bytes) -> bytes:
    """Accept a handshake by the library's own rules."""
    from websockets.server import ServerProtocol

    protocol = ServerProtocol()
    protocol.receive_data(request)
    [event] = protocol.events_received()
    protocol.send_response(protocol.accept(event))  # type: ignore[arg-type]
    return b"".join(protocol.data_to_send())


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


async def test_nobody_answers_the_handshake() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    with pytest.raises(TimeoutError):
        await open_connection(url, lambda text, at: None, CLOCK, timeout_s=0.1)
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


async def test_an_address_that_is_none() -> None:
    with pytest.raises(ConfigError):
        await open_connection("http://127.0.0.1:1", lambda text, at: None, CLOCK)
