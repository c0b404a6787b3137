"""Theme files: found, checked, reported by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import obiterm
from obiterm.core.errors import ConfigError, UsageError
from obiterm.ui.theme import DEFAULT_THEME, builtin_dir, load_themes, parse_theme, to_textual

BASE = {
    "bg": "#06060f",
    "text": "#d7d9f5",
    "accent": "#00f0ff",
    "hot": "#ff2a6d",
    "warn": "#fcee0a",
    "ok": "#3dffa2",
}


def _toml(name: str = "mine", colours: dict[str, str] | None = None, more: str = "") -> bytes:
    lines = [f'name = "{name}"', "[colors]"]
    lines += [f'{key} = "{value}"' for key, value in {**BASE, **(colours or {})}.items()]
    return ("\n".join(lines) + "\n" + more).encode()


def test_the_product_brings_its_themes() -> None:
    themes = load_themes()
    assert set(themes.palettes) >= {"night-city", "amber-crt", "contrast"}
    assert themes.problems == ()
    assert themes.get(DEFAULT_THEME).bg == "#06060f"
    assert builtin_dir().joinpath("night-city.toml").is_file()


def test_themes_inside_an_installed_package_are_found(tmp_path: Path) -> None:
    checkout = Path(obiterm.__file__).resolve().parent
    shutil.copytree(checkout, tmp_path / "obiterm", ignore=shutil.ignore_patterns("__pycache__"))
    shipped = tmp_path / "obiterm" / "_data" / "themes"
    shipped.mkdir(parents=True)
    (shipped / "only-here.toml").write_bytes(_toml("only-here"))
    code = "from obiterm.ui.theme import load_themes; print(*load_themes().palettes)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.split() == ["only-here"]


def test_six_colours_make_a_theme() -> None:
    palette = parse_theme(_toml(), where="mine.toml")
    assert palette.now == BASE["warn"]
    assert len(palette.bid) == len(palette.ask) == 16
    assert palette.line not in (palette.bg, palette.text)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_toml(colours={"accent": "cyan"}), ("mine.toml", "colors.accent", "'cyan'")),
        (_toml(colours={"glow": "#ffffff"}), ("mine.toml", "glow")),
        (_toml(colours={"text": "#0a0a1a"}), ("mine.toml", "colors.text", "contrast")),
        (_toml(name="My Theme"), ("mine.toml", "name", "'My Theme'")),
        (_toml(more='[heat]\nbid = ["#000000", "red"]\n'), ("mine.toml", "heat.bid[1]", "'red'")),
        (_toml(more='[heat]\nbid = ["#000000"]\n'), ("mine.toml", "heat.bid", "two or more")),
        (_toml(more="[heat]\ntext_from = 9\n"), ("mine.toml", "heat.text_from", "0 … 7")),
        (b'name = "mine"\n', ("mine.toml", "colors")),
        (b"name = \n", ("mine.toml", "line 1")),
        (b"\xff\xfe", ("mine.toml", "UTF-8")),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(data: bytes, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_theme(data, where="mine.toml")
    for word in words:
        assert word in str(caught.value)


def test_a_broken_user_theme_is_reported_and_the_rest_still_load(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_bytes(_toml("good"))
    (tmp_path / "bad.toml").write_bytes(_toml("bad", {"hot": "#zzzzzz"}))
    (tmp_path / "notes.txt").write_text("not a theme")
    themes = load_themes(tmp_path)
    assert {"good", "night-city"} <= set(themes.palettes)
    assert [problem.name for problem in themes.problems] == ["bad"]
    assert "colors.hot" in themes.problems[0].text


def test_a_user_theme_replaces_one_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "night-city.toml").write_bytes(_toml("night-city", {"accent": "#12ab34"}))
    assert load_themes(tmp_path).get("night-city").accent == "#12ab34"


def test_a_missing_folder_is_no_problem(tmp_path: Path) -> None:
    assert load_themes(tmp_path / "none").problems == ()


def test_an_unknown_theme_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="night-city") as caught:
        load_themes().get("nocturne")
    assert caught.value.field == "theme"


def test_the_toolkit_gets_only_checked_colours() -> None:
    palette = load_themes().get("night-city")
    theme = to_textual(palette)
    assert theme.name == "night-city"
    assert theme.primary == palette.accent
    assert theme.variables["border-blurred"] == palette.line
