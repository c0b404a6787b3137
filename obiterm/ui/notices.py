"""What the notice line says now: the most urgent thing that is still true.

Pure: the caller gives the time. Order of urgency: panic strip, a question, the last
answer, the state of the link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from obiterm.core.commands import ALL_ACCOUNTS
from obiterm.core.values import NS_PER_S
from obiterm.ui.gate import PanicNotice
from obiterm.ui.latch import FLATTEN_WINDOW_NS, KILL_WINDOW_NS, Stage

Kind = Literal["panic", "question", "good", "bad", "banner"]

TOAST_NS = 4 * NS_PER_S
QUESTION_NS = 6 * NS_PER_S
PANIC_SHOWN_NS = 4 * NS_PER_S
"""How long KILL and FLATTEN stay in the strip; the modal then tells how far they are."""

YES = "y"

_UNREACHED = "NOT SENT: the host does not answer. Run `obiterm {}` in another shell"


@dataclass(frozen=True, slots=True)
class Notice:
    """One line for the operator.

    Attributes:
        until_ns: monotonic time when it ends; 0 = until something replaces it.
    """

    kind: Kind
    text: str
    until_ns: int = 0


class NoticeBoard:
    """Keeps one notice per kind."""

    def __init__(self, kill_key: str = "F9") -> None:
        self._kill_key = kill_key
        self._panic: Notice | None = None
        self._question: Notice | None = None
        self._then: Callable[[], None] | None = None
        self._toast: Notice | None = None
        self.banner = ""

    def panic(self, notice: PanicNotice, now_ns: int) -> None:
        """Show what a panic key did."""
        if notice.stage is Stage.CLOSED:
            self._panic = None
            return
        text, shown_ns = _panic_text(notice, self._kill_key)
        self._panic = Notice("panic", text, now_ns + shown_ns)

    def forget_panic(self) -> None:
        """Take the panic strip away: the accounts are armed again."""
        self._panic = None

    def say(self, text: str, now_ns: int, *, good: bool) -> None:
        """Show an answer."""
        self._toast = Notice("good" if good else "bad", text, now_ns + TOAST_NS)

    def ask(self, text: str, then: Callable[[], None], now_ns: int) -> None:
        """Ask a question that ``YES`` answers; any other key means no."""
        line = f"{text}?  {YES} = yes, any other key = no"
        self._question = Notice("question", line, now_ns + QUESTION_NS)
        self._then = then

    def answer(self, key: str, now_ns: int) -> Callable[[], None] | None:
        """Close an open question with a key; return what to do when it was a yes.

        Only call this while ``asking``.
        """
        then, self._then, self._question = self._then, None, None
        if key == YES:
            return then
        self.say("not done", now_ns, good=False)
        return None

    def asking(self, now_ns: int) -> bool:
        """True while a question waits for its answer."""
        return self._question is not None and now_ns < self._question.until_ns

    def current(self, now_ns: int) -> Notice | None:
        """Return what to show now."""
        for notice in (self._panic, self._question, self._toast):
            if notice is not None and now_ns < notice.until_ns:
                return notice
        return Notice("banner", self.banner) if self.banner else None


def _panic_text(notice: PanicNotice, kill_key: str) -> tuple[str, int]:
    word, shown_ns = "kill", PANIC_SHOWN_NS
    match notice.stage:
        case Stage.HELD:
            text, shown_ns = f"HOLD FIRE: {kill_key} again = KILL", KILL_WINDOW_NS
        case Stage.LEAD:
            text, shown_ns = "x = FLATTEN: kill, then close every position", FLATTEN_WINDOW_NS
        case Stage.KILLED:
            text = "KILL SENT"
        case _:
            text, word = "FLATTEN SENT", "exit"
    if notice.command is not None and notice.command.account != ALL_ACCOUNTS:
        text += f": {notice.command.account} alone"
    if notice.command is not None and not notice.delivered:
        head = text.partition(":")[0].removesuffix(" SENT")
        return f"{head} {_UNREACHED.format(word)}", PANIC_SHOWN_NS * 3
    if notice.opens_flatten and notice.stage in (Stage.HELD, Stage.KILLED):
        return f"{text}  ·  x = FLATTEN", FLATTEN_WINDOW_NS
    return text, shown_ns
