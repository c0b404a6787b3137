"""How long positions stood without a stop, as the exchange itself saw it.

A client can only measure what it knows; what was uncovered while it was dead, deaf or wrong
is seen here.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

import msgspec

from obiterm.exchange.api import (
    BalanceUpdate,
    Kind,
    MarketSpec,
    OrderUpdate,
    Output,
    PositionUpdate,
)
from obiterm.exchange.wire.core import GatedCore
from obiterm.exchange.wire.office import Json

_KEPT_SPANS = 20_000
_STOPS = frozenset({Kind.STOP_MARKET, Kind.STOP_LIMIT})
_CHANGES = (OrderUpdate, BalanceUpdate, PositionUpdate)


class Bare(msgspec.Struct, frozen=True):
    """A time during which a position was larger than the stops that rested for it."""

    account: str
    symbol: str
    from_ns: int
    to_ns: int
    """0 while it lasts."""
    lots: int
    """Signed; what was uncovered at its beginning."""


class ProtectionMeter:
    """Watches the accounts that it is told of; a sink of the back office.

    On spot a position is what an account holds beyond what it began with; less than the
    least order is dust and needs no stop.
    """

    def __init__(self, venue: GatedCore) -> None:
        self._venue = venue
        self._began: dict[str, dict[str, Decimal]] = {}
        self._open: dict[tuple[str, str], Bare] = {}
        self._spans: deque[Bare] = deque(maxlen=_KEPT_SPANS)

    def watch(self, account: str, balances: dict[str, Decimal]) -> None:
        """Watch an account that begins with these balances."""
        self._began[account] = dict(balances)

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Look at the accounts that something has happened to."""
        touched = {
            account
            for output in outputs
            if isinstance(output, _CHANGES) and (account := _account(output)) in self._began
        }
        for account in touched:
            for symbol, spec in self._venue.markets.items():
                self._look(account, symbol, spec, now_ns)

    def describe(self) -> Json:
        """Return every bare time, oldest first; those that last end at 0."""
        return {"bare": [*self._spans, *self._open.values()]}

    def _look(self, account: str, symbol: str, spec: MarketSpec, now_ns: int) -> None:
        bare = self._bare_lots(account, symbol, spec)
        key = (account, symbol)
        known = self._open.get(key)
        if bare and known is None:
            self._open[key] = Bare(account, symbol, now_ns, 0, bare)
        elif not bare and known is not None:
            del self._open[key]
            self._spans.append(msgspec.structs.replace(known, to_ns=now_ns))

    def _bare_lots(self, account: str, symbol: str, spec: MarketSpec) -> int:
        held = self._held_lots(account, symbol, spec)
        if not held:
            return 0
        covered = sum(
            order.lots - order.filled_lots
            for order in self._venue.open_orders(account, symbol)
            if order.kind in _STOPS and (order.side.sign > 0) != (held > 0)
        )
        bare = abs(held) - covered
        if bare < spec.min_lots or self._value(spec, bare) < spec.min_notional:
            return 0
        return bare if held > 0 else -bare

    def _held_lots(self, account: str, symbol: str, spec: MarketSpec) -> int:
        if spec.is_perpetual:
            return sum(one.lots for one in self._venue.positions(account, symbol))
        free, locked = self._venue.balances(account).get(spec.base, (Decimal(0), Decimal(0)))
        gained = free + locked - self._began[account].get(spec.base, Decimal(0))
        return max(0, int(gained / spec.lot_size))

    def _value(self, spec: MarketSpec, lots: int) -> Decimal:
        top = self._venue.top(spec.symbol)
        return spec.tick_size * max(top.bid_ticks, top.ask_ticks) * spec.lot_size * lots


def _account(output: OrderUpdate | BalanceUpdate | PositionUpdate) -> str:
    if isinstance(output, OrderUpdate):
        return output.order.account
    return output.account if isinstance(output, BalanceUpdate) else output.position.account
