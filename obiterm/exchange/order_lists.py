"""Order lists on spot: one cancels the other, and both lock once (binance.md §6.5)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.accounts import ZERO
from obiterm.exchange.api import NewOrder, Order, OrderList, Refusal, Why
from obiterm.exchange.desk import Market
from obiterm.exchange.filters import MARKET_KINDS
from obiterm.exchange.settlement import SpotSettlement
from obiterm.exchange.trading_desk import TradingDesk


class OrderListDesk(TradingDesk):
    """A desk that keeps order lists."""

    def place_oco(
        self, account: str, above: NewOrder, below: NewOrder, list_client_id: str, now_ns: int
    ) -> OrderList:
        """Place two orders of which one cancels the other; they lock once, the larger.

        Raise ``Refusal``; ``LIST_PRICES`` when the legs do not stand around the last price,
        ``NOT_SUPPORTED`` for a perpetual.
        """
        market = self._market(above.symbol)
        self._check_list(account, market, above, below)
        money, held = _spot(market), self.treasury.account(account)
        lock = max(money.amount(leg, self._plan(held.owner, market, leg)) for leg in (above, below))
        held.lock(money.asset(above.side), lock)
        list_id = self._next_list_id
        self._next_list_id += 1
        legs = [
            self._accept(account, msgspec.structs.replace(leg, list_id=list_id), leg.lots, now_ns)
            for leg in (above, below)
        ]
        money.locks[legs[0].order_id], money.locks[legs[1].order_id] = lock, ZERO
        order_list = OrderList(
            list_id, account, above.symbol, list_client_id, [leg.order_id for leg in legs]
        )
        self._orders.lists[list_id] = order_list
        self._report_list(order_list, now_ns)
        for leg in legs:
            self._report(leg, "NEW")
        for leg in legs:
            self._start(market, leg, now_ns)
        self._conclude(market, now_ns)
        return order_list

    def _engage(self, market: Market, order: Order, now_ns: int) -> None:
        """A leg starts to trade: the other leg expires and the list's lock moves over."""
        siblings = self._orders.siblings(order)
        if not siblings:
            return
        locks = _spot(market).locks
        pooled = sum((locks[leg.order_id] for leg in (order, *siblings)), ZERO)
        owed = self._need(market, order)
        locks[order.order_id] = owed
        for sibling in siblings:
            locks[sibling.order_id] = ZERO
        locks[siblings[0].order_id] = pooled - owed
        for sibling in siblings:
            self._expire(market, sibling, "OCO_TRIGGER", now_ns)

    def _need(self, market: Market, order: Order) -> Decimal:
        left = order.lots - order.filled_lots
        if order.side is Side.SELL:
            return market.spec.lot_size * left
        price = order.trigger_ticks if order.kind in MARKET_KINDS else order.price_ticks
        return market.unit * (price * left)


def _spot(market: Market) -> SpotSettlement:
    if not isinstance(market.money, SpotSettlement):
        raise Refusal(Why.NOT_SUPPORTED, "order lists of perpetuals")
    return market.money
