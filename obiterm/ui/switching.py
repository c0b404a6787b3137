"""Which account and which market are shown, and what acts on one account alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from obiterm.core.commands import EmergencyExit, Kill
from obiterm.ui.latch import PanicCommand
from obiterm.ui.paint.context import MarketKey
from obiterm.ui.state import Cockpit


class Screen(Protocol):
    """What switching needs of the app."""

    def watch_market(self, market: MarketKey, account: str) -> None:
        """Show a market with the rows of one account, or of all with an empty name."""
        ...

    def panic_now(self, command: PanicCommand) -> None:
        """Send a panic command that did not come from a panic key."""
        ...

    def ask(self, text: str, then: Callable[[], None]) -> None:
        """Ask once, in one line; ``then`` runs on yes."""
        ...

    def say(self, text: str, *, good: bool = True) -> None:
        """Show one line for a while."""
        ...

    def choose_account(self, words: str, names: list[str], then: Callable[[str], None]) -> None:
        """Ask which of several accounts something is for."""
        ...


class Switchboard:
    """Methods are named by ``actions.ACTIONS`` with target ``switch``."""

    def __init__(self, cockpit: Cockpit, screen: Screen) -> None:
        self._cockpit = cockpit
        self._screen = screen
        self._last_market: dict[str, MarketKey] = {}

    # -- accounts ----------------------------------------------------------------

    def next_account(self) -> None:
        """Choose the next account; behind the last one come all together."""
        self._step_account(1)

    def previous_account(self) -> None:
        """Choose the account before."""
        self._step_account(-1)

    def all_accounts(self) -> None:
        """Show all accounts together."""
        self.choose("")

    def _step_account(self, by: int) -> None:
        ring = ["", *self._cockpit.accounts]
        place = ring.index(self._cockpit.account) if self._cockpit.account in ring else 0
        self.choose(ring[(place + by) % len(ring)])

    def choose(self, account: str) -> None:
        """Show one account, with a market that it trades; an empty name shows all."""
        cockpit = self._cockpit
        self._last_market[cockpit.account] = cockpit.market
        traded = cockpit.markets_of(account)
        market = cockpit.market
        if account and traded and market not in traded:
            before = self._last_market.get(account)
            market = before if before in traded else traded[0]
        self._screen.watch_market(market, account)
        if account:
            self._screen.say(f"{account}: orders by hand go there")
        else:
            self._screen.say("all accounts together")

    # -- markets -----------------------------------------------------------------

    def next_market(self) -> None:
        """Show the next market of the accounts in sight."""
        self._step_market(1)

    def previous_market(self) -> None:
        """Show the market before."""
        self._step_market(-1)

    def _step_market(self, by: int) -> None:
        cockpit = self._cockpit
        markets = cockpit.markets_of(cockpit.account)
        if len(markets) < 2:
            self._screen.say("no other market here", good=False)
            return
        place = markets.index(cockpit.market) if cockpit.market in markets else -by
        self._screen.watch_market(markets[(place + by) % len(markets)], cockpit.account)

    def show(self, market: MarketKey) -> None:
        """Show a market; an account that does not trade it is let go for all together."""
        info = self._cockpit.instruments.get(market)
        account = self._cockpit.account
        keeps = info is not None and account in info.accounts
        self._screen.watch_market(market, account if keeps else "")

    # -- one account alone -------------------------------------------------------

    def kill_one(self) -> None:
        """Kill the chosen account alone, after one question."""
        self._panic_one("KILL", "cancel its orders, disarm it", Kill)

    def exit_one(self) -> None:
        """Flatten the chosen account alone, after one question."""
        self._panic_one("FLATTEN", "kill it, then close its positions", EmergencyExit)

    def _panic_one(self, word: str, what: str, kind: type[Kill] | type[EmergencyExit]) -> None:
        def asked(account: str) -> None:
            text = f"{word} {account} alone: {what}"
            self._screen.ask(text, lambda: self._screen.panic_now(kind(account)))

        if self._cockpit.account:
            asked(self._cockpit.account)
        else:
            self._screen.choose_account(f"{word} one account", self._cockpit.accounts, asked)
