"""When each pane is painted, slower by steps while the terminal cannot keep up.

Pure: the caller gives the time. Rates are those of design/TUI.md §6.
"""

from __future__ import annotations

from obiterm.core.values import NS_PER_MS

PERIOD_NS: dict[str, int] = {
    "heat": 100 * NS_PER_MS,
    "ladder": 100 * NS_PER_MS,
    "ticker": 100 * NS_PER_MS,
    "tables": 500 * NS_PER_MS,
    "status": 500 * NS_PER_MS,
    "covered": 1_000 * NS_PER_MS,
}
"""Shortest time between two paints of a kind, with a terminal that keeps up.

The heat map takes every frame; its map moves only when a column of 250 ms is complete.
``covered`` is everything under a translucent box: each change there repaints the whole
screen (measured: 620 KB/s at ten frames a second).
"""

STEPS = (1, 2, 4, 8)
"""Factors by which all periods grow while the writer backs up."""

CALM_NS = 2_000 * NS_PER_MS
"""The writer must have kept up for this long before a step back to faster."""

_EARLY_NS = 20 * NS_PER_MS
"""Frames come with jitter; one that is this much early still counts as due."""


class Cadence:
    """Says which kinds of pane are due, and slows them all under back-pressure."""

    def __init__(self) -> None:
        self._painted_ns: dict[str, int] = {}
        self._step = 0
        self._changed_ns = 0

    @property
    def factor(self) -> int:
        """How many times slower than designed the panes are painted now."""
        return STEPS[self._step]

    def due(self, kind: str, now_ns: int) -> bool:
        """Return True, once, when a kind may be painted again."""
        last = self._painted_ns.get(kind)
        if last is not None and now_ns - last < PERIOD_NS[kind] * self.factor - _EARLY_NS:
            return False
        self._painted_ns[kind] = now_ns
        return True

    def reset(self) -> None:
        """Make every kind due at once (resize, another symbol, a new screen)."""
        self._painted_ns.clear()

    def observe(self, backlog: int, now_ns: int) -> None:
        """Take the number of frames that wait for the terminal; call once a frame.

        Two or more waiting: one step slower, at most once per 250 ms. None for two
        seconds: one step faster.
        """
        waited_ns = now_ns - self._changed_ns
        if backlog >= 2:
            if self._step < len(STEPS) - 1 and waited_ns >= 250 * NS_PER_MS:
                self._step += 1
            if waited_ns >= 250 * NS_PER_MS:
                self._changed_ns = now_ns
        elif backlog == 0 and self._step and waited_ns >= CALM_NS:
            self._step -= 1
            self._changed_ns = now_ns
