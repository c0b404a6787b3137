"""A small app with all panes at their places, fed by hand or by a made-up market.

``python -m tests.ui_support.harness`` shows it in the terminal.
"""

from __future__ import annotations

import os

from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.pilot import Pilot

from obiterm.link.messages import Frame, LogLine
from obiterm.ui.paint.context import PaintContext, size_class
from obiterm.ui.paint.palette import ColorDepth
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
from obiterm.ui.theme import load_themes, to_textual
from tests.ui_support.market import INSTRUMENTS, MadeUpMarket, log_lines
from tests.ui_support.picture import screen_runs

HINTS = [
    KeyHint("F9 F9", "KILL", "kill"),
    KeyHint("F12 x", "FLATTEN", "flatten"),
    *(KeyHint(key, label) for key, label in (
        ("1", "trade"), ("2", "orders"), ("3", "strategy"), ("Tab", "pane"), ("z", "zoom"),
        ("s", "symbol"), ("a", "arm"), ("^P", "cmd"), ("?", "help"), ("^Q", "detach"),
    )),
]  # fmt: skip


class Harness(App[None]):
    """All panes of the trading screen, laid out as in design/TUI.md §3 and §4."""

    CSS = """
    #upper, #lower { height: 1fr; }
    #lower { height: 13; }
    HeatMap { width: 1fr; }
    Ladder, StrategyPane { width: 50; }
    Positions { width: 1fr; }
    OrderLog { width: 52; }
    .medium StrategyPane { display: none; }
    .medium Ladder { width: 38; }
    .medium OrderLog { width: 46; }
    .medium #lower { height: 11; }
    .small StrategyPane, .small OrderLog { display: none; }
    .small Ladder { width: 38; }
    .small #lower { height: 7; }
    """

    def __init__(self, theme: str = "night-city", depth: ColorDepth = "truecolor") -> None:
        super().__init__()
        self.palette = load_themes().get(theme).for_depth(depth)
        self.depth: ColorDepth = depth
        self.register_theme(to_textual(self.palette))
        self.theme = theme
        self.live = False
        self.lifetime_s = 0.0
        self.frames_shown = 0
        self.market = MadeUpMarket()
        self.now_offset_ns = 0
        self.masked = False
        self.connected = True
        self.account = ""
        self.entry = "0.001 BTC → bybit-main"

    def compose(self) -> ComposeResult:
        yield Header()
        yield Ticker()
        yield Troubles()
        with Horizontal(id="upper"):
            yield HeatMap()
            yield Ladder()
        with Horizontal(id="lower"):
            yield Positions()
            yield OrderLog()
            yield StrategyPane()
        with Vertical(id="bars"):
            yield RiskBar()
            yield KeyBar()

    DEFAULT_CSS = "#bars { height: 2; dock: bottom; }"

    def on_mount(self) -> None:
        self.query_one(KeyBar).set_keys(HINTS)
        self.query_one(HeatMap).focus()
        if self.live:
            self.query_one(HeatMap).load_history(self.market.history(120))
            self.add_log(log_lines())
            self.set_interval(0.1, self._tick)
            if self.lifetime_s:
                self.set_timer(self.lifetime_s, self.exit)

    def on_resize(self, event: Resize) -> None:
        size = size_class(event.size.width, event.size.height)
        self.screen.set_classes([size])

    def context(self, frame: Frame) -> PaintContext:
        width, height = self.size
        return PaintContext(
            palette=self.palette,
            instruments=INSTRUMENTS,
            size=size_class(width, height),
            now_ns=frame.published_ns + self.now_offset_ns,
            masked=self.masked,
            depth=self.depth,
            connected=self.connected,
            account=self.account,
            entry=self.entry,
        )

    def add_log(self, lines: list[LogLine]) -> None:
        self.query_one(OrderLog).add(lines)

    def show(self, frame: Frame, *, slow: bool = True) -> None:
        """Show a frame; tables only when ``slow``, as the real screen does at two hertz."""
        context = self.context(frame)
        for kind in (HeatMap, Ladder):
            self.query_one(kind).show(frame, context)
        if self.frames_shown % 2 == 0:
            self.query_one(Ticker).show(frame, context)
        if slow:
            for table in (Header, Troubles, Positions, OrderLog, StrategyPane, RiskBar, KeyBar):
                self.query_one(table).show(frame, context)
        self.frames_shown += 1

    def _tick(self) -> None:
        frame = self.market.frame()
        self.show(frame, slow=self.frames_shown % 5 == 0)


async def start(pilot: Pilot[None], app: Harness, frames: int = 4) -> Frame:
    """Show history, a log and some frames; return the last frame."""
    app.query_one(HeatMap).load_history(app.market.history(40))
    app.add_log(log_lines())
    for _ in range(frames):
        frame = app.market.frame()
        app.show(frame)
    await pilot.pause()
    return frame


def screen_text(app: Harness) -> str:
    """Return what stands on the screen, without colours."""
    return "\n".join("".join(text for text, _ in runs) for runs in screen_runs(app))


def main() -> None:
    """Run for ``OBITERM_HARNESS_SECONDS`` or until Ctrl+Q."""
    app = Harness(os.environ.get("OBITERM_HARNESS_THEME", "night-city"))
    app.live = True
    app.lifetime_s = float(os.environ.get("OBITERM_HARNESS_SECONDS", "0"))
    app.run()


if __name__ == "__main__":
    main()
