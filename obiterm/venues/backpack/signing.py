"""Ed25519 signatures of Backpack (backpack.md §3).

The signature covers an instruction's name, the parameters in ASCII order of their names,
the time and the window; neither path nor method. Values are signed as they stand in the
body or query before any encoding: ``100%`` keeps its percent sign (V6).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from nacl.signing import SigningKey

from obiterm.core.errors import ConfigError

Value = str | int | bool
"""What a parameter may be. Decimals are text, so that body and signature cannot differ."""

DEFAULT_WINDOW_MS = 5000
MAX_WINDOW_MS = 60_000

_SEED_BYTES = 32
_SEED_AND_KEY_BYTES = 64
_SEED_FORMS = "an Ed25519 seed: 44 base64 characters (or 88 with the public key behind it)"
_SUBSCRIBE = "subscribe"


class Credentials:
    """An API key that can sign. The secret is kept out of ``repr`` and of errors.

    Attributes:
        api_key: base64 of the public key, sent with every signed request.
        window_ms: how long a signed request is good for.

    Raises ``ConfigError`` for a damaged secret, one that does not belong to ``api_key``,
    or a window above 60 s.
    """

    __slots__ = ("_key", "_key_header", "_window_header", "api_key", "window_ms")

    def __init__(self, api_key: str, secret: str, *, window_ms: int = DEFAULT_WINDOW_MS) -> None:
        if not api_key:
            raise ConfigError("api_key", api_key, "the key's public text")
        if not 0 < window_ms <= MAX_WINDOW_MS:
            raise ConfigError("window_ms", window_ms, f"1 to {MAX_WINDOW_MS} ms")
        self._key = SigningKey(_seed(secret))
        public = base64.b64encode(bytes(self._key.verify_key)).decode("ascii")
        self.api_key = api_key.strip()
        if self.api_key != public:
            raise ConfigError(
                "api_secret", "(hidden)", "the secret of this api_key: its public key differs"
            )
        self.window_ms = window_ms
        self._key_header = (b"X-API-Key", self.api_key.encode())
        self._window_header = (b"X-Window", str(window_ms).encode())

    def __repr__(self) -> str:
        return f"Credentials(api_key={self.api_key[:4]!r}…)"

    def signature(self, text: str) -> str:
        """Sign ``text``; return standard base64, 88 characters."""
        return base64.b64encode(self._key.sign(text.encode()).signature).decode("ascii")

    def headers(
        self, instruction: str, params: Mapping[str, Value], now_ms: int
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers of a signed call; ``now_ms`` is the venue's time in Unix ms."""
        return self._headers(signed_text(instruction, params), now_ms)

    def batch_headers(
        self, instruction: str, batch: Sequence[Mapping[str, Value]], now_ms: int
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers of a call whose body is an array of parameters."""
        return self._headers("&".join(signed_text(instruction, one) for one in batch), now_ms)

    def subscription(self, now_ms: int) -> list[str]:
        """Return the ``signature`` field of a private subscription: key, signature, time, window.

        Stream names are not signed: one signature serves several streams.
        """
        text = self._timed(f"instruction={_SUBSCRIBE}", now_ms)
        return [self.api_key, self.signature(text), str(now_ms), str(self.window_ms)]

    def _headers(self, text: str, now_ms: int) -> list[tuple[bytes, bytes]]:
        signature = self.signature(self._timed(text, now_ms))
        return [
            self._key_header,
            (b"X-Timestamp", str(now_ms).encode()),
            self._window_header,
            (b"X-Signature", signature.encode()),
        ]

    def _timed(self, text: str, now_ms: int) -> str:
        return f"{text}&timestamp={now_ms}&window={self.window_ms}"


def signed_text(instruction: str, params: Mapping[str, Value]) -> str:
    """Return what is signed of one instruction, without time and window."""
    pairs = "".join([f"&{name}={spell(params[name])}" for name in sorted(params)])
    return f"instruction={instruction}{pairs}"


def spell(value: Value) -> str:
    """Return a value as the venue spells it in signatures and queries: ``true``, not ``True``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _seed(secret: str) -> bytes:
    """Read the seed; never repeats the text in an error."""
    if not secret:
        raise ConfigError("api_secret", "", "the key's secret")
    try:
        seed = base64.b64decode(secret.strip(), validate=True)
    except (ValueError, binascii.Error):
        seed = b""
    if len(seed) == _SEED_AND_KEY_BYTES:
        seed = seed[:_SEED_BYTES]
    if len(seed) != _SEED_BYTES:
        raise ConfigError("api_secret", "(hidden)", _SEED_FORMS)
    return seed
