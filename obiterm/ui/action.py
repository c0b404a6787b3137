"""What an action is; the list is in ``actions.py``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a key, the palette or a click can do.

    Attributes:
        name: stable id ``area.verb``; user keymaps and bindings use it.
        keys: default keys in Textual's names.
        target: who does it: ``app``, ``view``, ``desk`` or ``switch`` (``panic`` = the latch).
        method: method of the target, without arguments.
        description: verb and object, a sentence for help and docs.
        palette: entry of the command palette, ``area: Verb object``; empty = none.
        tooltip: more about when and how.
        label: short word for the key bar; empty = not in the bar.
        panic: works everywhere, handled in the input thread.
        priority: works in text fields and modals too.
        dangerous: asks once before it acts.
        lease: needs control of the host.
    """

    name: str
    keys: tuple[str, ...]
    target: str
    method: str
    description: str
    palette: str = ""
    tooltip: str = ""
    label: str = ""
    panic: bool = False
    priority: bool = False
    dangerous: bool = False
    lease: bool = False

    @property
    def area(self) -> str:
        """First part of the name."""
        return self.name.partition(".")[0]


KILL = "panic.kill"
FLATTEN = "panic.flatten"
