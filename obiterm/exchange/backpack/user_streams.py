"""Who receives which account's events (backpack.md §8.4, §8.5)."""

from __future__ import annotations

import time

import msgspec

from obiterm.exchange.api import OrderUpdate, Output, PositionUpdate
from obiterm.exchange.backpack import user_events
from obiterm.exchange.backpack.office import BackpackOffice
from obiterm.exchange.backpack.wire import Json
from obiterm.exchange.wire.faults import Faults
from obiterm.exchange.wire.sockets import Outbox

ORDERS = "account.orderUpdate"
POSITIONS = "account.positionUpdate"
QUOTES = "account.rfqUpdate"
"""It can be subscribed to and stays silent: there are no requests for quotes here."""
KINDS = (ORDERS, POSITIONS, QUOTES)


class Subscriptions:
    """The private streams of one connection: name -> account."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.streams: dict[str, str] = {}


class UserStreams:
    """Sends account events to the connections that subscribed; a sink of the office."""

    def __init__(self, office: BackpackOffice, faults: Faults) -> None:
        self._office = office
        self._faults = faults
        self._held: dict[tuple[str, str], int] = {}
        self.connections: dict[Subscriptions, None] = {}

    def count(self) -> int:
        """Return how many private streams are subscribed on all connections."""
        return sum(len(connection.streams) for connection in self.connections)

    def subscribe(self, connection: Subscriptions, stream: str, account: str) -> None:
        """Start a private stream; one of positions begins with those that are open."""
        connection.streams[stream] = account
        if not stream.startswith(POSITIONS):
            return
        now_ns = self._office.clock_ns()
        for position in self._office.venue.positions(account):
            if position.lots and stream in (POSITIONS, f"{POSITIONS}.{position.symbol}"):
                event = user_events.position_event(self._office, position, None, now_ns)
                connection.outbox.send(_frame(stream, event))

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Send what concerns accounts, in order."""
        for output in outputs:
            if isinstance(output, OrderUpdate) and self.connections:
                order, office = output.order, self._office
                event = user_events.order_event(
                    output, office.scale(order.symbol), office.extras_of(order), now_ns
                )
                self._send(order.account, ORDERS, order.symbol, event)
            elif isinstance(output, PositionUpdate):
                self._take_position(output, now_ns)

    def _take_position(self, update: PositionUpdate, now_ns: int) -> None:
        position = update.position
        key = position.account, position.symbol
        before, self._held[key] = self._held.get(key, 0), position.lots
        if not self.connections or not (before or position.lots):
            return
        name = "positionAdjusted"
        if not before:
            name = "positionOpened"
        elif not position.lots:
            name = "positionClosed"
        event = user_events.position_event(self._office, position, name, now_ns)
        self._send(position.account, POSITIONS, position.symbol, event)

    def _send(self, account: str, kind: str, symbol: str, event: Json) -> None:
        now_ns, name = time.time_ns(), str(event["e"])
        copies, late_s = self._faults.passage(("user", kind, name), now_ns)
        for connection in list(self.connections):
            for stream in (kind, f"{kind}.{symbol}"):
                if connection.streams.get(stream) == account:
                    data = _frame(stream, event)
                    for _ in range(copies):
                        connection.outbox.send(data, late_s)


def _frame(stream: str, event: Json) -> bytes:
    return msgspec.json.encode({"stream": stream, "data": event})
