"""A host and terminals for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pty.terminal import Terminal
from tests.ui_support.fake_host import FakeHost

Open = Callable[..., Terminal]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeHost]:
    """A host that publishes a made-up market."""
    with FakeHost(tmp_path / "host.sock") as made:
        yield made


@pytest.fixture
def open_screen(host: FakeHost) -> Iterator[Open]:
    """Start screens attached to the host; all are ended after the test."""
    opened: list[Terminal] = []

    def start(*flags: str, size: tuple[int, int] = (120, 36)) -> Terminal:
        terminal = Terminal("tests.ui_support.play", str(host.path), *flags, size=size)
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()
