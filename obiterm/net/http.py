"""A bare, kept-alive HTTP/1.1 client for the order path (RFC 9112).

One request at a time per connection, a few connections per host, exact bytes out.
Decides only one thing by itself: whether a broken request may be repeated.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import cast
from urllib.parse import urlsplit

from obiterm.core.errors import ConfigError, DataError, ObitermError, OutcomeUnknown, RetryLater
from obiterm.net.conceal import Concealer
from obiterm.net.http_parser import HttpReply, ReplyParser

Headers = Iterable[tuple[bytes, bytes]]

_PORTS = {"http": 80, "https": 443}
_IDEMPOTENT = "GET"
_RENEW_AT = 0.7
"""Part of its idle time after which a connection that is kept ready is replaced."""


class HttpPool:
    """Connections to one host.

    A request that never reached the wire is repeated once on a new connection. One that
    did is repeated only if it is a GET; otherwise ``OutcomeUnknown`` is raised, because
    the venue may have acted. Connections that were idle for ``idle_s`` are not used
    again: the venue may be closing them at this moment. What ``conceal`` knows is masked in
    every reply: some venues repeat an API key in their errors.
    """

    def __init__(
        self,
        base_url: str,
        *,
        size: int = 4,
        connect_timeout_s: float = 5.0,
        idle_s: float = 20.0,
        conceal: Concealer | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigError("base_url", base_url, "an address like https://api.example.com")
        self._host = parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._prefix = parts.path.rstrip("/").encode()
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._fixed_head = _fixed_head(self._host, self._port, _PORTS[parts.scheme])
        self._connect_timeout_s = connect_timeout_s
        self._idle_s = idle_s
        self._conceal = conceal
        self._slots = asyncio.Semaphore(size)
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()

    async def request(
        self,
        method: str,
        target: bytes,
        headers: Headers = (),
        body: bytes = b"",
        timeout_s: float = 10.0,
    ) -> HttpReply:
        """Send one request and return the reply, whatever its status.

        Raises ``RetryLater`` when the venue cannot have acted (nothing was written, or it
        was a GET), ``OutcomeUnknown`` when it may have.
        """
        flight = _Flight(method, self._payload(method, target, headers, body))
        try:
            async with asyncio.timeout(timeout_s), self._slots:
                return await self._fly(flight)
        except TimeoutError:
            raise flight.failure(f"no answer within {timeout_s:g} s") from None

    async def warm(self, count: int = 1) -> None:
        """Open connections ahead of time, so that the first order does not pay for it."""
        for _ in range(count - len(self._idle)):
            self._idle.append(await self._connect())

    async def keep_warm(self, count: int) -> None:
        """Hold ``count`` connections ready; call it more often than every quarter of ``idle_s``.

        One that is about to be too old is replaced before it is. Raises ``OSError`` when the
        venue cannot be reached.
        """
        oldest = asyncio.get_running_loop().time() - self._idle_s * _RENEW_AT
        young = [one for one in self._idle if one.usable and one.idle_since >= oldest]
        for _ in range(count - len(young)):
            self._idle.append(await self._connect())
        for old in [one for one in self._idle if not one.usable or one.idle_since < oldest]:
            self._idle.remove(old)
            old.abort()

    def write_now(
        self, method: str, target: bytes, headers: Headers = (), body: bytes = b""
    ) -> Written | None:
        """Write a request in this turn of the loop; ``None`` when no connection is ready.

        It does not wait its turn behind other requests. Await ``Written.reply``.
        """
        connection = self._take_idle()
        if connection is None:
            return None
        flight = _Flight(method, self._payload(method, target, headers, body))
        try:
            answer = connection.begin(flight)
        except OSError:
            return None
        self._busy.add(connection)
        return Written(self, connection, flight, answer)

    def rehearse(
        self, method: str, target: bytes, headers: Headers = (), body: bytes = b""
    ) -> None:
        """Build the bytes that ``write_now`` would write, and drop them."""
        self._payload(method, target, headers, body)

    def close(self) -> None:
        """Close every connection; requests under way end as cut."""
        for connection in [*self._idle, *self._busy]:
            connection.abort()
        self._idle.clear()

    async def _fly(self, flight: _Flight) -> HttpReply:
        try:
            return await self._try(flight)
        except OSError as error:
            if flight.written and not flight.idempotent:
                raise flight.failure(str(error)) from error
        try:
            return await self._try(flight)
        except OSError as error:
            raise flight.failure(str(error)) from error

    async def _try(self, flight: _Flight) -> HttpReply:
        """Send on one connection; raises ``OSError`` when that does not work."""
        connection = self._take_idle() or await self._connect()
        self._busy.add(connection)
        try:
            reply = await connection.exchange(flight)
        finally:
            self._release(connection)
        return reply

    def _release(self, connection: _Connection) -> None:
        self._busy.discard(connection)
        if connection.usable:
            self._idle.append(connection)

    def _take_idle(self) -> _Connection | None:
        oldest = asyncio.get_running_loop().time() - self._idle_s
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since >= oldest:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop, self._conceal), self._host, self._port, ssl=self._ssl
                )
        except OSError as error:
            why = str(error) or f"no answer within {self._connect_timeout_s:g} s"
            raise ConnectionError(f"no connection to {self._host}: {why}") from error
        return connection

    def _payload(self, method: str, target: bytes, headers: Headers, body: bytes) -> bytes:
        lines = [method.encode(), b" ", self._prefix, target, self._fixed_head]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        if body or method != _IDEMPOTENT:
            lines.append(b"content-length: %d\r\n" % len(body))
        lines += (b"\r\n", body)
        return b"".join(lines)


class Written:
    """A request that is on the wire. Its reply must be awaited, whoever wants it or not."""

    __slots__ = ("_answer", "_connection", "_flight", "_pool")

    def __init__(
        self,
        pool: HttpPool,
        connection: _Connection,
        flight: _Flight,
        answer: asyncio.Future[HttpReply],
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._flight = flight
        self._answer = answer

    async def reply(self, timeout_s: float = 10.0) -> HttpReply:
        """Return the reply, whatever its status; never sends the request again.

        Raises ``OutcomeUnknown`` when none came, ``RetryLater`` for a GET.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._connection.finish(self._answer)
        except TimeoutError:
            raise self._flight.failure(f"no answer within {timeout_s:g} s") from None
        except OSError as error:
            raise self._flight.failure(str(error)) from error
        finally:
            self._pool._release(self._connection)


