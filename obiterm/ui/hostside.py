"""The conversation with the host: greeting, commands and answers, control, log lines."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from obiterm.core.commands import AnyCommand
from obiterm.link.messages import (
    Done,
    Frame,
    LeaseChanged,
    Listings,
    Markets,
    Request,
    Watch,
    Welcome,
)
from obiterm.ui.mailbox import Delivery
from obiterm.ui.paint.context import MarketKey, market_of
from obiterm.ui.paint.heat import NO_MARKET
from obiterm.ui.panes import HeatMap, OrderLog

if TYPE_CHECKING:
    from obiterm.ui.app import ObitermApp


class HostSide:
    """Keeps the cockpit true to what the host says. Runs on the event loop."""

    def __init__(self, app: ObitermApp) -> None:
        self._app = app
        self._cockpit = app.cockpit
        self._ids = itertools.count(1)
        self._asked: dict[int, str] = {}
        self._run = ""
        self._last_line = 0
        self._chosen = False
        self._accounts: list[str] = []

    def attached(self, welcome: Welcome) -> None:
        """Take the greeting of a host, the first one or a later one."""
        cockpit = self._cockpit
        cockpit.welcome = welcome
        cockpit.take_instruments(welcome.instruments)
        cockpit.connected = True
        cockpit.has_lease = welcome.has_lease and not cockpit.read_only
        run = f"{welcome.run_id}/{welcome.host_pid}"
        if run != self._run:  # another host counts its log lines anew
            self._run, self._last_line = run, 0
        if cockpit.account not in welcome.accounts:
            cockpit.account = ""
        same_accounts, self._accounts = welcome.accounts == self._accounts, welcome.accounts
        if self._chosen and (same_accounts or cockpit.market in cockpit.instruments):
            self._app.attachment.send(Watch(*cockpit.market, cockpit.account))
        else:
            self._chosen = False
            cockpit.market = next(iter(cockpit.instruments), NO_MARKET)
        self._tell_control()

    def lost(self, reason: str, attempt: int) -> None:
        """Say that there is no host; answers under way will not come."""
        self._cockpit.connected = False
        self._cockpit.has_lease = False
        if self._asked:
            self._app.say(f"{len(self._asked)} commands unanswered: outcome unknown", good=False)
            self._asked.clear()
        tries = f"try {attempt}" if attempt > 1 else "trying again"
        self._app.board.banner = f"HOST GONE, {tries} · {reason}"
        self._app.show_notice()

    def delivered(self, delivery: Delivery) -> Frame | None:
        """Take everything that came; return the frame to paint, if any."""
        for message in delivery.others:
            if isinstance(message, Done):
                self._done(message)
            elif isinstance(message, LeaseChanged):
                self._cockpit.holder = message.holder
                self._control(message.has_lease)
            elif isinstance(message, Markets):
                self._cockpit.take_instruments(message.instruments)
                self._app.dialogs.markets_came()
            elif isinstance(message, Listings):
                self._cockpit.listings = message
                self._app.dialogs.markets_came()
        fresh = [line for line in delivery.lines if line.seq > self._last_line]
        if fresh:
            self._last_line = fresh[-1].seq
            self._app.trade.query_one(OrderLog).add(fresh)
        for history in delivery.history:
            self._app.trade.query_one(HeatMap).load_history(history)
        frame = delivery.frame
        if frame is not None:
            self._cockpit.frame = frame
            if not self._chosen:
                self._cockpit.market = market_of(frame.market)
            self._control(frame.has_lease)
        return frame

    def submit(self, command: AnyCommand, text: str) -> None:
        """Send a command; ``text`` comes back with the answer."""
        request_id = next(self._ids)
        if self._app.attachment.send(Request(request_id, command)):
            self._asked[request_id] = text
            self._app.say(f"{text} …")
        else:
            self._app.say(f"{text}: not sent, no host", good=False)

    def watch(self, market: MarketKey, account: str) -> None:
        """Ask for frames of another market, or with the figures of another account."""
        self._chosen = True
        self._cockpit.market, self._cockpit.account = market, account
        self._app.attachment.send(Watch(*market, account))

    def _done(self, done: Done) -> None:
        text = self._asked.pop(done.request_id, "")
        if text:
            result = done.text or ("done" if done.ok else "refused")
            self._app.say(f"{text}: {result}", good=done.ok)

    def _control(self, has_lease: bool) -> None:
        has_lease = has_lease and not self._cockpit.read_only
        if has_lease != self._cockpit.has_lease:
            self._cockpit.has_lease = has_lease
            self._tell_control()

    def _tell_control(self) -> None:
        cockpit, board = self._cockpit, self._app.board
        if cockpit.read_only:
            board.banner = "READ ONLY: this screen sends nothing"
        elif cockpit.has_lease:
            board.banner = ""
        else:
            holder = f", {cockpit.holder} has control" if cockpit.holder else ""
            board.banner = f"WATCHING{holder}: press L to take control"
        self._app.show_notice()
