"""The host's side of its watchdog: start it, give it a heartbeat, notice its death (§6)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.host.lock import lock_path
from obiterm.host.losses import ENDED, read_losses, write_loss
from obiterm.host.watchdog import BEAT, END
from obiterm.net.backoff import Backoff

_BEAT_S = 0.25
_DEAF_AFTER_BEATS = 40
"""A watchdog that answers no heartbeat for ten seconds is replaced."""
_STOP_LIMIT_S = 1.0
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 10.0


def loss_log(paths: Paths, profile: str) -> Path:
    """Return the file in which the watchdogs of a profile tell what they did."""
    return paths.state / f"{profile}.watchdog.log"


class Cover:
    """Keeps a watchdog over the host while it runs.

    Attributes:
        is_up: whether one watches now.
    """

    def __init__(self, profile: Profile, paths: Paths, tell: Callable[[str], None]) -> None:
        self._profile = profile
        self._lock = lock_path(paths, profile.name)
        self._log = loss_log(paths, profile.name)
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None
        self._silent_beats = 0
        self.is_up = False
        self._losses = read_losses(self._log)

    @property
    def text(self) -> str:
        """Say what the watchdog would do; or that there is none."""
        profile = self._profile
        if not profile.watchdog_s:
            return "off"
        if not self.is_up:
            return "being started"
        return f"{profile.on_host_loss} after {profile.watchdog_s:g} s"

    @property
    def losses(self) -> list[str]:
        """What watchdogs did since the last clean end."""
        return self._losses

    async def run(self) -> None:
        """Keep one until cancelled."""
        if self._losses:
            self._tell(f"watchdog: {self._losses[-1]}")
        if not self._profile.watchdog_s:
            return
        backoff = Backoff(first_s=_FIRST_WAIT_S, ceiling_s=_LONGEST_WAIT_S)
        while True:
            try:
                self._process = await asyncio.to_thread(self._start)
                why = await self._beat(self._process)
            except OSError as error:
                why = f"cannot be started: {error.strerror}"
            self.is_up = False
            self._losses = read_losses(self._log)
            told = f" ({self._losses[-1]})" if self._losses else ""
            self._tell(f"the watchdog {why}; it is being started again{told}")
            await asyncio.sleep(backoff.next_s())

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "obiterm.host.watchdog"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )
        charge = {
            "pid": os.getpid(),
            "rule": self._profile.on_host_loss,
            "limit_s": self._profile.watchdog_s,
            "log": str(self._log),
            "lock": str(self._lock),
            "profile": base64.b64encode(pickle.dumps(self._profile)).decode(),
        }
        if process.stdin is not None and process.stdout is not None:
            process.stdin.write(json.dumps(charge).encode() + b"\n")
            os.set_blocking(process.stdin.fileno(), False)
            os.set_blocking(process.stdout.fileno(), False)
        return process

    async def _beat(self, process: subprocess.Popen[bytes]) -> str:
        """Give it the heartbeat; return why that came to an end."""
        self._silent_beats = 0
        while process.poll() is None:
            _write(process, BEAT)
            if _has_answered(process):
                self._silent_beats = 0
                self.is_up = True
            else:
                self._silent_beats += 1
            if self._silent_beats > _DEAF_AFTER_BEATS:
                process.kill()
                await asyncio.to_thread(process.wait)
                return "hung"
            await asyncio.sleep(_BEAT_S)
        return f"ended (status {process.returncode})"

    async def stop(self, *, is_clean: bool) -> None:
        """Tell it of a clean end; without one it is left to act when this process is gone."""
        process, self._process = self._process, None
        if not is_clean:
            return
        write_loss_if_any(self._log)
        if process is None or process.poll() is not None:
            return
        _write(process, END)
        try:
            await asyncio.to_thread(process.wait, _STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def write_loss_if_any(log: Path) -> None:
    """Close the chapter of what watchdogs did, if there is one."""
    if read_losses(log):
        write_loss(log, ENDED, "the host ended in order")


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            os.write(process.stdin.fileno(), data)


def _has_answered(process: subprocess.Popen[bytes]) -> bool:
    if process.stdout is None:
        return False
    try:
        return bool(os.read(process.stdout.fileno(), 4096))
    except OSError:
        return False
