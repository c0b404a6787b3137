"""The registry is whole: every action can be done, found and read about."""

from __future__ import annotations

import re
from pathlib import Path

from obiterm.ui.actions import ACTIONS, AREAS, BAR, BAR_SMALL, BY_NAME, reference_rows
from obiterm.ui.app import ObitermApp
from obiterm.ui.desk import Desk
from obiterm.ui.dialogs import Dialogs
from obiterm.ui.keys import normalise
from obiterm.ui.state import UiSettings
from obiterm.ui.switching import Switchboard
from obiterm.ui.views import Views

TARGETS = {"desk": Desk, "view": Views, "app": Dialogs, "switch": Switchboard}


def test_names_are_unique_and_every_action_has_one_who_does_it() -> None:
    assert len(BY_NAME) == len(ACTIONS)
    for action in ACTIONS:
        assert re.fullmatch(r"[a-z]+\.[a-z0-9-]+", action.name)
        if not action.panic:
            assert callable(getattr(TARGETS[action.target], action.method)), action.name


def test_keys_are_written_as_textual_names_them() -> None:
    for action in ACTIONS:
        assert action.keys
        for key in action.keys:
            assert normalise(key) == key, action.name


def test_palette_entries_are_area_verb_object() -> None:
    entries = [action.palette for action in ACTIONS if action.palette]
    assert len(set(entries)) == len(entries)
    for entry in entries:
        assert re.match(r"[a-z]+: [A-Z]", entry), entry


def test_the_bar_and_the_areas_are_complete() -> None:
    for name in (*BAR, *BAR_SMALL):
        assert BY_NAME[name].label
    assert {action.area for action in ACTIONS} == set(AREAS)


def test_every_action_is_in_the_reference() -> None:
    rows = reference_rows()
    assert {row.name for row in rows} == set(BY_NAME)
    kill = next(row for row in rows if row.name == "panic.kill")
    assert kill.keys == "F9 F9 or ^\\ ^\\"
    assert all(row.description and row.keys for row in rows)


def test_dangerous_actions_say_that_they_ask() -> None:
    for action in ACTIONS:
        if action.dangerous:
            assert "asks once" in action.description


def test_bindings_carry_the_names_and_panic_keys_have_none(tmp_path: Path) -> None:
    app = ObitermApp(tmp_path / "socket", UiSettings(keymap={"order.join-bid": "i"}))
    bound = {binding.id for _, binding in app._bindings}
    assert bound >= {action.name for action in ACTIONS if not action.panic}
    assert not bound & {"panic.kill", "panic.flatten"}
