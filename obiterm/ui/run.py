"""Entry of the composition root: run one screen until it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from obiterm.core.errors import ConfigError, UsageError
from obiterm.ui.state import UiSettings

COLORS = ("auto", "truecolor", "256", "none")


def run_screen(socket: Path, settings: UiSettings) -> int:
    """Attach a full-screen terminal to the host at ``socket`` and return an exit code.

    Returns:
        0 after detach or stop, 1 after a fault of the screen, 143 after SIGTERM, 129 when
        the terminal is gone (prints then go nowhere). If the screen hangs while it should
        end, the process ends here, within a second, after ``settings.on_exit``.

    Raises:
        ConfigError: theme, colour or keymap cannot be used; nothing has been painted yet.
        UsageError: there is no terminal.
    """
    if settings.color not in COLORS:
        raise ConfigError("color", settings.color, "one of " + ", ".join(COLORS))
    if not (sys.__stdin__ and sys.__stdin__.isatty()):
        raise UsageError("the screen needs a terminal", hint="use --headless, or obiterm status")
    _choose_colors(settings.color)
    from obiterm.ui.app import ObitermApp
    from obiterm.ui.ending import Ending, EndReason

    ending = Ending(settings.on_exit)
    app = ObitermApp(socket, settings, ending)
    ending.install()
    chosen = app.run()
    fallback = EndReason.CRASHED if app.return_code else EndReason.DETACHED
    reason = ending.settle(chosen or fallback)
    if reason is EndReason.HANGUP:
        _forget_terminal()
    return reason.exit_code


def _forget_terminal() -> None:
    """Let later prints of the caller go nowhere: writing to a dead terminal fails."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _choose_colors(color: str) -> None:
    """Tell Textual, which reads the environment when it is imported."""
    if color == "none":
        os.environ["NO_COLOR"] = "1"
    elif color != "auto":
        os.environ["TEXTUAL_COLOR_SYSTEM"] = color
