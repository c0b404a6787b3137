"""The key bar. The panic chips come first and never collapse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from obiterm.ui.panes.base import RowPane


@dataclass(frozen=True, slots=True)
class KeyHint:
    """A key and what it does.

    Attributes:
        key: as printed, e.g. ``F9 F9`` or ``^P``.
        label: one or two words.
        panic: ``kill`` or ``flatten`` for the chips that never collapse; else empty.
    """

    key: str
    label: str
    panic: Literal["", "kill", "flatten"] = ""


class KeyBar(RowPane):
    """Keys of the actions that are possible now."""

    DEFAULT_CSS = """
    KeyBar { height: 1; background: $background; }
    """

    def set_keys(self, hints: Sequence[KeyHint]) -> None:
        """Set the keys, most useful first; those that do not fit are left out."""
