"""A user's keys are refused whole when one of them is wrong."""

from __future__ import annotations

import pytest

from obiterm.core.errors import ConfigError
from obiterm.ui.actions import ACTIONS, FLATTEN, KILL
from obiterm.ui.keymap import latch_for, resolve
from obiterm.ui.keys import display, display_keys, normalise


def test_without_a_keymap_the_defaults_hold() -> None:
    keymap = resolve({})
    assert keymap[KILL] == ("f9", "ctrl+backslash")
    assert keymap == {action.name: action.keys for action in ACTIONS}


def test_a_free_key_is_taken() -> None:
    assert resolve({"order.join-bid": "ctrl+b, i"})["order.join-bid"] == ("ctrl+b", "i")


def test_two_actions_may_swap_keys() -> None:
    keymap = resolve({"order.join-bid": "o", "order.join-ask": "b"})
    assert (keymap["order.join-bid"], keymap["order.join-ask"]) == (("o",), ("b",))


@pytest.mark.parametrize(
    ("user", "names"),
    [
        ({KILL: "f12"}, KILL),
        ({FLATTEN: "f9"}, FLATTEN),
        ({"view.zoom": "f9"}, "view.zoom"),
        ({"view.zoom": "ctrl+backslash"}, "view.zoom"),
        ({"order.place": "b"}, "order.place"),
        ({KILL: ""}, KILL),
        ({KILL: "k"}, KILL),
        ({KILL: "x"}, KILL),
        ({KILL: "enter"}, KILL),
        ({KILL: "ctrl+c"}, KILL),
        ({KILL: "alt+k"}, KILL),
        ({FLATTEN: "escape"}, FLATTEN),
        ({"order.fly": "y"}, "order.fly"),
        ({"view.zoom": "no-such-key"}, "view.zoom"),
        ({"view.zoom": "turbo+z"}, "view.zoom"),
        ({"view.zoom": "z,,"}, "view.zoom"),
    ],
)
def test_what_is_refused_names_the_action(user: dict[str, str], names: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(user)
    assert caught.value.field == f"keys.{names}"


def test_a_moved_panic_key_moves_the_latch() -> None:
    latch = latch_for(resolve({KILL: "f8", FLATTEN: "f7"}))
    assert latch.hold_keys == {"f8"}
    assert latch.lead_keys == {"f7"}
    assert latch.feed("f8", 0).command is not None
    assert latch.feed("f9", 1).command is None


@pytest.mark.parametrize(
    ("key", "name", "shown"),
    [
        ("?", "question_mark", "?"),
        ("ctrl+p", "ctrl+p", "^P"),
        ("ctrl+\\", "ctrl+backslash", "^\\"),
        ("B", "B", "B"),
        ("shift+tab", "shift+tab", "⇧Tab"),
        ("[", "left_square_bracket", "["),
        ("f12", "f12", "F12"),
        ("pageup", "pageup", "PgUp"),
    ],
)
def test_names_and_signs_of_keys(key: str, name: str, shown: str) -> None:
    assert normalise(key) == name
    assert display(name) == shown


def test_gestures_are_shown_whole() -> None:
    assert display_keys(("f9", "ctrl+backslash"), twice=True) == "F9 F9 or ^\\ ^\\"
    assert display_keys(("f12",), then="x") == "F12 x"
