"""Who receives which account's events (binance.md §7)."""

from __future__ import annotations

import time

import msgspec

from obiterm.exchange.api import BalanceUpdate, ListUpdate, OrderUpdate, Output
from obiterm.exchange.binance import user_events
from obiterm.exchange.binance.backoffice import BackOffice
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.wire.faults import Faults
from obiterm.exchange.wire.office import Json
from obiterm.exchange.wire.sockets import Outbox

MAX_LIVE = 1000


class Subscriptions:
    """The user data subscriptions of one connection, one per account at most."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.accounts: dict[int, str] = {}
        self.by_session: int | None = None
        """The subscription that rests on ``session.logon`` and ends with it."""
        self._next_id = 0

    def open(self, account: str, *, by_session: bool = False) -> int:
        """Start a subscription; -2035 when the account has one here."""
        if account in self.accounts.values():
            raise ApiError(400, -2035, "User Data Stream subscription already active.")
        if len(self.accounts) >= MAX_LIVE:
            raise ApiError(400, -2042, "Subscription ids are used up.")
        number = self._next_id
        self._next_id += 1
        self.accounts[number] = account
        if by_session:
            self.by_session = number
        return number

    def close(self, number: int | None) -> None:
        """End one subscription, or all; -2036 when there is none of that number."""
        if number is None:
            self.accounts.clear()
            self.by_session = None
            return
        if number not in self.accounts:
            raise ApiError(400, -2036, "User Data Stream subscription not active.")
        del self.accounts[number]
        if number == self.by_session:
            self.by_session = None

    def listed(self) -> list[Json]:
        """Return the live subscriptions."""
        return [{"subscriptionId": number} for number in self.accounts]


class UserStreams:
    """Sends account events to the connections that subscribed; a sink of the back office."""

    def __init__(self, office: BackOffice, faults: Faults) -> None:
        self._office = office
        self._faults = faults
        self.connections: dict[Subscriptions, None] = {}

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Send what concerns accounts, in order."""
        if not self.connections:
            return
        for output in outputs:
            if isinstance(output, OrderUpdate):
                order = output.order
                event = user_events.execution_report(
                    output,
                    self._office.scale(order.symbol),
                    self._office.extras_of(order),
                    now_ns,
                )
                self._send(order.account, event)
            elif isinstance(output, BalanceUpdate):
                self._send(output.account, user_events.account_position(output, now_ns))
            elif isinstance(output, ListUpdate):
                self._send(output.order_list.account, user_events.list_status(output, now_ns))

    def _send(self, account: str, event: Json) -> None:
        name = str(event["e"])
        now_ns = time.time_ns()
        copies, late_s = self._faults.passage(("user", name), now_ns)
        for connection in list(self.connections):
            for number, owner in list(connection.accounts.items()):
                if owner == account:
                    data = msgspec.json.encode({"subscriptionId": number, "event": event})
                    for _ in range(copies):
                        connection.outbox.send(data, late_s)

    def count(self) -> int:
        """Return how many subscriptions are live on all connections."""
        return sum(len(connection.accounts) for connection in self.connections)

    def broadcast(self, event: Json) -> None:
        """Tell every connection something that concerns no account (``serverShutdown``)."""
        for connection in list(self.connections):
            connection.outbox.send(msgspec.json.encode({"event": event}))
