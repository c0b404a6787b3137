"""Find the host that a shell command is about, and say in words what has become of it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from obiterm.config.paths import Paths
from obiterm.core.errors import HostGone, UsageError
from obiterm.host.cover import loss_log
from obiterm.host.lock import last_host, running_host
from obiterm.host.losses import read_losses
from obiterm.link.panic import PanicLine

_STOPPED = "Tt"


class Found(msgspec.Struct, frozen=True):
    """A profile and its host."""

    profile: str
    socket: Path
    runs: bool
    """Whether its process is there, hanging or not."""
    pid: int
    """0 = not known."""
    source: str
    """The profile's file; empty = not known."""

    @property
    def died(self) -> bool:
        """Whether it is gone without a clean end: that leaves its socket behind."""
        return not self.runs and self.socket.exists()

    @property
    def named(self) -> str:
        """Name it for a message."""
        return f"the host of {self.profile}" + (f" (pid {self.pid})" if self.pid else "")

    def silence(self) -> str:
        """Say why it does not answer."""
        if not self.runs:
            return f"{self.named} died without a clean end" if self.died else "no host is running"
        if not self.socket.exists():
            return f"{self.named} is just starting, or ending"
        if _process_state(self.pid) in _STOPPED:
            return f"{self.named} hangs: its process is stopped"
        return f"{self.named} hangs: it runs but does not answer"

    def mend(self, losses: list[str]) -> str:
        """Say what to do, and what a watchdog did."""
        of_it = f"--profile {self.profile}"
        if not self.runs:
            does = (
                f"its orders may rest at the venues: `obiterm kill {of_it}` cancels them there, "
                f"`obiterm {of_it}` starts it again with what is there"
            )
        elif not self.socket.exists():
            does = "ask again in a moment"
        else:
            number = "-CONT" if _process_state(self.pid) in _STOPPED else "-KILL"
            does = (
                f"`obiterm kill {of_it}` acts at the venues without it; "
                f"then `kill {number} {self.pid}`"
            )
        return "; ".join([does, *(f"watchdog: {one}" for one in losses[-2:])])

    def gone(self) -> HostGone:
        """Return the error that tells it all in one line."""
        losses = read_losses(loss_log(Paths.from_environment(), self.profile))
        return HostGone(self.silence(), hint=self.mend(losses))


def find_host(profile: str | None) -> Found:
    """Return the host of a profile; without one the only host that runs, else that has died.

    Raises:
        HostGone: none was named, and there is none.
        UsageError: several run or have died, or there is no such profile.
    """
    paths = Paths.from_environment()
    if profile is not None:
        found = _look_at(paths, Path(profile).stem)
        if not found.runs and not found.died:
            _require_profile(profile, paths)
        return found
    run = paths.run
    if run.parent.exists() and not run.parent.is_dir():
        raise UsageError(f"{run.parent} is not a directory", hint="see OBITERM_HOME")
    names = {path.stem for kind in ("*.sock", "*.host") for path in run.glob(kind)}
    every = [_look_at(paths, name) for name in sorted(names)]
    for word, those in (
        ("are running", [one for one in every if one.runs]),
        ("have died", [one for one in every if one.died]),
    ):
        if len(those) == 1:
            return those[0]
        if those:
            listed = ", ".join(one.profile for one in those)
            raise UsageError(f"several hosts {word}: {listed}", hint="choose one with --profile")
    raise HostGone("no host is running", hint="start one with `obiterm` or `obiterm host`")


def _look_at(paths: Paths, name: str) -> Found:
    socket = paths.socket(name)
    runs = running_host(paths, name) is not None or _answers(socket)
    last = last_host(paths, name)
    pid, source = (last.pid, last.source) if last is not None else (0, "")
    return Found(name, socket, runs, pid, source)


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    line = PanicLine(socket, "probe")
    try:
        return line.connected
    finally:
        line.close()


def _require_profile(profile: str, paths: Paths) -> None:
    """Tell a name that is no profile's from a profile that is not running."""
    from obiterm.config.profiles import load_profile

    load_profile(profile, user_dir=paths.profiles)


def _process_state(pid: int) -> str:
    """Return the letter that Linux has for what a process does; ``?`` elsewhere."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "?"
