"""The host's end: who may come in, what order counts, and that no reader can hold it up."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from obiterm.core.commands import (
    AnyCommand,
    CancelSymbol,
    EmergencyExit,
    HoldFire,
    Kill,
    StopStrategy,
)
from obiterm.core.effects import Verb
from obiterm.core.errors import HostGone, UsageError
from obiterm.core.values import Symbol
from obiterm.link.client import LinkClient
from obiterm.link.framing import encode
from obiterm.link.messages import (
    PROTOCOL_VERSION,
    AskStatus,
    Closing,
    Done,
    Frame,
    Hello,
    LogLine,
    LogLines,
    Request,
    Status,
    ToHost,
    ToScreen,
    Watch,
    Welcome,
)
from obiterm.link.server import LinkServer, Viewer
from obiterm.link.sockets import dial

Until = Callable[[Callable[[], object]], Awaitable[None]]


class Handler(Protocol):
    """The recorder of conftest."""

    joined_viewers: list[Viewer]
    left_viewers: list[Viewer]
    messages: list[ToHost]
    fail_on: type[Kill] | None
    greets: bool

    def joined(self, viewer: Viewer) -> None: ...
    def received(self, viewer: Viewer, message: ToHost) -> None: ...
    def left(self, viewer: Viewer) -> None: ...


@asynccontextmanager
async def attached(
    path: Path, role: str = "screen", client: str = "me@tty"
) -> AsyncIterator[LinkClient]:
    link = await LinkClient.connect(path, role=role, client=client)
    try:
        yield link
    finally:
        await link.close()


async def receive_until(link: LinkClient, kind: type[ToScreen]) -> ToScreen:
    async with asyncio.timeout(5):
        while not isinstance(message := await link.receive(), kind):
            pass
    return message


def mode(path: Path) -> int:
    """Return the permission bits of a file; 0 when there is none."""
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else 0


def hello(role: str = "screen", version: int = PROTOCOL_VERSION) -> bytes:
    return encode(Hello(version, role, "raw"))


async def last_words(path: Path, data: bytes) -> str:
    """Send raw bytes, read to the end, return the reason of the host's Closing."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(data)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer.decode(errors="replace")


async def test_a_screen_is_greeted_and_heard(
    server: LinkServer, handler: Handler, path: Path, until: Until
) -> None:
    async with attached(path) as link:
        assert link.welcome.profile == "demo"
        link.send(Watch("binance", "ETHUSDT", "main"))
        link.send(Request(7, Kill("*")))
        assert await link.receive() == Done(7, ok=True, text="done")
        (viewer,) = server.viewers
        assert (viewer.role, viewer.client, viewer.has_lease) == ("screen", "me@tty", False)
        await until(lambda: viewer.watch == Watch("binance", "ETHUSDT", "main"))
    await until(lambda: handler.left_viewers == [viewer])
    assert server.viewers == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (hello(version=99), "protocol version 99 is not spoken here"),
        (hello(role="boss"), "unknown role 'boss'"),
        (encode(AskStatus()), "first message must be Hello, not AskStatus"),
        (hello() + hello(), "Hello comes once"),
        (b"GET / HTTP/1.1\r\n\r\n", "bytes was announced; at most 65536"),
        (b"\xff\xff\xff\xff", "bytes was announced"),
        (b"\x00\x00\x00\x03\xc1\xc1\xc1", "not a message to the host"),
        (b"\x00\x00\x00\x00", "not a message to the host"),
        (hello() + b"\x00\x00\x00\x01\x01", "not a message to the host"),
    ],
)
async def test_bad_input_is_told_and_the_host_lives_on(
    server: LinkServer, path: Path, data: bytes, reason: str
) -> None:
    assert reason in await last_words(path, data)
    async with attached(path, "status") as link:
        link.send(AskStatus())
        assert isinstance(await receive_until(link, Status), Status)


