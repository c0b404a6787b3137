"""Every key, from the registry of actions."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from obiterm.ui.actions import ReferenceRow
from obiterm.ui.screens.base import Box, Modal

_COLOUR_HELP = (
    "Colours look wrong over ssh? Plain ssh does not forward COLORTERM: set COLORTERM=truecolor "
    "on the server, or start with --color 256."
)


class HelpScreen(Modal[None]):
    """Lists keys by area; scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,q,enter", "leave", "Leave"),
        Binding("up,k", "scroll_lines(-1)", "Up", show=False),
        Binding("down,j", "scroll_lines(1)", "Down", show=False),
        Binding("pageup", "scroll_lines(-15)", "Page up", show=False),
        Binding("pagedown,space", "scroll_lines(15)", "Page down", show=False),
    ]

    def __init__(self, rows: list[ReferenceRow]) -> None:
        super().__init__()
        self._rows = rows

    def compose_box(self) -> ComposeResult:
        """List keys under the heading of their area."""
        with VerticalScroll(can_focus=False):
            area = ""
            for row in self._rows:
                if row.area != area:
                    area = row.area
                    yield Static(area.upper(), markup=False, classes="area")
                with Horizontal(classes="key"):
                    yield Static(row.keys, markup=False, classes="name")
                    with Vertical():
                        yield Static(row.description, markup=False)
                        if row.notes:
                            yield Static(row.notes, markup=False, classes="dim")
            yield Static(_COLOUR_HELP, markup=False, classes="dim area")

    def on_mount(self) -> None:
        """Title of the box."""
        self.query_one(Box).border_title = " KEYS "
        self.query_one(Box).border_subtitle = " Esc leaves · ↑ ↓ scroll "

    def action_scroll_lines(self, lines: int) -> None:
        """Scroll by lines; negative is up."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
