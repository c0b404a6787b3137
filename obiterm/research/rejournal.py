"""Step fresh kernels through a journal and compare what they decide, byte for byte (§3).

A run that journals its market events can be decided again on another machine: the same
events must give the same effects. A difference means that something other than events
decided, or that the program has changed since.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import msgspec

from obiterm.core.events import Event
from obiterm.core.values import TradingState
from obiterm.journal.log import Row, read_rows
from obiterm.trading.kernel import Kernel
from obiterm.trading.record import StartRecord, build_setup, journal_order

_encode = msgspec.msgpack.Encoder()
_read_start = msgspec.msgpack.Decoder(StartRecord)
_read_event = msgspec.msgpack.Decoder(tuple[int, Event])
_read_state = msgspec.msgpack.Decoder(tuple[int, TradingState])

_EFFECT_KINDS = frozenset({"effect", "intent"})


class ReplayCheck(msgspec.Struct, frozen=True):
    """What came of a replay.

    Attributes:
        rows: rows read.
        effects: effects that were equal.
        first_difference: the first row that differs, in words; empty when none does.
    """

    rows: int
    effects: int
    first_difference: str

    @property
    def is_same(self) -> bool:
        """Return whether every effect was decided again as it stands."""
        return not self.first_difference


class _Replica:
    """One account, decided again."""

    def __init__(self, record: StartRecord) -> None:
        self.kernel = Kernel(build_setup(record))
        self.whole = record.market_events
        self.due: deque[bytes] = deque()

    def take(self, row: Row) -> str:
        """Take one row; return how it differs, or nothing."""
        if row.kind in _EFFECT_KINDS:
            if not self.due:
                return f"{_show(row.payload)} was not decided again"
            expected = self.due.popleft()
            if expected != row.payload:
                return f"journal {_show(row.payload)}, replay {_show(expected)}"
            return ""
        if row.kind not in ("event", "state"):
            return ""
        if self.due:
            return f"the replay also decides {_show(self.due[0])}"
        if row.kind == "state":
            now_ns, state = _read_state.decode(row.payload)
            effects = self.kernel.force(state, now_ns)
        else:
            now_ns, event = _read_event.decode(row.payload)
            effects = self.kernel.step(event, now_ns)
        due = journal_order(effects)
        self.due.extend(_encode.encode((now_ns, effect)) for effect in due)
        return ""


def replay_journal(path: Path) -> ReplayCheck:
    """Decide every run of a journal again, from its start row.

    Decisions behind the last row are not asked for: a run that was killed may not have
    written them. Raises ``DataError`` for a journal that cannot be read.
    """
    replicas: dict[str, _Replica] = {}
    rows = effects = 0
    for row in read_rows(path):
        rows += 1
        if row.kind == "start":
            replica = _Replica(_read_start.decode(row.payload))
            if not replica.whole:
                return ReplayCheck(rows, effects, f"row {row.seq}: run without market events")
            replicas[row.account] = replica
            continue
        found = replicas.get(row.account)
        if found is None:
            continue
        difference = found.take(row)
        if difference:
            return ReplayCheck(rows, effects, f"row {row.seq} ({row.kind}): {difference}")
        effects += row.kind in _EFFECT_KINDS
    return ReplayCheck(rows, effects, "")


def _show(payload: bytes) -> str:
    _, effect = msgspec.msgpack.decode(payload)
    return str(effect)
