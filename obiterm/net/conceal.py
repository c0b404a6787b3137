"""Keeps API keys out of everything that a venue says: they never get past the wire.

Some venues repeat the key in their refusals (Bybit ``10004 error sign! origin_string[...]``,
Binance in answers to a logon). What came in may be shown, logged and journaled.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from obiterm.net.http_parser import HttpReply

_SHOWN = 4
_MASK = "***"
_SHORTEST = 8
"""Shorter words are no keys, and would be masked where they stand by chance."""


class Concealer:
    """Masks one API key, as it is and as JSON and addresses write it; its start stays readable."""

    __slots__ = ("_forms", "_shown")

    def __init__(self, api_key: str) -> None:
        forms = {api_key, api_key.replace("/", "\\/"), quote(api_key, safe="")}
        self._forms = tuple(form.encode() for form in forms if len(api_key) >= _SHORTEST)
        self._shown = (api_key[:_SHOWN].replace("/", "") + _MASK).encode()

    def __repr__(self) -> str:
        return f"Concealer({self._shown.decode()})"

    def in_bytes(self, data: bytes) -> bytes:
        """Return what may be known of a message."""
        for form in self._forms:
            if form in data:
                data = data.replace(form, self._shown)
        return data

    def in_text(self, text: str) -> str:
        """Return what may be known of a text."""
        return self.in_bytes(text.encode(errors="replace")).decode()

    def in_reply(self, reply: HttpReply) -> HttpReply:
        """Return what may be known of a reply."""
        body = self.in_bytes(reply.body)
        return reply if body is reply.body else HttpReply(reply.status, reply.headers, body)

    def before(self, on_text: Callable[[bytes, int], None]) -> Callable[[bytes, int], None]:
        """Return a reader of frames that sees only what may be known."""

        def masked(data: bytes, received_ns: int) -> None:
            on_text(self.in_bytes(data), received_ns)

        return masked
