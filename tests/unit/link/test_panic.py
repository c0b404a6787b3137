"""The panic line works while the host is busy, gone, or back again (R127)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from obiterm.core.commands import AnyCommand, EmergencyExit, HoldFire, Kill
from obiterm.link.messages import AskStatus, Closing, Done, Request, Status, ToHost
from obiterm.link.panic import PanicLine
from obiterm.link.server import LinkServer, Viewer


class Handler(Protocol):
    """The recorder of conftest."""

    @property
    def commands(self) -> list[AnyCommand]: ...

    greets: bool

    def joined(self, viewer: Viewer) -> None: ...
    def received(self, viewer: Viewer, message: ToHost) -> None: ...
    def left(self, viewer: Viewer) -> None: ...


@contextmanager
def host(path: Path, handler: Handler) -> Iterator[asyncio.AbstractEventLoop]:
    """Run a server on an event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = LinkServer(path, handler)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(5)
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def eventually(handler: Handler, commands: int) -> None:
    deadline = time.monotonic() + 5
    while len(handler.commands) < commands:
        assert time.monotonic() < deadline, handler.commands
        time.sleep(0.002)


def test_commands_arrive_in_order(path: Path, handler: Handler) -> None:
    with host(path, handler):
        line = PanicLine(path, "me")
        assert line.connected
        assert line.send(HoldFire("*"))
        assert line.send(Kill("*"))
        assert line.send(EmergencyExit("*"))
        eventually(handler, 3)
        line.close()
    assert handler.commands == [HoldFire("*"), Kill("*"), EmergencyExit("*")]


def test_a_busy_host_does_not_hold_up_the_sender(path: Path, handler: Handler) -> None:
    busy, free = threading.Event(), threading.Event()

    def block() -> None:
        busy.set()
        free.wait(5)

    with host(path, handler) as loop:
        line = PanicLine(path, "me")
        loop.call_soon_threadsafe(block)
        busy.wait(5)
        started = time.monotonic()
        assert line.send(Kill("*"))
        late = PanicLine(path, "another shell")
        assert late.send(EmergencyExit("*"))
        assert time.monotonic() - started < 0.4
        assert handler.commands == []
        free.set()
        eventually(handler, 2)
        line.close()
        late.close()


def test_no_host_is_no_exception(path: Path) -> None:
    line = PanicLine(path, "me")
    assert not line.connected
    assert not line.send(Kill("*"))
    assert line.ask(AskStatus(), 0.1) is None
    line.close()


def test_a_host_that_came_back_is_found(path: Path, handler: Handler) -> None:
    with host(path, handler):
        line = PanicLine(path, "me")
        assert line.send(HoldFire("*"))
        eventually(handler, 1)
    assert not line.send(Kill("lost"))
    with host(path, handler):
        assert line.send(Kill("*"))
        eventually(handler, 2)
        line.close()
    assert handler.commands == [HoldFire("*"), Kill("*")]


def test_threads_share_a_line(path: Path, handler: Handler) -> None:
    with host(path, handler):
        line = PanicLine(path, "me")
        sent: list[bool] = []

        def press(number: int) -> None:
            sent.extend(line.send(Kill(f"{number}-{i}")) for i in range(50))

        threads = [threading.Thread(target=press, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sent == [True] * 300
        eventually(handler, 300)
        line.close()
    names = {one.account for one in handler.commands if isinstance(one, Kill)}
    assert names == {f"{number}-{i}" for number in range(6) for i in range(50)}


def test_a_shell_asks(path: Path, handler: Handler) -> None:
    with host(path, handler):
        line = PanicLine(path, "shell")
        status = line.ask(AskStatus(), 2.0)
        assert isinstance(status, Status)
        assert status.profile == "demo"
        assert line.ask(Request(9, Kill("*")), 2.0) == Done(9, ok=True, text="done")
        line.close()


def test_asking_a_busy_host_ends_in_time(path: Path, handler: Handler) -> None:
    free = threading.Event()
    with host(path, handler) as loop:
        line = PanicLine(path, "shell")
        loop.call_soon_threadsafe(free.wait, 5)
        started = time.monotonic()
        assert line.ask(AskStatus(), 0.2) is None
        assert time.monotonic() - started < 1.0
        free.set()
        line.close()


def test_a_refusal_is_an_answer(path: Path, handler: Handler) -> None:
    class Foreign(LinkServer):
        def __init__(self) -> None:
            super().__init__(path, handler, own_uid=-2)

    loop = asyncio.new_event_loop()
    server = Foreign()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(5)
    line = PanicLine(path, "shell")
    answer = line.ask(AskStatus(), 1.0)
    assert answer is None or isinstance(answer, Closing)
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()
    line.close()