class _Flight:
    """One request on its way, with what may be said about its outcome."""

    __slots__ = ("idempotent", "method", "payload", "written")

    def __init__(self, method: str, payload: bytes) -> None:
        self.method = method
        self.payload = payload
        self.idempotent = method == _IDEMPOTENT
        self.written = False

    def failure(self, why: str) -> ObitermError:
        """Return the error that says whether the venue may have acted."""
        if self.written and not self.idempotent:
            return OutcomeUnknown(f"{self.method}: {why}")
        return RetryLater("connection", f"{self.method}: {why}")


class _Connection(asyncio.Protocol):
    """One socket; ``exchange`` writes a request and waits for its reply."""

    def __init__(self, loop: asyncio.AbstractEventLoop, conceal: Concealer | None) -> None:
        self.usable = False
        self._conceal = conceal
        self.idle_since = loop.time()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._waiting: asyncio.Future[HttpReply] | None = None

    async def exchange(self, flight: _Flight) -> HttpReply:
        """Send one request; raises ``ConnectionError`` when the socket breaks."""
        return await self.finish(self.begin(flight))

    def begin(self, flight: _Flight) -> asyncio.Future[HttpReply]:
        """Write one request; raises ``ConnectionError`` when nothing could be written."""
        transport = self._transport
        if transport is None or not self.usable or transport.is_closing():
            self.usable = False
            raise ConnectionError("the connection was closed while idle")
        self.usable = False
        self._parser = ReplyParser()
        self._waiting = self._loop.create_future()
        flight.written = True
        transport.write(flight.payload)
        return self._waiting

    async def finish(self, answer: asyncio.Future[HttpReply]) -> HttpReply:
        """Wait for the reply to what was written; raises as ``exchange``."""
        try:
            reply = await answer
        except BaseException:
            self.abort()
            raise
        transport = self._transport
        self.usable = (
            self._parser.keep_alive and transport is not None and not transport.is_closing()
        )
        self.idle_since = self._loop.time()
        if not self.usable:
            self.abort()
        return self._conceal.in_reply(reply) if self._conceal is not None else reply

    def abort(self) -> None:
        """Cut the connection at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop: the socket is open."""
        self._transport = cast("asyncio.Transport", transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Called by the loop: bytes came."""
        if self._waiting is None or self._waiting.done():
            self.abort()
            return
        try:
            reply = self._parser.feed(data)
        except DataError as error:
            self._waiting.set_exception(ConnectionError(str(error)))
            return
        if reply is not None:
            self._waiting.set_result(reply)

    def eof_received(self) -> None:
        """Called by the loop: the venue sends no more."""
        reply = self._parser.end()
        if reply is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop: the socket is gone."""
        self.usable = False
        if self._waiting is not None and not self._waiting.done():
            why = f"the connection broke: {error}" if error else "the venue closed the connection"
            self._waiting.set_exception(ConnectionError(why))


def _fixed_head(host: str, port: int, default_port: int) -> bytes:
    """Return the end of the request line and the headers that every request carries."""
    name = f"[{host}]" if ":" in host else host
    shown = name if port == default_port else f"{name}:{port}"
    return f" HTTP/1.1\r\nhost: {shown}\r\nuser-agent: obiterm\r\n".encode("ascii")
