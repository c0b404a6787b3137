"""Trading states latched on disk: a restart does not re-arm (SPEC §6)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from obiterm.core.commands import HoldFire, Kill
from obiterm.core.errors import DataError
from obiterm.core.values import NS_PER_MS, TradingState

_CLOSE_LIMIT_S = 2.0
_LOOK_EVERY_NS = 250 * NS_PER_MS


class Latched(msgspec.Struct, frozen=True):
    """One account's latched state."""

    state: TradingState
    reason: str
    at_ns: int

    def command(self, account: str) -> Kill | HoldFire:
        """Return what brings an account that runs into this state."""
        halts = self.state is TradingState.HALTED
        return Kill(account=account) if halts else HoldFire(account=account)


class LatchStore:
    """One small file per account; written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, account: str) -> Latched | None:
        """Return the latched state, ``None`` when there is none.

        A damaged file counts as HALTED: the safe reading of a state that cannot be read.
        """
        path = self._path(account)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Latched)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            return Latched(TradingState.HALTED, f"{path.name} cannot be read: {error}", 0)

    def write(self, account: str, latched: Latched) -> None:
        """Store a state durably. Raises ``DataError`` when the disk refuses."""
        path = self._path(account)
        part = path.with_suffix(f".{os.getpid()}.part")  # a shell may write at the same time
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(descriptor, msgspec.json.encode(latched))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            part.replace(path)
            _sync_folder(self._folder)
        except OSError as error:
            raise DataError(f"the state of {account} cannot be latched: {error}") from error

    def stamp(self, account: str) -> tuple[int, int]:
        """Return what differs after every write: inode and time of change, zeros without one."""
        try:
            found = self._path(account).stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    def _path(self, account: str) -> Path:
        return self._folder / f"{account}.state.json"


class LatchWriter:
    """Writes one account's states off the loop, one after the other; the newest wins.

    Two writers at once could leave the older state on disk: a kill that is followed by a
    quick re-arm, or the other way round. What another process latched (a shell or the watchdog
    that found this host hanging) is seen by ``look``.
    """

    def __init__(
        self, store: LatchStore, account: str, on_failure: Callable[[DataError], None]
    ) -> None:
        self._store = store
        self._account = account
        self._on_failure = on_failure
        self._due: Latched | None = None
        self._task: asyncio.Task[None] | None = None
        self._own: list[Latched] = []
        self._stamp = store.stamp(account)
        self._look_ns = 0

    def look(self, now_ns: int) -> Latched | None:
        """Return what another process has halted or held since the last look, else ``None``.

        Cheap enough for every event: it looks at the file once in 250 ms. The first event after
        the process was stopped looks before anything is decided.
        """
        if now_ns < self._look_ns and self._look_ns - now_ns <= _LOOK_EVERY_NS:
            return None
        self._look_ns = now_ns + _LOOK_EVERY_NS
        stamp = self._store.stamp(self._account)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        found = self._store.read(self._account)
        if found is None or found in self._own or found.state is TradingState.ACTIVE:
            return None
        return found

    def write(self, latched: Latched) -> None:
        """Store a state soon; call from the loop."""
        self._due = latched
        self._own = [*self._own[-3:], latched]
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def close(self) -> None:
        """Wait until the newest state is on disk, but not for ever."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_CLOSE_LIMIT_S)

    async def _drain(self) -> None:
        while self._due is not None:
            latched, self._due = self._due, None
            try:
                await asyncio.to_thread(self._store.write, self._account, latched)
            except DataError as error:
                self._on_failure(error)


def _sync_folder(folder: Path) -> None:
    """Bring the renamed entry itself to the medium."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
