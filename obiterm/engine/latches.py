"""Trading states latched on disk: a restart does not re-arm (SPEC §6)."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.values import TradingState


class Latched(msgspec.Struct, frozen=True):
    """One account's latched state."""

    state: TradingState
    reason: str
    at_ns: int


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
        part = path.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(descriptor, msgspec.json.encode(latched))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            part.replace(path)
        except OSError as error:
            raise DataError(f"the state of {account} cannot be latched: {error}") from error

    def _path(self, account: str) -> Path:
        return self._folder / f"{account}.state.json"
