"""A screen without a screen: it speaks the link's messages to a real host."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from obiterm.core.commands import AnyCommand, CancelSymbol, PlaceOrder, Rearm
from obiterm.core.values import Side, Symbol
from obiterm.link.framing import MAX_TO_SCREEN_BYTES, Deframer, decode_to_screen, encode
from obiterm.link.messages import (
    PROTOCOL_VERSION,
    Closing,
    Done,
    Frame,
    Hello,
    LeaseChanged,
    Request,
    ToHost,
    ToScreen,
    Welcome,
)
from obiterm.link.sockets import dial
from tests.host.support import HostProcess, wait_for

SYMBOL = Symbol("BTCUSDT")
ACCOUNT = "demo"
Kind = TypeVar("Kind", bound=ToScreen)


class Operator:
    """A screen without a screen: attaches, reads in a thread, gives commands."""

    def __init__(self, path: Path, *, role: str = "screen", client: str = "operator") -> None:
        self._link: socket.socket = dial(path, 2.0)
        self._link.sendall(encode(Hello(PROTOCOL_VERSION, role, client)))
        self.messages: list[ToScreen] = []
        self.ended = threading.Event()
        self._count = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.welcome = self.wait(Welcome)

    def _read(self) -> None:
        deframer = Deframer(MAX_TO_SCREEN_BYTES)
        with contextlib.suppress(OSError):
            self._link.settimeout(None)
            while data := self._link.recv(262_144):
                deframer.feed(data)
                while (payload := deframer.next()) is not None:
                    self.messages.append(decode_to_screen(payload))
        self.ended.set()

    def send(self, message: ToHost) -> None:
        """Send a message."""
        self._link.sendall(encode(message))

    def of(self, kind: type[Kind]) -> list[Kind]:
        """Return the messages of a kind so far, oldest first."""
        return [message for message in self.messages if isinstance(message, kind)]

    def wait(
        self, kind: type[Kind], accept: Callable[[Kind], bool] = lambda _: True, limit_s: float = 10
    ) -> Kind:
        """Return the newest message of a kind that is accepted, waiting for it."""

        def look() -> list[Kind]:
            return [message for message in self.of(kind) if accept(message)]

        return wait_for(look, limit_s, f"no such {kind.__name__}")[-1]

    def frame(self, accept: Callable[[Frame], bool] = lambda _: True, limit_s: float = 10) -> Frame:
        """Return the newest frame once it is accepted."""
        wait_for(
            lambda: (frames := self.of(Frame)) and accept(frames[-1]), limit_s, "no such frame"
        )
        return self.of(Frame)[-1]

    def do(self, command: AnyCommand, limit_s: float = 5.0) -> Done:
        """Give a command; return the host's answer."""
        self._count += 1
        number = self._count
        self.send(Request(number, command))
        return self.wait(Done, lambda done: done.request_id == number, limit_s)

    def place(self, count: int, *, lots: int = 100, behind_ticks: int = 10_000) -> None:
        """Rest ``count`` buy orders behind the best bid, each a tick further."""
        frame = self.frame(lambda f: f.market.bid_ticks > 0 and not f.market.stale)
        for index in range(count):
            order = PlaceOrder(
                account=ACCOUNT,
                symbol=SYMBOL,
                side=Side.BUY,
                lots=lots,
                price_ticks=frame.market.bid_ticks - behind_ticks - index,
            )
            done = self.do(order)
            assert done.ok, done.text

    def take(self, lots: int, side: Side = Side.BUY) -> None:
        """Take from the book at market."""
        self.frame(lambda f: f.market.bid_ticks > 0 and not f.market.stale)
        order = PlaceOrder(
            account=ACCOUNT, symbol=SYMBOL, side=side, lots=lots, price_ticks=0, post_only=False
        )
        done = self.do(order)
        assert done.ok, done.text

    def cancel_all(self) -> None:
        """Cancel every order of the market."""
        assert self.do(CancelSymbol(account=ACCOUNT, symbol=SYMBOL)).ok

    def rearm(self) -> None:
        """Arm the account again; a kill that is still at work is waited for."""
        answers: list[Done] = []

        def armed() -> bool:
            answers.append(self.do(Rearm(account=ACCOUNT, typed=ACCOUNT)))
            return answers[-1].ok

        wait_for(armed, 5.0, "it cannot be armed again")

    @property
    def has_lease(self) -> bool:
        """Whether this screen has control, by the last word of the host."""
        changes = self.of(LeaseChanged)
        return changes[-1].has_lease if changes else self.welcome.has_lease

    @property
    def closing(self) -> str:
        """The host's last words."""
        words = self.of(Closing)
        return words[-1].reason if words else ""

    def drop(self) -> None:
        """Go away without a word."""
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        self._reader.join(2.0)
        self._link.close()


@contextmanager
def operator_of(host: HostProcess, **options: Any) -> Iterator[Operator]:
    """Attach for a block."""
    operator = Operator(host.socket, **options)
    try:
        yield operator
    finally:
        operator.drop()
