"""Whoever listens to an engine: a listener that fails never stops trading (T1)."""

from __future__ import annotations

from collections.abc import Callable

from obiterm.core.effects import Note
from obiterm.core.events import Event

NoteListener = Callable[[str, Note], None]
EventListener = Callable[[str, Event], None]

_TOLD = frozenset({1, 10, 100, 1_000, 10_000})


class Listeners:
    """Passes notes and events on.

    Attributes:
        faults: how often a listener has raised.
    """

    def __init__(
        self,
        account: str,
        on_note: NoteListener,
        on_event: EventListener,
        on_fault: Callable[[str], None],
    ) -> None:
        self.faults = 0
        self._account = account
        self._on_note = on_note
        self._on_event = on_event
        self._on_fault = on_fault

    def note(self, note: Note) -> None:
        """Pass a log line on."""
        try:
            self._on_note(self._account, note)
        except Exception as error:  # task boundary: told on the account's chip and in the journal
            self._failed(error)

    def event(self, event: Event) -> None:
        """Pass an event on."""
        try:
            self._on_event(self._account, event)
        except Exception as error:  # task boundary: told on the account's chip and in the journal
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.faults += 1
        if self.faults in _TOLD:
            self._on_fault(f"listener fault {self.faults}: {type(error).__name__}: {error}")
