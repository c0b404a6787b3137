"""The panic line: a plain blocking socket that needs no event loop (R127).

The screen's input thread owns one, so that a kill leaves the process even while
the interface hangs; the shell commands use one to ask. The kernel takes the
bytes, so a busy host does not hold up the sender either.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from pathlib import Path

from obiterm.core.commands import EmergencyExit, HoldFire, Kill
from obiterm.core.errors import DataError, HostGone, UsageError
from obiterm.link.framing import MAX_TO_SCREEN_BYTES, Deframer, decode_to_screen, encode
from obiterm.link.messages import (
    PROTOCOL_VERSION,
    AskStatus,
    Closing,
    Done,
    Hello,
    Request,
    Status,
    ToHost,
    ToScreen,
)
from obiterm.link.sockets import dial

SEND_LIMIT_S = 0.2
"""Longest time that one try of ``send`` may take."""


class PanicLine:
    """A kept connection for panic commands. Thread-safe; no method raises."""

    def __init__(self, path: Path, client: str) -> None:
        self._path = path
        self._client = client
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._link: socket.socket | None = self._dial(SEND_LIMIT_S)

    @property
    def connected(self) -> bool:
        """True while a connection stands, as far as is known without sending."""
        return self._link is not None

    def send(self, command: Kill | EmergencyExit | HoldFire) -> bool:
        """Hand a command to the host; reconnect once if the line is dead.

        Returns:
            True when the whole command is in the host's socket. False means: use another
            way (signal, another shell, the venue itself).
        """
        data = encode(Request(next(self._ids), command))
        with self._lock:
            if self._link is not None and self._try(data):
                return True
            self._drop()
            self._link = self._dial(SEND_LIMIT_S)
            return self._link is not None and self._try(data)

    def ask(self, message: ToHost, timeout_s: float) -> ToScreen | None:
        """Send one message over a connection of its own and wait for its answer.

        Returns:
            ``Done`` for a ``Request`` (same id), ``Status`` for ``AskStatus``, ``Closing`` when
            the host refuses, ``None`` when no answer came within ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        link = self._dial(timeout_s)
        if link is None:
            return None
        with contextlib.closing(link):
            try:
                link.sendall(encode(message))
                return _await_answer(link, message, deadline)
            except (OSError, DataError):
                return None

    def close(self) -> None:
        """Close the line."""
        with self._lock:
            self._drop()

    def _dial(self, timeout_s: float) -> socket.socket | None:
        try:
            link = dial(self._path, timeout_s)
        except (HostGone, UsageError, OSError):
            return None
        try:
            link.settimeout(timeout_s)
            link.sendall(encode(Hello(PROTOCOL_VERSION, "panic", self._client)))
        except OSError:
            link.close()
            return None
        return link

    def _try(self, data: bytes) -> bool:
        link = self._link
        if link is None:
            return False
        try:
            if not _drain(link):
                return False
            link.settimeout(SEND_LIMIT_S)
            link.sendall(data)
        except OSError:
            return False
        return True

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


def _drain(link: socket.socket) -> bool:
    """Throw away what the host said; return False when it has closed."""
    link.setblocking(False)
    try:
        while link.recv(65_536):
            pass
    except BlockingIOError:
        return True
    return False


def _await_answer(link: socket.socket, message: ToHost, deadline: float) -> ToScreen | None:
    deframer = Deframer(MAX_TO_SCREEN_BYTES)
    while (left_s := deadline - time.monotonic()) > 0:
        link.settimeout(left_s)
        data = link.recv(65_536)
        if not data:
            return None
        deframer.feed(data)
        while (payload := deframer.next()) is not None:
            answer = decode_to_screen(payload)
            if _answers(answer, message):
                return answer
    return None


def _answers(answer: ToScreen, message: ToHost) -> bool:
    if isinstance(answer, Closing):
        return True
    if isinstance(message, AskStatus):
        return isinstance(answer, Status)
    if isinstance(message, Request):
        return isinstance(answer, Done) and answer.request_id == message.request_id
    return False
