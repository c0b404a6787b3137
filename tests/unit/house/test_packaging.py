"""What is installed is complete: themes, profiles, pins."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel without network and without build isolation."""
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=_CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.glob("*.whl")
    return built


def test_the_wheel_ships_themes_and_profiles(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for kind in ("themes", "profiles"):
        ours = {path.name for path in (_CHECKOUT / kind).glob("*.toml")}
        assert ours
        assert {f"obiterm/_data/{kind}/{name}" for name in ours} <= names
    assert "obiterm/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests/") or ".venv" in name]


def test_an_installed_wheel_finds_its_files(wheel: Path, tmp_path: Path) -> None:
    """Unpacked as pip does, away from the checkout: shipped profiles load from inside."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)  # our own archive
    script = (
        "import obiterm, pathlib;"
        "from obiterm.config.shipped import shipped_files;"
        "from obiterm.config.profiles import load_profile;"
        "print(obiterm.__file__);"
        "print(*sorted(shipped_files('themes')));"
        "print(*[load_profile(n, user_dir=pathlib.Path('.')).source"
        " for n in shipped_files('profiles')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    package, themes, profiles = done.stdout.splitlines()
    assert package.startswith(str(site))
    assert "night-city" in themes.split()
    assert profiles.split()
    assert all(
        source.startswith(str(site / "obiterm/_data/profiles")) for source in profiles.split()
    )


def pins() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in (_CHECKOUT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.+!]+)", line)
            assert match, f"not an exact pin: {line!r}"
            found[canonicalize_name(match[1])] = match[2]
    return found


def needed() -> Iterator[str]:
    """Yield every package that the program and its tests install, dependencies included."""
    project = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text())["project"]
    waiting = [
        Requirement(text)
        for text in (*project["dependencies"], *project["optional-dependencies"]["dev"])
    ]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        yield name
        try:
            texts = requires(name) or []
        except PackageNotFoundError:
            continue
        for child in map(Requirement, texts):
            extras = requirement.extras or {""}
            if child.marker is None or any(child.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(child)


def test_constraints_pin_everything() -> None:
    missing = set(needed()) - set(pins()) - {"pip", "setuptools"}
    assert not missing, f"not in constraints.txt: {sorted(missing)}"


def test_constraints_name_no_index() -> None:
    text = (_CHECKOUT / "constraints.txt").read_text()
    assert not re.search(r"://|--|@", text)


def test_textual_is_pinned_exactly() -> None:
    project = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text())["project"]
    (textual,) = [one for one in project["dependencies"] if one.startswith("textual")]
    assert textual == f"textual=={pins()['textual']}"
