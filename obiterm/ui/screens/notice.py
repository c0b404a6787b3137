"""The one line that asks, answers and warns; it lies over the key bar."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from obiterm.ui.notices import Notice
from obiterm.ui.paint.numbers import clean


class NoticeLine(Widget):
    """Shows the current notice, nothing when there is none."""

    ALLOW_SELECT = False

    notice: reactive[Notice | None] = reactive(None)
    """What to show."""

    def render(self) -> Content:
        """Return the text as it is, without markup."""
        return Content(clean(self.notice.text) if self.notice is not None else "")

    def watch_notice(self, notice: Notice | None) -> None:
        """Colour by kind; hide when empty."""
        self.display = notice is not None
        for kind in ("panic", "question", "good", "bad", "banner"):
            self.set_class(notice is not None and notice.kind == kind, f"-{kind}")
