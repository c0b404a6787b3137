"""The screen's end: who answers, who does not, and how an end is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from obiterm.core.errors import DataError, HostGone, UsageError
from obiterm.link.client import LinkClient
from obiterm.link.framing import encode
from obiterm.link.messages import Closing, Status

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


@asynccontextmanager
async def listener(path: Path, talk: Talk) -> AsyncIterator[None]:
    """Serve a path with something that is not our server."""
    server = await asyncio.start_unix_server(talk, path)
    try:
        yield
    finally:
        server.close()


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(HostGone, match="no host answers"):
        await LinkClient.connect(tmp_path / "demo.sock", role="screen", client="me")


async def test_somebody_there_who_does_not_answer(tmp_path: Path) -> None:
    path = tmp_path / "s"
    started = time.monotonic()
    async with listener(path, lambda _reader, _writer: None):
        with pytest.raises(HostGone, match="does not answer in"):
            await LinkClient.connect(path, role="screen", client="me", timeout_s=0.1)
    assert time.monotonic() - started < 2


async def test_a_refusal_is_told_in_the_hosts_words(tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(encode(Closing("32 screens are attached already")))
        writer.close()

    async with listener(tmp_path / "s", refuse):
        with pytest.raises(UsageError, match="the host refuses: 32 screens"):
            await LinkClient.connect(tmp_path / "s", role="screen", client="me")


async def test_a_status_may_come_without_a_greeting(tmp_path: Path) -> None:
    status = Status(host_pid=1, profile="p", uptime_s=0.0, state="ACTIVE", accounts=[])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(encode(status))
        writer.close()

    async with listener(tmp_path / "s", answer):
        link = await LinkClient.connect(tmp_path / "s", role="status", client="me")
        assert await link.receive() == status
        with pytest.raises(HostGone):
            link.welcome  # noqa: B018
        with pytest.raises(HostGone, match="has closed"):
            await link.receive()
        await link.close()


async def test_garbage_is_a_data_error(tmp_path: Path) -> None:
    def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x00\x00\x02hi")

    async with listener(tmp_path / "s", babble):
        with pytest.raises(DataError, match="not a message"):
            await LinkClient.connect(tmp_path / "s", role="screen", client="me")
