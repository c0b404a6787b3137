"""Snapshot files: compare a dump with the stored one, or store it.

``OBITERM_UPDATE_SNAPSHOTS=1 pytest tests/unit/ui_panes/test_snapshots.py`` writes them anew.
"""

from __future__ import annotations

import os
from difflib import unified_diff
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "snapshots"
_UPDATE = os.environ.get("OBITERM_UPDATE_SNAPSHOTS") == "1"
"""Read before any fixture clears the environment."""


def check_snapshot(name: str, text: str) -> None:
    """Fail with a diff when ``text`` is not what ``tests/snapshots/<name>.txt`` says."""
    path = FOLDER / f"{name}.txt"
    if _UPDATE:
        FOLDER.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    assert path.exists(), f"no snapshot {path.name}: run with OBITERM_UPDATE_SNAPSHOTS=1"
    stored = path.read_text(encoding="utf-8")
    if stored != text:
        lines = unified_diff(
            stored.splitlines(), text.splitlines(), "stored", "painted", lineterm="", n=1
        )
        raise AssertionError(f"{name} looks different:\n" + "\n".join(list(lines)[:120]))
