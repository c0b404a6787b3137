"""What all panes share: rows of cached strips, of which only changed ones are sent."""

from __future__ import annotations

from collections.abc import Sequence

from textual.events import Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from obiterm.link.messages import Frame
from obiterm.ui.paint.context import PaintContext
from obiterm.ui.paint.line import Row, to_strip


class RowPane(Widget):
    """Shows rows of styled text.

    A subclass turns a frame into rows in ``build``; ``show`` compares them with the rows
    on the screen and refreshes only lines that differ (design/TUI.md §6: what is
    refreshed is sent).
    """

    ALLOW_SELECT = False

    DEFAULT_CSS = """
    RowPane { background: $surface; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: list[Row] = []
        self._strips: dict[int, Strip] = {}
        self._shown: tuple[Frame, PaintContext] | None = None

    def show(self, frame: Frame, context: PaintContext) -> None:
        """Paint a frame; lines that look the same as before are not sent again."""
        self._shown = (frame, context)
        width, height = self.content_size
        if width > 0 and height > 0:
            self._put(self.build(frame, context, width, height))

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> Sequence[Row]:
        """Return at most ``height`` rows of ``width`` cells."""
        return ()

    def repaint(self) -> None:
        """Build again from the last frame, after a change that came from a key."""
        if self._shown is not None:
            self.show(*self._shown)

    def on_resize(self, event: Resize) -> None:
        """Build again for the new size."""
        self.resized()

    def resized(self) -> None:
        """Forget lines of another width and build again; subclasses say what else to do."""
        self._rows = []
        self._strips.clear()
        self.repaint()

    def _put(self, rows: Sequence[Row]) -> None:
        old, new = self._rows, list(rows)
        changed = [
            y
            for y in range(max(len(old), len(new)))
            if y >= len(old) or y >= len(new) or old[y] != new[y]
        ]
        if not changed:
            return
        self._rows = new
        width = self.content_size.width
        for y in changed:
            self._strips.pop(y, None)
        self.refresh(*(Region(0, y, width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """Return one line for the compositor."""
        strip = self._strips.get(y)
        if strip is None:
            if y >= len(self._rows):
                return Strip.blank(self.content_size.width, self.rich_style)
            strip = self._strips[y] = to_strip(self._rows[y])
        return strip


STALE_CHIP = " [$warning reverse] STALE [/]"


class FramedPane(RowPane, can_focus=True):
    """A row pane in a rounded frame: title in the top border, footer in the bottom one."""

    DEFAULT_CSS = """
    FramedPane {
        border: round $border-blurred;
        border-title-align: left;
        border-title-color: $primary;
        border-title-style: bold;
        border-subtitle-align: right;
        border-subtitle-color: $foreground-muted;
        &:focus { border: round $border; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._borders: dict[str, str] = {}

    def set_title(self, title: str, stale: bool = False) -> None:
        """Set the title in the top border; a stale pane carries a chip."""
        self._set_border("border_title", title + (STALE_CHIP if stale else ""))

    def set_footer(self, footer: str) -> None:
        """Set the text in the bottom border (markup); empty = none."""
        self._set_border("border_subtitle", footer)

    def _set_border(self, name: str, text: str) -> None:
        if self._borders.get(name) != text:
            self._borders[name] = text
            setattr(self, name, text)
