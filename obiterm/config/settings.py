"""The user's settings: how the screen looks, on every profile.

Who wins: flag, then the profile where it says something, then ``settings.toml``,
then the environment (``OBITERM_THEME``, ``OBITERM_COLOUR``, ``OBITERM_ON_DETACH``),
then the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from obiterm.config.explain import read_toml, validate
from obiterm.config.models import Colour, OnDetach, Profile


class Settings(BaseModel):
    """What ``settings.toml`` may say."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    theme: str = Field("night-city", max_length=64, description="Theme of the screen.")
    colour: Colour = Field("auto", description="Colour depth of the terminal.")
    on_detach: OnDetach = Field("keep", description="What engines do when the last screen leaves.")
    keymap: dict[str, str] = Field(
        default_factory=dict,
        description="Keys by action name, e.g. cancel_all = 'c'; several keys with commas.",
    )


class Choices(msgspec.Struct, frozen=True):
    """What holds for this run after all sources were asked."""

    theme: str
    colour: Colour
    on_detach: OnDetach
    keymap: dict[str, str]


_VARIABLES = {
    "theme": "OBITERM_THEME",
    "colour": "OBITERM_COLOUR",
    "on_detach": "OBITERM_ON_DETACH",
}


def load_settings(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file over the environment; a missing file is empty.

    Raises:
        ConfigError: names the file or the variable, the field, the value and what was expected.
    """
    env = os.environ if environ is None else environ
    table: dict[str, Any] = {}
    for field, variable in _VARIABLES.items():
        if value := env.get(variable, ""):
            validate(Settings, {field: value}, where=variable)
            table[field] = value
    if path.is_file():
        stored, text = read_toml(path)
        validate(Settings, stored, where=str(path), text=text)
        table |= stored
    return Settings.model_validate(table)


def choose(
    settings: Settings,
    profile: Profile | None = None,
    *,
    theme: str | None = None,
    colour: Colour | None = None,
    on_detach: OnDetach | None = None,
) -> Choices:
    """Return what holds: flags over the profile over the settings."""
    chosen: dict[str, Any] = {field: getattr(settings, field) for field in _VARIABLES}
    if profile is not None:
        said = profile.model_fields_set
        chosen |= {field: getattr(profile, field) for field in _VARIABLES if field in said}
    flags = {"theme": theme, "colour": colour, "on_detach": on_detach}
    chosen |= {field: value for field, value in flags.items() if value is not None}
    return Choices(keymap=settings.keymap, **chosen)
