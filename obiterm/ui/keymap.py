"""A user's own keys: checked whole before any of them counts.

Textual takes a key from its old owner without a word when two actions want it
(design/TUI.md §5). Here that is a ``ConfigError``, above all for panic keys.
"""

from __future__ import annotations

from collections.abc import Mapping

from obiterm.core.errors import ConfigError
from obiterm.ui.actions import ACTIONS, BY_NAME, FLATTEN, KILL, Action
from obiterm.ui.keys import display, is_function_key, normalise
from obiterm.ui.latch import PanicLatch

Keymap = dict[str, tuple[str, ...]]

_TYPED = frozenset({"ctrl+" + letter for letter in "acdefhijkmuvwxyz"} | {"ctrl+p", "ctrl+q"})
"""Control keys that text fields, the terminal or the program itself need."""

_SHARED = frozenset(BY_NAME[KILL].keys) & frozenset(BY_NAME[FLATTEN].keys)
"""Keys that start both panic gestures by design: twice kills, then ``x`` flattens."""


def resolve(user: Mapping[str, str]) -> Keymap:
    """Return the keys in force by action name.

    ``user`` maps action names to comma-separated keys, e.g. ``{"order.join-bid": "j"}``.

    Raises:
        ConfigError: an unknown action or key, a key with two owners, or a panic action
            left without a key that works everywhere. Nothing of the keymap then counts.
    """
    keymap = {action.name: action.keys for action in ACTIONS}
    for name, text in user.items():
        if name not in BY_NAME:
            raise ConfigError(f"keys.{name}", text, "an action of the help screen (press ?)")
        keymap[name] = _parse(name, text)
    for action in ACTIONS:
        if action.panic:
            _check_panic(action, keymap[action.name])
    _check_clashes(keymap, user)
    return keymap


def latch_for(keymap: Keymap) -> PanicLatch:
    """Return the latch for resolved keys."""
    return PanicLatch(frozenset(keymap[KILL]), frozenset(keymap[FLATTEN]))


def _parse(name: str, text: str) -> tuple[str, ...]:
    keys = []
    for part in text.split(","):
        key = normalise(part) if part.strip() else None
        if key is None:
            raise ConfigError(f"keys.{name}", text, "one or more keys such as j, ctrl+t, f5")
        keys.append(key)
    return tuple(dict.fromkeys(keys))


def _check_panic(action: Action, keys: tuple[str, ...]) -> None:
    for key in keys:
        control = key.startswith("ctrl+") and key not in _TYPED and "+" not in key[5:]
        if not (is_function_key(key) or control):
            raise ConfigError(
                f"keys.{action.name}",
                key,
                "a function key or a control key that no text field needs",
                hint="a panic key works everywhere, so it must never be text",
            )


def _check_clashes(keymap: Keymap, user: Mapping[str, str]) -> None:
    owners: dict[str, Action] = {}
    for action in ACTIONS:
        for key in keymap[action.name]:
            other = owners.get(key)
            if other is None:
                owners[key] = action
            elif not (key in _SHARED and action.panic and other.panic):
                named = action if action.name in user else other
                loser = other if named is action else action
                raise ConfigError(
                    f"keys.{named.name}",
                    user.get(named.name, key),
                    f"a free key; {display(key)} belongs to {loser.name}",
                )