async def test_a_connection_that_stays_silent_is_closed(
    server: LinkServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obiterm.link.connection.HELLO_WITHIN_S", 0.05)
    assert "no Hello came" in await last_words(path, b"")


async def test_panic_goes_before_what_came_before_it(
    server: LinkServer, handler: Handler, path: Path, until: Until
) -> None:
    """R127: kill, exit and hold are never queued behind anything of the same read."""
    commands: list[AnyCommand] = [
        CancelSymbol("a", Symbol("X")),
        StopStrategy("a", "surf"),
        HoldFire("a"),
        CancelSymbol("a", Symbol("Y")),
        Kill("*"),
        EmergencyExit("*"),
    ]
    data = hello() + b"".join(encode(Request(i, one)) for i, one in enumerate(commands))
    link = dial(path, 1.0)
    link.sendall(data)
    await until(lambda: len(handler.messages) == len(commands))
    link.close()
    order = [one.request_id for one in handler.messages if isinstance(one, Request)]
    assert order == [2, 4, 5, 0, 1, 3]


async def test_panic_before_garbage_still_counts(
    server: LinkServer, handler: Handler, path: Path
) -> None:
    await last_words(path, hello() + encode(Request(1, Kill("*"))) + b"\xff\xff\xff\xff")
    assert handler.messages == [Request(1, Kill("*"))]


async def test_a_reader_that_stops_holds_up_nobody(
    server: LinkServer,
    handler: Handler,
    path: Path,
    until: Until,
    make_frame: Callable[[int], Frame],
) -> None:
    """A terminal that stops reading for seconds: posts stay fast, frames are replaced."""
    sleeper = dial(path, 1.0)
    sleeper.sendall(hello())
    await until(lambda: len(server.viewers) == 1)
    async with attached(path, "watch") as reader:
        slowest_s, posted, seen = 0.0, 0, 0
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            frame = make_frame(posted)
            started = time.perf_counter()
            for viewer in server.viewers:
                viewer.post(frame)
                viewer.post(line(posted))
            slowest_s = max(slowest_s, time.perf_counter() - started)
            posted += 1
            latest = await receive_until(reader, Frame)
            seen += isinstance(latest, Frame)
        assert seen == posted > 100
        assert slowest_s < 0.05
        skipped = handler.joined_viewers[0].frames_skipped
        assert skipped > posted - 20

    messages = await drain(sleeper, last_frame=posted - 1)
    frames = [one.seq for one in messages if isinstance(one, Frame)]
    lines = [one.lines[0].seq for one in messages if isinstance(one, LogLines)]
    assert frames[-1] == posted - 1
    assert len(frames) == posted - skipped
    assert lines == list(range(posted)), "log lines are ordered and none is lost"


async def drain(sleeper: socket.socket, last_frame: int) -> list[ToScreen]:
    """Wake up: read everything until the newest frame is there."""
    sleeper.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=sleeper)
    link = LinkClient(reader, writer)
    messages: list[ToScreen] = []
    async with asyncio.timeout(5):
        while True:
            messages.append(await link.receive())
            newest = messages[-1]
            if isinstance(newest, Frame) and newest.seq == last_frame:
                break
    await link.close()
    return messages


def line(seq: int) -> LogLines:
    return LogLines([LogLine(seq, seq, "demo", Verb.INFO, "binance", "BTCUSDT", "text")])


async def test_an_overflowing_viewer_is_cut_off(
    path: Path, handler: Handler, until: Until, make_frame: Callable[[int], Frame]
) -> None:
    server = LinkServer(path, handler, max_queue_bytes=200_000)
    await server.start()
    sleeper = dial(path, 1.0)
    sleeper.sendall(hello())
    await until(lambda: len(server.viewers) == 1)
    viewer = server.viewers[0]
    text = "x" * 10_000
    for seq in range(100):
        viewer.post(LogLines([LogLine(seq, seq, "demo", Verb.INFO, "binance", "BTCUSDT", text)]))
    await until(lambda: handler.left_viewers == [viewer])
    viewer.post(make_frame(1))
    async with attached(path) as link:
        assert isinstance(link.welcome, Welcome)
    sleeper.close()
    await server.stop()


async def test_shells_get_answers_but_no_frames(
    server: LinkServer, path: Path, make_frame: Callable[[int], Frame]
) -> None:
    async with attached(path, "status") as link:
        (viewer,) = server.viewers
        viewer.post(make_frame(1))
        viewer.post(line(1))
        link.send(AskStatus())
        assert isinstance(await link.receive(), Status)


