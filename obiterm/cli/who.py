"""Who speaks to a host, for its log."""

from __future__ import annotations

import getpass
import os
import sys


def client_name(place: str) -> str:
    """Return ``user@place``; a user without a name in the system is told by number."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return f"{user}@{place}"


def tty_name() -> str:
    """Return the terminal of standard input, such as ``pts/3``."""
    try:
        return os.ttyname(sys.stdin.fileno()).removeprefix("/dev/")
    except OSError:
        return "?"
