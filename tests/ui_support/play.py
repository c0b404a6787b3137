"""Run one screen against a socket: what pty tests and people start.

``python -m tests.ui_support.play SOCKET [--theme NAME] [--block] [--ignore-hup]``.
``--block`` makes the key ``m`` block the event loop for two seconds, as a faulty
handler would; ``--crash`` makes it raise. ``--ignore-hup`` leaves only end of file to
tell of a closed terminal.
"""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path

from obiterm.ui.ending import Ending
from obiterm.ui.run import run_screen
from obiterm.ui.state import UiSettings

BLOCK_S = 2.0


def main() -> int:
    """Attach and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("socket", type=Path)
    parser.add_argument("--theme", default="night-city")
    parser.add_argument("--block", action="store_true")
    parser.add_argument("--crash", action="store_true")
    parser.add_argument("--ignore-hup", action="store_true")
    parser.add_argument("--read-only", action="store_true")
    chosen = parser.parse_args()
    if chosen.block or chosen.crash:
        _break_mask(crash=chosen.crash)
    if chosen.ignore_hup:
        Ending.install = lambda self: None  # type: ignore[method-assign]
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = UiSettings(theme=chosen.theme, client="test", read_only=chosen.read_only)
    return run_screen(chosen.socket, settings)


def _break_mask(*, crash: bool) -> None:
    from obiterm.ui.views import Views

    def mask(self: Views) -> None:
        if crash:
            raise ZeroDivisionError("a fault of the screen")
        time.sleep(BLOCK_S)

    Views.mask = mask  # type: ignore[method-assign]


if __name__ == "__main__":
    raise SystemExit(main())
