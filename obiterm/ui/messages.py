"""Facts that travel to the app as messages. Past tense; workers post nothing else."""

from __future__ import annotations

from textual.message import Message

from obiterm.link.messages import Welcome
from obiterm.ui.gate import PanicNotice


class Attached(Message):
    """The host has greeted this screen."""

    def __init__(self, welcome: Welcome) -> None:
        super().__init__()
        self.welcome = welcome


class Arrived(Message):
    """Something from the host waits in the mailbox."""


class LinkLost(Message):
    """The host does not answer; ``attempt`` counts since it was last there."""

    def __init__(self, reason: str, attempt: int) -> None:
        super().__init__()
        self.reason = reason
        self.attempt = attempt


class PanicPressed(Message):
    """A panic key was handled in the input thread."""

    def __init__(self, notice: PanicNotice) -> None:
        super().__init__()
        self.notice = notice
