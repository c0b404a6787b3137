"""``obiterm``: find or start the host of a profile and put a screen in front of it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from obiterm.cli.host import answers, find_or_start, profile_of, run_loop
from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.config.settings import choose, load_settings
from obiterm.core.errors import HostGone, ObitermError, UsageError

_EMBEDDED_START_S = 30.0
_EMBEDDED_STOP_S = 15.0


def attach_or_start(options: argparse.Namespace) -> int:
    """Attach a screen; the engines live in their own process unless ``--embedded``."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the screen needs a terminal", hint="use --headless, or obiterm status")
    profile = profile_of(options)
    settings = load_settings(Paths.from_environment().settings)
    colour = options.color
    choices = choose(settings, profile, theme=options.theme, colour=colour)
    if options.embedded:
        return _embedded(profile, options, choices.theme, choices.colour, choices.keymap)
    print(f"obiterm: looking for the host of {profile.name} …", file=sys.stderr)
    socket = find_or_start(profile, options)
    code = _show(socket, options, choices.theme, choices.colour, choices.keymap)
    if answers(socket):
        print(
            f"detached: the engines of {profile.name} trade on ({profile.on_detach}). "
            f"Attach again with `obiterm --profile {options.profile}`; "
            "`obiterm status`, `obiterm kill`, `obiterm exit` work from any shell.",
            file=sys.stderr,
        )
    return code


def _show(
    socket: Path, options: argparse.Namespace, theme: str, colour: str, keymap: dict[str, str]
) -> int:
    from obiterm.ui.run import run_screen
    from obiterm.ui.state import UiSettings

    paths = Paths.from_environment()
    return run_screen(
        socket,
        UiSettings(
            theme=theme,
            color=colour,
            keymap=keymap,
            read_only=options.watch,
            client=_client(),
            themes_dir=paths.themes,
            pictures_dir=paths.state / "pictures",
        ),
    )


def _client() -> str:
    try:
        tty = os.ttyname(sys.stdin.fileno()).removeprefix("/dev/")
    except OSError:
        tty = "?"
    return f"{getpass.getuser()}@{tty}"


def _embedded(
    profile: Profile, options: argparse.Namespace, theme: str, colour: str, keymap: dict[str, str]
) -> int:
    """Run the host in a thread of this process: same link, own loop, ends with the screen."""
    with tempfile.TemporaryDirectory(prefix="obiterm-") as folder:
        base = Paths.from_environment()
        paths = Paths(base.config, base.data, base.state, Path(folder) / "run")
        thread = EmbeddedHost(profile, paths)
        thread.start()
        try:
            socket = thread.wait_ready()
            return _show(socket, options, theme, colour, keymap)
        finally:
            thread.stop()


class EmbeddedHost:
    """A host on a loop of its own inside this process."""

    def __init__(self, profile: Profile, paths: Paths) -> None:
        self._profile = profile
        self._paths = paths
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._ask_stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, name="obiterm-host", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait_ready(self) -> Path:
        """Wait until the host answers; return its socket. Raises what kept it from starting."""
        self._ready.wait(_EMBEDDED_START_S)
        if self._failure is not None:
            raise self._failure
        socket = self._paths.socket(self._profile.name)
        if not socket.exists():
            raise HostGone("the embedded host did not start in time")
        return socket

    def stop(self) -> None:
        """Withdraw orders and end the thread."""
        self._ask_stop()
        self._thread.join(_EMBEDDED_STOP_S)

    def _run(self) -> None:
        from obiterm.host.run import RunningHost, run_host

        async def main() -> None:
            loop = asyncio.get_running_loop()

            def ready(running: RunningHost) -> None:
                self._ask_stop = lambda: loop.call_soon_threadsafe(
                    running.service.ask_stop, "the screen ended"
                )
                self._ready.set()

            await run_host(self._profile, self._paths, on_ready=ready, handle_signals=False)

        try:
            run_loop(main())
        except ObitermError as error:
            self._failure = error
        finally:
            self._ready.set()
