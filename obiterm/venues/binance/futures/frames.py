"""Requests of the WebSocket API of futures as exact text (binance.md §11.4)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.venues.binance.signing import Credentials

_encode = msgspec.json.Encoder().encode


class ApiFrames:
    """Builds the frames of one connection.

    ``now_ms`` is the venue's time in Unix ms. After ``session.logon`` set ``logged_on``:
    frames then carry no key and no signature.
    """

    def __init__(self, credentials: Credentials, *, recv_window_ms: int = 5000) -> None:
        self.logged_on = False
        self._credentials = credentials
        self._recv_window_ms = recv_window_ms

    def logon(self, request_id: int, now_ms: int) -> bytes:
        """Log the connection on (Ed25519 only)."""
        params = self._credentials.sign_ws({"timestamp": now_ms})
        return _frame(request_id, "session.logon", params)

    def private(
        self, request_id: int, method: str, fields: Mapping[str, str | int], now_ms: int
    ) -> bytes:
        """Make a request of the account: decimals are text, times numbers."""
        params = {**fields, "recvWindow": self._recv_window_ms, "timestamp": now_ms}
        if not self.logged_on:
            params = self._credentials.sign_ws(params)
        return _frame(request_id, method, params)


def _frame(request_id: int, method: str, params: Mapping[str, str | int]) -> bytes:
    return _encode({"id": request_id, "method": method, "params": params})
