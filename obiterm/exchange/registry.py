"""Every order of every account, findable by id and by client id."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.values import Side
from obiterm.exchange.accounts import Account
from obiterm.exchange.api import MarketSpec, Order, OrderList, Refusal, Status, Why
from obiterm.exchange.filters import ALGO_KINDS, Standing

FINAL = frozenset(
    {
        Status.FILLED,
        Status.CANCELED,
        Status.EXPIRED,
        Status.EXPIRED_IN_MATCH,
        Status.REJECTED,
    },
)


class Orders:
    """Orders and order lists, by account."""

    def __init__(self) -> None:
        self.by_id: dict[int, Order] = {}
        self.lists: dict[int, OrderList] = {}
        self._of_account: dict[str, dict[int, Order]] = {}
        self._open: dict[str, dict[int, Order]] = {}

    def enroll(self, account: str) -> None:
        """Make room for an account."""
        self._of_account[account] = {}
        self._open[account] = {}

    def add(self, order: Order) -> None:
        """Record a new open order."""
        self.by_id[order.order_id] = order
        self._of_account[order.account][order.order_id] = order
        self._open[order.account][order.order_id] = order

    def close(self, order: Order) -> None:
        """Drop an order from the open ones; it stays findable."""
        self._open[order.account].pop(order.order_id, None)

    def is_open(self, order: Order) -> bool:
        """Tell whether the order may still trade."""
        return order.order_id in self._open[order.account]

    def open_of(self, account: str, symbol: str | None = None) -> list[Order]:
        """Return open orders, oldest first."""
        orders = self._open[account].values()
        return [order for order in orders if symbol is None or order.symbol == symbol]

    def all_of(self, account: str, symbol: str) -> list[Order]:
        """Return every order on a symbol, oldest first."""
        return [order for order in self._of_account[account].values() if order.symbol == symbol]

    def find(self, account: str, symbol: str, order_id: int | None, client_id: str | None) -> Order:
        """Return the newest match; given both ids, both must match. Raise ``Refusal``."""
        return _newest(self._of_account[account], symbol, order_id, client_id)

    def find_open(
        self, account: str, symbol: str, order_id: int | None, client_id: str | None
    ) -> Order:
        """Return the newest open match. Raise ``Refusal`` (``UNKNOWN_ORDER``)."""
        return _newest(self._open[account], symbol, order_id, client_id)

    def client_id_is_open(self, account: str, client_id: str) -> bool:
        """Tell whether an open order bears this client id (unique among open ones only)."""
        return any(order.client_id == client_id for order in self._open[account].values())

    def order_list(self, account: str, list_id: int) -> OrderList:
        """Return a list of the account. Raise ``Refusal`` (``UNKNOWN_ORDER``)."""
        order_list = self.lists.get(list_id)
        if order_list is None or order_list.account != account:
            raise Refusal(Why.UNKNOWN_ORDER, "order list")
        return order_list

    def siblings(self, order: Order) -> list[Order]:
        """Return the other open orders of the order's list."""
        order_list = self.lists.get(order.list_id)
        if order_list is None:
            return []
        legs = (self.by_id[leg] for leg in order_list.order_ids if leg != order.order_id)
        return [leg for leg in legs if self.is_open(leg)]

    def standing(self, account: Account, spec: MarketSpec) -> Standing:
        """Return what the counting filters look at."""
        orders = self.open_of(account.name, spec.symbol)
        buys = sum(o.lots - o.filled_lots for o in orders if o.side is Side.BUY)
        held = account.free_of(spec.base) + account.locked_of(spec.base)
        return Standing(
            open_orders=len(orders),
            algo_orders=sum(1 for o in orders if o.kind in ALGO_KINDS and not o.triggered),
            position=held + spec.lot_size * Decimal(buys),
        )


def _newest(
    orders: dict[int, Order], symbol: str, order_id: int | None, client_id: str | None
) -> Order:
    if order_id is not None:
        order = orders.get(order_id)
        if (
            order is not None
            and order.symbol == symbol
            and (client_id is None or order.client_id == client_id)
        ):
            return order
    elif client_id is not None:
        for order in reversed(orders.values()):
            if order.client_id == client_id and order.symbol == symbol:
                return order
    raise Refusal(Why.UNKNOWN_ORDER)
