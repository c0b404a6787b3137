"""The main screen: every pane, four sizes, three views and a zoom (design/TUI.md §3, §4).

Sizes, views and zoom are classes on the screen; what they show is in ``obiterm.tcss``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Resize
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from obiterm.link.messages import Frame
from obiterm.ui.paint.context import PaintContext, SizeClass, size_class
from obiterm.ui.panes import (
    Header,
    HeatMap,
    KeyBar,
    KeyHint,
    Ladder,
    OrderLog,
    Positions,
    RiskBar,
    StrategyPane,
    Ticker,
    Troubles,
)
from obiterm.ui.panes.base import RowPane
from obiterm.ui.screens.notice import NoticeLine
from obiterm.ui.screens.tiny import TinyView

View = Literal["trade", "orders", "strategy"]
VIEWS: tuple[View, ...] = ("trade", "orders", "strategy")
SIZES = ("wide", "medium", "small", "tiny")

_LOG = logging.getLogger("obiterm.ui")

SMALLEST = (40, 10)
"""Columns and rows below which only a message is shown."""


class TradeScreen(Screen[None], inherit_bindings=False):
    """All panes. The app hands it frames; it never asks for them."""

    AUTO_FOCUS = "#ladder"

    class PaneBroke(Message):
        """A pane could not show a frame.

        Attributes:
            pane: its id.
            error: what went wrong.
        """

        def __init__(self, pane: str, error: str) -> None:
            super().__init__()
            self.pane = pane
            self.error = error

    def __init__(self) -> None:
        super().__init__()
        self.view: View = "trade"
        self.size_class: SizeClass = "wide"
        self.too_small = False
        self._broken: set[RowPane] = set()

    def compose(self) -> ComposeResult:
        """Put every pane on the screen; classes decide which are seen."""
        yield Header(id="header")
        yield Ticker(id="ticker")
        yield Troubles(id="troubles")
        with Horizontal(id="book"):
            yield HeatMap(id="heat")
            yield Ladder(id="ladder")
        with Horizontal(id="tables"):
            yield Positions(id="positions")
            yield OrderLog(id="log")
            yield StrategyPane(id="strategy")
        yield TinyView(id="tiny")
        yield Static("terminal too small\nobiterm needs 40 × 10", id="too-small", markup=False)
        yield RiskBar(id="risk")
        yield KeyBar(id="keys")
        yield NoticeLine(id="notice")

    def on_mount(self) -> None:
        """Set the first classes."""
        self._classify(*self.app.size)
        self.show_view("trade")

    def on_resize(self, event: Resize) -> None:
        """Choose the size class."""
        self._classify(event.size.width, event.size.height)

    def _classify(self, width: int, height: int) -> None:
        self._broken.clear()
        self.too_small = width < SMALLEST[0] or height < SMALLEST[1]
        self.size_class = size_class(width, height)
        for name in SIZES:
            self.set_class(name == self.size_class and not self.too_small, f"-{name}")
        self.set_class(self.too_small, "-too-small")

    def show_view(self, view: View) -> None:
        """Show another view; ends a zoom."""
        self.view = view
        self._broken.clear()
        self.unzoom()
        for name in VIEWS:
            self.set_class(name == view, f"-view-{name}")
        self.call_after_refresh(self._keep_focus_visible)

    def toggle_zoom(self) -> None:
        """Give the focused pane the whole screen, or take it back."""
        if self.has_class("-zoom"):
            self.unzoom()
            return
        pane = self.focused
        if pane is None or not isinstance(pane, RowPane):
            return
        pane.add_class("-zoomed")
        self.set_class(pane.id in ("heat", "ladder"), "-zoom-book")
        self.add_class("-zoom")

    def unzoom(self) -> None:
        """End a zoom."""
        self.remove_class("-zoom", "-zoom-book")
        for pane in self.query(".-zoomed"):
            pane.remove_class("-zoomed")

    def step_focus(self, *, forward: bool) -> None:
        """Focus the next pane or the one before; a zoom goes with it."""
        if not self.has_class("-zoom"):
            self._step(forward=forward)
            return
        self.unzoom()
        self.call_after_refresh(self._step, forward=forward, zoom=True)

    def _step(self, *, forward: bool, zoom: bool = False) -> None:
        if forward:
            self.focus_next()
        else:
            self.focus_previous()
        if zoom:
            self.toggle_zoom()

    def _keep_focus_visible(self) -> None:
        """Move the focus to a pane that can be seen."""
        focused = self.focused
        if focused is None or not _on_screen(focused):
            for pane in self.query(RowPane):
                if pane.can_focus and _on_screen(pane):
                    pane.focus()
                    return

    def set_keys(self, hints: Sequence[KeyHint]) -> None:
        """Set the keys of the key bar."""
        self.query_one(KeyBar).set_keys(hints)

    def paint(self, frame: Frame, context: PaintContext, kinds: frozenset[str]) -> None:
        """Show a frame in the panes of the given kinds.

        The heat map takes every frame, also while it is hidden: it keeps the past. The line of
        troubles decides itself whether it is there. A pane
        that fails rests until the next size or view; the others and the keys go on.
        """
        for kind, kind_panes in _KINDS.items():
            if kind not in kinds:
                continue
            for pane in kind_panes:
                widget = self.query_one(pane)
                wanted = isinstance(widget, HeatMap | Troubles) or _on_screen(widget)
                if wanted and widget not in self._broken:
                    self._show(widget, frame, context)

    def remember(self, frame: Frame) -> None:
        """Keep a frame in the heat map's past without painting it."""
        self.query_one(HeatMap).remember(frame)

    def _show(self, pane: RowPane, frame: Frame, context: PaintContext) -> None:
        try:
            pane.show(frame, context)
        except Exception as error:
            _LOG.exception("pane %s failed", pane.id)
            self._broken.add(pane)
            self.post_message(self.PaneBroke(pane.id or "", f"{type(error).__name__}: {error}"))


_KINDS: dict[str, tuple[type[RowPane], ...]] = {
    "heat": (HeatMap,),
    "ladder": (Ladder,),
    "ticker": (Ticker, TinyView),
    "tables": (Positions, OrderLog, StrategyPane),
    "status": (Header, Troubles, RiskBar, KeyBar),
}


def _on_screen(widget: Widget) -> bool:
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))
