"""What every pane needs besides the frame to paint itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from obiterm.link.messages import Frame, InstrumentInfo
from obiterm.ui.paint.palette import ColorDepth, Palette

SizeClass = Literal["wide", "medium", "small", "tiny"]

MarketKey = tuple[str, str]
"""Venue and symbol: two venues may both have BTCUSDT."""

STALE_AFTER_NS = 2_000_000_000
"""A frame older than this is shown as stale even if it says that the market is not."""


class OfMarket(Protocol):
    """A row, pane or instrument of one market."""

    @property
    def venue(self) -> str:
        """Where it trades."""
        ...

    @property
    def symbol(self) -> str:
        """The venue's name of it."""
        ...


def market_of(thing: OfMarket) -> MarketKey:
    """Return the market that something belongs to."""
    return thing.venue, thing.symbol


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
        instruments: how to print each market.
        size: size class of the whole screen.
        now_ns: Unix time of the screen.
        account: chosen account; empty = all.
        entry: where an order by hand would go now and how large it is, in words.
        masked: True hides balances and results (screenshots, someone looking).
        depth: colour depth of the terminal.
        connected: False while no frames come from the host; everything is stale then.
    """

    palette: Palette
    instruments: Mapping[MarketKey, InstrumentInfo]
    size: SizeClass
    now_ns: int
    account: str = ""
    masked: bool = False
    depth: ColorDepth = "truecolor"
    connected: bool = True
    entry: str = ""

    def is_stale(self, frame: Frame) -> bool:
        """Tell whether the market part of a frame must not look alive."""
        market = frame.market
        return market.stale or not market.synced or self.is_late(frame)

    def is_late(self, frame: Frame) -> bool:
        """Tell whether the host is gone or silent: nothing in the frame is of now."""
        return not self.connected or self.now_ns - frame.published_ns > STALE_AFTER_NS

    def instrument(self, thing: OfMarket) -> InstrumentInfo | None:
        """Return how to print the market of a row, or None when the host has not told it."""
        return self.instruments.get(market_of(thing))
