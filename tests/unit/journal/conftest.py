"""Journals to break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from obiterm.journal.log import Journal

Make = Callable[[Path, int], Path]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo.journal"


@pytest.fixture
def make_journal() -> Make:
    def make(path: Path, rows: int) -> Path:
        journal = Journal.open(path)
        for i in range(rows):
            journal.append(f"account-{i % 3}", "intent" if i % 2 else "reply", b"%d" % i * 5, i)
            if i % 4 == 0:
                journal.commit()
        journal.close()
        return path

    return make
