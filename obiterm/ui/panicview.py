"""Follows the panic part of frames: opens, feeds and closes the kill modal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obiterm.link.messages import Frame, PanicPane
from obiterm.ui.screens.kill import KillModal
from obiterm.ui.screens.trade import TradeScreen

if TYPE_CHECKING:
    from obiterm.ui.app import ObitermApp


_Panic = tuple[frozenset[tuple[str, bool]], int]


def _panic_of(panic: PanicPane) -> _Panic:
    """Return what makes a panic the same one: who is in it, how, since when."""
    names = frozenset((one.account, panic.flatten) for one in panic.accounts)
    return names, panic.started_ns


class PanicView:
    """One modal per panic; one that was left comes back only for another panic."""

    def __init__(self, app: ObitermApp) -> None:
        self._app = app
        self._modal: KillModal | None = None
        self._left: _Panic | None = None

    def follow(self, frame: Frame) -> None:
        """Take a new frame."""
        panic, modal = frame.panic, self._modal
        if panic is None:
            if self._left is not None:  # armed again: what the keys did is over
                self._app.board.forget_panic()
                self._app.show_notice()
            self._left = None
            if modal is not None and self._app.screen is modal:
                modal.dismiss(None)
        elif modal is not None:
            self._left = _panic_of(panic)
            modal.show(frame, self._app.painter.context())
        elif self._left != _panic_of(panic):
            self._left = _panic_of(panic)
            typing = not isinstance(self._app.screen, TradeScreen)
            modal = KillModal(guarded=typing, may_act=self._app.gate is not None)
            modal.show(frame, self._app.painter.context())
            self._modal = modal
            self._app.push_screen(modal, self._answered)

    def _answered(self, answer: str | None) -> None:
        self._modal = None
        if answer == "arm":
            self._app.perform("account.arm")
