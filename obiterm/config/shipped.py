"""Files that come with the program: themes and profiles.

They stand at the top of the repository, and inside the package in a wheel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import obiterm
from obiterm.core.errors import UsageError

Kind = Literal["themes", "profiles"]


def shipped_directory(kind: Kind) -> Path:
    """Return the directory of shipped files, in a wheel, a checkout or an editable install.

    Raises:
        UsageError: the installation is incomplete.
    """
    package = Path(obiterm.__file__).parent
    for candidate in (package / "_data" / kind, package.parent / kind):
        if candidate.is_dir():
            return candidate
    raise UsageError(f"the shipped {kind} are missing", hint="install obiterm again")


def shipped_files(kind: Kind) -> dict[str, Path]:
    """Return the shipped TOML files by name (without the suffix), in order of name."""
    return {path.stem: path for path in sorted(shipped_directory(kind).glob("*.toml"))}
