"""Leaving asks which: detach, or stop trading (never "quit and leave orders")."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from obiterm.ui.ending import EndReason
from obiterm.ui.screens.base import Box, Modal


class LeaveModal(Modal[EndReason]):
    """Asks how to leave; answers ``DETACHED`` or ``STOPPED``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "detach", "Detach"),
        Binding("s", "stop", "Stop trading"),
    ]

    def __init__(self, *, on_detach: str, may_stop: bool) -> None:
        super().__init__()
        self._on_detach = on_detach
        self._may_stop = may_stop

    def compose_box(self) -> ComposeResult:
        """Name both ways and what becomes of the orders."""
        kept = _DETACHED.get(self._on_detach, f"on_detach = {self._on_detach}")
        yield Static(f"d     detach: {kept}", markup=False)
        if self._may_stop:
            yield Static("s     stop trading: cancel every order, end the host", markup=False)
        yield Static("Esc   stay", markup=False, classes="dim")

    def on_mount(self) -> None:
        """Title of the box."""
        self.query_one(Box).border_title = " LEAVE "

    def action_detach(self) -> None:
        """Leave; the host goes on."""
        self.dismiss(EndReason.DETACHED)

    def action_stop(self) -> None:
        """Leave and end the host."""
        if self._may_stop:
            self.dismiss(EndReason.STOPPED)


_DETACHED = {
    "keep": "engines trade on without a screen",
    "hold": "engines hold fire, orders stay",
    "cancel": "engines cancel every order and hold fire",
    "flatten": "engines close every position",
}
