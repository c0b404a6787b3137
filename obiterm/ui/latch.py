"""Panic keys as a pure state machine, fed from the input thread (design/TUI.md §5).

Two gestures. *Kill*: a hold key (F9, Ctrl+backslash) holds fire at once; a hold
key again within 1.5 s kills. *Flatten*: a lead key (F12, Ctrl+backslash), then
``x`` as the very next key within 3 s, flattens. A held key repeats itself: it can
reach Kill (biased to safe) but never Flatten, which needs a second key.

The machine reads no clock and does no input or output; ``ui/driver.py`` feeds it
and writes what it returns to the host before the event loop sees anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from obiterm.core.commands import ALL_ACCOUNTS, EmergencyExit, HoldFire, Kill
from obiterm.core.values import NS_PER_MS

PanicCommand = HoldFire | Kill | EmergencyExit

KILL_WINDOW_NS = 1_500 * NS_PER_MS
"""Longest time between the two taps of a kill."""

FLATTEN_WINDOW_NS = 3_000 * NS_PER_MS
"""Longest time between the lead key and ``x``."""

REPEAT_NS = 250 * NS_PER_MS
"""A held or hammered key sends the same panic command at most this often."""

FLATTEN_KEYS = frozenset({"x", "X"})
"""Second key of a flatten; capital too, because caps lock must not stop an exit."""

DEFAULT_HOLD_KEYS = frozenset({"f9", "ctrl+backslash"})
DEFAULT_LEAD_KEYS = frozenset({"f12", "ctrl+backslash"})


class Stage(Enum):
    """What the operator should be told after a key."""

    IDLE = "idle"
    HELD = "held"
    """Fire is held; the next hold key kills."""
    LEAD = "lead"
    """The next ``x`` flattens."""
    CLOSED = "closed"
    """Another key closed the flatten window."""
    KILLED = "killed"
    FLATTENED = "flattened"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Answer of the latch to one key.

    Attributes:
        command: what to write to the host now; None = nothing.
        swallow: True when the key must not reach any widget.
        stage: what the screen should show; ``IDLE`` = nothing.
        opens_flatten: True when ``x`` as the next key would flatten.
    """

    command: PanicCommand | None = None
    swallow: bool = False
    stage: Stage = Stage.IDLE
    opens_flatten: bool = False


_PASS = Verdict()
_CLOSED = Verdict(stage=Stage.CLOSED)


class PanicLatch:
    """Turn a stream of keys into panic commands.

    Not thread-safe: one thread feeds it. Times are monotonic nanoseconds.
    """

    def __init__(
        self,
        hold_keys: frozenset[str] = DEFAULT_HOLD_KEYS,
        lead_keys: frozenset[str] = DEFAULT_LEAD_KEYS,
    ) -> None:
        self.hold_keys = hold_keys
        self.lead_keys = lead_keys
        self._held_ns: int | None = None
        self._lead_ns: int | None = None
        self._sent_ns: dict[type[PanicCommand], int] = {}

    def feed(self, key: str, now_ns: int) -> Verdict:
        """Take the next key and say what it means.

        Any key that is not a panic key closes an open flatten window, so that
        F12 pressed by mistake and then a word with an ``x`` in it does nothing.
        """
        if key in FLATTEN_KEYS and self._within(self._lead_ns, now_ns, FLATTEN_WINDOW_NS):
            return self._flatten(now_ns)
        holds, leads = key in self.hold_keys, key in self.lead_keys
        if not holds and not leads:
            open_ = self._within(self._lead_ns, now_ns, FLATTEN_WINDOW_NS)
            self._lead_ns = None
            return _CLOSED if open_ else _PASS
        self._lead_ns = now_ns if leads else None
        if not holds:
            return Verdict(swallow=True, stage=Stage.LEAD, opens_flatten=True)
        return self._hold(now_ns, leads)

    def undelivered(self, command: PanicCommand) -> None:
        """Take note that a command did not reach the host: the next tap sends it again."""
        self._sent_ns.pop(type(command), None)

    def _hold(self, now_ns: int, leads: bool) -> Verdict:
        second = self._within(self._held_ns, now_ns, KILL_WINDOW_NS)
        self._held_ns = now_ns
        if not second:
            self._sent_ns.pop(Kill, None)
            return Verdict(HoldFire(ALL_ACCOUNTS), True, Stage.HELD, leads)
        command = Kill(ALL_ACCOUNTS) if self._may_send(Kill, now_ns) else None
        return Verdict(command, True, Stage.KILLED, leads)

    def _flatten(self, now_ns: int) -> Verdict:
        """Flatten; the window stays open so that a held ``x`` is never typed."""
        self._lead_ns = now_ns
        send = self._may_send(EmergencyExit, now_ns)
        command = EmergencyExit(ALL_ACCOUNTS) if send else None
        return Verdict(command, True, Stage.FLATTENED, True)

    def _may_send(self, kind: type[PanicCommand], now_ns: int) -> bool:
        if self._within(self._sent_ns.get(kind), now_ns, REPEAT_NS - 1):
            return False
        self._sent_ns[kind] = now_ns
        return True

    @staticmethod
    def _within(since_ns: int | None, now_ns: int, window_ns: int) -> bool:
        return since_ns is not None and now_ns - since_ns <= window_ns
