"""A host for tests that share nothing but its start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.host.operators import Operator, operator_of
from tests.host.support import HostProcess, host_of, write_profile
from tests.pty.terminal import Terminal

StartHost = Callable[..., HostProcess]
Attach = Callable[..., Operator]
OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def stack(own_home: Path) -> Iterator[ExitStack]:
    """Everything that a test opens is closed at its end, the newest first."""
    with ExitStack() as made:
        yield made


@pytest.fixture
def start_host(stack: ExitStack) -> StartHost:
    """Start hosts on profiles written for this test."""

    def start(name: str = "quiet", *, script: str = "", **profile: Any) -> HostProcess:
        return stack.enter_context(host_of(write_profile(name, **profile), script=script))

    return start


@pytest.fixture
def attach(stack: ExitStack) -> Attach:
    """Attach operators to a host."""

    def start(host: HostProcess, **options: Any) -> Operator:
        return stack.enter_context(operator_of(host, **options))

    return start


@pytest.fixture
def open_terminal(stack: ExitStack) -> OpenTerminal:
    """Start programs on terminals of their own."""

    def start(module: str, *arguments: str, size: tuple[int, int] = (120, 36)) -> Terminal:
        terminal = Terminal(module, *arguments, size=size)
        stack.callback(terminal.close)
        return terminal

    return start
