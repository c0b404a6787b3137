"""One client's WebSocket: a bounded outbox, pings, frame counting.

Whoever has something to say puts it into the outbox and goes on; a client that
reads too slowly fills its own outbox and is dropped, alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web

log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 16 * 1024 * 1024
_FRAME_TYPES = (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG)


class Heartbeat(Protocol):
    """How an exchange keeps a socket alive."""

    @property
    def ping_every_s(self) -> float | None:
        """Time between the exchange's pings; ``None`` when only the client pings."""
        ...

    @property
    def pong_within_s(self) -> float:
        """How long a socket may stay without a pong."""
        ...


class Outbox:
    """Sends messages to one client, in order, without ever making the sender wait."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._socket = socket
        self._request = request
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._stalled_until_s = 0.0
        self.dropped = False

    def send(self, data: bytes, late_s: float = 0.0) -> None:
        """Queue one text message; a client with 16 MiB waiting is cut off.

        One that is ``late_s`` holds up those behind it: a connection keeps its order.
        """
        if self.dropped:
            return
        self._waiting.append((data, time.monotonic() + late_s if late_s else 0.0))
        self._waiting_bytes += len(data)
        self._wake.set()
        if self._waiting_bytes > MAX_WAITING_BYTES:
            log.warning("a client reads too slowly; dropped")
            self.cut()

    def stall(self, seconds: float) -> None:
        """Let the connection stand still: nothing leaves, nothing is read, no ping answered."""
        self._stalled_until_s = time.monotonic() + seconds

    async def thaw(self) -> None:
        """Return when the connection does not stand still any more."""
        if (left_s := self._stalled_until_s - time.monotonic()) > 0 and not self.dropped:
            await asyncio.sleep(left_s)

    def cut(self) -> None:
        """Break the connection without a closing handshake."""
        self.dropped = True
        self._waiting.clear()
        self._wake.set()
        if self._request.transport is not None:
            self._request.transport.abort()

    async def run(self) -> None:
        """Write until the connection ends."""
        while not self.dropped:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                data, due_s = self._waiting[0]
                left_s = max(due_s, self._stalled_until_s)
                if left_s and (left_s := left_s - time.monotonic()) > 0:
                    await asyncio.sleep(left_s)
                    continue
                self._waiting.popleft()
                self._waiting_bytes -= len(data)
                await self._socket.send_frame(data, WSMsgType.TEXT)


class FrameMeter:
    """Counts the frames that a client sends within one second of the clock."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._second = -1
        self._count = 0

    def over(self) -> bool:
        """Count one frame and tell whether it is one too many."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._count > self._limit


class ClientSocket:
    """A WebSocket connection with its outbox and its heartbeat.

    ``frames_per_second`` bounds what the client may send; ``None`` when it may send at will.
    """

    def __init__(
        self, request: web.Request, options: Heartbeat, *, frames_per_second: int | None
    ) -> None:
        self.request = request
        self.socket = web.WebSocketResponse(autoping=False, compress=False)
        self.outbox = Outbox(self.socket, request)
        self._meter = None if frames_per_second is None else FrameMeter(frames_per_second)
        self._options = options
        self._last_pong = time.monotonic()

    async def texts(self) -> AsyncIterator[str]:
        """Complete the handshake and yield text messages until the connection ends."""
        await self.socket.prepare(self.request)
        helpers = [
            asyncio.create_task(self._guard(self.outbox.run())),
            asyncio.create_task(self._guard(self._heartbeat())),
        ]
        try:
            async for message in self.socket:
                await self.outbox.thaw()
                if self._meter and message.type in _FRAME_TYPES and self._meter.over():
                    await self.socket.close(
                        code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests"
                    )
                    return
                if message.type is WSMsgType.PING:
                    await self.socket.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    self._last_pong = time.monotonic()
                elif message.type is WSMsgType.TEXT:
                    yield message.data
        finally:
            self.outbox.dropped = True
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        """Run a helper; a connection that breaks under it is simply over."""
        try:
            await work
        except (ConnectionError, RuntimeError):
            self.outbox.cut()

    async def _heartbeat(self) -> None:
        every_s = self._options.ping_every_s
        while every_s is not None:
            await asyncio.sleep(every_s)
            if time.monotonic() - self._last_pong > self._options.pong_within_s:
                self.outbox.cut()
                return
            await self.outbox.thaw()
            await self.socket.ping(str(int(time.time() * 1000)).encode())
