"""Messages to bytes and back: four-byte big-endian length, then msgpack.

Nothing here touches a socket. Whoever reads feeds bytes to a ``Deframer`` and
decodes the payloads that come out; a payload that cannot be read is a
``DataError``, and the connection that sent it must end.
"""

from __future__ import annotations

import struct

import msgspec

from obiterm.core.commands import EmergencyExit, HoldFire, Kill
from obiterm.core.errors import DataError
from obiterm.link.messages import Request, ToHost, ToScreen

MAX_TO_HOST_BYTES = 64 * 1024
"""Largest message that a host reads; what screens say is small."""
MAX_TO_SCREEN_BYTES = 16 * 1024 * 1024
"""Largest message that a screen reads (a piece of history)."""

HEADER_BYTES = 4
_HEADER = struct.Struct(">I")
_ENCODER = msgspec.msgpack.Encoder()
_TO_HOST: msgspec.msgpack.Decoder[ToHost] = msgspec.msgpack.Decoder(ToHost)
_TO_SCREEN: msgspec.msgpack.Decoder[ToScreen] = msgspec.msgpack.Decoder(ToScreen)


class Deframer:
    """Cuts a stream of bytes into payloads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what was read from the socket."""
        self._buffer += data

    def next(self) -> bytes | None:
        """Return the next whole payload, ``None`` when more bytes are needed.

        Raises:
            DataError: the next length is over the limit; the stream cannot be read on.
        """
        buffer = self._buffer
        if len(buffer) < HEADER_BYTES:
            return None
        end = HEADER_BYTES + payload_length(buffer[:HEADER_BYTES], self._max_bytes)
        if len(buffer) < end:
            return None
        payload = bytes(buffer[HEADER_BYTES:end])
        del buffer[:end]
        return payload


def payload_length(header: bytes | bytearray, max_bytes: int) -> int:
    """Return the length that a header announces; raise ``DataError`` above ``max_bytes``."""
    (length,) = _HEADER.unpack(header)
    if length > max_bytes:
        raise DataError(f"a message of {length} bytes was announced; at most {max_bytes} are read")
    return int(length)


def encode(message: ToHost | ToScreen) -> bytes:
    """Return one message as it goes over the socket, length first."""
    payload = _ENCODER.encode(message)
    return _HEADER.pack(len(payload)) + payload


def decode_to_host(payload: bytes) -> ToHost:
    """Read what a screen said; raise ``DataError`` when it is no message of ours."""
    try:
        return _TO_HOST.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not a message to the host: {error}") from error


def decode_to_screen(payload: bytes) -> ToScreen:
    """Read what a host said; raise ``DataError`` when it is no message of ours."""
    try:
        return _TO_SCREEN.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not a message to the screen: {error}") from error


def is_panic(message: ToHost) -> bool:
    """Tell whether a message goes before everything that waits (R102 R127)."""
    return isinstance(message, Request) and isinstance(
        message.command, Kill | EmergencyExit | HoldFire
    )
