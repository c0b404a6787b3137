"""API keys, signatures and request times (bybit.md §2).

A signature is checked over the exact bytes that arrived: timestamp, key, window,
then the query string or the body as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.bybit import errors
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.wire.keys import Credential, Keys

MAX_AHEAD_MS = 1000
DEFAULT_WINDOW = "5000"


class KeyRing(Keys):
    """All API keys, and how the venue refuses the others."""

    def find(self, api_key: str) -> Credential:
        """Return the key, or refuse with 10003."""
        credential = self.get(api_key)
        if credential is None:
            raise ApiError(errors.BAD_KEY, "API key is invalid.")
        return credential


class Stamp:
    """When the caller says it sent a request, and for how long that is good."""

    __slots__ = ("sent_ms", "window_ms")

    def __init__(self, sent: str, window: str) -> None:
        if not sent.isdigit() or not window.isdigit():
            raise errors.bad("empty value: apiTimestamp or recv_window")
        self.sent_ms = int(sent)
        self.window_ms = int(window)

    def check(self, now_ns: int) -> None:
        """Refuse with 10002 outside ``server - window <= sent < server + 1000``."""
        server_ms = now_ns // NS_PER_MS
        if server_ms - self.window_ms <= self.sent_ms < server_ms + MAX_AHEAD_MS:
            return
        raise ApiError(
            errors.BAD_TIME,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{self.sent_ms}],server_timestamp[{server_ms}],"
            f"recv_window[{self.window_ms}]",
        )


class Signed:
    """A signed request: its headers and the bytes that they sign."""

    __slots__ = ("_payload", "api_key", "sign", "stamp")

    def __init__(self, headers: Mapping[str, str], payload: bytes) -> None:
        sent = headers.get("X-BAPI-TIMESTAMP", "")
        self.api_key = headers.get("X-BAPI-API-KEY", "")
        self.sign = headers.get("X-BAPI-SIGN", "")
        if not (sent and self.api_key and self.sign):
            raise errors.bad("empty value: apiTimestamp[] apiKey[] apiSignature[]")
        window = headers.get("X-BAPI-RECV-WINDOW", "")
        self.stamp = Stamp(sent, window or DEFAULT_WINDOW)
        self._payload = f"{sent}{self.api_key}{window}".encode() + payload

    def owner(self, keys: KeyRing) -> Credential:
        """Return the key that signed, or refuse with 10003 or 10004."""
        credential = keys.find(self.api_key)
        if not credential.signed(self._payload, self.sign):
            raise ApiError(
                errors.BAD_SIGN,
                "error sign! origin_string["
                + self._payload.decode("utf-8", "replace")
                + "], please check your signature generation algorithm.",
            )
        return credential


def socket_owner(keys: KeyRing, args: list[object], now_ns: int) -> Credential:
    """Return the key of an ``auth`` message: ``[apiKey, expires, signature]``."""
    if len(args) < 3:
        raise errors.bad("Params Error")
    api_key, expires, sign = (str(one) for one in args[:3])
    if not expires.isdigit() or int(expires) <= now_ns // NS_PER_MS:
        raise errors.bad("Params Error")
    credential = keys.find(api_key)
    if not credential.signed(f"GET/realtime{expires}".encode(), sign):
        raise ApiError(errors.BAD_SIGN, "Error sign, please check your signature algorithm.")
    return credential
