"""Paints frames into the trading screen at the rates of design/TUI.md §6."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from obiterm.link.messages import Frame, TradeDot
from obiterm.ui.actions import BAR, BAR_SMALL, BAR_TINY, BY_NAME, FLATTEN, KILL
from obiterm.ui.cadence import PERIOD_NS, Cadence
from obiterm.ui.keymap import Keymap
from obiterm.ui.keys import display
from obiterm.ui.paint.context import PaintContext
from obiterm.ui.paint.numbers import scale_of
from obiterm.ui.paint.palette import ColorDepth, Palette
from obiterm.ui.panes import KeyHint
from obiterm.ui.screens.trade import TradeScreen
from obiterm.ui.state import Cockpit

MAX_TRADES_KEPT = 500
"""Prints kept for a heat map that is not due yet."""


KINDS = frozenset(PERIOD_NS) - {"covered"}


def entry_line(cockpit: Cockpit) -> str:
    """Return the size of an order by hand and the account that it would go to."""
    instrument = cockpit.instrument
    if cockpit.watch_only:
        return "no account trades it"
    if instrument is None or cockpit.read_only:
        return ""
    size = f"{scale_of(instrument).quantity(cockpit.lots)} {instrument.base}"
    traders = cockpit.traders
    if not traders:
        return f"not traded by {cockpit.account}"
    target = traders[0] if len(traders) == 1 else f"asks which of {len(traders)}"
    return f"{size} → {target}"


class Painter:
    """Decides what of a frame is painted when.

    Args:
        screen: where to paint.
        cockpit: what to paint with.
        look: colours, snapped to the depth, and the depth.
        keymap: keys in force, for the key bar.
        possible: says whether an action is possible now.
    """

    def __init__(
        self,
        screen: TradeScreen,
        cockpit: Cockpit,
        look: tuple[Palette, ColorDepth],
        keymap: Keymap,
        possible: Callable[[str], bool],
    ) -> None:
        self._screen = screen
        self._cockpit = cockpit
        self._palette, self._depth = look
        self._keymap = keymap
        self._possible = possible
        self._trades: list[TradeDot] = []
        self.cadence = Cadence()

    def context(self) -> PaintContext:
        """Return what panes need besides the frame."""
        cockpit = self._cockpit
        return PaintContext(
            palette=self._palette,
            instruments=cockpit.instruments,
            size=self._screen.size_class,
            now_ns=time.time_ns(),
            account=cockpit.account,
            masked=cockpit.masked,
            depth=self._depth,
            connected=cockpit.connected,
            entry=entry_line(cockpit),
        )

    def frame(self, frame: Frame, backlog: int, *, behind: bool, covered: bool) -> None:
        """Take a new frame; paint the kinds that are due.

        ``backlog`` is the number of frames that wait for the terminal; while it is
        ``behind`` nothing is painted, a full repaint will follow. ``covered``: a box lies
        over the panes.
        """
        now_ns = time.monotonic_ns()
        self._trades = [*self._trades, *frame.trades][-MAX_TRADES_KEPT:]
        self.cadence.observe(backlog, now_ns)
        if not self._screen.is_mounted:
            return
        if behind:
            self._remember(frame, now_ns)
            return
        if covered:
            due = KINDS if self.cadence.due("covered", now_ns) else frozenset()
            if not due:
                self._remember(frame, now_ns)
        else:
            due = frozenset(kind for kind in KINDS if self.cadence.due(kind, now_ns))
        if not due:
            return
        if "heat" in due:
            frame = msgspec.structs.replace(frame, trades=self._trades)
            self._trades = []
        self._paint(frame, due)

    def _remember(self, frame: Frame, now_ns: int) -> None:
        """Let the heat map keep what is not painted now, so that its past has no holes."""
        if self.cadence.due("heat", now_ns):
            kept = msgspec.structs.replace(frame, trades=self._trades)
            self._screen.remember(self._cockpit.scoped(kept))
            self._trades = []

    def again(self) -> None:
        """Paint the last frame in every pane, with the present choices."""
        frame = self._cockpit.frame
        if frame is not None and self._screen.is_mounted:
            self._paint(msgspec.structs.replace(frame, trades=[]), KINDS)

    def age(self) -> None:
        """Call once a second: what has grown old must look old, even without new frames."""
        frame = self._cockpit.frame
        if frame is not None and self.context().is_stale(frame):
            self.again()

    def _paint(self, frame: Frame, kinds: frozenset[str]) -> None:
        self._screen.set_keys(self._hints())
        self._screen.paint(self._cockpit.scoped(frame), self.context(), kinds)

    def _hints(self) -> Sequence[KeyHint]:
        names = {"small": BAR_SMALL, "tiny": BAR_TINY}.get(self._screen.size_class, BAR)
        hints = []
        if self._possible(KILL):
            kill, lead = (display(self._keymap[name][0]) for name in (KILL, FLATTEN))
            hints.append(KeyHint(f"{kill} {kill}", BY_NAME[KILL].label, "kill"))
            hints.append(KeyHint(f"{lead} X", BY_NAME[FLATTEN].label, "flatten"))
        hints += [
            KeyHint(display(self._keymap[name][0]), BY_NAME[name].label)
            for name in names
            if self._possible(name)
        ]
        return hints
