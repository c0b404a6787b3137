"""Run one screen against a socket: what pty tests and people start.

``python -m tests.ui_support.play SOCKET [theme]``
"""

from __future__ import annotations

import sys
from pathlib import Path

from obiterm.ui.run import run_screen
from obiterm.ui.state import UiSettings


def main() -> int:
    """Attach and run."""
    theme = sys.argv[2] if len(sys.argv) > 2 else "night-city"
    return run_screen(Path(sys.argv[1]), UiSettings(theme=theme, client="test"))


if __name__ == "__main__":
    sys.exit(main())
