"""One accepted connection: reads in order with panic first, writes without waiting."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Protocol, cast

from obiterm.core.errors import DataError, HostGone
from obiterm.link.framing import MAX_TO_HOST_BYTES, Deframer, decode_to_host, is_panic
from obiterm.link.messages import (
    PROTOCOL_VERSION,
    Closing,
    Done,
    Frame,
    Hello,
    History,
    LeaseChanged,
    LogLines,
    Request,
    ToHost,
    ToScreen,
    Watch,
)
from obiterm.link.outbox import Outbox
from obiterm.link.sockets import check_peer

ROLES = frozenset({"screen", "watch", "panic", "status"})
HELLO_WITHIN_S = 5.0
"""A connection that does not say Hello in this time is closed."""
CLOSE_WITHIN_S = 0.5
"""Time for the last words to leave before the connection is cut."""
SEND_BUFFER_BYTES = 64 * 1024
"""Kernel buffer per viewer: small, so that a slow reader gets fresh frames, not old ones."""

_LOG = logging.getLogger("obiterm.link")


class LinkHandler(Protocol):
    """What the host does with viewers. All calls come on the server's event loop."""

    def joined(self, viewer: Viewer) -> None:
        """Greet a viewer after its valid Hello: post ``Welcome``, whatever its role."""
        ...

    def received(self, viewer: Viewer, message: ToHost) -> None:
        """Take one message. Panic requests come before others of the same read."""
        ...

    def left(self, viewer: Viewer) -> None:
        """Forget a viewer; called once for each one that joined."""
        ...


class Owner(Protocol):
    """What a connection needs of its server."""

    handler: LinkHandler
    own_uid: int
    max_queue_bytes: int

    def admit(self, viewer: Viewer) -> str:
        """Take a viewer in; return the reason when there is no room."""
        ...

    def forget(self, connection: Connection) -> None:
        """Forget an ended connection."""
        ...


class Viewer:
    """One connected screen, watcher or shell.

    Attributes:
        role: ``screen``, ``watch``, ``panic`` or ``status``.
        client: who it says it is, for the log.
        has_lease: whether it holds control; the host sets it.
        watch: what its frames show; empty symbol = the host's choice.
    """

    def __init__(self, connection: Connection, hello: Hello) -> None:
        self._connection = connection
        self.role = hello.role
        self.client = hello.client
        self.has_lease = False
        self.watch = Watch(venue="", symbol="")

    @property
    def wants_frames(self) -> bool:
        """True for roles that paint."""
        return self.role in ("screen", "watch")

    @property
    def frames_skipped(self) -> int:
        """Frames that this viewer was too slow for."""
        return self._connection.outbox.frames_skipped

    def post(self, message: ToScreen) -> None:
        """Send or queue a message; never wait, never raise.

        ``Frame``: the newest wins. Other kinds: in order, bounded by bytes; a viewer
        whose queue overflows is cut off. Shells (``panic``, ``status``) get answers only.
        """
        if not self.wants_frames and isinstance(message, Frame | LogLines | History | LeaseChanged):
            return
        self._connection.post(message)

    def close(self, reason: str) -> None:
        """Say why and end the connection."""
        self._connection.end(reason)


