"""What every test gets: a home of its own, no settings of the developer's, UTC."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast a busy machine draws examples says nothing about the code under test.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

_CHECKOUT = Path(__file__).resolve().parent.parent
_SHARED = os.environ.get("OBITERM_SHARED", "")


@pytest.fixture(autouse=True)
def own_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Put home, XDG directories and ``OBITERM_HOME`` under a temporary directory."""
    home = tmp_path_factory.mktemp("home")
    for name in [one for one in os.environ if one.startswith(("OBITERM_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("OBITERM_HOME", str(home / "obiterm"))
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield home
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def shared_data() -> Path:
    """Return the directory of recorded market data, or skip."""
    shared = Path(_SHARED) if _SHARED else _CHECKOUT.parent / "shared"
    data = shared / "data"
    if not data.is_dir():
        pytest.skip(f"no recorded data at {data}; set OBITERM_SHARED to where it is")
    return data


_TIMED = (
    "tests/cli/",
    "tests/clients/test_one_price.py",
    "tests/engine_bybit/test_outages.py",
    "tests/faults/",
    "tests/host/",
    "tests/pty/",
    "tests/unit/exchange_binance/test_faults.py",
    "tests/unit/link/",
    "tests/unit/ui_app/test_panic_keys.py",
    "tests/unit/ui_app/test_writer.py",
    "tests/unit/ui_panes/test_bytes.py",
)
"""Tests with time limits of their own, or with processes that need the machine for themselves."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what must run alone (see the Makefile)."""
    for item in items:
        place = item.path.relative_to(_CHECKOUT).as_posix()
        if place.startswith(_TIMED):
            item.add_marker(pytest.mark.timed)
