"""Changing an open order: its size, its price, its trigger (bybit.md §5.2, binance.md §9.1)."""

from __future__ import annotations

import msgspec

from obiterm.exchange.api import NO_ID, Kind, NewOrder, Order, Refusal, Why
from obiterm.exchange.desk import Market
from obiterm.exchange.filters import ALGO_KINDS, check, check_lots, check_perpetual
from obiterm.exchange.order_lists import OrderListDesk
from obiterm.exchange.settlement import Plan
from obiterm.exchange.triggers import fires


class AmendingDesk(OrderListDesk):
    """A desk whose orders can be changed."""

    def amend(
        self,
        account: str,
        symbol: str,
        now_ns: int,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        lots: int | None = None,
        price_ticks: int | None = None,
        trigger_ticks: int | None = None,
    ) -> Order:
        """Change an open order; fewer lots at the same price keep the place in the queue.

        ``lots`` is the new total. Raise ``Refusal`` (``UNKNOWN_ORDER``, ``UNCHANGED`` and
        those of ``place``); the order then stands as before.
        """
        market = self._market(symbol)
        order = self._orders.find_open(account, symbol, order_id, client_id)
        wanted = msgspec.structs.replace(
            order,
            lots=order.lots if lots is None else lots,
            price_ticks=order.price_ticks if price_ticks is None else price_ticks,
            trigger_ticks=order.trigger_ticks if trigger_ticks is None else trigger_ticks,
        )
        if wanted == order:
            raise Refusal(Why.UNCHANGED)
        waits = order.order_id in market.waiting
        if wanted.list_id != NO_ID or (not waits and trigger_ticks is not None):
            raise Refusal(Why.NOT_SUPPORTED, "amend")
        left = wanted.lots - wanted.filled_lots
        if left <= 0 and wanted.close_fraction is None:
            raise Refusal(Why.FILTER, "LOT_SIZE")
        self._check_amended(market, wanted, left, waits=waits)
        market.money.rearrange(order, self._amended_plan(wanted, left))
        same_price = wanted.price_ticks == order.price_ticks
        if not waits and same_price and wanted.lots < order.lots:
            self._shrink(market, order, order.lots - wanted.lots, now_ns)
        else:
            self._replace(market, order, wanted, now_ns, waits=waits)
        if order.reduces:
            self._trim(market, order, now_ns)
        self._conclude(market, now_ns)
        return order

    def _check_amended(self, market: Market, wanted: Order, left: int, *, waits: bool) -> None:
        """Apply the filters, and what a post-only or a waiting order must not do."""
        spec = market.spec
        request = NewOrder(
            symbol=wanted.symbol,
            side=wanted.side,
            kind=wanted.kind,
            client_id=wanted.client_id,
            lots=wanted.lots,
            price_ticks=wanted.price_ticks,
            trigger_ticks=wanted.trigger_ticks,
            trigger_by=wanted.trigger_by,
            reduce_only=wanted.reduce_only,
            close_fraction=wanted.close_fraction,
            position_side=wanted.position_side,
        )
        standing = self._orders.standing(self.treasury.account(wanted.account), spec)
        standing = msgspec.structs.replace(standing, open_orders=0, algo_orders=0)
        check_market = check_perpetual if spec.is_perpetual else check
        check_market(spec, request, market.reference(), standing)
        if wanted.close_fraction is None:
            check_lots(spec, wanted.kind, left)
        if waits and fires(wanted, market.prices()):
            raise Refusal(Why.WOULD_TRIGGER)
        if wanted.kind is Kind.LIMIT_MAKER:
            met = next(market.book.walk(wanted.side, wanted.price_ticks), None)
            if met is not None:
                raise Refusal(Why.WOULD_TAKE)

    @staticmethod
    def _amended_plan(wanted: Order, left: int) -> Plan:
        waits = wanted.kind in ALGO_KINDS and not wanted.triggered
        price = wanted.price_ticks or (wanted.trigger_ticks if waits else 0)
        return Plan(left, price * left, left)

    def _replace(
        self, market: Market, order: Order, wanted: Order, now_ns: int, *, waits: bool
    ) -> None:
        """Let a changed order wait on, or enter the book anew behind its price."""
        market.book.remove(order.order_id)
        order.lots = wanted.lots
        order.price_ticks = wanted.price_ticks
        order.trigger_ticks = wanted.trigger_ticks
        order.updated_ns = now_ns
        self._report(order, "AMENDMENT")
        if not waits:
            self._trade(market, order, order.lots - order.filled_lots, now_ns)
