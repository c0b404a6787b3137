"""Where things live, and that other users cannot look."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from obiterm.config.paths import Paths
from obiterm.core.errors import UsageError


def test_one_home_for_everything(tmp_path: Path) -> None:
    paths = Paths.from_environment({"OBITERM_HOME": str(tmp_path), "XDG_DATA_HOME": "/other"})
    assert paths.config == tmp_path / "config"
    assert paths.journal("demo") == tmp_path / "data/journals/demo.journal"
    assert paths.socket("demo") == tmp_path / "run/demo.sock"
    assert paths.latches == tmp_path / "state/latches"
    assert paths.log("demo") == tmp_path / "state/demo.log"
    assert paths.profiles == tmp_path / "config/profiles"
    assert paths.themes == tmp_path / "config/themes"


def test_xdg() -> None:
    env = {"HOME": "/h", "XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "relative", "XDG_STATE_HOME": ""}
    paths = Paths.from_environment(env)
    assert paths.settings == Path("/c/obiterm/settings.toml")
    assert paths.data == Path("/h/.local/share/obiterm"), "relative ones do not count"
    assert paths.state == Path("/h/.local/state/obiterm")


def test_sockets_outlive_the_login_session() -> None:
    """T15 T26: XDG_RUNTIME_DIR goes with the last login; the host must be found after it."""
    with_session = Paths.from_environment({"HOME": "/h", "XDG_RUNTIME_DIR": "/run/user/1"})
    without = Paths.from_environment({"HOME": "/h"})
    assert with_session.socket("demo") == without.socket("demo")


def test_the_tests_have_a_home_of_their_own(own_home: Path) -> None:
    assert Paths.from_environment().config.is_relative_to(own_home)


def test_directories_are_private(tmp_path: Path) -> None:
    loose = tmp_path / "state"
    loose.mkdir(mode=0o755)
    paths = Paths.from_environment({"OBITERM_HOME": str(tmp_path)}).ensure()
    for directory in (paths.config, paths.data, paths.state, paths.run, paths.journals):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert paths.ensure() == paths


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make") as failure:
        Paths.from_environment({"OBITERM_HOME": str(tmp_path / "file")}).ensure()
    assert "OBITERM_HOME" in failure.value.hint
