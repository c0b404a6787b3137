"""API keys, signatures and request times (binance.md §3.1, §4).

A signature is checked over the exact bytes that arrived; nothing is decoded and
encoded again on the way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import unquote_plus

from obiterm.exchange.binance import errors
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.params import Params
from obiterm.exchange.wire.keys import Credential, Keys

DEFAULT_WINDOW_MS = Decimal(5000)
MAX_WINDOW_MS = 60000
MAX_AHEAD_MS = 1000

_KEY_FORMAT = re.compile(r"[a-zA-Z0-9]{1,128}")
_WINDOW = re.compile(r"[0-9]{1,20}(\.[0-9]{1,3})?")
_TIMESTAMP = re.compile(r"[0-9]{1,20}")
_MARK = "signature="


class KeyRing(Keys):
    """All API keys, and how the venue refuses the others."""

    def find(self, api_key: str | None) -> Credential:
        """Return the key, or refuse with -2014 (format) or -2015 (unknown)."""
        if not api_key or not _KEY_FORMAT.fullmatch(api_key):
            raise ApiError(401, -2014, "API-key format invalid.")
        credential = self.get(api_key)
        if credential is None:
            raise errors.no_permission()
        return credential


def rest_payload(query: str, body: str) -> tuple[bytes, str]:
    """Split the signature from the bytes that it signs (binance.md §4.1).

    The payload is query string and body with nothing between; the signature is
    the last parameter of the part that holds it.
    """
    body_rest, in_body = _cut(body)
    query_rest, in_query = _cut(query)
    signature = in_body if in_body is not None else in_query
    if signature is None:
        raise errors.missing("signature")
    payload = (query_rest + body_rest).encode("utf-8", "surrogateescape")
    return payload, unquote_plus(signature)


def _cut(text: str) -> tuple[str, str | None]:
    if text.startswith(_MARK):
        start, rest = 0, ""
    else:
        start = text.rfind("&" + _MARK)
        if start < 0:
            return text, None
        rest, start = text[:start], start + 1
    signature = text[start + len(_MARK) :]
    if "&" in signature:
        raise errors.bad_signature()
    return rest, signature


def object_payload(values: Mapping[str, str]) -> bytes:
    """Return what a WebSocket API request signs: sorted names, no encoding (binance.md §4.2)."""
    return "&".join(
        f"{name}={values[name]}" for name in sorted(values) if name != "signature"
    ).encode()


class Stamp:
    """When the caller says it sent a request, and for how long that is good."""

    __slots__ = ("sent_us", "window_us")

    def __init__(self, params: Params) -> None:
        text = params.need("timestamp")
        if not _TIMESTAMP.fullmatch(text):
            raise errors.illegal("timestamp", "^[0-9]{1,20}$")
        sent = int(text)
        self.sent_us = sent if sent >= 10**14 else sent * 1000
        self.window_us = int(_window(params) * 1000)

    def check(self, now_ns: int) -> None:
        """Refuse with -1021 outside ``[-recvWindow, +1000 ms)`` (binance.md §3.1)."""
        ahead_us = self.sent_us - now_ns // 1000
        if ahead_us >= MAX_AHEAD_MS * 1000:
            raise ApiError(
                400,
                -1021,
                "Timestamp for this request was 1000ms ahead of the server's time.",
            )
        if -ahead_us > self.window_us:
            raise ApiError(400, -1021, "Timestamp for this request is outside of the recvWindow.")


def _window(params: Params) -> Decimal:
    text = params.get("recvWindow")
    if text is None:
        return DEFAULT_WINDOW_MS
    if not _WINDOW.fullmatch(text):
        raise errors.illegal("recvWindow", "^[0-9]{1,20}(\\.[0-9]{1,3})?$")
    window = Decimal(text)
    if window > MAX_WINDOW_MS:
        raise ApiError(400, -1131, "Invalid 'recvWindow'; must be less than 60000.")
    return window
