"""``obiterm host``: the engine host in the foreground, and how others start it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.core.errors import ConfigError, HostGone, ObitermError, UsageError
from obiterm.link.panic import PanicLine

START_LIMIT_S = 30.0
_T = TypeVar("_T")


def profile_of(options: argparse.Namespace) -> Profile:
    """Load the profile and lay the command line's choices over its exchange."""
    paths = Paths.from_environment()
    profile = load_profile(options.profile, user_dir=paths.profiles)
    changes: dict[str, object] = {}
    if getattr(options, "capture", None):
        changes["capture"] = existing_file(options.capture)
    speed = getattr(options, "speed", None)
    if speed is not None and speed != float("inf"):
        changes["speed"] = speed
    if getattr(options, "seed", None) is not None:
        changes["seed"] = options.seed
    if not changes:
        return profile
    if profile.exchange is None:
        raise ConfigError(
            "--" + next(iter(changes)), options.profile, "a profile with an [exchange] section"
        )
    return profile.model_copy(update={"exchange": profile.exchange.model_copy(update=changes)})


def existing_file(text: str) -> Path:
    """Return the path of a file that is there."""
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"no capture at {text}", hint="name a recorded .jsonl.gz file")
    return path


def run_loop(work: Coroutine[None, None, _T]) -> _T:
    """Run on the fastest loop there is; errors of task groups come out as themselves."""
    import uvloop

    try:
        return asyncio.Runner(loop_factory=uvloop.new_event_loop).run(work)
    except* ObitermError as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


def host(options: argparse.Namespace) -> int:
    """Run the host until it is asked to stop."""
    from obiterm.host.run import run_host

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr
    )
    profile = profile_of(options)
    paths = Paths.from_environment()
    result = run_loop(run_host(profile, paths))
    print(f"host of {profile.name} ended: {result.reason}", file=sys.stderr)
    return 0


def find_or_start(profile: Profile, options: argparse.Namespace) -> Path:
    """Return the socket of the profile's host, starting the host when there is none."""
    paths = Paths.from_environment().ensure()
    socket = paths.socket(profile.name)
    if answers(socket):
        return socket
    command = [sys.executable, "-m", "obiterm", "host", "--profile", options.profile]
    if getattr(options, "capture", None):
        command += ["--capture", str(existing_file(options.capture))]
    if getattr(options, "speed", None) is not None:
        command += ["--speed", f"{options.speed:g}"]
    if getattr(options, "seed", None) is not None:
        command += ["--seed", str(options.seed)]
    log = paths.log(profile.name)
    with log.open("ab") as output:
        began_at = output.tell()
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if answers(socket):
            return socket
        if process.poll() is not None:
            raise _start_failure(log, began_at, process.returncode)
        time.sleep(0.05)
    process.terminate()
    raise HostGone(f"the host of {profile.name} did not start in {START_LIMIT_S:.0f} s, see {log}")


def answers(socket: Path) -> bool:
    """Return whether a host listens at the socket."""
    if not socket.exists():
        return False
    line = PanicLine(socket, "probe")
    try:
        return line.connected
    finally:
        line.close()


def _start_failure(log: Path, began_at: int, status: int) -> ObitermError:
    with log.open("rb") as text:
        text.seek(began_at)
        words = text.read().decode(errors="replace").strip().splitlines()
    last = next((line for line in reversed(words) if line.strip()), f"status {status}")
    last = last.removeprefix("obiterm: ").removeprefix("usage: ").removeprefix("configuration: ")
    if status == 2:
        return UsageError(f"the host did not start: {last}")
    return HostGone(f"the host did not start: {last}", hint=f"see {log}")
