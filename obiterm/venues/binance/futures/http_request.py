"""One REST request of Binance futures as exact bytes, and how it is signed (binance.md §4.1).

What is signed is what is sent: the target and body must go out unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from obiterm.venues.binance.requests import HttpRequest
from obiterm.venues.binance.signing import Credentials, encode_pairs

_FORM = (b"content-type", b"application/x-www-form-urlencoded")
_IN_BODY = frozenset({"POST", "PUT"})
_RECV_WINDOW = "recvWindow"
_TIMESTAMP = "timestamp"


class FuturesRequest(HttpRequest, frozen=True):
    """A request with what it costs."""

    orders: int = 0
    """How many it counts against the order limits."""
    is_funding: bool = False
    """True when it counts against the funding pool."""


class Signer:
    """Makes signed requests of one account. ``recv_window_ms`` 0 leaves the window out."""

    def __init__(self, credentials: Credentials, *, recv_window_ms: int = 5000) -> None:
        self._credentials = credentials
        self._recv_window_ms = recv_window_ms

    def signed(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str],
        now_ms: int,
        weight: int,
        *,
        orders: int = 0,
    ) -> FuturesRequest:
        """Sign ``fields`` in their order, then the time, then the window; signature last.

        ``timestamp`` or ``recvWindow`` among the fields are kept where they stand. ``now_ms``
        is the venue's time in Unix ms.
        """
        pairs = dict(fields)
        pairs.setdefault(_TIMESTAMP, str(now_ms))
        if self._recv_window_ms:
            pairs.setdefault(_RECV_WINDOW, str(self._recv_window_ms))
        signed = self._credentials.sign_rest(pairs.items())
        if method in _IN_BODY:
            return self._request(method, path.encode(), signed, weight, orders)
        return self._request(method, path.encode() + b"?" + signed, b"", weight, orders)

    def keyed(self, method: str, path: str, weight: int) -> FuturesRequest:
        """Make a request that carries the key and no signature (listen keys)."""
        return self._request(method, path.encode(), b"", weight, 0)

    def _request(
        self, method: str, target: bytes, body: bytes, weight: int, orders: int
    ) -> FuturesRequest:
        headers = [(b"X-MBX-APIKEY", self._credentials.api_key.encode())]
        if method in _IN_BODY:
            headers.append(_FORM)
        return FuturesRequest(method, target, body, headers, weight, orders > 0, orders)


def public(
    path: str, fields: Iterable[tuple[str, str]], weight: int, *, is_funding: bool = False
) -> FuturesRequest:
    """Make an unsigned GET."""
    pairs = list(fields)
    query = b"?" + encode_pairs(pairs) if pairs else b""
    target = path.encode() + query
    return FuturesRequest("GET", target, b"", [], weight, False, is_funding=is_funding)
