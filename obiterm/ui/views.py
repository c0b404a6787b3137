"""What keys do to the screen itself: views, focus, zoom, cursor, heat map."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from obiterm.ui.desk import Desk
from obiterm.ui.panes import HeatMap, Ladder, OrderLog, Positions, StrategyPane
from obiterm.ui.screens.trade import TradeScreen
from obiterm.ui.state import Cockpit

PAGE_ROWS = 10


class Stage(Protocol):
    """What the views need of the app."""

    @property
    def trade(self) -> TradeScreen:
        """The main screen."""
        ...

    def repaint_panes(self) -> None:
        """Paint the last frame again with the present choices."""
        ...

    def repaint_all(self) -> None:
        """Send the whole screen to the terminal."""
        ...

    def picture(self) -> str:
        """Return the screen as SVG."""
        ...

    def say(self, text: str, *, good: bool = True) -> None:
        """Show one line for a while."""
        ...


class Views:
    """Methods are named by ``actions.ACTIONS`` with target ``view``."""

    def __init__(self, stage: Stage, cockpit: Cockpit, desk: Desk, pictures_dir: Path) -> None:
        self._stage = stage
        self._cockpit = cockpit
        self._desk = desk
        self._pictures_dir = pictures_dir

    def trade(self) -> None:
        """Show the trading view."""
        self._stage.trade.show_view("trade")
        self._stage.repaint_panes()

    def orders(self) -> None:
        """Show positions, orders and log."""
        self._stage.trade.show_view("orders")
        self._stage.repaint_panes()

    def strategy(self) -> None:
        """Show the strategy card."""
        self._stage.trade.show_view("strategy")
        self._stage.repaint_panes()

    def next_pane(self) -> None:
        """Focus the next pane."""
        self._stage.trade.step_focus(forward=True)

    def previous_pane(self) -> None:
        """Focus the pane before."""
        self._stage.trade.step_focus(forward=False)

    def zoom(self) -> None:
        """Zoom the focused pane, or leave the zoom."""
        self._stage.trade.toggle_zoom()
        self._stage.repaint_panes()

    def mask(self) -> None:
        """Hide or show balances and results."""
        self._cockpit.masked = not self._cockpit.masked
        self._stage.repaint_panes()

    def repaint(self) -> None:
        """Send the whole screen again."""
        self._stage.repaint_panes()
        self._stage.repaint_all()

    def screenshot(self) -> None:
        """Save a picture in which balances are hidden (design/TUI.md §7, trap 17)."""
        shown = self._cockpit.masked
        self._cockpit.masked = True
        try:
            self._stage.repaint_panes()
            picture = self._stage.picture()
        finally:
            self._cockpit.masked = shown
            self._stage.repaint_panes()
        name = f"obiterm-{datetime.now(UTC):%Y%m%d-%H%M%S}.svg"
        path = self._pictures_dir / name
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(picture, encoding="utf-8")
        except OSError as error:
            self._stage.say(f"no picture saved: {error.strerror}: {path}", good=False)
        else:
            self._stage.say(f"picture saved, balances hidden: {path}")

    # -- arrows go to the pane in focus -----------------------------------------

    def up(self) -> None:
        """One row up."""
        self._move(1)

    def down(self) -> None:
        """One row down."""
        self._move(-1)

    def page_up(self) -> None:
        """A page up."""
        self._move(PAGE_ROWS)

    def page_down(self) -> None:
        """A page down."""
        self._move(-PAGE_ROWS)

    def home(self) -> None:
        """The best bid; in the log the newest line."""
        if isinstance(self._stage.trade.focused, OrderLog):
            self._stage.trade.query_one(OrderLog).scroll_lines(-1_000_000)
        else:
            self._desk.cursor_moved()
            self._ladder.cursor_to_mid()

    def off(self) -> None:
        """Let go of the cursor and of a chosen row; leave the zoom."""
        self._desk.cursor_off()
        self._ladder.cursor_to_mid()
        self._stage.trade.query_one(Positions).clear_selection()
        self._stage.trade.unzoom()
        self._stage.repaint_panes()

    def _move(self, rows: int) -> None:
        pane = self._stage.trade.focused
        if isinstance(pane, Positions):
            pane.move_selection(-rows)
        elif isinstance(pane, OrderLog):
            pane.scroll_lines(-rows)
        elif isinstance(pane, StrategyPane):
            pane.next_card()
        else:
            self._desk.cursor_moved()
            self._ladder.move_cursor(rows)

    # -- panes -------------------------------------------------------------------

    def heat_walls(self) -> None:
        """Show walls only, or everything."""
        self._heat.toggle_walls()

    def heat_trades(self) -> None:
        """Show or hide trades."""
        self._heat.toggle_trades()

    def heat_in(self) -> None:
        """Show fewer prices."""
        self._heat.zoom_in()

    def heat_out(self) -> None:
        """Show more prices."""
        self._heat.zoom_out()

    def ladder_finer(self) -> None:
        """Group fewer ticks."""
        self._ladder.finer()

    def ladder_coarser(self) -> None:
        """Group more ticks."""
        self._ladder.coarser()

    def next_card(self) -> None:
        """Show the next strategy instance."""
        self._stage.trade.query_one(StrategyPane).next_card()

    @property
    def _ladder(self) -> Ladder:
        return self._stage.trade.query_one(Ladder)

    @property
    def _heat(self) -> HeatMap:
        return self._stage.trade.query_one(HeatMap)
