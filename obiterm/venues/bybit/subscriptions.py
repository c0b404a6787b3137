"""Subscriptions that are awaited, not assumed (bybit.md §7, T41, traps 17 and 21).

Whether the good topics of a refused request survive is not documented. So a refused request
of several topics is asked again one by one: a topic that did survive answers that it is
subscribed already, which is fine.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from obiterm.core.values import NS_PER_S
from obiterm.venues.bybit.socket_messages import ControlFrame, subscribe_frame

ACK_WITHIN_NS = 10 * NS_PER_S
_ALREADY = "already subscribed"


class _Request(msgspec.Struct):
    topics: list[str]
    sent_ns: int
    leave: bool


class Subscriptions:
    """The topics of one connection.

    Attributes:
        refused: topics that the venue does not give, with its words.
        active: topics that it confirmed.
    """

    def __init__(self, per_request: int) -> None:
        self.refused: dict[str, str] = {}
        self.active: set[str] = set()
        self._per_request = per_request
        self._pending: dict[str, _Request] = {}
        self._outbox: list[bytes] = []
        self._number = 0

    @property
    def is_settled(self) -> bool:
        """True when every request was answered."""
        return not self._pending

    def clear(self) -> None:
        """Forget everything: the connection is gone."""
        self.refused.clear()
        self.active.clear()
        self._pending.clear()
        self._outbox.clear()

    def ask(self, topics: Iterable[str], now_ns: int) -> None:
        """Subscribe, in requests of the size that the venue takes."""
        wanted = list(topics)
        for start in range(0, len(wanted), self._per_request):
            self._send(wanted[start : start + self._per_request], now_ns, leave=False)

    def renew(self, topic: str, now_ns: int) -> None:
        """Leave a topic and take it again: its stream begins with a new snapshot."""
        self.active.discard(topic)
        self._send([topic], now_ns, leave=True)
        self._send([topic], now_ns, leave=False)

    def is_pending(self, topic: str) -> bool:
        """True while a request for a topic is not answered."""
        return any(topic in request.topics for request in self._pending.values())

    def take(self, frame: ControlFrame) -> None:
        """Take one answer. The venue may leave out the request's id: then the oldest is meant."""
        leave = frame.op == "unsubscribe"
        request = self._pending.pop(frame.req_id or "", None)
        if request is None:
            if frame.req_id:
                return
            oldest = next((key for key, each in self._pending.items() if each.leave is leave), None)
            if oldest is None:
                return
            request = self._pending.pop(oldest)
        if request.leave:
            return
        if frame.is_good or _ALREADY in frame.words.lower():
            self.active.update(request.topics)
        elif len(request.topics) == 1:
            self.refused[request.topics[0]] = frame.words
        else:
            for topic in request.topics:
                self._send([topic], request.sent_ns, leave=False)

    def late(self, now_ns: int) -> str:
        """Return which request was not answered in time; empty when all is well."""
        for request in self._pending.values():
            if now_ns - request.sent_ns >= ACK_WITHIN_NS:
                return f"no answer to the subscription of {', '.join(request.topics[:3])}"
            break
        return ""

    def to_send(self) -> list[bytes]:
        """Return the frames to send, and forget them."""
        frames, self._outbox = self._outbox, []
        return frames

    def _send(self, topics: list[str], now_ns: int, *, leave: bool) -> None:
        self._number += 1
        request_id = f"s{self._number}"
        self._pending[request_id] = _Request(topics, now_ns, leave)
        self._outbox.append(subscribe_frame(topics, request_id, leave=leave))
