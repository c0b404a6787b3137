"""Who hears which account's events: the listeners of its key (binance.md §11.3)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.exchange.api import (
    BalanceUpdate,
    Cause,
    FundingPayment,
    OrderUpdate,
    Output,
    PositionUpdate,
)
from obiterm.exchange.binance.backoffice import Call
from obiterm.exchange.binance_futures import user_events
from obiterm.exchange.binance_futures.office import AlgoStatus, FuturesOffice, is_public
from obiterm.exchange.wire.hub import Hub
from obiterm.exchange.wire.office import Json

_encode = msgspec.json.Encoder().encode


class UserData:
    """Sends account events to the listeners of the account's key; a sink of the back office."""

    def __init__(self, office: FuturesOffice, hub: Hub) -> None:
        self._office = office
        self._hub = hub
        self.keys = office.listen_keys
        office.tell_leverage = self.tell_leverage

    # -- life of the keys -------------------------------------------------------

    def expire(self, account: str, now_ns: int) -> bool:
        """End an account's key as time would; tell whether there was one."""
        key = self.keys.of(account)
        if key is None:
            return False
        self._send(account, user_events.key_expired(key, now_ns))
        self.keys.end(account)
        return True

    def beat(self, now_ns: int) -> None:
        """End the keys whose time is over."""
        for account in self.keys.overdue(now_ns):
            self.expire(account, now_ns)

    def listeners(self) -> int:
        """Count the live keys that somebody listens to."""
        return sum(
            bool(self._hub.streams(key))
            for account in self.keys.accounts()
            if (key := self.keys.of(account)) is not None
        )

    # -- events -----------------------------------------------------------------

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Send what concerns accounts, in order; balances and positions go together."""
        changes: list[BalanceUpdate | PositionUpdate | FundingPayment] = []
        for output in outputs:
            if isinstance(output, BalanceUpdate | PositionUpdate | FundingPayment):
                changes.append(output)
            elif isinstance(output, OrderUpdate):
                self._tell_changes(changes, now_ns)
                changes = []
                self._tell_order(output, now_ns)
        self._tell_changes(changes, now_ns)

    def _tell_changes(
        self, changes: list[BalanceUpdate | PositionUpdate | FundingPayment], now_ns: int
    ) -> None:
        balances = {one.account: one for one in changes if isinstance(one, BalanceUpdate)}
        positions: dict[str, list[PositionUpdate]] = {}
        funding: dict[str, Decimal] = {}
        for one in changes:
            if isinstance(one, FundingPayment):
                funding[one.account] = funding.get(one.account, Decimal(0)) + one.amount
            elif isinstance(one, PositionUpdate) and one.cause is not Cause.SETTINGS:
                positions.setdefault(one.position.account, []).append(one)
        for account in dict.fromkeys([*balances, *positions]):
            event = user_events.account_update(
                balances.get(account),
                positions.get(account, []),
                funding.get(account, Decimal(0)),
                self._office.scales,
                now_ns,
            )
            self._send(account, event)

    def _tell_order(self, update: OrderUpdate, now_ns: int) -> None:
        order = update.order
        scale = self._office.scale(order.symbol)
        algo = self._office.algo_of.get(order.order_id)
        if algo is not None:
            status = algo.status(order)
            starts = update.execution == "NEW" and order.triggered
            steps = [AlgoStatus.TRIGGERING, AlgoStatus.TRIGGERED] if starts else []
            if not order.triggered or status is AlgoStatus.REJECTED:
                steps = [status]
            for step in steps:
                event = user_events.algo_update(algo, update, step, scale, now_ns)
                self._send(order.account, event)
        if is_public(order) and update.execution != "REJECTED":
            early = user_events.trade_lite(update, scale, now_ns)
            if early is not None:
                self._send(order.account, early)
            self._send(order.account, user_events.order_update(update, scale, now_ns))
            if algo is not None and algo.status(order) is AlgoStatus.FINISHED:
                done = user_events.algo_update(algo, update, AlgoStatus.FINISHED, scale, now_ns)
                self._send(order.account, done)

    def tell_leverage(self, account: str, symbol: str, leverage: int, now_ns: int) -> None:
        """Send that the leverage of a market changed."""
        self._send(account, user_events.leverage_update(symbol, leverage, now_ns))

    def _send(self, account: str, event: Json) -> None:
        key = self.keys.of(account)
        if key is None:
            return
        name, data = str(event["e"]), _encode(event)
        # A listener that asked for some events only subscribed to ``key@EVENT``.
        for stream in (key, f"{key}@{name}"):
            self._hub.publish(stream, data, shown=key, labels=("user", name))


# -- operations ----------------------------------------------------------------


def start(office: FuturesOffice, call: Call) -> Json:
    """Return a listen key."""
    return {"listenKey": office.listen_keys.start(call.account, call.now_ns)}


def keep_alive(office: FuturesOffice, call: Call) -> Json:
    """Extend the listen key by an hour."""
    return {"listenKey": office.listen_keys.extend(call.account, call.now_ns)}


def close(office: FuturesOffice, call: Call) -> Json:
    """End the listen key, for every process of the account."""
    office.listen_keys.end(call.account)
    return {}
