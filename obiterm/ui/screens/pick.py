"""Choose the symbol and the account to show."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from obiterm.ui.screens.base import Box, Modal

Choice = tuple[str, str]
"""Symbol and account; an empty account means all together."""


class PickModal(Modal[Choice]):
    """A list of markets; Enter or a click answers with one."""

    def __init__(self, title: str, choices: list[tuple[str, Choice]], current: int) -> None:
        super().__init__()
        self._title = title
        self._choices = choices
        self._current = current

    def compose_box(self) -> ComposeResult:
        """List the choices."""
        yield OptionList(*(Option(Content(label)) for label, _ in self._choices))

    def on_mount(self) -> None:
        """Title, and the present choice under the cursor."""
        self.query_one(Box).border_title = f" {self._title} "
        options = self.query_one(OptionList)
        options.highlighted = self._current
        options.focus()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index][1])
