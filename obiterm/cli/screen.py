"""``obiterm``: find or start the host of a profile and put a screen in front of it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from obiterm.cli.host import answers, find_or_start, profile_of, run_loop
from obiterm.cli.who import client_name, tty_name
from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.config.settings import choose, load_settings
from obiterm.core.commands import ALL_ACCOUNTS, EmergencyExit, Kill
from obiterm.core.errors import HostGone, UsageError

if TYPE_CHECKING:
    from obiterm.host.run import RunningHost
    from obiterm.ui.state import UiSettings

_EMBEDDED_START_S = 30.0
_EMBEDDED_STOP_S = 15.0


def attach_or_start(options: argparse.Namespace) -> int:
    """Attach a screen; the engines live in their own process unless ``--embedded``."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the screen needs a terminal", hint="use --headless, or obiterm status")
    if options.embedded and options.watch:
        raise UsageError("--embedded and --watch exclude each other: nobody would have control")
    profile = profile_of(options)
    settings = _ui_settings(profile, options)
    if options.embedded:
        return _embedded(profile, settings)
    socket = _socket_to_watch(profile) if options.watch else find_or_start(profile, options)
    from obiterm.ui.run import run_screen

    code = run_screen(socket, settings)
    if answers(socket):
        what = _LEFT_WITH[profile.on_detach] if not options.watch else "the host was only watched"
        print(
            f"obiterm: detached from {profile.name}: {what}. "
            f"Attach again with `obiterm --profile {options.profile}`; "
            "`obiterm status`, `obiterm kill`, `obiterm exit` work from any shell.",
            file=sys.stderr,
        )
    return code


_LEFT_WITH = {
    "keep": "its engines trade on",
    "hold": "its engines send no new entries",
    "cancel": "its engines hold fire and take their entry orders back",
    "flatten": "its engines close every position and halt",
}


def _socket_to_watch(profile: Profile) -> Path:
    """Return the socket of a running host; to watch is never to start trading."""
    socket = Paths.from_environment().socket(profile.name)
    if not answers(socket):
        raise HostGone(f"no host of {profile.name} to watch", hint="start one with `obiterm`")
    return socket


def _ui_settings(profile: Profile, options: argparse.Namespace) -> UiSettings:
    """Return what the screen is told; theme and keys are checked before anything is started."""
    from obiterm.ui.keymap import resolve
    from obiterm.ui.state import UiSettings
    from obiterm.ui.theme import load_themes

    paths = Paths.from_environment()
    choices = choose(
        load_settings(paths.settings), profile, theme=options.theme, colour=options.color
    )
    load_themes(paths.themes).get(choices.theme)
    resolve(choices.keymap)
    return UiSettings(
        theme=choices.theme,
        color=choices.colour,
        keymap=choices.keymap,
        read_only=options.watch,
        client=client_name(tty_name()),
        themes_dir=paths.themes,
        pictures_dir=paths.state / "pictures",
    )


def _embedded(profile: Profile, settings: UiSettings) -> int:
    """Run the host in a thread of this process: same link, own loop, ends with the screen.

    Its socket lies where every host's does, so that `obiterm kill` finds it.
    """
    from obiterm.ui.run import run_screen

    host = EmbeddedHost(profile, Paths.from_environment())
    host.start()
    try:
        socket = host.wait_ready()
        code = run_screen(socket, dataclasses.replace(settings, on_exit=lambda _: host.stop()))
    finally:
        host.stop()
    host.require_good_end()
    return code


class EmbeddedHost:
    """A host on a loop of its own inside this process."""

    def __init__(self, profile: Profile, paths: Paths) -> None:
        self._profile = profile
        self._paths = paths
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: RunningHost | None = None
        self._main: asyncio.Task[object] | None = None
        self._thread = threading.Thread(target=self._run, name="obiterm-host", daemon=True)

    def start(self) -> None:
        """Start the thread, and take the panic signals. Main thread only."""
        self._thread.start()
        for number, command in _PANIC_SIGNALS.items():
            signal.signal(number, functools.partial(self._on_signal, command))

    def wait_ready(self) -> Path:
        """Wait until the host answers; return its socket. Raises what kept it from starting."""
        self._ready.wait(_EMBEDDED_START_S)
        if self._failure is not None:
            raise self._failure
        if self._running is None:
            raise HostGone(f"the embedded host did not start in {_EMBEDDED_START_S:.0f} s")
        return self._paths.socket(self._profile.name)

    def require_good_end(self) -> None:
        """Raise what made the host end by itself."""
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Withdraw orders and end the thread; a host that is still starting is given up."""
        self._soon(self._ask_stop)
        self._thread.join(_EMBEDDED_STOP_S)

    def _ask_stop(self) -> None:
        if self._running is not None:
            self._running.service.ask_stop("the screen ended")
        elif self._main is not None:
            self._main.cancel()

    def _on_signal(self, command: Kill | EmergencyExit, number: int, _: FrameType | None) -> None:
        who = signal.Signals(number).name
        self._soon(functools.partial(self._command, command, who))

    def _command(self, command: Kill | EmergencyExit, who: str) -> None:
        if self._running is not None:
            self._running.service.command_all(command, who)

    def _soon(self, act: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended already
            if self._loop is not None:
                self._loop.call_soon_threadsafe(act)

    def _run(self) -> None:
        try:
            run_loop(self._serve())
        except Exception as error:  # thread boundary: told to whoever waits for the host
            self._failure = error
        except asyncio.CancelledError:
            self._failure = HostGone("the embedded host was given up before it was ready")
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        from obiterm.host.run import run_host

        self._loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        await run_host(self._profile, self._paths, on_ready=self._on_ready, handle_signals=False)

    def _on_ready(self, running: RunningHost) -> None:
        self._running = running
        self._ready.set()


_PANIC_SIGNALS: dict[signal.Signals, Kill | EmergencyExit] = {
    signal.SIGUSR1: Kill(account=ALL_ACCOUNTS),
    signal.SIGUSR2: EmergencyExit(account=ALL_ACCOUNTS),
}
