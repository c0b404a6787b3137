"""Signatures of Bybit V5: HMAC-SHA256 over exact bytes (bybit.md §2, R84).

What is signed is what is sent: the query as it stands in the request line, or the body byte
for byte. Serialise once, sign those bytes, send those bytes.
"""

from __future__ import annotations

import hmac

from obiterm.core.errors import ConfigError

_RSA_REASON = "an HMAC key (system-generated): RSA keys need a library that is not carried here"


class Credentials:
    """An API key that can sign. The secret is kept out of ``repr`` and of errors.

    Attributes:
        api_key: public name of the key, sent with every signed request.
    """

    __slots__ = ("_secret", "api_key")

    def __init__(self, api_key: str, secret: str, kind: str = "hmac") -> None:
        if not api_key:
            raise ConfigError("api_key", api_key, "the key's public text")
        if not secret:
            raise ConfigError("api_secret", "", "the key's secret")
        if kind == "rsa" or "PRIVATE KEY" in secret:
            raise ConfigError(
                "kind", "rsa", _RSA_REASON, hint="make a system-generated key at the venue"
            )
        if kind != "hmac":
            raise ConfigError("kind", kind, "hmac")
        self.api_key = api_key
        self._secret = secret.encode()

    def __repr__(self) -> str:
        return f"Credentials(api_key={self.api_key[:4]!r}…)"

    def signature(self, payload: bytes) -> str:
        """Sign ``payload``; lower-case hex."""
        return hmac.digest(self._secret, payload, "sha256").hex()

    def sign(self, now_ms: int, recv_window_ms: int, payload: bytes) -> str:
        """Sign one REST request: ``payload`` is its query or its body, as sent."""
        head = f"{now_ms}{self.api_key}{recv_window_ms}".encode()
        return self.signature(head + payload)

    def headers(
        self, now_ms: int, recv_window_ms: int, payload: bytes
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers of one signed REST request.

        ``now_ms`` is the venue's time, Unix ms: the venue takes what is at most
        ``recv_window_ms`` old and never more than a second ahead (§2).
        """
        return [
            (b"X-BAPI-API-KEY", self.api_key.encode()),
            (b"X-BAPI-TIMESTAMP", b"%d" % now_ms),
            (b"X-BAPI-RECV-WINDOW", b"%d" % recv_window_ms),
            (b"X-BAPI-SIGN", self.sign(now_ms, recv_window_ms, payload).encode()),
        ]

    def sign_socket(self, expires_ms: int) -> str:
        """Sign the logon of a socket that is good until ``expires_ms``, Unix ms (§2, V8)."""
        return self.signature(b"GET/realtime%d" % expires_ms)
