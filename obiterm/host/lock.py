"""One host per profile: a lock that the system lets go of, with a note of what was started."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.core.errors import UsageError

_MOST_BYTES = 64 * 1024
_PROBE_LIMIT_S = 0.1


class Running(msgspec.Struct, frozen=True):
    """What a host was started with; another shell compares it with what it wants.

    Of several simulated exchanges the first counts: the command line sets all of them alike.
    """

    pid: int
    capture: str = ""
    speed: float = 1.0
    seed: int = 0
    source: str = ""
    """The profile's file."""

    @classmethod
    def of(cls, profile: Profile) -> Running:
        """Describe this process running ``profile``."""
        source = str(profile.source.absolute())
        if not profile.exchanges:
            return cls(os.getpid(), source=source)
        first = profile.exchanges[0]
        capture = str(first.capture) if first.capture else ""
        return cls(os.getpid(), capture, first.speed, first.seed, source)


def lock_path(paths: Paths, profile: str) -> Path:
    """Return the lock of a profile."""
    return paths.run / f"{profile}.host"


@contextmanager
def only_host_of(profile: Profile, paths: Paths) -> Iterator[None]:
    """Hold the profile for this process.

    Raises:
        UsageError: a host runs on it, in this process or another.
    """
    path = lock_path(paths, profile.name)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    try:
        if not _lock_within(descriptor, _PROBE_LIMIT_S):
            pid = _read(descriptor).pid
            raise UsageError(
                f"profile {profile.name} is already running" + (f" (pid {pid})" if pid else ""),
                hint=f"attach with `obiterm --profile {profile.name}`, or end that one first",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(Running.of(profile)), 0)
        yield
    finally:
        os.close(descriptor)


def running_host(paths: Paths, profile: str) -> Running | None:
    """Return what runs on a profile, ``None`` when nothing does; pid 0 when it is just starting.

    It changes nothing on disk.
    """
    try:
        descriptor = os.open(lock_path(paths, profile), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    with contextlib.closing(os.fdopen(descriptor, "rb")):
        return None if _try_lock(descriptor) else _read(descriptor)


def last_host(paths: Paths, profile: str) -> Running | None:
    """Return what ran last on a profile, or still does; ``None`` when nothing ever did."""
    try:
        found = msgspec.json.decode(lock_path(paths, profile).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None
    return found


def _lock_within(descriptor: int, limit_s: float) -> bool:
    """Take the lock; another shell's look at it holds it for a moment only."""
    deadline = time.monotonic() + limit_s
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Running:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(os.pread(descriptor, _MOST_BYTES, 0), type=Running)
    return Running(0)
