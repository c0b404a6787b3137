"""The one list of everything a key can do.

Key bindings, the key bar, the help screen, the command palette and the reference
in the docs are all made from ``ACTIONS``; a user's keymap names ``Action.name``.
"""

from __future__ import annotations

from dataclasses import dataclass

from obiterm.ui.action import FLATTEN, KILL, Action
from obiterm.ui.keys import display_keys
from obiterm.ui.screen_actions import market_actions, pane_actions, panic_actions, view_actions
from obiterm.ui.trading_actions import control_actions, order_actions

__all__ = [
    "ACTIONS",
    "AREAS",
    "BAR",
    "BAR_SMALL",
    "BAR_TINY",
    "BY_NAME",
    "FLATTEN",
    "KILL",
    "Action",
    "ReferenceRow",
    "reference_rows",
]

ACTIONS: tuple[Action, ...] = (
    *panic_actions(),
    *view_actions(),
    *market_actions(),
    *pane_actions(),
    *order_actions(),
    *control_actions(),
)
BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}

BAR = (
    "view.trade",
    "view.orders",
    "view.strategy",
    "view.next-pane",
    "view.zoom",
    "market.symbol",
    "account.next",
    "account.arm",
    "app.palette",
    "app.help",
    "app.detach",
)
"""Key bar, left to right, behind the two panic chips."""

BAR_SMALL = ("app.help", "view.orders", "app.detach")
"""The three keys that stay at 80 columns (design/TUI.md §4)."""

BAR_TINY = ("app.help", "app.detach")
"""Views and panes are not there on a tiny terminal, so their keys are not shown."""

AREAS: dict[str, str] = {
    "panic": "Panic",
    "view": "View",
    "market": "Market",
    "cursor": "Price cursor",
    "ladder": "Ladder",
    "heat": "Heat map",
    "log": "Order log",
    "order": "Orders",
    "size": "Order size",
    "position": "Positions",
    "account": "Accounts",
    "strategy": "Strategies",
    "app": "Program",
}
"""Headings of help and docs, in order."""


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """One line of the key reference."""

    area: str
    keys: str
    name: str
    description: str
    notes: str


def reference_rows(keys: dict[str, tuple[str, ...]] | None = None) -> list[ReferenceRow]:
    """Return the key reference, by area, for the help screen and the docs.

    ``keys`` are the keys in force by action name (``keymap.resolve``); the default
    keys when left out.
    """
    rows = []
    for area, heading in AREAS.items():
        for action in ACTIONS:
            if action.area != area:
                continue
            used = (keys or {}).get(action.name, action.keys)
            shown = display_keys(
                used, twice=action.name == KILL, then="x" * (action.name == FLATTEN)
            )
            rows.append(
                ReferenceRow(heading, shown, action.name, action.description, action.tooltip)
            )
    return rows
