"""Lists to choose from: markets and accounts, narrowed by typing."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from obiterm.ui.paint.numbers import clean
from obiterm.ui.screens.base import Box, Modal

Pick = TypeVar("Pick")

MOST_SHOWN = 300
"""Choices in sight at once; typing finds the others."""


class PickModal(Modal[Pick], Generic[Pick]):
    """A list; words that are typed narrow it; Enter or a click answers with a choice.

    Args:
        title: of the box.
        choices: what stands in the list and what it answers with.
        current: place of the choice that is under the cursor first.
        lines: what the choice is for.
        news: what is missing in the list, if anything.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "Next", show=False, priority=True),
        Binding("up", "move(-1)", "Previous", show=False, priority=True),
        Binding("pagedown", "move(10)", "Ten on", show=False, priority=True),
        Binding("pageup", "move(-10)", "Ten back", show=False, priority=True),
    ]

    def __init__(
        self,
        title: str,
        choices: list[tuple[str, Pick]],
        current: int = 0,
        lines: tuple[str, ...] = (),
        news: str = "",
    ) -> None:
        super().__init__()
        self._title = title
        self._choices = choices
        self._current = current
        self._lines = lines
        self._news = news
        self._matches: list[tuple[str, Pick]] = []

    def compose_box(self) -> ComposeResult:
        """Put what it is for, the field and the list."""
        for line in self._lines:
            yield Static(line, markup=False)
        yield Input(placeholder="type to narrow the list", id="words")
        yield OptionList(id="choices")
        yield Static(self._news, markup=False, classes="news", id="news")
        yield Static("", markup=False, classes="dim", id="count")

    def on_mount(self) -> None:
        """Title, and the present choice under the cursor."""
        self.query_one(Box).border_title = f" {self._title} "
        self._narrow("")
        place = min(self._current, len(self._matches[:MOST_SHOWN]) - 1)
        self.query_one(OptionList).highlighted = place if self._choices else None
        self.query_one("#news", Static).display = bool(self._news)
        self.query_one(Input).focus()

    def update(self, choices: list[tuple[str, Pick]], news: str = "") -> None:
        """Take other choices; what is typed and what is under the cursor stay."""
        self._choices = choices
        place = self.query_one(OptionList).highlighted
        under = self._matches[place][1] if place is not None else None
        self._narrow(self.query_one(Input).value)
        shown = [pick for _, pick in self._matches[:MOST_SHOWN]]
        if under is not None and under in shown:
            self.query_one(OptionList).highlighted = shown.index(under)
        told = self.query_one("#news", Static)
        told.update(news)
        told.display = bool(news)

    def on_resize(self, event: Resize) -> None:
        """Leave the list the room that is there."""
        super().on_resize(event)
        taken = 10 + len(self._lines)
        box = event.size.height * 9 // 10  # obiterm.tcss lets a box have so much
        self.query_one(OptionList).styles.max_height = max(3, box - taken)

    def _narrow(self, text: str) -> None:
        words = text.lower().split()
        self._matches = [
            choice for choice in self._choices if all(word in choice[0].lower() for word in words)
        ]
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(
            [Option(Content(clean(label))) for label, _ in self._matches[:MOST_SHOWN]]
        )
        options.highlighted = 0 if self._matches else None
        shown = f"{len(self._matches)} of {len(self._choices)}"
        if len(self._matches) > MOST_SHOWN:
            shown += f", the first {MOST_SHOWN} here"
        self.query_one("#count", Static).update(f"{shown} · ↑ ↓ Enter · Esc leaves")

    def action_move(self, rows: int) -> None:
        """Move the choice by rows; positive is down."""
        options = self.query_one(OptionList)
        if not self._matches:
            return
        place = (options.highlighted or 0) + rows
        options.highlighted = min(max(place, 0), len(self._matches[:MOST_SHOWN]) - 1)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._narrow(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._answer(self.query_one(OptionList).highlighted)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self._answer(event.option_index)

    def _answer(self, place: int | None) -> None:
        if place is not None and place < len(self._matches):
            self.dismiss(self._matches[place][1])
