"""Settings: flags over the profile over the file over the environment over defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from obiterm.config.profiles import load_profile
from obiterm.config.settings import Settings, choose, load_settings
from obiterm.core.errors import ConfigError


def test_nothing_set_gives_the_defaults(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "none.toml", {})
    assert settings == Settings()
    choices = choose(settings)
    assert (choices.theme, choices.colour, choices.on_detach) == ("night-city", "auto", "keep")
    assert choices.keymap == {}


def test_who_wins(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    env = {"OBITERM_THEME": "env", "OBITERM_COLOUR": "256", "OBITERM_ON_DETACH": "hold"}
    assert load_settings(file, env).theme == "env"
    file.write_text('theme = "file"\n[keymap]\ncancel_all = "c"\n')
    settings = load_settings(file, env)
    assert (settings.theme, settings.colour, settings.on_detach) == ("file", "256", "hold")
    silent = load_profile("demo", user_dir=tmp_path)
    said = set(silent.model_fields_set)
    assert choose(settings, silent).theme == ("file" if "theme" not in said else silent.theme)
    spoken = silent.model_copy(update={"theme": "profile", "on_detach": "cancel"})
    choices = choose(settings, spoken)
    assert (choices.theme, choices.colour, choices.on_detach) == ("profile", "256", "cancel")
    choices = choose(settings, spoken, theme="flag", on_detach="flatten")
    assert (choices.theme, choices.on_detach) == ("flag", "flatten")
    assert choices.keymap == {"cancel_all": "c"}


@pytest.mark.parametrize(
    ("text", "env", "message"),
    [
        ('colour = "pink"', {}, r"settings.toml, line 1: colour = 'pink': expected 'auto'"),
        ('thme = "x"', {}, r"line 1: thme = 'x': expected no such key \(did you mean theme\?\)"),
        ("", {"OBITERM_ON_DETACH": "run"}, r"OBITERM_ON_DETACH: on_detach = 'run': expected"),
        ('theme = "x', {}, "expected valid TOML"),
        ("[keymap]\nquit = 3", {}, r"line 2: keymap.quit = 3: expected a valid string"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, text: str, env: dict[str, str], message: str
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_settings(file, env)
