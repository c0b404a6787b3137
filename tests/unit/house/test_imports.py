"""Import contracts at run time: what is deferred stays deferred."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_PACKAGE = Path(__file__).resolve().parents[3] / "obiterm"
_IMPORT_AND_TELL = """
import importlib, json, sys, time
started = time.process_time()
for name in sys.argv[1:]:
    importlib.import_module(name)
spent = time.process_time() - started
print(json.dumps({"seconds": spent, "modules": sorted(sys.modules)}))
"""


def after_import(*names: str) -> tuple[float, set[str]]:
    """Import modules in a fresh interpreter; return CPU seconds and every module loaded."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_AND_TELL, *names],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return told["seconds"], set(told["modules"])


def modules_of(*rooms: str) -> list[str]:
    """Return the dotted names of all modules of some rooms."""
    return [
        ".".join(("obiterm", *path.relative_to(_PACKAGE).with_suffix("").parts))
        for room in rooms
        for path in sorted((_PACKAGE / room).rglob("*.py"))
        if path.name != "__init__.py"
    ]


def test_only_the_screen_loads_textual() -> None:
    """All rooms but ui/, every module of them, in one interpreter: no Textual."""
    rooms = sorted(path.name for path in _PACKAGE.iterdir() if (path / "__init__.py").is_file())
    assert {"cli", "host", "engine", "ui"} <= set(rooms)
    rooms.remove("ui")
    _, loaded = after_import(*modules_of(*rooms))
    assert not [name for name in loaded if name.split(".")[0] == "textual"]
    assert not [name for name in loaded if name.startswith("obiterm.ui")]


def test_the_command_line_imports_lazily() -> None:
    """`obiterm status` must not pay for engines, sockets, the exchange or the screen."""
    _, loaded = after_import("obiterm.cli.main")
    heavy = {"textual", "pydantic", "aiohttp", "httpx", "websockets", "nacl", "uvloop", "sqlite3"}
    assert not heavy & {name.split(".")[0] for name in loaded}


def test_importing_the_command_line_is_fast() -> None:
    """Best of three, CPU time: below 120 ms."""
    assert min(after_import("obiterm.cli.main")[0] for _ in range(3)) < 0.12


@pytest.mark.parametrize("room", ["core", "market", "strategies", "trading", "venues"])
def test_pure_rooms_load_no_event_loop_of_their_own(room: str) -> None:
    """Neither directly nor through another room of ours: no asyncio, no sockets, no threads."""
    names = modules_of(room)
    _, loaded = after_import(*names)
    ours = {name for name in loaded if name.startswith("obiterm.")}
    assert not {name for name in ours if name.split(".")[1] in ("net", "link", "journal", "engine")}
    assert not {"aiohttp", "httpx", "websockets"} & loaded
