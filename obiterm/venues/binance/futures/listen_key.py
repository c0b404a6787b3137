"""Life of the key of the user data stream (binance.md §11.3).

A key lives 60 minutes and is extended every 25. Its end is told at best by
``listenKeyExpired``; else the socket stays open with nothing in it. One key per account:
asking for one while it lives gives the same key, ending it ends it for every process.
"""

from __future__ import annotations

from enum import Enum
from urllib.parse import quote

from obiterm.core.values import NS_PER_S
from obiterm.venues.binance.futures.errors import NO_LISTEN_KEY

LIFE_NS = 60 * 60 * NS_PER_S
EXTEND_EVERY_NS = 25 * 60 * NS_PER_S
_TRY_AGAIN_NS = 30 * NS_PER_S
_MAKE_AGAIN_NS = 2 * NS_PER_S
"""Without a key nothing is heard: the next try comes soon."""


class KeyStep(Enum):
    """What the holder of a key has to send now."""

    CREATE = "POST"
    EXTEND = "PUT"


class ListenKey:
    """The key of one account. ``now_ns`` is any clock of ours that never steps back.

    Attributes:
        must_reconnect: why the private connection must be opened anew, with the key as it
            is then; else empty. Whoever does so clears it.
    """

    __slots__ = ("_dies_ns", "_due_ns", "_key", "must_reconnect")

    def __init__(self) -> None:
        self.must_reconnect = ""
        self._key = ""
        self._due_ns = 0
        self._dies_ns = 0

    def __repr__(self) -> str:
        return f"ListenKey({'live' if self._key else 'none'})"

    @property
    def is_live(self) -> bool:
        """True while there is a key to connect with."""
        return bool(self._key)

    def connect_path(self) -> str:
        """Return path and query to open below the private address: all events of the account."""
        return "/ws?listenKey=" + quote(self._key, safe="")

    def due(self, now_ns: int) -> KeyStep | None:
        """Return what must be sent now, None when nothing. What fails is due again."""
        if self._key and now_ns >= self._dies_ns:
            self.expired()
        if now_ns < self._due_ns:
            return None
        self._due_ns = now_ns + (_TRY_AGAIN_NS if self._key else _MAKE_AGAIN_NS)
        return KeyStep.EXTEND if self._key else KeyStep.CREATE

    def created(self, key: str, now_ns: int) -> None:
        """Take the key of a POST; the live one comes back with its life extended."""
        if not key:
            return
        if self._key and key != self._key:
            self.must_reconnect = "the venue gave a new listen key"
        self._key = key
        self._extend(now_ns)

    def extended(self, now_ns: int) -> None:
        """Take the answer to a PUT."""
        if self._key:
            self._extend(now_ns)

    def refused(self, code: int) -> None:
        """Take a failed PUT: for ``-1125`` a new key is due at once."""
        if code == NO_LISTEN_KEY:
            self.expired()

    def expired(self) -> None:
        """Take the end of the key."""
        if self._key:
            self.must_reconnect = "the listen key expired"
        self._key = ""
        self._due_ns = 0

    def _extend(self, now_ns: int) -> None:
        self._due_ns = now_ns + EXTEND_EVERY_NS
        self._dies_ns = now_ns + LIFE_NS
