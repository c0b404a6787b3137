"""What the futures dialect remembers beside the core: algo orders, timers, settings."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum

import msgspec

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.api import Order, PositionSide, Refusal, Status
from obiterm.exchange.binance.backoffice import BackOffice
from obiterm.exchange.binance.limits import Limits
from obiterm.exchange.binance.wire import Scale
from obiterm.exchange.binance_futures.listen_keys import ListenKeys
from obiterm.exchange.binance_futures.refusals import NO_SUCH_ORDER, UNKNOWN_ORDER
from obiterm.exchange.filters import ALGO_KINDS
from obiterm.exchange.wire.core import GatedCore

FIRST_ALGO_ID = 2_000_000


class AlgoStatus(Enum):
    """Life of a conditional order (binance.md §10.5)."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class AlgoOrder(msgspec.Struct):
    """A conditional order. ``order`` is the core's live record of it."""

    algo_id: int
    client_id: str
    order: Order
    type_name: str
    time_in_force: str
    close_position: bool = False
    price_protect: bool = False

    def status(self, order: Order | None = None) -> AlgoStatus:
        """Return where it is, or was when ``order`` was copied."""
        at = order or self.order
        if at.status is Status.REJECTED or (not at.triggered and at.expiry_reason == "REDUCE_ONLY"):
            return AlgoStatus.REJECTED
        open_ = at.status in (Status.NEW, Status.PARTIALLY_FILLED)
        if at.triggered:
            return AlgoStatus.TRIGGERED if open_ else AlgoStatus.FINISHED
        if open_:
            return AlgoStatus.NEW
        return AlgoStatus.CANCELED if at.status is Status.CANCELED else AlgoStatus.EXPIRED

    @property
    def waits(self) -> bool:
        """True until it fires or ends."""
        return self.status() is AlgoStatus.NEW


def is_public(order: Order) -> bool:
    """Tell whether an order of the core is a normal one: not a trigger that still waits."""
    return order.kind not in ALGO_KINDS or order.triggered


class FuturesOffice(BackOffice):
    """The back office of the futures."""

    def __init__(self, venue: GatedCore, limits: Limits) -> None:
        super().__init__(venue, limits)
        self.scales = {name: futures_scale(scale) for name, scale in self.scales.items()}
        self._algos: dict[str, dict[int, AlgoOrder]] = {}
        """Account -> algo id -> order, oldest first."""
        self._waiting: dict[str, dict[int, AlgoOrder]] = {}
        self.algo_of: dict[int, AlgoOrder] = {}
        """The core's order id -> algo order."""
        self.listen_keys = ListenKeys()
        self.tell_leverage: Callable[[str, str, int, int], None] = _nobody
        """Tells an account that the leverage of a symbol changed."""
        self._deadlines: dict[tuple[str, str], int] = {}
        """(account, symbol) -> when all orders are cancelled."""
        self._next_algo_id = FIRST_ALGO_ID

    # -- algo orders ------------------------------------------------------------

    def add_account(self, name: str, balances: dict[str, Decimal]) -> None:
        """Create a funded account."""
        super().add_account(name, balances)
        self._algos[name] = {}
        self._waiting[name] = {}

    def told_id(self, order_id: int, client_id: str) -> str:
        """Return the id of a conditional order, which the order that it becomes has not."""
        algo = self.algo_of.get(order_id)
        return client_id if algo is None else algo.client_id

    def add_algo(self, algo: AlgoOrder) -> AlgoOrder:
        """Keep a conditional order that the core has accepted; its id is given here."""
        algo.algo_id = self._next_algo_id
        self._next_algo_id += 1
        account = algo.order.account
        self._algos[account][algo.algo_id] = self._waiting[account][algo.algo_id] = algo
        self.algo_of[algo.order.order_id] = algo
        return algo

    def algos(self, account: str, symbol: str) -> list[AlgoOrder]:
        """Return an account's conditional orders of a symbol, oldest first."""
        return [algo for algo in self._algos[account].values() if algo.order.symbol == symbol]

    def waiting(self, account: str, symbol: str | None = None) -> list[AlgoOrder]:
        """Return those that have neither fired nor ended, oldest first."""
        waiting = {key: algo for key, algo in self._waiting[account].items() if algo.waits}
        self._waiting[account] = waiting
        return [algo for algo in waiting.values() if symbol in (None, algo.order.symbol)]

    def find_algo(
        self, account: str, algo_id: int | None, client_id: str | None, *, waiting: bool = False
    ) -> AlgoOrder:
        """Return the newest match; refuse with -2013, or -2011 when it should still wait."""
        found = self.waiting(account) if waiting else list(self._algos[account].values())
        for algo in reversed(found):
            if algo_id in (None, algo.algo_id) and client_id in (None, algo.client_id):
                return algo
        raise UNKNOWN_ORDER if waiting else NO_SUCH_ORDER

    # -- normal orders ----------------------------------------------------------

    def find_public(
        self, account: str, symbol: str, order_id: int | None, client_id: str | None
    ) -> Order:
        """Return a normal order, open or not. Raise ``Refusal``, or -2013 for a trigger."""
        found = self.venue.find_order(
            account,
            symbol,
            order_id=order_id,
            client_id=client_id if order_id is None else None,
        )
        if not is_public(found):
            raise NO_SUCH_ORDER
        return found

    def open_public(self, account: str, symbol: str | None = None) -> list[Order]:
        """Return the open normal orders, oldest first."""
        return [order for order in self.venue.open_orders(account, symbol) if is_public(order)]

    def cancel_public(self, account: str, symbol: str, now_ns: int) -> int:
        """Cancel the open normal orders of a symbol; return how many there were."""
        cancelled = 0
        for order in self.open_public(account, symbol):
            try:
                self.venue.cancel(account, symbol, now_ns, order_id=order.order_id)
            except Refusal:
                # The one before took it along.
                continue
            cancelled += 1
        return cancelled

    # -- dead-man timers --------------------------------------------------------

    def set_countdown(self, account: str, symbol: str, length_ms: int, now_ns: int) -> None:
        """Start, move or (0) stop the timer that cancels all orders of a symbol."""
        if length_ms:
            self._deadlines[account, symbol] = now_ns + length_ms * NS_PER_MS
        else:
            self._deadlines.pop((account, symbol), None)

    def run_countdowns(self, now_ns: int) -> None:
        """Cancel what nobody asked to keep."""
        for (account, symbol), deadline_ns in list(self._deadlines.items()):
            if now_ns >= deadline_ns:
                del self._deadlines[account, symbol]
                self.cancel_public(account, symbol, now_ns)
                self.flush(now_ns)

    # -- settings ---------------------------------------------------------------

    def sides(self, account: str) -> tuple[PositionSide, ...]:
        """Return the position rows that the account's mode has."""
        if self.venue.hedge_mode(account):
            return PositionSide.LONG, PositionSide.SHORT
        return (PositionSide.BOTH,)


def _nobody(account: str, symbol: str, leverage: int, now_ns: int) -> None:
    """Tell nobody."""


def places_of(unit: Decimal) -> int:
    """Return the digits after the point with which a unit is written (0.10 has two)."""
    exponent = unit.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def futures_scale(scale: Scale) -> Scale:
    """Return the writer of a market's numbers: as many digits as its steps have."""
    spec = scale.spec
    return Scale(spec, places_of(spec.tick_size), places_of(spec.lot_size))
