"""The ``obiterm`` command: parse, dispatch, turn errors into one line and an exit code.

Exit codes: 0 done, 1 failed, 2 usage or configuration (also input that is damaged).
Standard output is data, standard error is messages. Commands import what they need
when they run.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from obiterm.cli.parser import make_parser
from obiterm.core.errors import ObitermError, UsageError

__all__ = ["main", "make_parser"]

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Nothing that fails ends in a traceback."""
    try:
        options = make_parser().parse_args(arguments)
        if options.profile is None:
            options.profile = getattr(options, "default_profile", None)
        code: int = options.run(options)
        sys.stdout.flush()
    except UsageError as error:
        return _fail(f"{error.title}: {error}", EXIT_USAGE)
    except ObitermError as error:
        return _fail(f"{error.title}: {error}", EXIT_FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_FAILED)
    except BrokenPipeError:
        _forget_output()
        return EXIT_FAILED
    except Exception as error:  # the last resort: a report on disk in place of a traceback
        from obiterm.cli.crash import report

        return _fail(report(error), EXIT_FAILED)
    return code


def _fail(message: str, code: int) -> int:
    """Print one line, whatever the message holds; return the code."""
    line = " ".join(message.split())
    try:
        print(f"obiterm: {line}", file=sys.stderr, flush=True)
    except OSError:  # nobody reads: the exit code has to do
        _forget_output()
    return code


def _forget_output() -> None:
    """Point both outputs nowhere, so that the interpreter's last flush does not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
