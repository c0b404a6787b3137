"""How keys are written: names in a keymap, signs on the screen."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from textual.keys import KEY_NAME_REPLACEMENTS, Keys

_MODIFIERS = frozenset({"alt", "ctrl", "hyper", "meta", "shift", "super"})
_SIGNS = {
    "backslash": "\\",
    "backspace": "Bksp",
    "down": "↓",
    "enter": "Enter",
    "escape": "Esc",
    "home": "Home",
    "left": "←",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "right": "→",
    "shift+tab": "⇧Tab",
    "space": "Space",
    "tab": "Tab",
    "up": "↑",
}
_NAMES = frozenset(str(key.value) for key in Keys)
_FUNCTION = re.compile(r"f([1-9]|1\d|2[0-4])")


def normalise(key: str) -> str | None:
    """Return a key's full name (``?`` becomes ``question_mark``); None if there is no such key."""
    *modifiers, name = key.strip().split("+") if key.strip() != "+" else ["+"]
    if any(modifier not in _MODIFIERS for modifier in modifiers):
        return None
    if len(name) == 1:
        name = _name_of(name)
    elif not (name in _NAMES or _character(name)):
        return None
    return "+".join([*sorted(modifiers), name])


def display(key: str) -> str:
    """Return a key as the screen writes it: ``ctrl+p`` is ``^P``, ``f9`` is ``F9``."""
    if key in _SIGNS:
        return _SIGNS[key]
    *modifiers, name = key.split("+")
    if _FUNCTION.fullmatch(name):
        shown = name.upper()
    else:
        shown = _SIGNS.get(name) or _character(name) or name
    for modifier in reversed(modifiers):
        if modifier == "ctrl":
            shown = f"^{shown.upper()}"
        elif modifier == "shift":
            shown = f"⇧{shown}"
        else:
            shown = f"{modifier.capitalize()}+{shown}"
    return shown


def display_keys(keys: Iterable[str], *, twice: bool = False, then: str = "") -> str:
    """Return keys of one action, e.g. ``F9 F9 or ^\\ ^\\`` with ``twice``."""
    shown = []
    for key in keys:
        first = display(key)
        shown.append(f"{first} {first}" if twice else f"{first} {then}".strip())
    return " or ".join(shown)


def is_function_key(key: str) -> bool:
    """True for F1 … F24 without a modifier."""
    return _FUNCTION.fullmatch(key) is not None


def _name_of(character: str) -> str:
    if character.isalnum():
        return character
    name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


_CHARACTERS = {_name_of(chr(code)): chr(code) for code in range(33, 127)}


def _character(name: str) -> str:
    """Return the printable ASCII character of a key name, empty when it has none."""
    return _CHARACTERS.get(name, "")
