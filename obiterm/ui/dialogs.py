"""Actions that open a box or leave: symbol, size, filter, arm, help, palette, detach."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from obiterm.core.commands import ALL_ACCOUNTS, Rearm
from obiterm.core.values import TradingState
from obiterm.link.messages import AccountPane, TakeLease
from obiterm.ui.actions import reference_rows
from obiterm.ui.keymap import Keymap
from obiterm.ui.paint.numbers import scale_of
from obiterm.ui.panes import OrderLog
from obiterm.ui.screens.ask import ArmModal, AskModal
from obiterm.ui.screens.help import HelpScreen
from obiterm.ui.screens.leave import LeaveModal
from obiterm.ui.screens.pick import Choice, PickModal
from obiterm.ui.state import Cockpit, lots_of

if TYPE_CHECKING:
    from obiterm.ui.app import ObitermApp


class Dialogs:
    """Methods are named by ``actions.ACTIONS`` with target ``app``."""

    def __init__(self, app: ObitermApp, cockpit: Cockpit, keymap: Keymap) -> None:
        self._app = app
        self._cockpit = cockpit
        self._keymap = keymap

    def help(self) -> None:
        """Show every key."""
        self._app.push_screen(HelpScreen(reference_rows(self._keymap)))

    def palette(self) -> None:
        """Open the command palette."""
        self._app.action_command_palette()

    def detach(self) -> None:
        """Ask how to leave."""
        if any(isinstance(screen, LeaveModal) for screen in self._app.screen_stack):
            return
        cockpit = self._cockpit
        on_detach = cockpit.welcome.on_detach if cockpit.welcome else "keep"
        may_stop = cockpit.connected and cockpit.has_lease
        modal = LeaveModal(on_detach=on_detach, may_stop=may_stop)
        self._app.push_screen(modal, _given(self._app.leave))

    def take_control(self) -> None:
        """Take the lease."""
        if self._cockpit.read_only:
            self._app.say("read-only: this screen sends nothing", good=False)
        elif self._cockpit.has_lease:
            self._app.say("this screen has control already")
        elif not self._app.attachment.send(TakeLease()):
            self._app.say("no host", good=False)

    def pick_symbol(self) -> None:
        """Choose market and account."""
        welcome = self._cockpit.welcome
        if welcome is None or not welcome.instruments:
            self._app.say("no market yet", good=False)
            return
        choices: list[tuple[str, Choice]] = []
        current = 0
        for one in welcome.instruments:
            label = f"{one.symbol:<14} {one.venue:<10} {one.kind.value:<5} {one.account}"
            if one.symbol == self._cockpit.symbol:
                current = len(choices)
            choices.append((label, (one.symbol, "")))
            if len(welcome.accounts) > 1:
                choices += [(f"  · {name} only", (one.symbol, name)) for name in welcome.accounts]
        modal = PickModal("SYMBOL", choices, current)
        self._app.push_screen(modal, _given(lambda pick: self._app.watch_market(*pick)))

    def type_size(self) -> None:
        """Ask for an order size."""
        instrument = self._cockpit.instrument
        if instrument is None:
            self._app.say("no market yet", good=False)
            return
        scale = scale_of(instrument)
        presets = ", ".join(scale.quantity(lots) for lots in self._cockpit.presets)
        least = scale.quantity(max(1, instrument.min_lots))

        def check(text: str) -> str:
            lots = lots_of(instrument, text)
            if lots is None:
                return f"a positive multiple of {instrument.lot_size}"
            return "" if lots >= instrument.min_lots else f"at least {least}"

        modal = AskModal(
            "ORDER SIZE",
            [f"{instrument.symbol} in {instrument.base}; presets {presets or 'none'}"],
            value=scale.quantity(self._cockpit.lots) if self._cockpit.lots else "",
            check=check,
        )
        self._app.push_screen(
            modal, _given(lambda text: self._app.desk.use_size(lots_of(instrument, text) or 0))
        )

    def filter_log(self) -> None:
        """Ask for words that log lines must contain."""
        modal = AskModal(
            "LOG FILTER",
            ["Show only lines with every one of these words; empty shows all."],
            value=self._cockpit.log_filter,
            check=lambda text: "",
        )

        def use(text: str) -> None:
            self._cockpit.log_filter = text
            self._app.trade.query_one(OrderLog).set_filter(text)

        self._app.push_screen(modal, _given(use))

    def arm(self) -> None:
        """Arm again: choose the account when there are several, then type its name."""
        waiting = self._waiting()
        if not waiting:
            self._app.say("every account is armed")
        elif len(waiting) == 1:
            self._type_to_arm(waiting[0].name)
        else:
            choices: list[tuple[str, Choice]] = [("every account", ("", ALL_ACCOUNTS))]
            choices += [
                (f"{one.name:<18} {one.state.value:<9} {one.note}", ("", one.name))
                for one in waiting
            ]
            modal = PickModal("ARM", choices, 0)
            self._app.push_screen(modal, _given(lambda pick: self._type_to_arm(pick[1])))

    def _waiting(self) -> list[AccountPane]:
        frame = self._cockpit.frame
        if frame is None:
            return []
        return [
            one
            for one in frame.accounts
            if not one.armed or one.state is not TradingState.ACTIVE or frame.holding
        ]

    def _type_to_arm(self, account: str) -> None:
        frame = self._cockpit.frame
        panes = (
            [one for one in frame.accounts if account in (one.name, ALL_ACCOUNTS)]
            if (frame)
            else []
        )
        reason = "; ".join(one.note for one in panes if one.note)
        modal = ArmModal(
            account, reason, real_money=any(one.environment.is_real_money for one in panes)
        )
        self._app.push_screen(
            modal,
            _given(
                lambda typed: self._app.submit(Rearm(account, typed.strip()), f"arm {modal.word}")
            ),
        )


def _given(then: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a callback that does nothing when a box was left without an answer."""

    def answered(answer: Any) -> None:
        if answer is not None:
            then(answer)

    return answered
