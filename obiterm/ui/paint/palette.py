"""Resolved colours of a theme and the cache of styles made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from rich.style import Style

ColorDepth = Literal["truecolor", "256", "none"]
"""What the terminal can show: every colour, the 256 of xterm, or greys only (NO_COLOR)."""

RAMP_STEPS = 16
"""Steps of a heat ramp; themes give eight stops (design/TUI.md §2)."""

READABLE = 3.0
"""Contrast ratio below which even a faded number is not painted."""

_STALE_TEXT = 0x60
"""Least grey of a stale number."""

Rgb = tuple[int, int, int]


@lru_cache(maxsize=4096)
def style(fg: str, bg: str, bold: bool = False, underline: bool = False) -> Style:
    """Return the one shared style of a colour pair; an empty ``fg`` sets the ground only."""
    return Style(color=fg or None, bgcolor=bg, bold=bold or None, underline=underline or None)


@dataclass(frozen=True, slots=True)
class Palette:
    """Every colour that a pane may use, as ``#rrggbb``.

    ``bid`` and ``ask`` are the heat ramps, dark to bright, ``RAMP_STEPS`` long;
    ``bid_text`` and ``ask_text`` are the same with the stops removed that are too
    dark to read a number in.
    """

    name: str
    bg: str
    panel: str
    raised: str
    line: str
    dim: str
    text: str
    accent: str
    hot: str
    warn: str
    now: str
    ok: str
    violet: str
    buy_dot: str
    sell_dot: str
    bid: tuple[str, ...]
    ask: tuple[str, ...]
    bid_text: tuple[str, ...]
    ask_text: tuple[str, ...]

    def for_depth(self, depth: ColorDepth) -> Palette:
        """Return the palette with each colour snapped to one that the terminal can show.

        Snapping here, by closeness, keeps the ramps monotone; the terminal library's own
        rounding makes neighbours equal or swaps them (design/TUI.md §7.16).
        """
        if depth != "256":
            return self
        return replace(
            self,
            bg=nearest_256(self.bg),
            panel=nearest_256(self.panel),
            raised=nearest_256(self.raised),
            line=nearest_256(self.line),
            dim=nearest_256(self.dim),
            text=nearest_256(self.text),
            accent=nearest_256(self.accent),
            hot=nearest_256(self.hot),
            warn=nearest_256(self.warn),
            now=nearest_256(self.now),
            ok=nearest_256(self.ok),
            violet=nearest_256(self.violet),
            buy_dot=nearest_256(self.buy_dot),
            sell_dot=nearest_256(self.sell_dot),
            bid=snap_ramp(self.bid),
            ask=snap_ramp(self.ask),
            bid_text=snap_ramp(self.bid_text),
            ask_text=snap_ramp(self.ask_text),
        )


def color_depth(chosen: str, terminal: str, no_color: bool) -> ColorDepth:
    """Return the colour depth: the user's choice, else what the terminal says."""
    if no_color or chosen == "none":
        return "none"
    if chosen == "auto":
        return "truecolor" if terminal == "truecolor" else "256"
    return "truecolor" if chosen == "truecolor" else "256"


def grey(colour: str, least: int = 0) -> str:
    """Return a grey of a little over half the brightness: how a stale value looks."""
    red, green, blue = rgb(colour)
    level = max(least, round((0.3 * red + 0.59 * green + 0.11 * blue) * 0.6))
    return hex_of((level, level, level))


def faded(colour: str, ground: str, share: float) -> str:
    """Blend a text colour towards its ground, but not so far that it cannot be read."""
    while share > 0 and contrast(blend(colour, ground, share), ground) < READABLE:
        share -= 0.05
    return blend(colour, ground, share) if share > 0 else colour


@lru_cache(maxsize=16)
def greyed(palette: Palette) -> Palette:
    """Return the palette in which stale market values are painted: grey, no hue left."""
    return replace(
        palette,
        text=grey(palette.text),
        accent=grey(palette.accent),
        hot=grey(palette.hot),
        warn=grey(palette.warn),
        now=grey(palette.now),
        ok=grey(palette.ok),
        buy_dot=grey(palette.buy_dot),
        sell_dot=grey(palette.sell_dot),
        bid=tuple(grey(colour) for colour in palette.bid),
        ask=tuple(grey(colour) for colour in palette.ask),
        bid_text=tuple(grey(colour, _STALE_TEXT) for colour in palette.bid_text),
        ask_text=tuple(grey(colour, _STALE_TEXT) for colour in palette.ask_text),
    )


def rgb(colour: str) -> Rgb:
    """Split ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def hex_of(value: Rgb) -> str:
    """Join to ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*value)


@lru_cache(maxsize=1024)
def blend(colour: str, other: str, share: float) -> str:
    """Mix ``share`` (0 … 1) of ``other`` into ``colour``."""
    first, second = rgb(colour), rgb(other)
    mixed = [round(one + (two - one) * share) for one, two in zip(first, second, strict=True)]
    return hex_of((mixed[0], mixed[1], mixed[2]))


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2, 0 (black) … 1 (white)."""
    linear = [
        part / 255 / 12.92 if part / 255 <= 0.03928 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in rgb(colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2, 1 … 21."""
    first, second = luminance(one), luminance(other)
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


def spread(stops: Sequence[str], steps: int = RAMP_STEPS) -> tuple[str, ...]:
    """Interpolate colour stops to ``steps`` colours, ends included."""
    last = len(stops) - 1
    colours = []
    for step in range(steps):
        place = step * last / (steps - 1)
        low = min(int(place), last - 1)
        colours.append(blend(stops[low], stops[low + 1], place - low))
    return tuple(colours)


_CUBE = (0, 95, 135, 175, 215, 255)
_XTERM: tuple[Rgb, ...] = tuple(
    (red, green, blue) for red in _CUBE for green in _CUBE for blue in _CUBE
) + tuple((8 + 10 * grey,) * 3 for grey in range(24))


def _distance(one: Rgb, other: Rgb) -> float:
    mean = (one[0] + other[0]) / 2
    red, green, blue = (a - b for a, b in zip(one, other, strict=True))
    return (2 + mean / 256) * red * red + 4 * green * green + (2 + (255 - mean) / 256) * blue * blue


@lru_cache(maxsize=1024)
def nearest_256(colour: str) -> str:
    """Return the closest of xterm's fixed 240 colours (weighted RGB distance)."""
    wanted = rgb(colour)
    return hex_of(min(_XTERM, key=lambda entry: _distance(wanted, entry)))


def snap_ramp(ramp: Sequence[str]) -> tuple[str, ...]:
    """Snap a ramp to 256 colours without ever getting darker on the way up."""
    snapped: list[str] = []
    for colour in ramp:
        nearest = nearest_256(colour)
        if snapped and luminance(nearest) < luminance(snapped[-1]):
            nearest = snapped[-1]
        snapped.append(nearest)
    return tuple(snapped)
