"""One WebSocket connection without a queue between the wire and its reader (RFC 6455).

Whole text frames, which is all that venues send in a stream, are cut out of the bytes
here and handed on in the same turn of the loop that received them, stamped with the
time of arrival. Everything else (handshake, pings, fragments, close, errors) goes
through the protocol of the ``websockets`` library, which does no input or output itself.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from os import urandom
from typing import cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from obiterm.core.clock import Clock
from obiterm.core.errors import ConfigError, ObitermError, RetryLater

try:
    from websockets.speedups import apply_mask
except ImportError:  # the library was built without its C part
    from websockets.utils import apply_mask

OnText = Callable[[bytes, int], None]
"""Called with a frame's bytes and the Unix ns of its arrival; must not block."""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_UNSENT_BYTES = 256 * 1024
"""Bytes that the peer does not take: beyond, the connection counts as dead."""

MAX_HEAD_BYTES = 64 * 1024

_WHOLE_TEXT = 0x81
"""First byte of an unfragmented text frame without extensions."""
_LENGTH_16 = 126
_LENGTH_64 = 127
_SHORT_LIMIT = 1 << 16
_MASKED = 128
_HEAD_END = b"\r\n\r\n"
_SWITCHING = b"101"
_PORTS = {"ws": 80, "wss": 443}


