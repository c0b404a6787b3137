"""The logon of a private or trade socket (bybit.md §2, §7)."""

from __future__ import annotations

from obiterm.core.errors import AccountStopped
from obiterm.core.values import NS_PER_S
from obiterm.venues.bybit.errors import CLOCK_CODE, KEY_CODE, SIGN_CODE, classify, hint_for
from obiterm.venues.bybit.signing import Credentials
from obiterm.venues.bybit.socket_messages import ControlFrame, auth_frame
from obiterm.venues.common.refusals import Verdict

_ANSWER_WITHIN_NS = 10 * NS_PER_S
_HTTP_OK = 200
_TRIES = 3
"""Refusals without a code after which the account stops: no loop with a bad key."""
_REPEATED = 20001
"""The socket is logged on already."""
_EXPIRED = "params error"
"""Words of a private socket for a signature that came too late: our clock or a slow link."""
_SAID = (("api key", KEY_CODE), ("apikey", KEY_CODE), ("error sign", SIGN_CODE))
"""Private sockets may refuse in words alone: the codes that the words stand for."""


class Logon:
    """Where one connection stands on its way to being trusted.

    Attributes:
        wants_topics: True once when the logon was answered: subscribe, then clear it.
        stopped: set when the key is refused.
        clock_suspect: set when the venue refused our time.
        done: True while this connection is logged on.
    """

    def __init__(self, credentials: Credentials) -> None:
        self.wants_topics = False
        self.stopped: AccountStopped | None = None
        self.clock_suspect = False
        self.done = False
        self._credentials = credentials
        self._sent_ns: int | None = None
        self._refusals = 0

    def frame(self, now_ms: int, now_ns: int) -> bytes:
        """Return the logon of a new connection; ``now_ms`` is the venue's time."""
        self.wants_topics = False
        self.done = False
        self._sent_ns = now_ns
        return auth_frame(self._credentials, now_ms)

    def take(self, frame: ControlFrame) -> str:
        """Take the answer; return why the connection must be replaced, or nothing."""
        self._sent_ns = None
        if frame.is_good or frame.code == _REPEATED:
            self.wants_topics = True
            self.done = True
            self._refusals = 0
            return ""
        words = frame.words or "the venue gave no reason"
        code = frame.code or next((c for said, c in _SAID if said in words.lower()), 0)
        self._refusals += 1
        is_late = code == CLOCK_CODE or _EXPIRED in words.lower()
        self.clock_suspect = self.clock_suspect or is_late
        is_fatal = bool(code) and classify(_HTTP_OK, code, words) is Verdict.STOP
        if is_fatal or (self._refusals >= _TRIES and not is_late):
            hint = hint_for(code, words)
            self.stopped = self.stopped or AccountStopped(str(code or "auth"), words, hint=hint)
        return f"logon: {code or ''} {words}".replace("  ", " ")

    def late(self, now_ns: int) -> str:
        """Return why the connection must be replaced when no answer came; else nothing."""
        if self._sent_ns is None or now_ns - self._sent_ns < _ANSWER_WITHIN_NS:
            return ""
        return "no answer to the logon"

    def lost(self) -> None:
        """Note that the connection is gone."""
        self.done = False
        self.wants_topics = False
        self._sent_ns = None
