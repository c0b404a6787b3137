"""The full-screen app: attaches to a host, paints its frames, sends what is asked.

The event loop owns all state; the link worker only posts messages (STYLE §1). Panic
keys do not pass through here: ``driver.py`` takes them in the input thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from textual import events, on, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver

from obiterm.core.commands import ALL_ACCOUNTS, AnyCommand, EmergencyExit, Kill
from obiterm.link.messages import Leave, OrderRow, PositionRow, StrategyCard
from obiterm.ui.actions import ACTIONS, BY_NAME, FLATTEN, KILL
from obiterm.ui.attachment import Attachment
from obiterm.ui.desk import Desk
from obiterm.ui.dialogs import Dialogs
from obiterm.ui.driver import HardenedDriver
from obiterm.ui.ending import Ending, EndReason
from obiterm.ui.gate import PanicGate, PanicNotice, PanicSender
from obiterm.ui.hostside import HostSide
from obiterm.ui.keymap import latch_for, resolve
from obiterm.ui.keys import display
from obiterm.ui.latch import PanicCommand, Stage
from obiterm.ui.messages import Arrived, Attached, LinkLost, PanicPressed
from obiterm.ui.notices import NoticeBoard
from obiterm.ui.paint.context import MarketKey
from obiterm.ui.paint.palette import color_depth
from obiterm.ui.painter import Painter
from obiterm.ui.palette import ActionCommands
from obiterm.ui.panes import HeatMap, Ladder, Positions, StrategyPane
from obiterm.ui.panicview import PanicView
from obiterm.ui.screens.accounts import AccountsScreen
from obiterm.ui.screens.kill import KillModal
from obiterm.ui.screens.notice import NoticeLine
from obiterm.ui.screens.trade import TradeScreen
from obiterm.ui.state import Cockpit, UiSettings
from obiterm.ui.switching import Switchboard
from obiterm.ui.theme import load_themes, to_textual
from obiterm.ui.views import Views

STOP_PATIENCE_S = 8.0
"""Time after which a host that was asked to stop is reported as silent."""


def _bindings() -> list[BindingType]:
    """Return Textual's bindings of the registry; panic keys are the driver's alone."""
    return [
        Binding(
            ",".join(action.keys),
            f"perform('{action.name}')",
            action.description,
            show=False,
            priority=action.priority,
            tooltip=action.tooltip,
            id=action.name,
        )
        for action in ACTIONS
        if not action.panic
    ]


class ObitermApp(App[EndReason], inherit_bindings=False):
    """One screen of one host.

    Args:
        socket: the host's Unix socket.
        settings: what the composition root chose.
        ending: ends the process in bounded time; a harmless one is made when left out.

    Raises:
        ConfigError: the keymap or the theme cannot be used.
    """

    TITLE = "obiterm"
    CSS_PATH = "obiterm.tcss"
    BINDINGS = _bindings()
    COMMANDS = {ActionCommands}  # noqa: RUF012 - Textual declares it as a plain class variable
    ENABLE_COMMAND_PALETTE = True
    ALLOW_SELECT = False

    def __init__(self, socket: Path, settings: UiSettings, ending: Ending | None = None) -> None:
        self._keymap_used = resolve(settings.keymap)
        palette = load_themes(settings.themes_dir).get(settings.theme)
        super().__init__()
        self.ending = ending or Ending(settings.on_exit)
        depth = color_depth(settings.color, str(self.console.color_system), self.no_color)
        palette = palette.for_depth(depth)
        self.register_theme(to_textual(palette))
        self.theme = palette.name
        changed = {name: ",".join(self._keymap_used[name]) for name in settings.keymap}
        self.set_keymap(changed)
        self.animation_level = "none"
        self.cockpit = Cockpit(masked=settings.masked, read_only=settings.read_only)
        self.board = NoticeBoard(display(self._keymap_used[KILL][0]))
        self.trade = TradeScreen()
        self.painter = Painter(
            self.trade, self.cockpit, (palette, depth), self._keymap_used, self.can_perform
        )
        role = "watch" if settings.read_only else "screen"
        self.attachment = Attachment(
            socket, role=role, client=settings.client, post=self.post_message
        )
        self._sender = PanicSender(socket, settings.client)
        self.gate: PanicGate | None = None
        if not settings.read_only:
            self.gate = PanicGate(
                latch_for(self._keymap_used),
                self._sender.send,
                self._announce,
            )
        self.desk = Desk(self.cockpit, self, time.monotonic_ns)
        self.views = Views(self, self.cockpit, self.desk, settings.pictures_dir)
        self.switch = Switchboard(self.cockpit, self)
        self.dialogs = Dialogs(self, self.cockpit, self._keymap_used)
        self._targets: dict[str, object] = {
            "desk": self.desk,
            "view": self.views,
            "app": self.dialogs,
            "switch": self.switch,
        }
        self.host = HostSide(self)
        self.panic_view = PanicView(self)
        self._stopping = False

    # -- life --------------------------------------------------------------------

    def get_driver_class(self) -> type[Driver]:
        """Use the hardened driver."""
        return HardenedDriver

    def get_default_screen(self) -> TradeScreen:
        """Start on the trading screen."""
        return self.trade

    def on_ready(self) -> None:
        """Start the link worker, now that every pane is there."""
        loop = asyncio.get_running_loop()
        self.ending.polite_way(lambda: _soon(loop, self.exit))
        self._stay_attached()
        self.set_interval(1.0, self._tick)

    @work(group="link", exit_on_error=False)
    async def _stay_attached(self) -> None:
        await self.attachment.run()

    def on_unmount(self) -> None:
        """Close the panic line."""
        self._sender.close()

    def leave(self, reason: EndReason) -> None:
        """Leave on purpose: tell the host, then end."""
        if reason is EndReason.STOPPED:
            self._stopping = True
            self.say("stopping: cancelling every order")
            if not self.attachment.send(Leave(stop=True)):
                self.exit(EndReason.DETACHED)
            self.set_timer(STOP_PATIENCE_S, self._stop_not_confirmed)
        else:
            self.run_worker(self._say_goodbye(), group="leave", exit_on_error=False)

    async def _say_goodbye(self) -> None:
        await self.attachment.leave(Leave(stop=False))
        self.exit(EndReason.DETACHED)

    def _stop_not_confirmed(self) -> None:
        self.say("the host has not confirmed the stop; ^Q and d leaves anyway", good=False)

    # -- keys --------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Let questions and, without our driver, the panic latch see keys first."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            latched = isinstance(self._driver, HardenedDriver)
            if not latched and self.gate is not None and self.gate.key(event.key):
                return
            if self.board.asking(time.monotonic_ns()):
                then = self.board.answer(event.key, time.monotonic_ns())
                if then is not None:
                    then()
                self.show_notice()
                return
        await super().on_event(event)

    def action_perform(self, name: str) -> None:
        """Run an action of the registry; bindings and palette end here."""
        self.perform(name)

    def perform(self, name: str) -> None:
        """Do an action, or say why not."""
        action = BY_NAME[name]
        if action.panic:
            kind = EmergencyExit if name == FLATTEN else Kill
            self.ask(action.palette, lambda: self.panic_now(kind(ALL_ACCOUNTS)))
        elif action.lease and (refusal := self.refusal()):
            self.say(refusal, good=False)
        elif name == "order.place" and not isinstance(self.trade.focused, Ladder | HeatMap):
            self.say("focus the ladder first: Tab", good=False)
        else:
            getattr(self._targets[action.target], action.method)()

    def can_perform(self, name: str) -> bool:
        """True when an action is possible now; the palette offers only those."""
        action = BY_NAME[name]
        if name == "account.control":
            return not self.cockpit.has_lease and not self.cockpit.read_only
        if action.panic or name in ("account.kill", "account.flatten"):
            return self.gate is not None
        return not (action.lease and self.refusal())

    def refusal(self) -> str:
        """Say why this screen may not command now; empty when it may."""
        if self.cockpit.read_only:
            return "read-only: this screen sends nothing"
        if not self.cockpit.connected:
            return "no host: nothing can be sent (panic keys are tried all the same)"
        return "" if self.cockpit.has_lease else "watching: press L to take control"

    def panic_now(self, command: PanicCommand) -> None:
        """Send a panic command that did not come from a panic key."""
        if self.gate is None:
            self.say("read-only: this screen sends nothing", good=False)
            return
        is_exit = isinstance(command, EmergencyExit)
        self.gate.command(command, Stage.FLATTENED if is_exit else Stage.KILLED)

    @on(KillModal.FlattenAsked)
    def _on_flatten_asked(self, message: KillModal.FlattenAsked) -> None:
        for account in message.accounts:
            self.panic_now(EmergencyExit(account))

    # -- what the desk and the views need ----------------------------------------

    def submit(self, command: AnyCommand, text: str) -> None:
        """Send a command to the host."""
        self.host.submit(command, text)

    def ask(self, text: str, then: Callable[[], None]) -> None:
        """Ask once in the notice line."""
        self.board.ask(text, then, time.monotonic_ns())
        self.show_notice()

    def say(self, text: str, *, good: bool = True) -> None:
        """Show one line for a while."""
        self.board.say(text, time.monotonic_ns(), good=good)
        self.show_notice()

    def cursor_ticks(self) -> int:
        """Price under the ladder's cursor."""
        return self.trade.query_one(Ladder).cursor_ticks

    def selected(self) -> OrderRow | PositionRow | None:
        """The chosen row of the positions pane."""
        return self.trade.query_one(Positions).selected

    def move_selection(self, rows: int) -> None:
        """Choose another row."""
        self.trade.query_one(Positions).move_selection(rows)

    def card(self) -> StrategyCard | None:
        """The strategy instance on the card."""
        return self.trade.query_one(StrategyPane).card

    def choose_account(self, words: str, names: list[str], then: Callable[[str], None]) -> None:
        """Ask which of several accounts something is for."""
        self.dialogs.choose_account(words, names, then)

    def watch_market(self, market: MarketKey, account: str) -> None:
        """Show another market or account; the host's frames follow."""
        if market != self.cockpit.market:
            self.desk.cursor_off()
        self.host.watch(market, account)
        self.painter.cadence.reset()
        self.repaint_panes()

    # -- the link ----------------------------------------------------------------

    @on(Attached)
    def _on_attached(self, message: Attached) -> None:
        self.host.attached(message.welcome)
        if self.gate is not None:
            self._open_panic_line()

    @work(group="panic-line", thread=True, exit_on_error=False)
    def _open_panic_line(self) -> None:
        self._sender.open()

    @on(LinkLost)
    def _on_link_lost(self, message: LinkLost) -> None:
        if self._stopping:
            self.exit(EndReason.STOPPED)
            return
        self.host.lost(message.reason, message.attempt)
        self.repaint_panes()

    @on(Arrived)
    def _on_arrived(self) -> None:
        if not self.is_running:  # the app is closing, panes are being removed
            return
        frame = self.host.delivered(self.attachment.mailbox.take())
        if frame is not None:
            driver = self._driver
            hardened = driver if isinstance(driver, HardenedDriver) else None
            backlog = hardened.backlog if hardened else 0
            behind = hardened is not None and hardened.behind
            covered = self.screen is not self.trade
            self.painter.frame(frame, backlog, behind=behind, covered=covered)
            self.panic_view.follow(frame)

    # -- the mouse ---------------------------------------------------------------

    @on(Ladder.PricePicked)
    def _on_price_picked(self, message: Ladder.PricePicked) -> None:
        self.desk.clicked(message.ticks, message.ladder.step_ticks, message.side, message.button)

    @on(Positions.PositionPicked)
    def _on_position_picked(self, message: Positions.PositionPicked) -> None:
        if message.market in self.cockpit.instruments and message.market != self.cockpit.market:
            self.switch.show(message.market)

    # -- painting ----------------------------------------------------------------

    def repaint_panes(self) -> None:
        """Paint the last frame again in every pane, with the present choices."""
        if self.is_running:
            self.painter.again()

    def repaint_all(self) -> None:
        """Send a full frame to the terminal, after a stall or on ^L."""
        if isinstance(self._driver, HardenedDriver):
            self._driver.catch_up()
        self.painter.again()
        update = self.screen._compositor.render_update(
            full=True, screen_stack=self._background_screens
        )
        self._display(self.screen, update)

    def picture(self) -> str:
        """Return the screen as SVG."""
        return self.export_screenshot(title="obiterm")

    def on_resize(self) -> None:
        """Everything is due after a new size."""
        self.painter.cadence.reset()
        self.call_after_refresh(self.repaint_panes)

    def _tick(self) -> None:
        if self.is_running:
            self.show_notice()
            self.painter.age()
            screen, frame = self.screen, self.cockpit.frame
            if isinstance(screen, AccountsScreen) and frame is not None:
                screen.show(frame, self.painter.context())

    @on(TradeScreen.PaneBroke)
    def _on_pane_broke(self, message: TradeScreen.PaneBroke) -> None:
        self.say(f"pane {message.pane} failed, it rests: {message.error}", good=False)

    # -- notices and panic -------------------------------------------------------

    def _announce(self, notice: PanicNotice) -> None:
        """Called in the input thread."""
        self.post_message(PanicPressed(notice))

    @on(PanicPressed)
    def _on_panic_pressed(self, message: PanicPressed) -> None:
        self.board.panic(message.notice, time.monotonic_ns())
        self.show_notice()

    def show_notice(self) -> None:
        """Show the most urgent notice on every screen, and look again when it ends."""
        now_ns = time.monotonic_ns()
        notice = self.board.current(now_ns)
        for screen in self.screen_stack:
            for line in screen.query(NoticeLine):
                line.notice = notice
        if notice is not None and notice.until_ns:
            self.set_timer((notice.until_ns - now_ns) / 1e9 + 0.01, self.show_notice)


def _soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:  # the loop is closed: the app has left already
        return