async def test_a_fault_in_the_host_is_answered_and_survived(
    server: LinkServer, handler: Handler, path: Path
) -> None:
    handler.fail_on = Kill
    async with attached(path) as link:
        link.send(Request(5, Kill("*")))
        answer = await receive_until(link, Done)
        assert answer == Done(
            5, ok=False, text="the host failed: RuntimeError: a fault in the host"
        )
        link.send(Request(6, HoldFire("*")))
        assert await receive_until(link, Done) == Done(6, ok=True, text="done")


async def test_another_user_is_refused(path: Path, handler: Handler) -> None:
    server = LinkServer(path, handler, own_uid=os.getuid() + 1)
    await server.start()
    assert "runs as user" in await last_words(path, hello())
    assert handler.joined_viewers == []
    await server.stop()


async def test_the_socket_is_private(server: LinkServer, path: Path) -> None:
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700


async def test_an_open_directory_is_refused(tmp_path: Path, handler: Handler) -> None:
    open_directory = tmp_path / "open"
    open_directory.mkdir()
    open_directory.chmod(0o755)
    with pytest.raises(UsageError, match="open to other users"):
        await LinkServer(open_directory / "demo.sock", handler).start()


async def test_only_one_host_serves_a_path(
    server: LinkServer, path: Path, handler: Handler
) -> None:
    with pytest.raises(UsageError, match=rf"another host serves .*pid {os.getpid()}"):
        await LinkServer(path, handler).start()
    async with attached(path) as link:
        assert link.welcome.host_pid == 42


async def test_a_dead_hosts_socket_is_replaced(path: Path, handler: Handler) -> None:
    path.parent.mkdir(mode=0o700)
    leftover = socket.socket(socket.AF_UNIX)
    leftover.bind(str(path))
    leftover.close()
    server = LinkServer(path, handler)
    await server.start()
    async with attached(path):
        pass
    await server.stop()
    assert mode(path) == 0


async def test_a_long_path_works(tmp_path: Path, handler: Handler) -> None:
    """The kernel's limit for socket paths (104 … 108 bytes) is not the user's problem."""
    path = tmp_path / ("d" * 100) / ("e" * 100) / "demo.sock"
    server = LinkServer(path, handler)
    path.parent.parent.mkdir(mode=0o700)
    await server.start()
    async with attached(path) as link:
        assert link.welcome.profile == "demo"
    await server.stop()


async def test_stop_says_goodbye(server: LinkServer, path: Path, handler: Handler) -> None:
    async with attached(path) as link:
        await server.stop("the host was told to end")
        assert await link.receive() == Closing("the host was told to end")
        with pytest.raises(HostGone):
            await link.receive()
    assert len(handler.left_viewers) == 1
    assert mode(path) == 0


async def test_stop_does_not_wait_for_a_reader_that_sleeps(
    server: LinkServer, path: Path, until: Until, make_frame: Callable[[int], Frame]
) -> None:
    sleeper = dial(path, 1.0)
    sleeper.sendall(hello())
    await until(lambda: len(server.viewers) == 1)
    for seq in range(50):
        server.viewers[0].post(make_frame(seq))
    started = time.monotonic()
    await server.stop()
    assert time.monotonic() - started < 3.0
    sleeper.close()


def test_the_same_holds_on_uvloop(
    path: Path, handler: Handler, until: Until, make_frame: Callable[[int], Frame]
) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def story() -> None:
        server = LinkServer(path, handler)
        await server.start()
        sleeper = dial(path, 1.0)
        sleeper.sendall(hello())
        async with attached(path, "watch") as reader:
            await until(lambda: len(server.viewers) == 2)
            for seq in range(300):
                for viewer in server.viewers:
                    viewer.post(make_frame(seq))
                    viewer.post(line(seq))
                await receive_until(reader, Frame)
        messages = await drain(sleeper, last_frame=299)
        lines = [one.lines[0].seq for one in messages if isinstance(one, LogLines)]
        assert lines == list(range(300))
        assert len([one for one in messages if isinstance(one, Frame)]) < 50
        await server.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
