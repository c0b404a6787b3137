"""The last resort: a fault that nobody expected becomes a report on disk and one line."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
import traceback
from pathlib import Path

from obiterm import __version__
from obiterm.config.paths import Paths
from obiterm.core.errors import ObitermError

_SECRET_NAME = re.compile(r"key|secret|token|pass", re.IGNORECASE)
_SHORTEST_SECRET = 6


def report(error: BaseException) -> str:
    """Write what happened to the state directory; return the line to print.

    The report holds no local variables, and no value of an environment variable that is
    named like a key or a secret.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    words = f"internal error: {type(error).__name__}: {without_secrets(str(error))}"
    try:
        path = _write(error)
    except (ObitermError, OSError) as failure:
        return f"{words} (no report could be written: {failure})"
    return f"{words} (a fault of ours; report: {path})"


def without_secrets(text: str) -> str:
    """Return ``text`` with the values of secret environment variables masked."""
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, f"({name} not shown)")
    return text


def _write(error: BaseException) -> Path:
    folder = Paths.from_environment().ensure().state
    now = time.gmtime()
    path = folder / f"crash-{time.strftime('%Y%m%dT%H%M%SZ', now)}-{os.getpid()}.txt"
    text = "\n".join(
        (
            f"obiterm {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: {' '.join(sys.argv)}",
            f"time: {time.strftime('%Y-%m-%d %H:%M:%S', now)} UTC",
            "",
            "".join(traceback.format_exception(error)),
        )
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(without_secrets(text))
    return path
