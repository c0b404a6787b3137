"""Theme files: a few base colours, checked before the toolkit sees them.

A theme is a TOML file with ``[colors]`` and optionally ``[heat]``. What a file
leaves out is derived. A broken file is reported by name; the others still load.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec
from textual.theme import Theme as TextualTheme

from obiterm.core.errors import ConfigError, UsageError
from obiterm.ui.paint.palette import Palette, blend, contrast, spread

DEFAULT_THEME = "night-city"

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_LEAST_STOPS = 2
_LEAST_CONTRAST = 4.5
"""Ratio that WCAG 2 asks of body text."""


class Colors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Colours of a theme as ``#rrggbb``; an empty one is derived from the others."""

    bg: str
    text: str
    accent: str
    """Focus, bids, buys."""
    hot: str
    """Loss, danger, asks, sells."""
    warn: str
    ok: str
    """Profit, health."""
    panel: str = ""
    raised: str = ""
    line: str = ""
    """Frames: decoration only, never text."""
    dim: str = ""
    """Labels."""
    now: str = ""
    """The price now."""
    violet: str = ""
    """Strategies."""
    buy_dot: str = ""
    sell_dot: str = ""


class Heat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Heat ramps, dark to bright; two or more stops each."""

    bid: list[str] = []
    ask: list[str] = []
    text_from: int = 4
    """First stop (from 0) that a number may be written in."""


class ThemeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One theme file."""

    name: str
    colors: Colors
    heat: Heat = Heat()
    dark: bool = True


@dataclass(frozen=True, slots=True)
class ThemeProblem:
    """A theme file that could not be used."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ThemeSet:
    """Palettes by name, and what was wrong with the rest."""

    palettes: Mapping[str, Palette]
    problems: tuple[ThemeProblem, ...] = field(default=())

    def get(self, name: str) -> Palette:
        """Return a palette.

        Raises:
            ConfigError: no such theme; the message lists those there are.
        """
        palette = self.palettes.get(name)
        if palette is None:
            raise ConfigError("theme", name, "one of " + ", ".join(sorted(self.palettes)))
        return palette


def load_themes(user_dir: Path | None = None) -> ThemeSet:
    """Load the product's themes, then the user's; a user theme replaces one of the same name."""
    palettes: dict[str, Palette] = {}
    problems: list[ThemeProblem] = []
    for folder in (builtin_dir(), user_dir):
        if folder is None or not folder.is_dir():
            continue
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if not entry.name.endswith(".toml"):
                continue
            try:
                palette = parse_theme(entry.read_bytes(), where=entry.name)
            except (UsageError, OSError) as error:
                problems.append(ThemeProblem(entry.name.removesuffix(".toml"), str(error)))
            else:
                palettes[palette.name] = palette
    return ThemeSet(palettes, tuple(problems))


def builtin_dir() -> Traversable:
    """Return the product's themes: inside the wheel, else beside the checkout's package."""
    package = resources.files("obiterm")
    shipped = package.joinpath("_data", "themes")
    if shipped.is_dir():
        return shipped
    return Path(str(package)).parent / "themes"


def parse_theme(data: bytes, *, where: str) -> Palette:
    """Read one theme file.

    Raises:
        UsageError: names the file and what is wrong in it.
    """
    try:
        table = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise UsageError(f"{where}: not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: {error}") from None
    try:
        file = msgspec.convert(table, ThemeFile)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}") from None
    return _resolve(file, where)


def _resolve(file: ThemeFile, where: str) -> Palette:
    if not _NAME.fullmatch(file.name):
        raise ConfigError("name", file.name, "a to z, digits and -, at most 32", where=where)
    given = msgspec.structs.asdict(file.colors)
    for name, value in given.items():
        if value or name in Colors.__struct_fields__[:6]:
            _check(f"colors.{name}", value, where)
    colours = _derive(given)
    bid = _ramp("heat.bid", file.heat.bid, colours, "accent", where)
    ask = _ramp("heat.ask", file.heat.ask, colours, "hot", where)
    ratio = contrast(colours["text"], colours["panel"])
    if ratio < _LEAST_CONTRAST:
        expected = f"contrast of {_LEAST_CONTRAST} or more against the panel, has {ratio:.1f}"
        raise ConfigError("colors.text", colours["text"], expected, where=where)
    least = min(len(bid), len(ask)) - 1
    if not 0 <= file.heat.text_from <= least:
        raise ConfigError("heat.text_from", file.heat.text_from, f"0 … {least}", where=where)
    return Palette(
        name=file.name,
        **colours,
        bid=spread(bid),
        ask=spread(ask),
        bid_text=spread(bid[file.heat.text_from :] or bid[-1:]),
        ask_text=spread(ask[file.heat.text_from :] or ask[-1:]),
    )


def _check(name: str, value: str, where: str) -> None:
    if not _COLOUR.fullmatch(value):
        raise ConfigError(name, value, "a colour like #00f0ff", where=where)


def _derive(given: dict[str, str]) -> dict[str, str]:
    bg, text = given["bg"], given["text"]
    derived = {
        "panel": blend(bg, text, 0.03),
        "raised": blend(bg, text, 0.08),
        "line": blend(bg, text, 0.22),
        "dim": blend(bg, text, 0.5),
        "now": given["warn"],
        "violet": blend(given["accent"], given["hot"], 0.5),
        "buy_dot": blend(given["accent"], text, 0.5),
        "sell_dot": blend(given["hot"], text, 0.5),
    }
    return {name: value or derived[name] for name, value in given.items()}


def _ramp(
    name: str, stops: list[str], colours: dict[str, str], hue: str, where: str
) -> tuple[str, ...]:
    if not stops:
        panel, bright = colours["panel"], colours[hue]
        dark = [blend(panel, bright, share) for share in (0.04, 0.12, 0.24, 0.4, 0.65)]
        return (*dark, bright, blend(bright, "#ffffff", 0.5), blend(bright, "#ffffff", 0.9))
    if len(stops) < _LEAST_STOPS:
        raise ConfigError(name, stops, "two or more colours", where=where)
    for place, stop in enumerate(stops):
        _check(f"{name}[{place}]", stop, where)
    return tuple(stops)


def to_textual(palette: Palette) -> TextualTheme:
    """Return the toolkit's theme for a palette: the only bridge between the two."""
    return TextualTheme(
        name=palette.name,
        primary=palette.accent,
        secondary=palette.violet,
        accent=palette.accent,
        warning=palette.warn,
        error=palette.hot,
        success=palette.ok,
        foreground=palette.text,
        background=palette.bg,
        surface=palette.panel,
        panel=palette.raised,
        dark=True,
        variables={
            "border": palette.accent,
            "border-blurred": palette.line,
            "foreground-muted": palette.dim,
            "text-muted": palette.dim,
            "input-selection-background": palette.line,
            "block-cursor-background": palette.accent,
            "block-cursor-foreground": palette.bg,
            "footer-key-foreground": palette.accent,
        },
    )
