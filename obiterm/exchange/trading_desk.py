"""Placing, matching, triggering and cancelling, over any ``Liquidity``.

A request is checked (filters, client id, post-only, trigger, funds), its funds
are locked, and only then does it meet the book. Every operation ends with
triggered stops, balance reports and the book's own publication.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from decimal import ROUND_DOWN

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.api import (
    NO_ID,
    ListUpdate,
    NewOrder,
    Order,
    OrderList,
    Refusal,
    Status,
    Tif,
    Why,
)
from obiterm.exchange.desk import Market
from obiterm.exchange.filters import ALGO_KINDS, MARKET_KINDS
from obiterm.exchange.intake import Intake
from obiterm.exchange.matching import (
    HOUSE,
    Match,
    Prevented,
    Resting,
    Sweep,
    Taker,
    quote_lots,
)
from obiterm.exchange.registry import FINAL


class TradingDesk(Intake, ABC):
    """A desk that trades. Subclasses say how trades are printed and books published."""

    # -- requests ---------------------------------------------------------------

    def place(self, account: str, request: NewOrder, now_ns: int, *, test: bool = False) -> Order:
        """Check filters and funds, then match (not with ``test``). Raise ``Refusal``."""
        market = self._market(request.symbol)
        held = self.treasury.account(account)
        request = self._fit(account, market, request)
        self._check(account, market, request)
        plan = self._plan(held.owner, market, request)
        market.money.check(request, held, plan)
        if test:
            return self._draft(account, request, plan.lots, now_ns, NO_ID)
        order = self._accept(account, request, plan.lots, now_ns)
        market.money.reserve(order, plan)
        self._report(order, "NEW")
        self._start(market, order, now_ns)
        if order.reduces:
            self._trim(market, order, now_ns)
        self._conclude(market, now_ns)
        return order

    def cancel(
        self,
        account: str,
        symbol: str,
        now_ns: int,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        cancel_client_id: str = "",
        only_status: Status | None = None,
    ) -> Order:
        """Cancel one order (and its list). Raise ``Refusal`` (``UNKNOWN_ORDER``)."""
        market = self._market(symbol)
        order = self._orders.find_open(account, symbol, order_id, client_id)
        if only_status is not None and order.status is not only_status:
            raise Refusal(Why.CANCEL_RESTRICTION, order.status.value)
        siblings = self._orders.siblings(order)
        self._end(market, order, Status.CANCELED, now_ns, cancel_client_id=cancel_client_id)
        for sibling in siblings:
            self._end(market, sibling, Status.CANCELED, now_ns)
        self._conclude(market, now_ns)
        return order

    def cancel_all(self, account: str, symbol: str, now_ns: int) -> list[Order]:
        """Cancel all open orders on a symbol. Raise ``Refusal`` (``NOTHING_OPEN``)."""
        market = self._market(symbol)
        orders = self._orders.open_of(account, symbol)
        if not orders:
            raise Refusal(Why.NOTHING_OPEN)
        for order in orders:
            self._end(market, order, Status.CANCELED, now_ns)
        self._conclude(market, now_ns)
        return orders

    # -- life of an order -------------------------------------------------------

    def _accept(self, account: str, request: NewOrder, lots: int, now_ns: int) -> Order:
        order = self._draft(account, request, lots, now_ns, self._take_order_id())
        self._orders.add(order)
        return order

    def _start(self, market: Market, order: Order, now_ns: int) -> None:
        """Let an accepted order wait for its trigger, or trade."""
        if order.kind in ALGO_KINDS:
            market.waiting.add(order)
        else:
            self._trade(market, order, order.lots, now_ns)

    def _trigger(self, market: Market, order: Order, now_ns: int) -> None:
        """Turn a waiting order into a live one; it may need more funds by now."""
        if not self._size_at_trigger(market, order):
            self._expire(market, order, "REDUCE_ONLY", now_ns)
            return
        order.triggered = True
        order.working_ns = order.updated_ns = order.triggered_ns = now_ns
        self._engage(market, order, now_ns)
        try:
            lots = market.money.fund(order, market.book, self._taker(market, order, order.lots))
        except Refusal:
            order.expiry_reason = "INSUFFICIENT_MARGIN"
            self._end(market, order, Status.REJECTED, now_ns)
            return
        self._report(order, "NEW")
        self._trade(market, order, lots, now_ns)
        if order.reduces:
            self._trim(market, order, now_ns)

    def _size_at_trigger(self, market: Market, order: Order) -> bool:
        """Cut an order that fires to what its position allows; False when that is nothing."""
        if not order.reduces:
            return True
        holding = self._holding(order.account, market, order.position_side)
        room = holding.closable(order.side)
        if order.close_fraction is not None:
            order.lots = int((room * order.close_fraction).to_integral_value(ROUND_DOWN))
        order.lots = min(order.lots, room)
        return order.lots > 0

    def _taker(self, market: Market, order: Order, lots: int) -> Taker:
        owner = self.treasury.account(order.account).owner
        limit = order.price_ticks
        if order.kind in MARKET_KINDS:
            limit = self._market_limit(market, order.side)
        return Taker(order.order_id, owner, order.side, limit, lots, order.stp)

    def _trade(self, market: Market, order: Order, lots: int, now_ns: int) -> None:
        """Sweep the book with ``lots`` of the order, then rest or end what is left."""
        taker = self._taker(market, order, lots)
        if order.tif is Tif.FOK and quote_lots(market.book, taker).exhausted:
            self._expire(market, order, "UNFILLED_FOK_ORDER_EXPIRED", now_ns)
            return
        sweep = Sweep(market.book, taker)
        self._apply(market, taker, order, sweep, now_ns)
        left = order.lots - order.filled_lots
        if sweep.taker_expired:
            self._end(market, order, Status.EXPIRED_IN_MATCH, now_ns, execution="TRADE_PREVENTION")
        elif left == 0:
            return
        elif order.kind in MARKET_KINDS:
            self._expire(market, order, "INSUFFICIENT_LIQUIDITY", now_ns)
        elif order.tif is not Tif.GTC:
            self._expire(market, order, "UNFILLED_IOC_QUANTITY_EXPIRED", now_ns)
        else:
            market.book.rest(
                Resting(order.order_id, taker.owner, order.side, order.price_ticks, left)
            )

    def _apply(
        self,
        market: Market,
        taker: Taker,
        order: Order | None,
        steps: Iterable[Match | Prevented],
        now_ns: int,
    ) -> None:
        """Settle the steps of a sweep one by one; ``order`` is ``None`` for a house taker."""
        for step in steps:
            if isinstance(step, Prevented):
                if step.maker_expires:
                    self._expire_maker(market, step.maker, now_ns)
                continue
            maker_order = self._orders.by_id.get(step.maker.order_id)
            trade_id = self._print(market, step, taker, now_ns)
            if maker_order is not None:
                self._fill(market, maker_order, step, trade_id, now_ns, is_maker=True)
            if order is not None:
                self._fill(market, order, step, trade_id, now_ns, is_maker=False)
            if step.maker.owner == taker.owner != HOUSE:
                self._note_self_trade(market, step, taker, trade_id, now_ns)

    def _fill(
        self,
        market: Market,
        order: Order,
        step: Match,
        trade_id: int,
        now_ns: int,
        *,
        is_maker: bool,
    ) -> None:
        self._engage(market, order, now_ns)
        fill = self._settle_fill(
            market, order, step.maker.ticks, step.lots, trade_id, now_ns, is_maker=is_maker
        )
        whole = order.filled_lots == order.lots
        order.status = Status.FILLED if whole else Status.PARTIALLY_FILLED
        self._report(order, "TRADE", fill)
        if whole:
            self._orders.close(order)
            market.money.release(order)
            self._close_list(order, now_ns)
        if fill.closed_lots:
            self._trim(market, order, now_ns)

    def _trim(self, market: Market, cause: Order, now_ns: int) -> None:
        """Cut resting orders that would close more than the position has left, worst first.

        What waits for the position alone ends with it.
        """
        account, leg = cause.account, cause.position_side
        holding = self._holding(account, market, leg)
        for side in Side:
            room = holding.closable(side)
            for order in self._reducers(account, market, leg, side):
                left = order.lots - order.filled_lots
                if room == 0:
                    self._expire(market, order, "REDUCE_ONLY", now_ns)
                elif left > room:
                    self._shrink(market, order, left - room, now_ns)
                room -= min(left, room)
        for order in self._orders.open_of(account, market.spec.symbol):
            ends = order.dies_with_position and order.order_id in market.waiting
            if ends and order.position_side is leg and not holding.closable(order.side):
                self._expire(market, order, "POSITION_CLOSED", now_ns)

    def _shrink(self, market: Market, order: Order, lots: int, now_ns: int) -> None:
        """Take ``lots`` off a resting order without moving it in its queue."""
        resting = market.book.find(order.order_id)
        if resting is not None:
            market.book.consume(resting, lots)
        order.lots -= lots
        order.updated_ns = now_ns
        self._report(order, "AMENDMENT")

    def _expire_maker(self, market: Market, maker: Resting, now_ns: int) -> None:
        order = self._orders.by_id[maker.order_id]
        for sibling in self._orders.siblings(order):
            self._expire(market, sibling, "OCO_TRIGGER", now_ns)
        self._end(market, order, Status.EXPIRED_IN_MATCH, now_ns, execution="TRADE_PREVENTION")

    def _expire(self, market: Market, order: Order, reason: str, now_ns: int) -> None:
        order.expiry_reason = reason
        self._end(market, order, Status.EXPIRED, now_ns)

    def _end(
        self,
        market: Market,
        order: Order,
        status: Status,
        now_ns: int,
        *,
        execution: str = "",
        cancel_client_id: str = "",
    ) -> None:
        """Take an open order off the market, give back its lock and report it."""
        market.book.remove(order.order_id)
        market.waiting.remove(order.order_id)
        order.status = status
        order.updated_ns = now_ns
        self._orders.close(order)
        market.money.release(order)
        self._report(order, execution or status.value, cancel_client_id=cancel_client_id)
        self._close_list(order, now_ns)

    # -- order lists ------------------------------------------------------------

    @abstractmethod
    def _engage(self, market: Market, order: Order, now_ns: int) -> None:
        """Tell an order's list that it starts to trade."""

    def _close_list(self, order: Order, now_ns: int) -> None:
        order_list = self._orders.lists.get(order.list_id)
        if order_list is None or order_list.done:
            return
        if all(self._orders.by_id[leg].status in FINAL for leg in order_list.order_ids):
            order_list.done = True
            self._report_list(order_list, now_ns)

    def _report_list(self, order_list: OrderList, now_ns: int) -> None:
        legs = [msgspec.structs.replace(self._orders.by_id[i]) for i in order_list.order_ids]
        self._outputs.append(ListUpdate(msgspec.structs.replace(order_list), legs, now_ns))

    # -- end of every operation -------------------------------------------------

    def _conclude(self, market: Market, now_ns: int) -> None:
        """Trigger what the last price reached, then report balances and the book."""
        while True:
            fired = market.waiting.next_fired(market.prices())
            if fired is None:
                break
            self._trigger(market, fired, now_ns)
        self._flush_balances(now_ns)
        self._publish(market, now_ns)

    def _note_self_trade(
        self, market: Market, step: Match, taker: Taker, trade_id: int, now_ns: int
    ) -> None:
        self._self_trades.append(
            {
                "symbol": market.spec.symbol,
                "trade_id": trade_id,
                "owner": taker.owner,
                "maker_order_id": step.maker.order_id,
                "taker_order_id": taker.order_id,
                "price": str(market.spec.tick_size * step.maker.ticks),
                "quantity": str(market.spec.lot_size * step.lots),
                "time_ns": now_ns,
            }
        )

    @abstractmethod
    def _print(self, market: Market, step: Match, taker: Taker, now_ns: int) -> int:
        """Put a trade on the tape where this venue does so; return its id."""

    @abstractmethod
    def _publish(self, market: Market, now_ns: int) -> None:
        """Queue the book's changes where this venue does so."""
