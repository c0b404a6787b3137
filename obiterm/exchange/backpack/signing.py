"""API keys, signatures and request times (backpack.md §3).

A key is an Ed25519 public key in base64. What is signed begins with the name of the
instruction, not with path or method, and ends with time and window.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.backpack.errors import ApiError, bad_signature, invalid
from obiterm.exchange.backpack.params import Params

DEFAULT_WINDOW_MS = 5000
MAX_WINDOW_MS = 60_000
FAR_OFF_MS = 10 * 60_000
SEED_BYTES = 32
_DIGITS = re.compile(r"[0-9]{1,15}")


class Credential:
    """One API key of one account."""

    __slots__ = ("_verify", "account", "api_key", "may_trade")

    def __init__(self, api_key: str, account: str, *, may_trade: bool = True) -> None:
        self.api_key = api_key
        self.account = account
        self.may_trade = may_trade
        self._verify = VerifyKey(base64.b64decode(api_key, validate=True))

    def __repr__(self) -> str:
        return f"Credential({self.account!r})"

    def check(self, text: str, signature: str) -> None:
        """Raise ``ApiError`` unless ``signature`` (base64) belongs to ``text`` and this key."""
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            raise invalid("Invalid X-Signature header") from None
        try:
            self._verify.verify(text.encode(), raw)
        except (BadSignatureError, ValueError):
            raise bad_signature() from None


def key_pair(seed: bytes) -> tuple[str, str]:
    """Return ``(API key, secret)`` in base64 for a seed of 32 bytes."""
    public = bytes(SigningKey(seed).verify_key)
    return base64.b64encode(public).decode(), base64.b64encode(seed).decode()


class KeyRing:
    """All API keys that the exchange knows."""

    def __init__(self) -> None:
        self._keys: dict[str, Credential] = {}

    def add(self, credential: Credential) -> None:
        """Register a key."""
        self._keys[credential.api_key] = credential

    def revoke(self, api_key: str) -> None:
        """Forget a key: from now on it is refused."""
        self._keys.pop(api_key, None)

    def find(self, api_key: str | None) -> Credential:
        """Return a key; refuse one that is unknown."""
        credential = self._keys.get(api_key or "")
        if credential is None:
            raise ApiError(401, "UNAUTHORIZED", "Unauthorized")
        return credential


class Stamp(msgspec.Struct, frozen=True):
    """When the caller says it sent a request, for how long that is good, and its signature."""

    api_key: str
    signature: str
    timestamp_ms: int
    window_ms: int

    def check(self, now_ns: int) -> None:
        """Refuse a request that is too old, or from too far in the future.

        The venue states its rule for the past only; a time further ahead than the window
        is refused alike, so that a client whose clock runs fast learns it here.
        """
        off_ms = abs(now_ns // NS_PER_MS - self.timestamp_ms)
        if off_ms > FAR_OFF_MS:
            raise invalid("Invalid timestamp: must be within 10 minutes of current time")
        if off_ms > self.window_ms:
            raise invalid("Request has expired")


def stamp_of(headers: Mapping[str, str]) -> Stamp:
    """Read the signature headers of a request."""
    api_key, signature = headers.get("X-API-Key"), headers.get("X-Signature")
    timestamp, window = headers.get("X-Timestamp"), headers.get("X-Window")
    if not api_key:
        raise invalid("Missing X-API-Key header")
    if not signature:
        raise invalid("Missing X-Signature header")
    if timestamp is None:
        raise invalid("Missing X-Timestamp header")
    return make_stamp(api_key, signature, timestamp, window)


def make_stamp(api_key: str, signature: str, timestamp: str, window: str | None) -> Stamp:
    """Check the form of time and window."""
    if not _DIGITS.fullmatch(timestamp):
        raise invalid("Invalid X-Timestamp header")
    if window is not None and not _DIGITS.fullmatch(window):
        raise invalid("Invalid X-Window header")
    window_ms = DEFAULT_WINDOW_MS if window is None else int(window)
    if window_ms > MAX_WINDOW_MS:
        raise invalid(f"Invalid X-Window header: must be at most {MAX_WINDOW_MS}")
    return Stamp(api_key, signature, int(timestamp), window_ms)


def signed_text(instruction: str, parts: Sequence[Params], stamp: Stamp) -> str:
    """Write what a request signs; a batch repeats the instruction for every order."""
    pieces: list[str] = []
    for params in parts:
        pieces.append(f"instruction={instruction}")
        if pairs := params.signed_text():
            pieces.append(pairs)
    return "&".join([*pieces, f"timestamp={stamp.timestamp_ms}&window={stamp.window_ms}"])
