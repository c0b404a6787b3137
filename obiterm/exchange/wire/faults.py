"""Faults that a test asks for: what a venue does on a bad day.

Each fault names what it hits (``match``, a shell pattern over operation names,
REST routes and stream names), how often (``count``, 0 = until cleared) and for
how long it stays in force (``for_ms``, 0 = without a limit).
"""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from obiterm.core.values import NS_PER_MS

FOREVER_MS = 60_000


class FaultKind(Enum):
    """What goes wrong."""

    DELAY = "delay"
    """The request waits ``ms`` before it acts, or its answer does (``when`` = "reply")."""
    DROP_REPLY = "drop_reply"
    """The request acts; nobody is told."""
    STATUS = "status"
    """The request is answered with ``status``; it acts all the same when ``executed``."""
    CUT = "cut"
    """Sockets of a class (``match``: market, user, ws_api, all) are cut, now."""
    SILENCE = "silence"
    """Matching streams stay connected and say nothing (``market``, ``user`` or a pattern)."""
    GAP = "gap"
    """The next ``count`` depth messages are lost."""
    REORDER = "reorder"
    """The next two depth messages change places."""
    DUPLICATE = "duplicate"
    """The next ``count`` matching messages come twice."""
    LOSE = "lose"
    """The next ``count`` matching messages never come; the connection goes on."""
    LAG = "lag"
    """Matching messages come ``ms`` late, in order, as on a path that is jammed."""
    STALL = "stall"
    """Sockets of a class are half-open for ``ms``, from now: no data, no pong, nothing read."""
    REFUSE = "refuse"
    """New requests and connections are cut (``match``: all, rest, socket or a path)."""
    CLOCK_OFFSET = "clock_offset_ms"
    """The exchange's clock is ``ms`` ahead (negative: behind)."""


class FaultRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``POST /_exchange/faults`` takes."""

    kind: FaultKind
    match: str = "*"
    ms: int = 0
    for_ms: int = 0
    count: int | None = None
    status: int = 0
    code: int | None = None
    msg: str = ""
    executed: bool = False
    when: str = "before"


class Fault(msgspec.Struct):
    """A fault that is in force."""

    fault_id: int
    request: FaultRequest
    left: int
    """Times it still acts; -1 = without end."""
    until_ns: int
    """When it ends by itself; -1 = never."""

    def describe(self) -> dict[str, object]:
        """Return the fault as ``GET /_exchange/faults`` tells it."""
        shown: dict[str, object] = msgspec.to_builtins(self.request)
        return shown | {"id": self.fault_id, "left": self.left}


class Passage(NamedTuple):
    """What becomes of one message of a stream."""

    copies: int = 1
    late_s: float = 0.0


PLAIN = Passage()
LOST = Passage(copies=0)

_MOMENTS = frozenset({FaultKind.CUT, FaultKind.STALL})
"""What is done to connections at once and is not kept."""
_ONCE = (
    FaultKind.DELAY,
    FaultKind.DROP_REPLY,
    FaultKind.STATUS,
    FaultKind.GAP,
    FaultKind.DUPLICATE,
    FaultKind.REORDER,
    FaultKind.LOSE,
)
_DEFAULT_COUNT = dict.fromkeys(_ONCE, 1)


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self.clock_offset_ns = 0
        self._next_id = 1

    def add(self, request: FaultRequest, now_ns: int) -> Fault:
        """Put a fault in force and return it. Cuts and stalls are the caller's to perform."""
        count = request.count
        if count is None:
            count = 0 if request.for_ms else _DEFAULT_COUNT.get(request.kind, 0)
        lasts_ms = request.for_ms
        if request.kind is FaultKind.SILENCE:
            lasts_ms = lasts_ms or request.ms
        fault = Fault(
            fault_id=self._next_id,
            request=request,
            left=count or -1,
            until_ns=now_ns + lasts_ms * NS_PER_MS if lasts_ms else -1,
        )
        self._next_id += 1
        if request.kind is FaultKind.CLOCK_OFFSET:
            self.clock_offset_ns = request.ms * NS_PER_MS
            self.active = [
                other for other in self.active if other.request.kind is not FaultKind.CLOCK_OFFSET
            ]
        if request.kind not in _MOMENTS:
            self.active = [one for one in self.active if not _is_over(one, now_ns)]
            self.active.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> None:
        """End one fault, or all of them."""
        self.active = [
            fault for fault in self.active if fault_id is not None and fault.fault_id != fault_id
        ]
        if not any(fault.request.kind is FaultKind.CLOCK_OFFSET for fault in self.active):
            self.clock_offset_ns = 0

    def take(self, kind: FaultKind, labels: tuple[str, ...], now_ns: int) -> FaultRequest | None:
        """Return a fault of this kind that hits any of ``labels``, and count it."""
        if not self.active:
            return None
        for fault in self.active:
            if fault.request.kind is kind and _hits(fault, labels, now_ns):
                if fault.left > 0:
                    fault.left -= 1
                    if fault.left == 0:
                        self.active.remove(fault)
                return fault.request
        return None

    def passage(self, labels: tuple[str, ...], now_ns: int) -> Passage:
        """Return what becomes of one message that has ``labels``, and count what hits it."""
        if not self.active:
            return PLAIN
        if self.silent(labels, now_ns) or self.take(FaultKind.LOSE, labels, now_ns):
            return LOST
        late = self.take(FaultKind.LAG, labels, now_ns)
        twice = self.take(FaultKind.DUPLICATE, labels, now_ns)
        return Passage(2 if twice else 1, late.ms / 1000 if late is not None else 0.0)

    def silent(self, labels: tuple[str, ...], now_ns: int) -> bool:
        """Tell whether a silence covers any of ``labels``."""
        if not self.active:
            return False
        return any(
            fault.request.kind is FaultKind.SILENCE and _hits(fault, labels, now_ns)
            for fault in self.active
        )


def _is_over(fault: Fault, now_ns: int) -> bool:
    return 0 <= fault.until_ns <= now_ns


def _hits(fault: Fault, labels: tuple[str, ...], now_ns: int) -> bool:
    if _is_over(fault, now_ns):
        return False
    pattern = fault.request.match
    return any(fnmatchcase(label, pattern) for label in labels)
