"""Replies of HTTP/1.1, bytes in and replies out, without a socket (RFC 9112)."""

from __future__ import annotations

import msgspec

from obiterm.core.errors import DataError

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 256 * 1024 * 1024

_HEAD_END = b"\r\n\r\n"
_LINE_END = b"\r\n"
_NO_BODY = frozenset({204, 304})
_FIRST_FINAL_STATUS = 200


class HttpReply(msgspec.Struct, frozen=True):
    """One whole reply. Header names are lower-case; of repeated headers the last one counts."""

    status: int
    headers: dict[str, str]
    body: bytes


class ReplyParser:
    """Puts one reply together; ``feed`` returns it as soon as it is whole.

    Attributes:
        keep_alive: False when the connection cannot serve another request.
        started: True once a byte of the reply has come.
    """

    def __init__(self) -> None:
        self.keep_alive = True
        self.started = False
        self._buffer = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._length = -1
        self._chunked = False
        self._in_body = False
        self._chunks = bytearray()

    def feed(self, data: bytes) -> HttpReply | None:
        """Take bytes as they come; raise ``DataError`` for what is not HTTP."""
        self.started = True
        self._buffer += data
        if not self._in_body and not self._read_head():
            return None
        if self._chunked:
            return self._read_chunks()
        if self._length >= 0 and len(self._buffer) >= self._length:
            return self._done(bytes(self._buffer[: self._length]), len(self._buffer) > self._length)
        if len(self._buffer) > MAX_BODY_BYTES:
            raise DataError(f"HTTP reply is larger than {MAX_BODY_BYTES} bytes")
        return None

    def end(self) -> HttpReply | None:
        """Take the end of the stream: it ends a body without a length, else cuts the reply."""
        if self._in_body and not self._chunked and self._length < 0:
            self.keep_alive = False
            return self._done(bytes(self._buffer), False)
        return None

    def _read_head(self) -> bool:
        """Parse head after head until a final one; interim replies (1xx) are skipped."""
        while True:
            end = self._buffer.find(_HEAD_END)
            if end < 0:
                if len(self._buffer) > MAX_HEAD_BYTES:
                    raise DataError(f"HTTP head is larger than {MAX_HEAD_BYTES} bytes")
                return False
            head = bytes(self._buffer[:end])
            del self._buffer[: end + len(_HEAD_END)]
            self._parse_head(head)
            if self._status >= _FIRST_FINAL_STATUS:
                self._in_body = True
                return True

    def _parse_head(self, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        status = rest[:3]
        if not version.startswith("HTTP/1.") or not status.isdigit():
            raise DataError(f"not an HTTP/1 reply: {lines[0][:60]!r}")
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise DataError(f"HTTP header without a colon: {line[:60]!r}")
            headers[name.lower()] = value.strip()
        self._status = int(status)
        self._headers = headers
        tokens = headers.get("connection", "").lower()
        self.keep_alive = "close" not in tokens and (
            version != "HTTP/1.0" or "keep-alive" in tokens
        )
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._length = self._body_length()

    def _body_length(self) -> int:
        if self._status in _NO_BODY:
            return 0
        text = self._headers.get("content-length", "")
        if not text or self._chunked:
            return -1
        if not text.isdigit() or int(text) > MAX_BODY_BYTES:
            raise DataError(f"content-length: {text[:20]!r}")
        return int(text)

    def _read_chunks(self) -> HttpReply | None:
        while True:
            end = self._buffer.find(_LINE_END)
            if end < 0:
                return None
            size_text = bytes(self._buffer[:end]).split(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError as error:
                raise DataError(f"HTTP chunk size: {size_text[:20]!r}") from error
            start = end + len(_LINE_END)
            if size == 0:
                return self._read_trailers(start)
            if size < 0 or len(self._chunks) + size > MAX_BODY_BYTES:
                raise DataError(f"HTTP reply is larger than {MAX_BODY_BYTES} bytes")
            if len(self._buffer) < start + size + len(_LINE_END):
                return None
            self._chunks += self._buffer[start : start + size]
            del self._buffer[: start + size + len(_LINE_END)]

    def _read_trailers(self, start: int) -> HttpReply | None:
        """Skip trailers after the last chunk: they end with an empty line."""
        if self._buffer[start : start + len(_LINE_END)] == _LINE_END:
            end = start + len(_LINE_END)
        else:
            found = self._buffer.find(_HEAD_END, start)
            if found < 0:
                return None
            end = found + len(_HEAD_END)
        return self._done(bytes(self._chunks), len(self._buffer) > end)

    def _done(self, body: bytes, more: bool) -> HttpReply:
        if more:
            self.keep_alive = False
        return HttpReply(self._status, self._headers, body)
