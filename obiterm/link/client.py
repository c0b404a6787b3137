"""The screen's end of the Unix socket."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

from obiterm.core.errors import DataError, HostGone, UsageError
from obiterm.link.framing import (
    HEADER_BYTES,
    MAX_TO_SCREEN_BYTES,
    decode_to_screen,
    encode,
    payload_length,
)
from obiterm.link.messages import (
    PROTOCOL_VERSION,
    Closing,
    Hello,
    Status,
    ToHost,
    ToScreen,
    Welcome,
)
from obiterm.link.sockets import dial

_READ_AHEAD_BYTES = 64 * 1024


class LinkClient:
    """A connection to a host, after its greeting.

    Reading is pulled: a screen that does not call ``receive`` reads nothing, and the
    host then skips frames for it.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: deque[ToScreen] = deque()
        self._welcome: Welcome | None = None

    @classmethod
    async def connect(
        cls, path: Path, *, role: str, client: str, timeout_s: float = 2.0
    ) -> LinkClient:
        """Connect, say Hello, wait for the greeting.

        Raises:
            HostGone: nobody answers at ``path`` within ``timeout_s``.
            UsageError: a host is there but refuses; the reason is its own.
        """
        loop = asyncio.get_running_loop()
        link = await loop.run_in_executor(None, dial, path, timeout_s)
        link.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=link, limit=_READ_AHEAD_BYTES)
        self = cls(reader, writer)
        try:
            self.send(Hello(version=PROTOCOL_VERSION, role=role, client=client))
            async with asyncio.timeout(timeout_s):
                await self._wait_for_greeting(role)
        except TimeoutError as error:
            writer.transport.abort()
            raise HostGone(f"the host at {path} does not answer in {timeout_s:g} s") from error
        except (HostGone, UsageError, DataError):
            writer.transport.abort()
            raise
        return self

    @property
    def welcome(self) -> Welcome:
        """The host's greeting; raise ``HostGone`` if it has not come (role ``status``)."""
        if self._welcome is None:
            raise HostGone("the host has not greeted")
        return self._welcome

    async def receive(self) -> ToScreen:
        """Return the next message.

        Raises:
            HostGone: the connection ended.
            DataError: what came is no message of ours; the connection is of no more use.
        """
        if self._waiting:
            return self._waiting.popleft()
        return await self._read()

    def send(self, message: ToHost) -> None:
        """Send a message; a connection that has ended is told by ``receive``."""
        self._writer.write(encode(message))

    async def close(self) -> None:
        """Close; what was sent before still leaves when the host reads."""
        self._writer.close()
        try:
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            self._writer.transport.abort()

    async def _wait_for_greeting(self, role: str) -> None:
        while self._welcome is None:
            message = await self._read()
            if isinstance(message, Welcome):
                self._welcome = message
            elif isinstance(message, Closing):
                raise UsageError(f"the host refuses: {message.reason}")
            else:
                self._waiting.append(message)
                if role == "status" and isinstance(message, Status):
                    return

    async def _read(self) -> ToScreen:
        try:
            header = await self._reader.readexactly(HEADER_BYTES)
            payload = await self._reader.readexactly(payload_length(header, MAX_TO_SCREEN_BYTES))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise HostGone("the host has closed the connection") from error
        return decode_to_screen(payload)
