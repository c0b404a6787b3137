"""Commands run to their end, and a look at what they changed on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from obiterm.cli.main import main
from tests.host.conftest import attach, open_terminal, stack, start_host

__all__ = ["attach", "open_terminal", "stack", "start_host"]

Refused = Callable[..., str]


def picture(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with what it holds."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_socket()
    }


def one_line(done: CompletedProcess[str], code: int = 2) -> str:
    """Check that a command failed as it should: a code, one line on stderr, nothing on stdout."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.startswith("obiterm: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def refused(
    own_home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Refused:
    """Run a command that must be refused: one line, exit 2, nothing changed on disk.

    It runs in this process, which saves the start of Python; other tests see the real thing.
    """

    def start(*arguments: str, **environment: str) -> str:
        before = picture(own_home)
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            capfd.readouterr()
            code = main(arguments)
        told = capfd.readouterr()
        words = one_line(CompletedProcess(arguments, code, told.out, told.err))
        assert picture(own_home) == before, "something was changed on disk"
        return words

    return start
