"""What the watchdog saw and did, one JSON object per line; standard library only.

A clean end of a host closes the chapter: what stands before it is told no more.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

ENDED = "ended"
"""Kind of the line that a host writes at its clean end."""


def write_loss(path: Path, kind: str, text: str) -> None:
    """Add a line (0600); a disk that refuses hinders nobody."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = json.dumps({"at": at, "kind": kind, "text": text}) + "\n"
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a") as file:
            file.write(line)


def read_losses(path: Path) -> list[str]:
    """Return what has happened since the last clean end, oldest first, with its time (UTC)."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                if entry["kind"] == ENDED:
                    found = []
                else:
                    found.append(f"{entry['at']} {entry['text']}")
    return found
