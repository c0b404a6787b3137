"""Who listens to which market stream, and the faults on the way there."""

from __future__ import annotations

import time
from collections.abc import Callable

from obiterm.exchange.wire.faults import FaultKind, Faults
from obiterm.exchange.wire.sockets import Outbox


class Listener:
    """One market connection: where its messages go.

    ``combined``: they are wrapped as ``{"stream": …, "data": …}``.
    """

    def __init__(self, outbox: Outbox, *, combined: bool) -> None:
        self.outbox = outbox
        self.combined = combined
        self.streams: dict[str, None] = {}


class Hub:
    """Passes each stream's messages to its listeners.

    ``is_book`` tells the streams that the faults ``gap`` and ``reorder`` hit.
    """

    def __init__(
        self,
        faults: Faults,
        on_subscribed: Callable[[str], None],
        is_book: Callable[[str], bool],
    ) -> None:
        self._faults = faults
        self._on_subscribed = on_subscribed
        self._is_book = is_book
        self._listeners: dict[str, dict[Listener, None]] = {}
        self._held: dict[str, bytes] = {}
        self.everyone: dict[Listener, None] = {}

    def join(self, listener: Listener) -> None:
        """Note a new connection."""
        self.everyone[listener] = None

    def leave(self, listener: Listener) -> None:
        """Forget a connection and what it listened to."""
        self.everyone.pop(listener, None)
        for stream in list(listener.streams):
            self.unsubscribe(listener, stream)

    def subscribe(self, listener: Listener, stream: str) -> None:
        """Let a connection hear a stream. A name that nothing feeds stays silent."""
        listener.streams[stream] = None
        self._listeners.setdefault(stream, {})[listener] = None
        self._on_subscribed(stream)

    def unsubscribe(self, listener: Listener, stream: str) -> None:
        """End one subscription."""
        listener.streams.pop(stream, None)
        listeners = self._listeners.get(stream)
        if listeners is not None:
            listeners.pop(listener, None)
            if not listeners:
                del self._listeners[stream]

    def wanted(self, stream: str) -> bool:
        """Tell whether anybody listens."""
        return stream in self._listeners

    def streams(self, prefix: str) -> list[str]:
        """Return the names with listeners that begin with ``prefix``."""
        return [name for name in self._listeners if name.startswith(prefix)]

    def publish(
        self, stream: str, data: bytes, *, shown: str = "", labels: tuple[str, ...] = ()
    ) -> None:
        """Send one message of a stream, unless a fault has other plans.

        ``shown`` is the name in the wrapping where it is not the stream's own; ``labels``
        are the names by which faults may hit it, else the stream's and ``market``.
        """
        if stream not in self._listeners:
            return
        shown = shown or stream
        if not self._faults.active and not self._held:
            self._deliver(stream, data, shown)
            return
        now_ns = time.time_ns()
        labels = labels or (stream, "market")
        copies, late_s = self._faults.passage(labels, now_ns)
        if not copies:
            return
        if self._is_book(stream):
            self._deliver_book(stream, data, now_ns, late_s)
        else:
            self._deliver(stream, data, shown, late_s)
        if copies > 1:
            self._deliver(stream, data, shown, late_s)

    def _deliver_book(self, stream: str, data: bytes, now_ns: int, late_s: float) -> None:
        if self._faults.take(FaultKind.GAP, (stream,), now_ns) is not None:
            return
        held = self._held.pop(stream, None)
        if held is None and self._faults.take(FaultKind.REORDER, (stream,), now_ns) is not None:
            self._held[stream] = data
            return
        self._deliver(stream, data, stream, late_s)
        if held is not None:
            self._deliver(stream, held, stream, late_s)

    def _deliver(self, stream: str, data: bytes, shown: str, late_s: float = 0.0) -> None:
        wrapped = b""
        for listener in list(self._listeners.get(stream, ())):
            if not listener.combined:
                listener.outbox.send(data, late_s)
                continue
            if not wrapped:
                wrapped = b'{"stream":"' + shown.encode() + b'","data":' + data + b"}"
            listener.outbox.send(wrapped, late_s)
