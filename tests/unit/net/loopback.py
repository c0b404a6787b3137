"""A venue on loopback and a log of what its client heard, for the socket tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import ConnectionClosed

from obiterm.net import Socket, SocketOptions, SystemClock

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


def handshake_answer(request: bytes) -> bytes:
    """Accept a handshake by the library's own rules."""
    from websockets.server import ServerProtocol

    protocol = ServerProtocol()
    protocol.receive_data(request)
    [event] = protocol.events_received()
    protocol.send_response(protocol.accept(event))  # type: ignore[arg-type]
    return b"".join(protocol.data_to_send())
