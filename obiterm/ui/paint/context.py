"""What every pane needs besides the frame to paint itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from obiterm.link.messages import Frame, InstrumentInfo
from obiterm.ui.paint.palette import ColorDepth, Palette

SizeClass = Literal["wide", "medium", "small", "tiny"]

STALE_AFTER_NS = 2_000_000_000
"""A frame older than this is shown as stale even if it says that the market is not."""


def size_class(width: int, height: int) -> SizeClass:
    """Return the size class of a screen in cells (design/TUI.md §4)."""
    if width < 70 or height < 20:
        return "tiny"
    if width < 100 or height < 30:
        return "small"
    if width < 150 or height < 40:
        return "medium"
    return "wide"


@dataclass(frozen=True, slots=True)
class PaintContext:
    """Colours, instruments and choices of the screen, made anew whenever one changes.

    Attributes:
        palette: resolved colours, already snapped to ``depth``.
        instruments: how to print each market, by symbol.
        size: size class of the whole screen.
        now_ns: Unix time of the screen.
        account: chosen account; empty = all.
        masked: True hides balances and results (screenshots, someone looking).
        depth: colour depth of the terminal.
        connected: False while no frames come from the host; everything is stale then.
    """

    palette: Palette
    instruments: Mapping[str, InstrumentInfo]
    size: SizeClass
    now_ns: int
    account: str = ""
    masked: bool = False
    depth: ColorDepth = "truecolor"
    connected: bool = True

    def is_stale(self, frame: Frame) -> bool:
        """Tell whether the market part of a frame must not look alive."""
        market = frame.market
        late = self.now_ns - frame.published_ns > STALE_AFTER_NS
        return market.stale or not market.synced or not self.connected or late

    def instrument(self, symbol: str) -> InstrumentInfo | None:
        """Return how to print a market, or None when the host has not told it."""
        return self.instruments.get(symbol)