async def open_connection(
    url: str, on_text: OnText, clock: Clock, *, timeout_s: float = 10.0
) -> WsConnection:
    """Connect and shake hands. Raises ``OSError`` or ``TimeoutError`` when that fails."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError("url", url, "an address like wss://stream.example.com")
    tls = ssl.create_default_context() if parts.scheme == "wss" else None
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout_s):
        _, connection = await loop.create_connection(
            lambda: WsConnection(url, on_text, clock),
            parts.hostname,
            parts.port or _PORTS[parts.scheme],
            ssl=tls,
        )
        try:
            await connection.opened()
        except BaseException:
            connection.cut("not opened")
            raise
    return connection


class WsConnection(asyncio.Protocol):
    """An open connection. ``closed`` ends with the reason, one way or another.

    Attributes:
        closed: resolves to why the connection ended; raises what ``on_text`` raised.
        last_frame_ns: monotonic ns of the last bytes of any kind.
        last_text_ns: monotonic ns of the last bytes that ended a text frame.
        frames: how many text frames came.
    """

    def __init__(self, url: str, on_text: OnText, clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = loop.create_future()
        self.last_frame_ns = clock.monotonic_ns()
        self.last_text_ns = self.last_frame_ns
        self.frames = 0
        self._opened: asyncio.Future[None] = loop.create_future()
        self._on_text = on_text
        self._clock = clock
        self._protocol = ClientProtocol(parse_uri(url), max_size=MAX_MESSAGE_BYTES)
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._fragments: list[bytes] = []
        self._reason = ""
        self._is_cut = False

    @property
    def is_open(self) -> bool:
        """True while frames may be sent."""
        return self._protocol.state is State.OPEN and not self.closed.done()

    def send(self, text: bytes) -> None:
        """Send one text frame; raises ``RetryLater`` when nothing was written."""
        transport = self._transport
        if transport is None or not self.is_open or transport.is_closing():
            raise RetryLater("connection", "not connected: nothing was sent")
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.cut("the peer takes no more data")
            raise RetryLater("connection", "the peer takes no more data: nothing was sent")
        transport.write(frame_text(text))

    def ping(self) -> None:
        """Send a ping; any answer counts as a sign of life."""
        if self.is_open:
            self._protocol.send_ping(b"")
            self._flush()

    def close(self, reason: str) -> None:
        """Say goodbye; the peer's answer ends the connection."""
        self._reason = self._reason or reason
        if self.is_open:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()
        else:
            self.cut(reason)

    def cut(self, reason: str) -> None:
        """End the connection at once."""
        self._reason = self._reason or reason
        self._is_cut = True
        if self._transport is not None:
            self._transport.abort()

    async def opened(self) -> None:
        """Wait for the end of the handshake; raises ``ConnectionError`` when it fails."""
        await self._opened

    # ── called by the loop ──────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        self._transport = cast("asyncio.Transport", transport)
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Hand on whole text frames, leave the rest to the protocol."""
        received_ns = self._clock.wall_ns()
        self.last_frame_ns = self._clock.monotonic_ns()
        frames = self.frames
        try:
            if not self._opened.done():
                self._shake(data, received_ns)
            else:
                if self._rest:
                    data = self._rest + data
                self._rest = self._take_frames(data, received_ns)
        except (ObitermError, WebSocketException) as error:
            self.cut(str(error))
        except Exception as error:  # a defect of the reader ends the connection; closed raises it
            if not self.closed.done():
                self.closed.set_exception(error)
            self.cut(f"reader failed: {error!r}")
        if self.frames != frames:
            self.last_text_ns = self.last_frame_ns

    def eof_received(self) -> None:
        """Tell the protocol; the transport closes itself."""
        self._protocol.receive_eof()
        self._events(self._clock.wall_ns())

    def connection_lost(self, error: Exception | None) -> None:
        """Say why the connection ended."""
        received = self._protocol.close_rcvd
        told = f"closed by the peer ({received.code} {received.reason})" if received else ""
        cause = self._protocol.parser_exc
        broken = str(error) if error else (str(cause) if cause else "")
        reason = self._reason or told or broken or "the peer closed the connection"
        if not self._opened.done():
            self._opened.set_exception(ConnectionError(reason))
        if not self.closed.done():
            self.closed.set_result(reason)

    # ── inside ──────────────────────────────────────────────────────────────

    def _shake(self, data: bytes, received_ns: int) -> None:
        """Take the answer to the handshake; frames may follow in the same bytes."""
        data = self._rest + data
        end = data.find(_HEAD_END)
        if end < 0:
            self._rest = data
            if len(data) > MAX_HEAD_BYTES:
                self.cut("the handshake answer is too long")
            return
        end += len(_HEAD_END)
        head = data[:end]
        status = head[9:12]
        if status != _SWITCHING:
            self.cut(f"handshake refused: HTTP {status.decode('latin-1')}")
            return
        self._protocol.receive_data(head)
        self._events(received_ns)
        if self._protocol.state is not State.OPEN:
            self.cut(f"handshake failed: {self._protocol.handshake_exc}")
            return
        self._opened.set_result(None)
        self._rest = self._take_frames(data[end:], received_ns)

    def _take_frames(self, data: bytes, received_ns: int) -> bytes:
        """Hand on every whole frame in ``data``; return the bytes of an unfinished one."""
        start, end = 0, len(data)
        while end - start >= 2 and not self._is_cut:
            length = data[start + 1]
            body = start + 2
            if length >= _LENGTH_16:
                if length >= _MASKED:
                    self._leave(data[start:], received_ns)
                    return b""
                body = start + (4 if length == _LENGTH_16 else 10)
                if body > end:
                    break
                length = int.from_bytes(data[start + 2 : body], "big")
                if length > MAX_MESSAGE_BYTES:
                    self._leave(data[start:body], received_ns)
                    return b""
            stop = body + length
            if stop > end:
                break
            if data[start] == _WHOLE_TEXT and not self._fragments:
                self.frames += 1
                self._on_text(data[body:stop], received_ns)
            else:
                self._leave(data[start:stop], received_ns)
            start = stop
        return data[start:]

    def _leave(self, frame: bytes, received_ns: int) -> None:
        """Leave one frame to the protocol."""
        self._protocol.receive_data(frame)
        self._events(received_ns)

    def _events(self, received_ns: int) -> None:
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._fragments.append(bytes(event.data))
                if event.fin:
                    whole = b"".join(self._fragments)
                    self._fragments.clear()
                    self.frames += 1
                    self._on_text(whole, received_ns)
        self._flush()
        if self._protocol.parser_exc is not None:
            self.cut(str(self._protocol.parser_exc))

    def _flush(self) -> None:
        transport = self._transport
        if transport is None:
            return
        for data in self._protocol.data_to_send():
            if data:
                transport.write(data)
            elif transport.can_write_eof():
                transport.write_eof()


def frame_text(text: bytes) -> bytes:
    """Return a whole, masked text frame of a client (RFC 6455 §5.2)."""
    length = len(text)
    if length < _LENGTH_16:
        head = bytes((_WHOLE_TEXT, _MASKED | length))
    elif length < _SHORT_LIMIT:
        head = bytes((_WHOLE_TEXT, _MASKED | _LENGTH_16)) + length.to_bytes(2, "big")
    else:
        head = bytes((_WHOLE_TEXT, _MASKED | _LENGTH_64)) + length.to_bytes(8, "big")
    mask = urandom(4)
    return head + mask + apply_mask(text, mask)
