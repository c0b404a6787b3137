"""``obiterm host``: the engine host in the foreground, and how others start it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import re
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

from obiterm.cli.capture import existing_file, require_market
from obiterm.config.models import ExchangeProfile, Profile
from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.config.settings import choose, load_settings
from obiterm.core.errors import ConfigError, HostGone, ObitermError, UsageError
from obiterm.host.lock import Running, running_host
from obiterm.link.panic import PanicLine

START_LIMIT_S = 30.0
_LOOK_AGAIN_S = 0.05
_LARGEST_LOG_BYTES = 5_000_000
_TITLES = re.compile(r"^(obiterm|usage|configuration|data|error|exchange|host|venue): ")
_T = TypeVar("_T")


def profile_of(options: argparse.Namespace) -> Profile:
    """Load the profile and lay the settings and the command line's choices over it."""
    paths = Paths.from_environment()
    profile = load_profile(options.profile, user_dir=paths.profiles)
    on_detach = choose(load_settings(paths.settings), profile).on_detach
    if on_detach != profile.on_detach:
        profile = profile.model_copy(update={"on_detach": on_detach})
    return profile.model_copy(update={"exchanges": _exchanges_of(profile, options)})


def _exchanges_of(profile: Profile, options: argparse.Namespace) -> tuple[ExchangeProfile, ...]:
    """Return the simulated exchanges as the command line wants them."""
    changes: dict[str, object] = {}
    if getattr(options, "capture", None):
        changes["capture"] = existing_file(options.capture)
    speed = getattr(options, "speed", None)
    if speed is not None and speed != float("inf"):
        changes["speed"] = speed
    if getattr(options, "seed", None) is not None:
        changes["seed"] = options.seed
    if changes and not profile.exchanges:
        flag = next(iter(changes))
        raise ConfigError(
            flag if flag == "capture" else f"--{flag}",
            getattr(options, flag),
            f"a profile with an [[exchanges]] section, which {profile.name} has not",
        )
    if "capture" in changes:
        if len(profile.exchanges) > 1 or profile.exchanges[0].venue != "binance":
            expected = f"a profile with one exchange, of binance; {profile.name} is another"
            raise ConfigError("capture", options.capture, expected)
        require_market(existing_file(options.capture), profile.exchanges[0].symbols[0])
    return tuple(one.model_copy(update=changes) for one in profile.exchanges)


def run_loop(work: Coroutine[None, None, _T]) -> _T:
    """Run on the fastest loop there is; an expected error comes out of its groups as itself."""
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except BaseExceptionGroup as group:
        expected = group.subgroup(ObitermError)
        if expected is None:
            raise
        raise _first(expected) from group


def _first(group: BaseExceptionGroup[ObitermError]) -> ObitermError:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("a group is never empty")


def host(options: argparse.Namespace) -> int:
    """Run the host until it is asked to stop."""
    from obiterm.host.run import run_host

    profile = profile_of(options)
    if options.speed == float("inf"):
        raise ConfigError("--speed", "max", "a number: a host runs in real time")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr
    )
    result = run_loop(run_host(profile, Paths.from_environment()))
    print(f"host of {profile.name} ended: {result.reason}", file=sys.stderr)
    if result.left:
        raise HostGone(
            f"not confirmed by the venue before the end: {', '.join(result.left)}",
            hint="look at the venue itself",
        )
    return 0


def find_or_start(profile: Profile, options: argparse.Namespace) -> Path:
    """Return the socket of the profile's host, starting the host when there is none.

    Raises:
        UsageError: a host runs there with another capture, speed or seed, or the new one
            refuses to start.
        HostGone: it failed to start, or not in time.
    """
    paths = Paths.from_environment().ensure()
    socket = paths.socket(profile.name)
    process: subprocess.Popen[bytes] | None = None
    log = paths.log(profile.name)
    began_at = 0
    deadline = time.monotonic() + START_LIMIT_S
    try:
        while time.monotonic() < deadline:
            running = running_host(paths, profile.name)
            if running is not None and answers(socket):
                _require_same(profile, running, options)
                return socket
            if running is None and process is None:
                process, began_at = _start(options, log)
            elif running is None and process is not None and process.poll() is not None:
                raise _start_failure(log, began_at, process.returncode)
            time.sleep(_LOOK_AGAIN_S)
    except KeyboardInterrupt:
        if process is not None:
            process.terminate()
        raise
    if process is not None:
        process.terminate()
    raise HostGone(
        f"the host of {profile.name} did not start in {START_LIMIT_S:.0f} s", hint=f"see {log}"
    )


def _start(options: argparse.Namespace, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start a host in a session of its own; return it and where its part of the log begins."""
    # -P: a file in the user's directory never stands in for a module of ours or Python's
    command = [sys.executable, "-P", "-m", "obiterm", "host", "--profile", options.profile]
    if getattr(options, "capture", None):
        command += ["--capture", str(existing_file(options.capture))]
    if getattr(options, "speed", None) is not None:
        command += ["--speed", f"{options.speed:g}"]
    if getattr(options, "seed", None) is not None:
        command += ["--seed", str(options.seed)]
    if log.exists() and log.stat().st_size > _LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))
    with log.open("ab") as output:
        began_at = output.tell()
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    return process, began_at


def _require_same(profile: Profile, running: Running, options: argparse.Namespace) -> None:
    """Refuse to attach to something else than was asked for."""
    wanted = Running.of(profile)
    for name in ("capture", "speed", "seed"):
        if getattr(options, name, None) is None:
            continue
        asked, found = getattr(wanted, name), getattr(running, name)
        if asked != found:
            raise UsageError(
                f"profile {profile.name} is already running with {name} "
                f"{found or 'none'}, not {asked} (pid {running.pid})",
                hint=f"attach with `obiterm --profile {profile.name}`, or end that one first",
            )


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
    """Return why a host did not start: its last line, without the titles before it."""
    with log.open("rb") as text:
        text.seek(began_at)
        words = text.read().decode(errors="replace").strip().splitlines()
    last = next((line for line in reversed(words) if line.strip()), f"status {status}")
    while match := _TITLES.match(last):
        last = last[match.end() :]
    if status == 2:
        return UsageError(f"the host did not start: {last}")
    return HostGone(f"the host did not start: {last}", hint=f"see {log}")
