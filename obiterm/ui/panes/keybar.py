"""The key bar. The panic chips come first and never collapse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from obiterm.link.messages import Frame
from obiterm.ui.paint.chips import chip
from obiterm.ui.paint.context import PaintContext
from obiterm.ui.paint.line import Line, Row
from obiterm.ui.paint.palette import style
from obiterm.ui.panes.base import RowPane


@dataclass(frozen=True, slots=True)
class KeyHint:
    """A key and what it does.

    Attributes:
        key: as printed, e.g. ``F9 F9`` or ``^P``.
        label: one or two words.
        panic: ``kill`` or ``flatten`` for the chips that never collapse; else empty.
    """

    key: str
    label: str
    panic: Literal["", "kill", "flatten"] = ""


class KeyBar(RowPane):
    """Keys of the actions that are possible now."""

    DEFAULT_CSS = """
    KeyBar { height: 1; background: $background; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._hints: tuple[KeyHint, ...] = ()

    def set_keys(self, hints: Sequence[KeyHint]) -> None:
        """Set the keys, most useful first; those that do not fit are left out."""
        hints = tuple(hints)
        if hints != self._hints:
            self._hints = hints
            self.repaint()

    def build(self, frame: Frame, context: PaintContext, width: int, height: int) -> list[Row]:
        """Return the one line."""
        palette = context.palette
        line = Line(width, style(palette.dim, palette.bg))
        place = self._panic(line, context)
        for hint in self._hints:
            if hint.panic:
                continue
            cells = len(hint.key) + 1 + len(hint.label)
            if place + cells > width - 1:
                break
            place = line.put(place, hint.key, style(palette.accent, palette.bg, bold=True))
            place = line.put(place + 1, hint.label, style(palette.dim, palette.bg)) + 2
        return [line.row()]

    def _panic(self, line: Line, context: PaintContext) -> int:
        """Write the panic chips; on a very narrow screen they lose their words, not their keys."""
        palette = context.palette
        hints = [hint for hint in self._hints if hint.panic]
        texts = [f"{hint.key} {hint.label}".upper() for hint in hints]
        if sum(len(text) + 3 for text in texts) + 1 > line.width:
            texts = [hint.key for hint in hints]
        place = 1 if sum(len(text) + 3 for text in texts) < line.width else 0
        for hint, text in zip(hints, texts, strict=True):
            ground = palette.hot if hint.panic == "kill" else palette.warn
            label, look = chip(text, ground, palette)
            place = line.put(place, label, look) + 1
        return place + 1
