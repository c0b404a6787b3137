"""A host made of a Unix socket and a thread: speaks the link's messages, trades nothing.

It runs outside the event loop of the app under test, so that what arrives and when is
true also while that loop is blocked. ``python -m tests.ui_support.fake_host SOCKET``
serves a made-up market until it is interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from obiterm.core.commands import ALL_ACCOUNTS, AnyCommand, EmergencyExit, HoldFire, Kill, Rearm
from obiterm.core.effects import Verb
from obiterm.core.values import Environment, TradingState
from obiterm.link.framing import MAX_TO_HOST_BYTES, Deframer, decode_to_host, encode
from obiterm.link.messages import (
    PROTOCOL_VERSION,
    Closing,
    Done,
    Frame,
    Hello,
    History,
    LeaseChanged,
    Leave,
    LogLine,
    LogLines,
    PanicAccount,
    PanicPane,
    Request,
    TakeLease,
    ToHost,
    ToScreen,
    Watch,
    Welcome,
)
from tests.ui_support.market import ACCOUNTS, INFOS, MadeUpMarket

Kind = TypeVar("Kind")


@dataclass
class Received:
    """One message that reached the host."""

    at_ns: int
    role: str
    message: ToHost


@dataclass
class _Peer:
    link: socket.socket
    role: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: ToScreen) -> None:
        with contextlib.suppress(OSError), self.lock:
            self.link.sendall(encode(message))


class FakeHost:
    """Accepts screens, records what they say, publishes frames.

    Attributes:
        received: everything that came, in order.
        lease: what ``Welcome`` and frames say about control.
        instant_kill: panic accounts are done at once; else they stay under way.
    """

    def __init__(self, path: Path, *, frames_per_s: float = 10.0) -> None:
        self.path = path
        self.received: list[Received] = []
        self.lease = True
        self.infos = list(INFOS)
        self.instant_kill = True
        self.answer = Done(0, True, "accepted")
        self.pid = os.getpid()
        self._market = MadeUpMarket(levels=120)
        self._making = threading.Lock()
        self._rate = frames_per_s
        self._panic: PanicPane | None = None
        self._holding = False
        self._changed = threading.Condition()
        self._peers: list[_Peer] = []
        self._stop = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._threads: list[threading.Thread] = []
        self.changes: dict[str, object] = {}
        """Fields of every frame that a test wants to be so."""

    def __enter__(self) -> FakeHost:
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self._listener.bind(str(self.path))
        self._listener.listen(8)
        for target in (self._accept, self._publish):
            thread = threading.Thread(target=target, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Vanish as a killed host does."""
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in list(self._peers):
            with contextlib.suppress(OSError):
                peer.link.shutdown(socket.SHUT_RDWR)
            peer.link.close()
        for thread in self._threads:
            thread.join(2.0)

    # -- what tests ask ----------------------------------------------------------

    def commands(self, kind: type[Kind]) -> list[Kind]:
        """Commands of a kind that came so far."""
        return [one for one, _ in self.timed(kind)]

    def timed(self, kind: type[Kind]) -> list[tuple[Kind, int]]:
        """Commands of a kind with their monotonic times."""
        return [
            (one.message.command, one.at_ns)
            for one in list(self.received)
            if isinstance(one.message, Request) and isinstance(one.message.command, kind)
        ]

    def messages(self, kind: type[Kind]) -> list[Kind]:
        """Messages of a kind that came so far."""
        return [one.message for one in list(self.received) if isinstance(one.message, kind)]

    def all_commands(self) -> list[AnyCommand]:
        """Every command, in order."""
        return [one.message.command for one in self.received if isinstance(one.message, Request)]

    def wait(self, condition: Callable[[], object], timeout_s: float = 5.0) -> None:
        """Wait until a condition holds; it is looked at whenever something arrives."""
        with self._changed:
            met = self._changed.wait_for(lambda: bool(condition()), timeout_s)
        assert met, f"not within {timeout_s} s; received: {self.received[-5:]}"

    async def until(self, condition: Callable[[], object], timeout_s: float = 5.0) -> None:
        """Wait without blocking the event loop of the app under test."""
        await asyncio.to_thread(self.wait, condition, timeout_s)

    async def until_attached(self) -> None:
        """Wait for a screen and its panic line."""
        await asyncio.to_thread(self.wait_for_screen)

    def wait_for(self, kind: type[Kind], timeout_s: float = 5.0) -> Kind:
        """Wait for a command of a kind."""
        self.wait(lambda: self.commands(kind), timeout_s)
        return self.commands(kind)[0]

    def wait_for_screen(self, timeout_s: float = 10.0) -> None:
        """Wait until a screen and its panic line have said Hello."""
        self.wait(
            lambda: {"screen", "panic"} <= {hello.role for hello in self.messages(Hello)}, timeout_s
        )

    def frame(self) -> Frame:
        """Make the next frame."""
        with self._making:
            frame = self._market.frame()
        changes: dict[str, object] = {
            "published_ns": time.time_ns(),
            "panic": self._panic,
            "holding": self._holding,
            "has_lease": self.lease,
        }
        if self._panic is not None:
            accounts = [
                msgspec.structs.replace(one, state=TradingState.HALTED, armed=False)
                if one.name in {row.account for row in self._panic.accounts}
                else one
                for one in frame.accounts
            ]
            changes |= {"accounts": accounts, "orders": []}
            if self._panic.flatten:
                changes["positions"] = []
        elif self._holding:
            changes["accounts"] = [
                msgspec.structs.replace(one, state=TradingState.REDUCING, holding=True)
                for one in frame.accounts
            ]
        return msgspec.structs.replace(frame, **{**changes, **self.changes})

    def broadcast(self, message: ToScreen) -> None:
        """Send to every screen."""
        for peer in list(self._peers):
            if peer.role in ("screen", "watch"):
                peer.send(message)

    # -- threads -----------------------------------------------------------------

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            peer = _Peer(link)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            thread.start()

    def _publish(self) -> None:
        while not self._stop.wait(1 / self._rate):
            frame = self.frame()
            self.broadcast(frame)
            with self._changed:
                self._changed.notify_all()

    def _serve(self, peer: _Peer) -> None:
        deframer = Deframer(MAX_TO_HOST_BYTES)
        while not self._stop.is_set():
            try:
                data = peer.link.recv(65_536)
            except OSError:
                break
            if not data:
                break
            at_ns = time.monotonic_ns()
            deframer.feed(data)
            while (payload := deframer.next()) is not None:
                message = decode_to_host(payload)
                with self._changed:
                    self.received.append(Received(at_ns, peer.role, message))
                    self._changed.notify_all()
                self._answer(peer, message)
        if peer in self._peers:
            self._peers.remove(peer)

    def _answer(self, peer: _Peer, message: ToHost) -> None:
        match message:
            case Hello(role=role):
                peer.role = role
                peer.send(self._welcome())
                if role in ("screen", "watch"):
                    peer.send(LogLines(lines=self._past()))
                    peer.send(self._history(120))
                    peer.send(self.frame())
                self._peers.append(peer)
            case Request(request_id=request_id, command=command):
                self._act(command)
                peer.send(msgspec.structs.replace(self.answer, request_id=request_id))
            case TakeLease():
                self.lease = True
                peer.send(LeaseChanged(True, "you"))
            case Leave(stop=True):
                peer.send(Closing("stopped by a screen"))
                peer.link.shutdown(socket.SHUT_RDWR)
            case Watch():
                pass

    def _history(self, columns: int) -> History:
        """Return past columns that end now."""
        with self._making:
            made = self._market.history(columns)
        now_ns = time.time_ns()
        stamped = [
            msgspec.structs.replace(column, at_ns=now_ns - (columns - place) * 250_000_000)
            for place, column in enumerate(made.columns)
        ]
        return History(made.venue, made.symbol, stamped, made.last)

    def _act(self, command: AnyCommand) -> None:
        if isinstance(command, HoldFire):
            self._holding = True
        elif isinstance(command, Kill | EmergencyExit):
            done = self.instant_kill
            accounts = [
                PanicAccount(
                    pane.name, done or not place, 7, 0 if done or not place else -1, 0, 2, 142.0, ""
                )
                for place, pane in enumerate(self.frame().accounts)
                if command.account in (pane.name, ALL_ACCOUNTS)
            ]
            flatten = isinstance(command, EmergencyExit)
            if self._panic is None or self._panic.flatten != flatten:
                self._panic = PanicPane(flatten, "screen", time.time_ns(), accounts)
        elif isinstance(command, Rearm):
            self._panic, self._holding = None, False

    def _welcome(self) -> Welcome:
        return Welcome(
            version=PROTOCOL_VERSION,
            program="0.0",
            host_pid=self.pid,
            profile="test",
            environment=Environment.SIM,
            run_id="r1",
            instruments=self.infos,
            accounts=ACCOUNTS,
            has_lease=self.lease,
            on_detach="keep",
        )

    def _past(self) -> list[LogLine]:
        verbs = [Verb.INFO, Verb.SEND, Verb.ACK, Verb.FILL, Verb.SIGNAL, Verb.REJECT]
        now_ns = time.time_ns()
        return [
            LogLine(
                seq,
                now_ns - (30 - seq) * 10**9,
                "bybit-main",
                verb,
                "bybit",
                "BTCUSDT",
                f"line {seq}",
            )
            for seq, verb in enumerate(verbs * 5, start=1)
        ]


@contextlib.contextmanager
def fake_host(path: Path, **kwargs: float) -> Iterator[FakeHost]:
    """Serve for the length of a block."""
    with FakeHost(path, **kwargs) as host:
        yield host


def main() -> None:
    """Serve until interrupted."""
    with FakeHost(Path(sys.argv[1])), contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main()
