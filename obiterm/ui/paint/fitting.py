"""Fitting parts into one line: the least important part gives way first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style

from obiterm.ui.paint.line import Span

Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar.

    Attributes:
        weight: importance; the lowest gives way first.
        forms: the same thing from longest to shortest; ``()`` at the end means that it may
            be left out.
    """

    weight: int
    forms: tuple[Spans, ...]


def width_of(spans: Sequence[Span]) -> int:
    """Return the cells of some runs of text."""
    return sum(cell_len(text) for text, _ in spans)


def choose(parts: Sequence[Part], width: int, gap: int = 2) -> list[Spans]:
    """Return the form of each part that is shown; parts left out are ``()``."""
    picks = [0] * len(parts)
    widths = [[width_of(form) for form in part.forms] for part in parts]
    order = sorted(range(len(parts)), key=lambda place: (parts[place].weight, -place))

    def total() -> int:
        shown = [widths[place][pick] for place, pick in enumerate(picks)]
        count = sum(1 for cells in shown if cells)
        return sum(shown) + gap * max(0, count - 1)

    for place in order:
        while total() > width and picks[place] < len(parts[place].forms) - 1:
            picks[place] += 1
    return [part.forms[pick] for part, pick in zip(parts, picks, strict=True)]


def join(chosen: Sequence[Spans], base: Style, gap: int = 2) -> list[Span]:
    """Put chosen forms one after the other with a gap between them."""
    spans: list[Span] = []
    for form in chosen:
        if not form:
            continue
        if spans:
            spans.append((" " * gap, base))
        spans += form
    return spans
