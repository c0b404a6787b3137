"""What every screen of ours has: no inherited keys, and the notice line."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widget import Widget

from obiterm.ui.paint.context import size_class
from obiterm.ui.screens.notice import NoticeLine

Answer = TypeVar("Answer")


class Modal(ModalScreen[Answer], inherit_bindings=False):
    """A box in the middle; Escape leaves it without an answer.

    A subclass gives the contents in ``compose_box``.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave"),
        Binding("tab", "app.focus_next", "Next field", show=False),
        Binding("shift+tab", "app.focus_previous", "Previous field", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Put the box and the notice line on the screen."""
        with Box():
            yield from self.compose_box()
        yield NoticeLine()

    def compose_box(self) -> ComposeResult:
        """Give the contents of the box."""
        yield from ()

    def on_resize(self, event: Resize) -> None:
        """Leave out empty lines where there is no room for them."""
        self.set_class(size_class(*event.size) == "tiny", "-tight")

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


class Box(Widget):
    """The frame of a modal."""
