"""Signatures of Binance: HMAC-SHA256 and Ed25519 (binance.md §4).

REST signs the percent-encoded bytes that are sent, signature last; the WebSocket
API signs the sorted parameters without any encoding. Mixing the two is refused by
the venue with ``-1022`` as soon as a value needs encoding.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

from nacl.signing import SigningKey

from obiterm.core.errors import ConfigError

_SEED_BYTES = 32
_PKCS8_SEED_MARK = b"\x04\x22\x04\x20"
"""DER of an Ed25519 private key: OCTET STRING (34) holding OCTET STRING (32), the seed."""

_KINDS = "hmac or ed25519"
_SEED_FORMS = "an Ed25519 private key: 64 hex digits, 44 base64 characters or PEM text"


class Credentials:
    """An API key that can sign. The secret is kept out of ``repr`` and of errors.

    Attributes:
        api_key: public name of the key, sent with every signed request.
        kind: ``hmac`` or ``ed25519``.
        can_log_on: True when ``session.logon`` accepts this kind (Ed25519 only).
    """

    __slots__ = ("_sign", "api_key", "can_log_on", "kind")

    def __init__(self, api_key: str, secret: str, kind: str = "hmac") -> None:
        if not api_key:
            raise ConfigError("api_key", api_key, "the key's public text")
        if not secret:
            raise ConfigError("api_secret", "", "the key's secret")
        self.api_key = api_key
        self.kind = kind
        self.can_log_on = kind == "ed25519"
        self._sign = _signer(kind, secret)

    def __repr__(self) -> str:
        return f"Credentials(kind={self.kind!r}, api_key={self.api_key[:4]!r}…)"

    def signature(self, payload: bytes) -> str:
        """Sign ``payload``: hex text for HMAC, base64 text for Ed25519."""
        return self._sign(payload)

    def rest_signature(self, payload: bytes) -> bytes:
        """Sign ``payload`` and return the text as it stands in a URL (percent-encoded)."""
        return quote(self._sign(payload), safe="").encode("ascii")

    def sign_rest(self, pairs: Iterable[tuple[str, str]]) -> bytes:
        """Return the query to send: encoded pairs in the given order, signature last."""
        payload = encode_pairs(pairs)
        return payload + b"&signature=" + self.rest_signature(payload)

    def sign_ws(self, params: Mapping[str, str | int]) -> dict[str, str | int]:
        """Return ``params`` with ``apiKey`` and ``signature`` for the WebSocket API."""
        signed = {**params, "apiKey": self.api_key}
        payload = "&".join([f"{name}={signed[name]}" for name in sorted(signed)])
        signed["signature"] = self._sign(payload.encode())
        return signed


def encode_pairs(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Percent-encode names and values by RFC 3986 (UTF-8) and join them."""
    return "&".join([f"{name}={quote(value, safe='')}" for name, value in pairs]).encode("ascii")


def _signer(kind: str, secret: str) -> Callable[[bytes], str]:
    if kind == "hmac":
        key = secret.encode()
        return lambda payload: hmac.digest(key, payload, "sha256").hex()
    if kind == "ed25519":
        signing_key = SigningKey(_seed(secret))
        return lambda payload: base64.b64encode(signing_key.sign(payload).signature).decode("ascii")
    raise ConfigError("kind", kind, _KINDS)


def _seed(secret: str) -> bytes:
    """Read an Ed25519 seed from hex, base64 or PEM; never repeats the text in an error."""
    text = secret.strip()
    try:
        seed = _pem_seed(text) if text.startswith("-----") else _bare_seed(text)
    except (ValueError, binascii.Error):
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise ConfigError("api_secret", "(hidden)", _SEED_FORMS)
    return seed


def _bare_seed(text: str) -> bytes:
    if len(text) == 2 * _SEED_BYTES:
        return bytes.fromhex(text)
    return base64.b64decode(text, validate=True)


def _pem_seed(text: str) -> bytes:
    lines = [line.strip() for line in text.splitlines()]
    if lines[0] != "-----BEGIN PRIVATE KEY-----":
        return b""
    body = "".join(line for line in lines[1:] if line and not line.startswith("-----"))
    der = base64.b64decode(body, validate=True)
    start = der.find(_PKCS8_SEED_MARK)
    if start < 0:
        return b""
    start += len(_PKCS8_SEED_MARK)
    return der[start : start + _SEED_BYTES]
