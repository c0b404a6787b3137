"""Modals with one text field: order size, log filter, arming."""

from __future__ import annotations

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from obiterm.ui.screens.base import Box, Modal

Check = Callable[[str], str]
"""Returns what is wrong with a text, empty when nothing is."""


class AskModal(Modal[str]):
    """Asks for one line of text; Enter answers with it if it passes the check."""

    def __init__(self, title: str, lines: list[str], *, value: str = "", check: Check) -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._value = value
        self._check = check

    def compose_box(self) -> ComposeResult:
        """Put the explanation, the field and the place for what is wrong."""
        for line in self._lines:
            yield Static(line, markup=False)
        yield Input(self._value, select_on_focus=True)
        yield Static("Enter = ok, Esc = leave", id="problem", markup=False, classes="dim")

    def on_mount(self) -> None:
        """Title of the box."""
        self.query_one(Box).border_title = f" {self._title} "

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        problem = self._check(event.value)
        if problem:
            line = self.query_one("#problem", Static)
            line.update(problem)
            line.set_classes("bad")
        else:
            self.dismiss(event.value)


class ArmModal(AskModal):
    """Arms an account again: its name must be typed, never one key."""

    def __init__(self, account: str, reason: str, *, real_money: bool) -> None:
        self.account = account
        self.word = "all" if account == "*" else account
        lines = [
            f"Arm {'every account' if account == '*' else account}"
            + (" (REAL MONEY)" if real_money else ""),
            reason,
            f"Type {self.word} to arm.",
        ]
        super().__init__("ARM", [line for line in lines if line], check=self._wrong)

    def _wrong(self, text: str) -> str:
        return "" if text.strip() == self.word else f"type {self.word}, exactly"
