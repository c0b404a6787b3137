"""API keys, signatures and request times (backpack.md §3).

A key is an Ed25519 public key in base64. What is signed begins with the name of the
instruction, not with path or method, and ends with time and window.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence

import msgspec
from nacl.signing import SigningKey

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.backpack.errors import ApiError, bad_signature, invalid
from obiterm.exchange.backpack.params import Params
from obiterm.exchange.wire.keys import Credential, Keys

DEFAULT_WINDOW_MS = 5000
MAX_WINDOW_MS = 60_000
FAR_OFF_MS = 10 * 60_000
SEED_BYTES = 32
SIGNATURE_BYTES = 64
_DIGITS = re.compile(r"[0-9]{1,15}")


def public_key_of(seed: bytes) -> bytes:
    """Return the public key of a seed."""
    return bytes(SigningKey(seed).verify_key)


def as_text(key: bytes) -> str:
    """Write a key or a seed in base64."""
    return base64.b64encode(key).decode()


def find_key(keys: Keys, api_key: str) -> Credential:
    """Return a key; refuse one that is unknown."""
    credential = keys.get(api_key)
    if credential is None:
        raise ApiError(401, "UNAUTHORIZED", "Unauthorized")
    return credential


def check_signature(credential: Credential, text: str, signature: str) -> None:
    """Raise ``ApiError`` unless ``signature`` (base64) belongs to ``text`` and this key."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != SIGNATURE_BYTES:
        raise invalid("Invalid X-Signature header")
    if not credential.signed(text.encode(), signature):
        raise bad_signature()


def seed_of(secret: str) -> bytes:
    """Return the seed that a secret holds; any other text is turned into one."""
    try:
        raw = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    # Some clients keep seed and public key together (backpack.md §3).
    if len(raw) in (SEED_BYTES, 2 * SEED_BYTES) and base64.b64encode(raw).decode() == secret:
        return raw[:SEED_BYTES]
    return hashlib.sha256(secret.encode()).digest()


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
