"""Actions that open a box or leave: symbol, size, filter, arm, help, palette, detach."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from obiterm.core.commands import ALL_ACCOUNTS, Rearm
from obiterm.core.values import TradingState
from obiterm.link.messages import AccountPane, AskListings, TakeLease
from obiterm.ui.actions import reference_rows
from obiterm.ui.keymap import Keymap
from obiterm.ui.marketlist import listing_news, market_choices
from obiterm.ui.paint.context import MarketKey
from obiterm.ui.paint.numbers import scale_of
from obiterm.ui.panes import OrderLog
from obiterm.ui.screens.accounts import AccountsScreen, account_line
from obiterm.ui.screens.ask import ArmModal, AskModal
from obiterm.ui.screens.help import HelpScreen
from obiterm.ui.screens.leave import LeaveModal
from obiterm.ui.screens.pick import PickModal
from obiterm.ui.state import Cockpit, lots_of

if TYPE_CHECKING:
    from obiterm.ui.app import ObitermApp


class Dialogs:
    """Methods are named by ``actions.ACTIONS`` with target ``app``."""

    def __init__(self, app: ObitermApp, cockpit: Cockpit, keymap: Keymap) -> None:
        self._app = app
        self._cockpit = cockpit
        self._keymap = keymap
        self._picker: PickModal[MarketKey] | None = None

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

    def pick_market(self) -> None:
        """Choose a market of any venue."""
        cockpit = self._cockpit
        self._app.attachment.send(AskListings())
        choices = market_choices(cockpit)
        markets = [market for _, market in choices]
        current = markets.index(cockpit.market) if cockpit.market in markets else 0
        modal = PickModal[MarketKey]("MARKET", choices, current, news=listing_news(cockpit))
        self._picker = modal
        self._app.push_screen(modal, _given(self._app.switch.show))

    def markets_came(self) -> None:
        """Put markets that have become known into the picker, if it is still open."""
        picker = self._picker
        if picker in self._app.screen_stack and picker.is_mounted:
            picker.update(market_choices(self._cockpit), listing_news(self._cockpit))

    def list_accounts(self) -> None:
        """Show every account in full."""
        cockpit = self._cockpit
        modal = AccountsScreen(cockpit.account)
        if cockpit.frame is not None:
            modal.show(cockpit.frame, self._app.painter.context())
        self._app.push_screen(modal, _given(self._act_on_account))

    def _act_on_account(self, answer: tuple[str, str]) -> None:
        verb, account = answer
        switch = self._app.switch
        if verb == "arm":
            self._if_in_control(lambda: self._type_to_arm(account))
            return
        switch.choose(account)
        if verb == "kill":
            switch.kill_one()
        elif verb == "flatten":
            switch.exit_one()

    def _if_in_control(self, then: Callable[[], None]) -> None:
        if refusal := self._app.refusal():
            self._app.say(refusal, good=False)
        else:
            then()

    def choose_account(self, words: str, names: list[str], then: Callable[[str], None]) -> None:
        """Ask which of several accounts something is for."""
        palette = self._app.painter.context().palette
        panes = [(name, self._cockpit.pane(name)) for name in names]
        choices = [(account_line(pane, palette) if pane else name, name) for name, pane in panes]
        modal = PickModal[str]("WHICH ACCOUNT", choices, 0, (words,))
        self._app.push_screen(modal, _given(then))

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
            [
                f"{instrument.symbol} at {instrument.venue} in {instrument.base}; "
                f"presets {presets or 'none'}"
            ],
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
            palette = self._app.painter.context().palette
            choices = [("every account", ALL_ACCOUNTS)]
            choices += [(f"{account_line(one, palette)} {one.note}", one.name) for one in waiting]
            names = [name for _, name in choices]
            chosen = self._cockpit.account
            current = names.index(chosen) if chosen in names else 0
            modal = PickModal[str]("ARM", choices, current)
            self._app.push_screen(modal, _given(self._type_to_arm))

    def _waiting(self) -> list[AccountPane]:
        frame = self._cockpit.frame
        if frame is None:
            return []
        return [
            one
            for one in frame.accounts
            if not one.armed or one.state is not TradingState.ACTIVE or one.holding
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
