"""The only place that knows where things live on disk.

``OBITERM_HOME`` puts everything under one directory; otherwise the XDG base
directories count. Sockets do not live in ``XDG_RUNTIME_DIR``: it goes away with
the last login session, and an engine that trades on after an SSH drop must be
found again by the next login (T15 T26).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from obiterm.core.errors import UsageError

APP = "obiterm"


@dataclass(frozen=True, slots=True)
class Paths:
    """Directories of one user, all absolute."""

    config: Path
    """Settings, profiles, themes that the user wrote."""
    data: Path
    """Journals: to be kept."""
    state: Path
    """Panic latches and logs."""
    run: Path
    """Sockets and locks."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Paths:
        """Read ``OBITERM_HOME`` or the XDG variables; make nothing on disk."""
        env = os.environ if environ is None else environ
        home = env.get("OBITERM_HOME", "")
        if home:
            root = Path(home).expanduser().absolute()
            return cls(root / "config", root / "data", root / "state", root / "run")
        state = _xdg(env, "XDG_STATE_HOME", ".local/state")
        return cls(
            config=_xdg(env, "XDG_CONFIG_HOME", ".config"),
            data=_xdg(env, "XDG_DATA_HOME", ".local/share"),
            state=state,
            run=state / "run",
        )

    def ensure(self) -> Paths:
        """Make the directories, closed to other users (0700), and return self.

        Raises:
            UsageError: one cannot be made, or belongs to another user.
        """
        for directory in (self.config, self.data, self.state, self.run, self.journals):
            _make_private(directory)
        return self

    @property
    def profiles(self) -> Path:
        """The user's own profiles; they come before shipped ones of the same name."""
        return self.config / "profiles"

    @property
    def themes(self) -> Path:
        """The user's own themes."""
        return self.config / "themes"

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.config / "settings.toml"

    @property
    def journals(self) -> Path:
        """The journals of all profiles."""
        return self.data / "journals"

    @property
    def latches(self) -> Path:
        """The latched trading states of all profiles."""
        return self.state / "latches"

    def journal(self, profile: str) -> Path:
        """Return the journal of a profile's host."""
        return self.journals / f"{profile}.journal"

    def socket(self, profile: str) -> Path:
        """Return the socket of a profile's host."""
        return self.run / f"{profile}.sock"

    def log(self, profile: str) -> Path:
        """Return the text log of a profile's host."""
        return self.state / f"{profile}.log"


def _xdg(env: Mapping[str, str], name: str, fallback: str) -> Path:
    base = env.get(name, "")
    if base and Path(base).is_absolute():  # the XDG specification: ignore relative ones
        return Path(base) / APP
    home = env.get("HOME", "")
    return (Path(home) if home else Path.home()) / fallback / APP


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_uid != os.getuid():
            raise UsageError(f"{directory} belongs to another user")
        directory.chmod(0o700)
    except OSError as error:
        raise UsageError(
            f"cannot make {directory}: {error.strerror}",
            hint="set OBITERM_HOME to a directory of your own",
        ) from error
