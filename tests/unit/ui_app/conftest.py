"""A host and an app attached to it, driven by a pilot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from obiterm.ui.app import ObitermApp
from obiterm.ui.ending import EndReason
from obiterm.ui.state import UiSettings
from tests.ui_support.fake_host import FakeHost

Attached = Pilot[EndReason]
Attach = Callable[..., AbstractAsyncContextManager[Attached]]


def app_of(pilot: Attached) -> ObitermApp:
    """Return the app under a pilot."""
    assert isinstance(pilot.app, ObitermApp)
    return pilot.app


async def shown(pilot: Attached, condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Let the app work until a condition holds."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError(f"not within {seconds} s; notice: {app_of(pilot).board.current(0)}")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeHost]:
    """A host that publishes a made-up market."""
    with FakeHost(tmp_path / "host.sock") as made:
        yield made


@pytest.fixture
def attach(host: FakeHost) -> Attach:
    """Run an app attached to the host for the length of a block."""

    @asynccontextmanager
    async def start(
        settings: UiSettings | None = None, size: tuple[int, int] = (160, 48)
    ) -> AsyncIterator[Attached]:
        app = ObitermApp(host.path, settings or UiSettings())
        async with app.run_test(size=size) as pilot:
            await shown(pilot, lambda: app.cockpit.frame is not None)
            if app.gate is not None:
                await host.until_attached()
            yield pilot

    return start
