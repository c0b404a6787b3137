"""Why an account does not trade, and what to do: a line that is there only when needed."""

from __future__ import annotations

from collections.abc import Sequence

from obiterm.core.values import NS_PER_S
from obiterm.link.messages import AccountPane, Frame
from obiterm.ui.paint.context import PaintContext
from obiterm.ui.paint.line import Line, Row
from obiterm.ui.paint.numbers import account_codes, clean
from obiterm.ui.paint.palette import style
from obiterm.ui.paint.words import wrap
from obiterm.ui.panes.base import RowPane

_SHOWN_AFTER_NS = 2 * NS_PER_S
"""A trouble that is over sooner (connecting, a reconnection) moves nothing on the screen."""
_MOST_ROWS = 3


class Troubles(RowPane):
    """The full words of the first account in sight that is in trouble; the rest are counted."""

    DEFAULT_CSS = """
    Troubles { height: 1; background: $panel; display: none; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._since: dict[tuple[str, str], int] = {}

    def show(self, frame: Frame, context: PaintContext) -> None:
        """Take the rows that the words need, none when all is well."""
        width = self.app.size.width
        rows = self.build(frame, context, width, _MOST_ROWS)
        if len(rows) != (self.styles.height.value if self.display and self.styles.height else 0):
            self.display = bool(rows)
            self.styles.height = max(1, len(rows))
        super().show(frame, context)

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> Sequence[Row]:
        """Return the words, wrapped."""
        troubled = self._lasting(frame, context.now_ns) if context.size != "tiny" else []
        scope = [one for one in troubled if context.account in ("", one.name)]
        if not scope:
            return []
        palette = context.palette
        base = style(palette.text, palette.raised)
        first, more = scope[0], len(troubled) - 1
        tail = f"  +{more} more: A" if more else ""
        code = account_codes(frame.accounts)[first.name]
        head = f" {code} {clean(first.name)}  "
        room = max(20, width - len(head) - len(tail) - 1)
        words = "; ".join([first.note, *first.differences] if first.note else first.differences)
        lines = wrap(clean(words), room)
        if len(lines) > height:
            lines = [*lines[: height - 1], f"{lines[height - 1][: room - 6]} …: A"]
        rows = []
        for number, text in enumerate(lines):
            line = Line(width, base)
            if not number:
                line.put(0, head, style(palette.hot, palette.raised, bold=True))
                line.right(width - 1, tail, style(palette.dim, palette.raised))
            line.put(len(head), text, base)
            rows.append(line.row())
        return rows

    def _lasting(self, frame: Frame, now_ns: int) -> list[AccountPane]:
        """Return the accounts whose trouble is no longer a moment's."""
        now = {(one.name, _kind(one)): one for one in frame.accounts if one.note or one.differences}
        self._since = {key: self._since.get(key, now_ns) for key in now}
        return [one for key, one in now.items() if now_ns - self._since[key] >= _SHOWN_AFTER_NS]


def _kind(account: AccountPane) -> str:
    """Return what makes a trouble the same one while its words change (counts, times)."""
    return "note" if account.note else "difference"