class Connection(asyncio.Protocol):
    """The server's side of one socket."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._deframer = Deframer(MAX_TO_HOST_BYTES)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._viewer: Viewer | None = None
        self._paused = False
        self._ending = False
        self.outbox = Outbox(owner.max_queue_bytes)

    # -- asyncio calls these -----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check who connects; wait for Hello."""
        transport = cast(asyncio.Transport, transport)  # a stream's; uvloop's has no such base
        self._transport = transport
        transport.set_write_buffer_limits(high=0)
        link = transport.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._set_timer(HELLO_WITHIN_S, lambda: self.end("no Hello came"))
        try:
            check_peer(link, self._owner.own_uid)
        except HostGone as error:
            self.end(error.message)

    def data_received(self, data: bytes) -> None:
        """Hand over what was read: panic requests first, then the rest in order."""
        if self._ending:
            return
        self._deframer.feed(data)
        messages: list[ToHost] = []
        damage = ""
        try:
            while (payload := self._deframer.next()) is not None:
                messages.append(decode_to_host(payload))
        except DataError as error:
            damage = error.message
        if self._viewer is None and messages:
            self._greet(messages.pop(0))
        if self._viewer is not None:
            messages.sort(key=lambda message: not is_panic(message))
            for message in messages:
                self._hand_over(self._viewer, message)
        if damage:
            self.end(f"{damage}; this host speaks protocol version {PROTOCOL_VERSION}")

    def pause_writing(self) -> None:
        """Note that the socket is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """Write on: the socket took what it had."""
        self._paused = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the host that the viewer left."""
        self._ending = True
        self._cancel_timer()
        self.outbox.clear()
        self._owner.forget(self)
        viewer, self._viewer = self._viewer, None
        if viewer is not None:
            try:
                self._owner.handler.left(viewer)
            except Exception:
                _LOG.exception("leaving of %s failed in the host", viewer.client)

    # -- the server and the viewer call these ------------------------------------

    @property
    def viewer(self) -> Viewer | None:
        """The viewer behind this connection; ``None`` before Hello and after the end."""
        return self._viewer

    def post(self, message: ToScreen) -> None:
        """Queue a message and write what the socket takes."""
        if self._ending:
            return
        if self.outbox.put(message):
            self._flush()
            return
        who = self._viewer.client if self._viewer is not None else "a viewer"
        _LOG.warning("%s does not read; its queue is full and it is cut off", who)
        self.abort()

    def end(self, reason: str) -> None:
        """Say why; the other end then closes, or is cut off after ``CLOSE_WITHIN_S``.

        Our half is closed only: closing with bytes unread would reset the connection, and the
        other end could lose the reason.
        """
        if self._ending or self._transport is None:
            return
        self._ending = True
        self.outbox.put(Closing(reason))
        while (data := self.outbox.take()) is not None:
            self._transport.write(data)
        self._transport.write_eof()
        self._set_timer(CLOSE_WITHIN_S, self.abort)

    def abort(self) -> None:
        """Cut the connection now."""
        self._ending = True
        self.outbox.clear()
        if self._transport is not None:
            self._transport.abort()

    # -- inside ------------------------------------------------------------------

    def _greet(self, message: ToHost) -> None:
        refusal = _refusal(message)
        if refusal or not isinstance(message, Hello):
            self.end(refusal)
            return
        viewer = Viewer(self, message)
        no_room = self._owner.admit(viewer)
        if no_room:
            self.end(no_room)
            return
        self._cancel_timer()
        self._viewer = viewer
        try:
            self._owner.handler.joined(viewer)
        except Exception as error:
            _LOG.exception("greeting %s failed in the host", viewer.client)
            self.end(f"the host failed to greet: {type(error).__name__}: {error}")

    def _hand_over(self, viewer: Viewer, message: ToHost) -> None:
        if self._ending:
            return
        if isinstance(message, Hello):
            self.end("Hello comes once")
            return
        if isinstance(message, Watch):
            viewer.watch = message
        try:
            self._owner.handler.received(viewer, message)
        except Exception as error:
            _LOG.exception("%s of %s failed in the host", type(message).__name__, viewer.client)
            if isinstance(message, Request):
                text = f"the host failed: {type(error).__name__}: {error}"
                self.post(Done(message.request_id, ok=False, text=text))

    def _flush(self) -> None:
        if self._transport is None:
            return
        while not self._paused and (data := self.outbox.take()) is not None:
            self._transport.write(data)

    def _set_timer(self, delay_s: float, action: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(delay_s, action)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _refusal(message: ToHost) -> str:
    if not isinstance(message, Hello):
        return f"the first message must be Hello, not {type(message).__name__}"
    if message.version != PROTOCOL_VERSION:
        return (
            f"protocol version {message.version} is not spoken here; this host "
            f"(pid {os.getpid()}) speaks version {PROTOCOL_VERSION}"
        )
    if message.role not in ROLES:
        return f"unknown role {message.role!r}; known: {', '.join(sorted(ROLES))}"
    return ""
