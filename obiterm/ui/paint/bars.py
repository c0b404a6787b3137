"""Bars and gauges out of block signs, dashes and braille."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.style import Style

from obiterm.ui.paint.line import Span
from obiterm.ui.paint.palette import style

_LEFT = " ▏▎▍▌▋▊▉█"
_BRAILLE_LEFT = (0x00, 0x40, 0x44, 0x46, 0x47)
_BRAILLE_RIGHT = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
_BRAILLE_DOTS = 4


def bar_right(eighths: int, width: int, colour: str, ground: str) -> list[Span]:
    """Return a bar that grows to the right, ``width`` cells with its empty rest."""
    eighths = min(max(eighths, 0), width * 8)
    full, part = divmod(eighths, 8)
    spans: list[Span] = []
    if full:
        spans.append((" " * full, style("", colour)))
    if part:
        spans.append((_LEFT[part], style(colour, ground)))
    rest = width - full - bool(part)
    if rest:
        spans.append((" " * rest, style("", ground)))
    return spans


def bar_left(eighths: int, width: int, colour: str, ground: str) -> list[Span]:
    """Return a bar that grows to the left: a part of a cell is the ground painted over it."""
    eighths = min(max(eighths, 0), width * 8)
    full, part = divmod(eighths, 8)
    spans: list[Span] = []
    rest = width - full - bool(part)
    if rest:
        spans.append((" " * rest, style("", ground)))
    if part:
        spans.append((_LEFT[8 - part], style(ground, colour)))
    if full:
        spans.append((" " * full, style("", colour)))
    return spans


def gauge(share: float, width: int, filled: Style, rest: Style) -> list[Span]:
    """Return a thin line gauge; a share that is not zero shows at least one cell."""
    share = min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0
    cells = max(round(share * width), 1 if share > 0 else 0)
    return [("━" * cells, filled), ("─" * (width - cells), rest)]


def sparkline(values: Sequence[float], width: int) -> str:
    """Return a braille area chart of the newest values, two a cell, ``width`` cells."""
    if width <= 0:
        return ""
    newest = [value for value in values if math.isfinite(value)][-2 * width :]
    low, high = (min(newest), max(newest)) if newest else (0.0, 0.0)
    reach = high - low
    dots = [
        1 + round((value - low) / reach * (_BRAILLE_DOTS - 1)) if reach > 0 else 1
        for value in newest
    ]
    dots = [0] * (2 * width - len(dots)) + dots
    return "".join(
        chr(0x2800 + _BRAILLE_LEFT[left] + _BRAILLE_RIGHT[right])
        for left, right in zip(dots[::2], dots[1::2], strict=True)
    )
