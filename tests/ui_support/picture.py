"""A screen as cells: a text dump for snapshots and an SVG picture drawn cell by cell."""

from __future__ import annotations

from html import escape
from typing import Any

from rich.cells import cell_len
from rich.style import Style
from textual.app import App

CELL_W, CELL_H = 10, 21
_EIGHTHS = "▁▂▃▄▅▆▇█"
_LEFT = "▏▎▍▌▋▊▉█"

_OTHER_FONT = "◢◤◐○◆▲▼◄▌"
"""Signs that a picture takes from DejaVu, because not every font has them."""

Run = tuple[str, Style]


def screen_runs(app: App[Any]) -> list[list[Run]]:
    """Return every line of the screen as runs of equal style."""
    lines = []
    for strip in app.screen._compositor.render_strips():
        runs: list[Run] = []
        for segment in strip:
            style = segment.style or Style.null()
            if runs and runs[-1][1] == style:
                runs[-1] = (runs[-1][0] + segment.text, style)
            else:
                runs.append((segment.text, style))
        lines.append(runs)
    return lines


def _colour(colour: Any, default: str) -> str:
    return default if colour is None or colour.triplet is None else str(colour.triplet.hex)


def dump(app: App[Any]) -> str:
    """Return text and styles of the screen, one block of lines each, for a snapshot file.

    First the plain text, then per line the runs as ``cells:fg/bg`` with ``*`` for bold.
    """
    lines = screen_runs(app)
    text = ["".join(run for run, _ in runs).rstrip() for runs in lines]
    styles = []
    for number, runs in enumerate(lines):
        parts = []
        for run, style in runs:
            fg = "-" if not run.strip() else _colour(style.color, "-")[1:] or "-"
            ground = _colour(style.bgcolor, "--")[1:]
            flags = ("*" if style.bold and run.strip() else "") + ("~" if style.reverse else "")
            parts.append(f"{cell_len(run)}:{fg}/{ground}{flags}")
        styles.append(f"{number:02d} " + " ".join(parts))
    return "\n".join(text) + "\n----\n" + "\n".join(styles) + "\n"


def svg(app: App[Any], font: str = "JetBrains Mono") -> str:
    """Return a picture in which every cell is at its place whatever the font's width."""
    lines = screen_runs(app)
    width, height = app.size.width * CELL_W, app.size.height * CELL_H
    ground, signs = [], []
    for row, runs in enumerate(lines):
        column = 0
        for text, style in runs:
            fg, bg = _colour(style.color, "#d7d9f5"), _colour(style.bgcolor, "#06060f")
            if style.reverse:
                fg, bg = bg, fg
            cells = cell_len(text)
            ground.append(_rect(column * CELL_W, row * CELL_H, cells * CELL_W, CELL_H, bg))
            for sign in text:
                signs.append(_sign(sign, column * CELL_W, row * CELL_H, fg, bool(style.bold)))
                column += max(1, cell_len(sign))
    body = "".join(ground) + "".join(signs)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" shape-rendering="crispEdges" '
        f'font-family="{font}, DejaVu Sans Mono" font-size="16">{body}</svg>'
    )


def _rect(left: float, top: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="{colour}"/>'


def _sign(sign: str, left: int, top: int, colour: str, bold: bool) -> str:
    if sign == " ":
        return ""
    if sign == "▀":
        return _rect(left, top, CELL_W, CELL_H / 2, colour)
    if sign in _EIGHTHS:
        tall = CELL_H * (_EIGHTHS.index(sign) + 1) / 8
        return _rect(left, top + CELL_H - tall, CELL_W, tall, colour)
    if sign in _LEFT:
        return _rect(left, top, CELL_W * (_LEFT.index(sign) + 1) / 8, CELL_H, colour)
    if "\u2800" <= sign <= "\u28ff":
        return _braille(ord(sign) - 0x2800, left, top, colour)
    line = _box(sign, left, top)
    if line:
        return f'<path d="{line}" stroke="{colour}" stroke-width="1.4" fill="none"/>'
    weight = ' font-weight="bold"' if bold else ""
    if sign in _OTHER_FONT:
        weight += ' font-family="DejaVu Sans Mono"'
    return f'<text x="{left}" y="{top + 16}" fill="{colour}"{weight}>{escape(sign)}</text>'


def _braille(dots: int, left: int, top: int, colour: str) -> str:
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
    return "".join(
        _rect(left + 1 + 5 * x, top + 1 + 5 * y, 3, 3, colour)
        for bit, (x, y) in enumerate(places)
        if dots >> bit & 1
    )


def _box(sign: str, left: int, top: int) -> str:
    x, y = left + CELL_W / 2, top + CELL_H / 2
    right, bottom = left + CELL_W, top + CELL_H
    return {
        "─": f"M{left} {y}H{right}",
        "│": f"M{x} {top}V{bottom}",
        "╭": f"M{right} {y}Q{x} {y} {x} {bottom}",
        "╮": f"M{left} {y}Q{x} {y} {x} {bottom}",
        "╰": f"M{right} {y}Q{x} {y} {x} {top}",
        "╯": f"M{left} {y}Q{x} {y} {x} {top}",
    }.get(sign, "")
